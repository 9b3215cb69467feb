//! Volumes, claims, classes and drivers.

use serde_json::Value;

use super::{NONE, age, boolean, created_at, integer, joined, list, name, or, path, str_of, text, wide};
use crate::kind::Column;

const UNSET: &str = "<unset>";
const OLD_CLASS: &str = "volume.beta.kubernetes.io/storage-class";
const IS_DEFAULT: [&str; 2] =
    ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];

pub(crate) fn volume_columns() -> Vec<Column> {
    vec![
        name(),
        text("Capacity", "Its size.", |volume| or(&volume["spec"]["capacity"]["storage"], "0")),
        text("Access Modes", "How it can be mounted.", |volume| modes(&volume["spec"]["accessModes"])),
        path("Reclaim Policy", "What becomes of it without its claim.", "spec.persistentVolumeReclaimPolicy"),
        text("Status", "Whether it is bound.", phase),
        text("Claim", "Whose it is.", |volume| match &volume["spec"]["claimRef"] {
            Value::Null => "".into(),
            claim => format!("{}/{}", str_of(&claim["namespace"]), str_of(&claim["name"])).into(),
        }),
        text("StorageClass", "Its class.", class),
        text("VolumeAttributesClass", "Its attributes' class.", attributes_class),
        text("Reason", "Why it is in its state.", |volume| str_of(&volume["status"]["reason"]).into()),
        age(),
        wide(text("VolumeMode", "File system or block device.", mode)),
    ]
}

pub(crate) fn claim_columns() -> Vec<Column> {
    vec![
        name(),
        text("Status", "Whether it is bound.", phase),
        path("Volume", "The volume it has.", "spec.volumeName"),
        text("Capacity", "The volume's size.", claimed_capacity),
        text("Access Modes", "How it can be mounted.", |claim| match has_volume(claim) {
            true => modes(&claim["status"]["accessModes"]),
            false => "".into(),
        }),
        text("StorageClass", "Its class.", class),
        text("VolumeAttributesClass", "Its attributes' class.", attributes_class),
        age(),
        wide(text("VolumeMode", "File system or block device.", mode)),
    ]
}

fn has_volume(claim: &Value) -> bool {
    !str_of(&claim["spec"]["volumeName"]).is_empty()
}

fn claimed_capacity(claim: &Value) -> Value {
    match has_volume(claim) {
        true => or(&claim["status"]["capacity"]["storage"], "0"),
        false => "".into(),
    }
}

fn phase(object: &Value) -> Value {
    match object["metadata"]["deletionTimestamp"].is_string() {
        true => "Terminating".into(),
        false => str_of(&object["status"]["phase"]).into(),
    }
}

fn modes(modes: &Value) -> Value {
    let short = [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ];
    let listed = short.iter().filter(|(long, _)| list(modes).iter().any(|mode| mode == long));
    listed.map(|(_, short)| *short).collect::<Vec<_>>().join(",").into()
}

fn class(object: &Value) -> Value {
    match object["metadata"]["annotations"][OLD_CLASS].as_str() {
        Some(class) => class.into(),
        None => str_of(&object["spec"]["storageClassName"]).into(),
    }
}

fn attributes_class(object: &Value) -> Value {
    or(&object["spec"]["volumeAttributesClassName"], UNSET)
}

fn mode(object: &Value) -> Value {
    or(&object["spec"]["volumeMode"], UNSET)
}

pub(crate) fn class_columns() -> Vec<Column> {
    let mut named = name();
    named.cell = crate::kind::Cell::Compute(class_name);
    vec![
        named,
        path("Provisioner", "Who makes the volumes.", "provisioner"),
        text("ReclaimPolicy", "What becomes of volumes without claims.", |class| {
            or(&class["reclaimPolicy"], "Delete")
        }),
        text("VolumeBindingMode", "When a claim gets its volume.", |class| {
            or(&class["volumeBindingMode"], "Immediate")
        }),
        text("AllowVolumeExpansion", "Whether volumes can grow.", |class| {
            (class["allowVolumeExpansion"] == true).into()
        }),
        age(),
    ]
}

fn class_name(class: &Value) -> Value {
    let annotations = &class["metadata"]["annotations"];
    let name = str_of(&class["metadata"]["name"]);
    match IS_DEFAULT.iter().any(|key| annotations[*key] == "true") {
        true => format!("{name} (default)").into(),
        false => name.into(),
    }
}

pub(crate) fn attributes_class_columns() -> Vec<Column> {
    vec![name(), path("DriverName", "Whose attributes they are.", "driverName"), age()]
}

pub(crate) fn driver_columns() -> Vec<Column> {
    vec![
        name(),
        boolean("AttachRequired", "Whether volumes are attached before they are mounted.", |driver| {
            (driver["spec"]["attachRequired"] != false).into()
        }),
        boolean("PodInfoOnMount", "Whether it is told of the pod.", |driver| {
            (driver["spec"]["podInfoOnMount"] == true).into()
        }),
        boolean("StorageCapacity", "Whether it tells free space.", |driver| {
            (driver["spec"]["storageCapacity"] == true).into()
        }),
        text("TokenRequests", "Audiences of the tokens it gets.", |driver| {
            let requests = list(&driver["spec"]["tokenRequests"]);
            let audiences: Vec<&str> = requests.iter().map(|request| str_of(&request["audience"])).collect();
            if audiences.is_empty() { UNSET.into() } else { audiences.join(",").into() }
        }),
        boolean("RequiresRepublish", "Whether it is called again and again.", |driver| {
            (driver["spec"]["requiresRepublish"] == true).into()
        }),
        text("Modes", "Lives its volumes can have.", |driver| {
            joined(&driver["spec"]["volumeLifecycleModes"], NONE)
        }),
        age(),
    ]
}

pub(crate) fn node_columns() -> Vec<Column> {
    let drivers =
        integer("Drivers", "Drivers on the node.", |node| list(&node["spec"]["drivers"]).len().into());
    vec![name(), drivers, age()]
}

pub(crate) fn capacity_columns() -> Vec<Column> {
    vec![name(), created_at()]
}

pub(crate) fn attachment_columns() -> Vec<Column> {
    vec![
        name(),
        Column { format: "name".into(), ..path("Attacher", "Who attaches it.", "spec.attacher") },
        path("PV", "The volume.", "spec.source.persistentVolumeName"),
        path("Node", "Where it is attached.", "spec.nodeName"),
        boolean("Attached", "Whether it is.", |attachment| (attachment["status"]["attached"] == true).into()),
        age(),
    ]
}
