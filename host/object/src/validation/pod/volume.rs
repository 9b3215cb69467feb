//! Volumes.

mod projected;
pub(crate) mod vendors;

use serde_json::Value;

use super::environment::{validate_field_ref, validate_resource_ref};
use crate::names;
use crate::quantity::Quantity;
use crate::status::FieldError;
use crate::validation::storage;
use crate::validation::{Errors, Path, items, text};

const MODE: &str = "must be a number between 0 and 0777 (octal), both inclusive";
const STICKY_MODE: &str = "must be a number between 0 and 01777 (octal), both inclusive";
const HOST_PATH_TYPES: [&str; 8] =
    ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
/// Fields that a downward API file may show, beside single labels and annotations.
const FIELDS: [&str; 5] =
    ["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];
const ONE_ONLY: &str = "may not specify more than 1 volume type";

/// What is wrong with a source of volumes, itself.
pub(crate) type Check = fn(&Value, &Path, &mut Errors);

/// A kind of volume: its field, and the names that upstream calls it by when there is another beside it
/// and when something in it is wrong.
pub(crate) type Source = (&'static str, &'static str, &'static str, Check);

/// In upstream's order.
const SOURCES: [Source; 30] = [
    ("emptyDir", "emptyDir", "emptyDir", validate_empty_dir),
    ("hostPath", "hostPath", "hostPath", validate_host_path),
    ("gitRepo", "gitRepo", "gitRepo", vendors::validate_git),
    ("gcePersistentDisk", "gcePersistentDisk", "persistentDisk", vendors::validate_gce),
    ("awsElasticBlockStore", "awsElasticBlockStore", "awsElasticBlockStore", vendors::validate_aws),
    ("secret", "secret", "secret", |source, path, errors| validate_files(source, "secretName", path, errors)),
    ("nfs", "nfs", "nfs", vendors::validate_nfs),
    ("iscsi", "iscsi", "iscsi", vendors::validate_iscsi),
    ("glusterfs", "glusterfs", "glusterfs", vendors::validate_gluster),
    ("flocker", "flocker", "flocker", vendors::validate_flocker),
    ("persistentVolumeClaim", "persistentVolumeClaim", "persistentVolumeClaim", |source, path, errors| {
        errors.require_all(source, &["claimName"], path);
    }),
    ("rbd", "rbd", "rbd", vendors::validate_rbd),
    ("cinder", "cinder", "cinder", vendors::validate_cinder),
    ("cephfs", "cephFS", "cephfs", vendors::validate_ceph),
    ("quobyte", "quobyte", "quobyte", vendors::validate_quobyte),
    ("downwardAPI", "downwarAPI", "downwardAPI", validate_downward),
    ("fc", "fc", "fc", vendors::validate_fibre),
    ("flexVolume", "flexVolume", "flexVolume", vendors::validate_flex),
    ("configMap", "configMap", "configMap", |source, path, errors| {
        validate_files(source, "name", path, errors)
    }),
    ("azureFile", "azureFile", "azureFile", vendors::validate_azure_file),
    ("vsphereVolume", "vsphereVolume", "vsphereVolume", vendors::validate_vsphere),
    ("photonPersistentDisk", "photonPersistentDisk", "photonPersistentDisk", vendors::validate_photon),
    ("portworxVolume", "portworxVolume", "portworxVolume", vendors::validate_portworx),
    ("azureDisk", "azureDisk", "azureDisk", vendors::validate_azure_disk),
    ("storageos", "storageos", "storageos", vendors::validate_storage_os),
    ("projected", "projected", "projected", projected::validate),
    ("scaleIO", "scaleIO", "scaleIO", vendors::validate_scale_io),
    ("csi", "csi", "csi", vendors::validate_csi),
    ("ephemeral", "ephemeral", "ephemeral", validate_ephemeral),
    ("image", "image", "image", validate_image),
];

/// The good ones, which mounts may refer to.
pub(super) struct Volumes<'v>(Vec<&'v Value>);

impl<'v> Volumes<'v> {
    pub fn get(&self, name: &str) -> Option<&'v Value> {
        self.0.iter().copied().find(|volume| text(&volume["name"]) == name)
    }
}

/// `pod` is the name of the pod, empty in templates.
pub(super) fn validate<'v>(volumes: &'v Value, pod: &str, path: &Path, errors: &mut Errors) -> Volumes<'v> {
    let mut good = Volumes(Vec::new());
    let made: Vec<String> = match pod {
        "" => Vec::new(),
        pod => claims_made(volumes, pod),
    };
    for (index, volume) in items(volumes).iter().enumerate() {
        let at = path.index(index);
        let before = errors.len();
        validate_source(volume, &SOURCES, &at, errors);
        validate_beside_source(volume, pod, &at, errors);
        match text(&volume["name"]) {
            "" => errors.required(&at.child("name"), ""),
            name => errors.rule(&at.child("name"), name, names::dns1123_label),
        }
        let name = text(&volume["name"]);
        if good.get(name).is_some() {
            errors.duplicate(&at.child("name"), name);
        }
        if errors.len() == before {
            good.0.push(volume);
        }
        let claim = &volume["persistentVolumeClaim"]["claimName"];
        if made.iter().any(|made| claim == made) {
            let detail = "must not reference a PVC that gets created for an ephemeral volume";
            errors.invalid(&at.at(&["persistentVolumeClaim", "claimName"]), claim, detail);
        }
    }
    good
}

fn claims_made(volumes: &Value, pod: &str) -> Vec<String> {
    let ephemeral = items(volumes).iter().filter(|volume| volume["ephemeral"].is_object());
    ephemeral.map(|volume| format!("{pod}-{}", text(&volume["name"]))).collect()
}

/// One source, and that one well.
pub(crate) fn validate_source(volume: &Value, sources: &[Source], path: &Path, errors: &mut Errors) {
    let mut given = sources.iter().filter(|(field, ..)| volume[*field].is_object());
    match given.next() {
        None => errors.required(path, "must specify a volume type"),
        Some((field, _, called, check)) => check(&volume[*field], &path.child(called), errors),
    }
    for (_, called, ..) in given {
        errors.forbidden(&path.child(called), ONE_ONLY);
    }
}

/// What depends on the volume's name, too.
fn validate_beside_source(volume: &Value, pod: &str, path: &Path, errors: &mut Errors) {
    const LONGEST: usize = 64;
    let name = text(&volume["name"]);
    let iscsi = &volume["iscsi"];
    if iscsi["initiatorName"].is_string() && name.len() + 1 + text(&iscsi["targetPortal"]).len() > LONGEST {
        errors.invalid(&path.child("name"), &name.into(), vendors::LONG_ISCSI_NAME);
    }
    if volume["ephemeral"].is_object() && !pod.is_empty() && !name.is_empty() {
        let claim = format!("{pod}-{name}");
        for message in names::dns1123_subdomain(&claim) {
            errors.invalid(&path.child("name"), &name.into(), format!("PVC name {claim:?}: {message}"));
        }
    }
}

fn validate_empty_dir(source: &Value, path: &Path, errors: &mut Errors) {
    if Quantity::from_json(&source["sizeLimit"]).is_ok_and(|size| size < Quantity::ZERO) {
        errors.forbidden(&path.child("sizeLimit"), "SizeLimit field must be a valid resource quantity");
    }
    if source["mode"].as_i64().is_some_and(|mode| !(0..=0o1777).contains(&mode)) {
        errors.invalid(&path.child("mode"), &source["mode"], STICKY_MODE);
    }
}

pub(crate) fn validate_host_path(source: &Value, path: &Path, errors: &mut Errors) {
    if text(&source["path"]).is_empty() {
        return errors.required(&path.child("path"), "");
    }
    no_backsteps(&source["path"], &path.child("path"), errors);
    errors.given_one_of(&path.child("type"), &source["type"], &HOST_PATH_TYPES);
}

fn validate_ephemeral(source: &Value, path: &Path, errors: &mut Errors) {
    let (template, at) = (&source["volumeClaimTemplate"], path.child("volumeClaimTemplate"));
    if !template.is_object() {
        return errors.required(&at, "");
    }
    let (metadata, of_metadata) = (&template["metadata"], at.child("metadata"));
    super::super::metadata::validate_annotations(
        &metadata["annotations"],
        &of_metadata.child("annotations"),
        errors,
    );
    super::super::metadata::validate_labels(&metadata["labels"], &of_metadata.child("labels"), errors);
    for field in ["name", "generateName", "namespace", "uid", "finalizers", "ownerReferences"] {
        if !super::is_empty(&metadata[field]) {
            errors.forbidden(&of_metadata.child(field), "cannot be set");
        }
    }
    storage::validate_claim_spec(&template["spec"], &at.child("spec"), errors);
}

fn validate_image(source: &Value, path: &Path, errors: &mut Errors) {
    errors.require_all(source, &["reference"], path);
    let policies = ["Always", "IfNotPresent", "Never"];
    errors.required_one_of(&path.child("pullPolicy"), &source["pullPolicy"], &policies);
}

fn validate_mode(mode: &Value, path: &Path, errors: &mut Errors) {
    if mode.as_i64().is_some_and(|mode| !(0..=0o777).contains(&mode)) {
        errors.invalid(path, mode, MODE);
    }
}

/// The files made from the keys of the Secret or ConfigMap that `named` names.
fn validate_files(source: &Value, named: &str, path: &Path, errors: &mut Errors) {
    errors.require_all(source, &[named], path);
    validate_mode(&source["defaultMode"], &path.child("defaultMode"), errors);
    for (index, item) in items(&source["items"]).iter().enumerate() {
        validate_file(item, &path.child("items").index(index), errors);
    }
}

fn validate_file(item: &Value, path: &Path, errors: &mut Errors) {
    errors.require_all(item, &["key", "path"], path);
    unreserved_path(&item["path"], &path.child("path"), errors);
    validate_mode(&item["mode"], &path.child("mode"), errors);
}

fn validate_downward(source: &Value, path: &Path, errors: &mut Errors) {
    validate_mode(&source["defaultMode"], &path.child("defaultMode"), errors);
    for item in items(&source["items"]) {
        validate_downward_file(item, path, errors);
    }
}

/// What is wrong with a file is said of the volume.
fn validate_downward_file(item: &Value, path: &Path, errors: &mut Errors) {
    errors.require_all(item, &["path"], path);
    unreserved_path(&item["path"], &path.child("path"), errors);
    let (field, resource) = (&item["fieldRef"], &item["resourceFieldRef"]);
    match (field.is_object(), resource.is_object()) {
        (true, both) => {
            validate_field_ref(field, &path.child("fieldRef"), &FIELDS, errors);
            if both {
                let detail = "fieldRef and resourceFieldRef can not be specified simultaneously";
                errors.push(FieldError::invalid(path.as_str(), "resource", detail));
            }
        }
        (false, true) => validate_resource_ref(resource, &path.child("resourceFieldRef"), true, errors),
        (false, false) => errors.required(path, "one of fieldRef and resourceFieldRef is required"),
    }
    validate_mode(&item["mode"], &path.child("mode"), errors);
}

/// A path that stays inside what it is relative to.
pub(crate) fn relative_path(value: &Value, path: &Path, errors: &mut Errors) {
    if text(value).starts_with('/') {
        errors.invalid(path, value, "must be a relative path");
    }
    no_backsteps(value, path, errors);
}

pub(super) fn no_backsteps(value: &Value, path: &Path, errors: &mut Errors) {
    if text(value).split('/').any(|part| part == "..") {
        errors.invalid(path, value, "must not contain '..'");
    }
}

/// Names with two dots in front are those of the node's own files.
fn unreserved_path(value: &Value, path: &Path, errors: &mut Errors) {
    relative_path(value, path, errors);
    let place = text(value);
    if place.starts_with("..") && !place.starts_with("../") {
        errors.invalid(path, value, "must not start with '..'");
    }
}
