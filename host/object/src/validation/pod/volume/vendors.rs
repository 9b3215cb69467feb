//! Volumes of network storage, by its makers. Those of pods and of PersistentVolumes differ in their
//! references to secrets, which the latter take from any namespace.

use serde_json::Value;

use super::{Source, no_backsteps, relative_path, validate_host_path};
use crate::names;
use crate::status::FieldError;
use crate::validation::{Errors, Path, is_empty, items, text};

pub(crate) const LONG_ISCSI_NAME: &str = "Total length of <volume name>:<iscsi.targetPortal> must be under 64 \
                                   characters if iscsi.initiatorName is specified.";
const PARTITION: &str = "must be between 1 and 255, inclusive";
const UNIT: &str = "must be between 0 and 255, inclusive";
const HOST_PORTS: &str = "must be a host:port pair or multiple pairs separated by commas";
const LONGEST_DRIVER: usize = 63;

/// Those of PersistentVolumes, in upstream's order.
pub(crate) const PERSISTENT: [Source; 22] = [
    ("hostPath", "hostPath", "hostPath", validate_host_path),
    ("gcePersistentDisk", "gcePersistentDisk", "persistentDisk", validate_gce),
    ("awsElasticBlockStore", "awsElasticBlockStore", "awsElasticBlockStore", validate_aws),
    ("glusterfs", "glusterfs", "glusterfs", validate_persistent_gluster),
    ("flocker", "flocker", "flocker", validate_flocker),
    ("nfs", "nfs", "nfs", validate_nfs),
    ("rbd", "rbd", "rbd", validate_rbd),
    ("quobyte", "quobyte", "quobyte", validate_quobyte),
    ("cephfs", "cephFS", "cephfs", validate_ceph),
    ("iscsi", "iscsi", "iscsi", validate_persistent_iscsi),
    ("cinder", "cinder", "cinder", |source, path, errors| {
        errors.require_all(source, &["volumeID"], path);
        require_secret(source, path, errors);
    }),
    ("fc", "fc", "fc", validate_fibre),
    ("flexVolume", "flexVolume", "flexVolume", validate_flex),
    ("azureFile", "azureFile", "azureFile", |source, path, errors| {
        validate_azure_file(source, path, errors);
        if source["secretNamespace"] == "" {
            errors.required(&path.child("secretNamespace"), "");
        }
    }),
    ("vsphereVolume", "vsphereVolume", "vsphereVolume", validate_vsphere),
    ("photonPersistentDisk", "photonPersistentDisk", "photonPersistentDisk", validate_photon),
    ("portworxVolume", "portworxVolume", "portworxVolume", validate_portworx),
    ("azureDisk", "azureDisk", "azureDisk", validate_azure_disk),
    ("scaleIO", "scaleIO", "scaleIO", validate_scale_io),
    ("local", "local", "local", |source, path, errors| {
        errors.require_all(source, &["path"], path);
        no_backsteps(&source["path"], &path.child("path"), errors);
    }),
    ("storageos", "storageos", "storageos", |source, path, errors| {
        validate_storage_os_names(source, path, errors);
        require_secret(source, path, errors);
    }),
    ("csi", "csi", "csi", validate_persistent_csi),
];

/// A secret with its namespace.
fn require_secret(source: &Value, path: &Path, errors: &mut Errors) {
    if source["secretRef"].is_object() {
        errors.require_all(&source["secretRef"], &["name", "namespace"], &path.child("secretRef"));
    }
}

fn require_own_secret(source: &Value, path: &Path, errors: &mut Errors) {
    if source["secretRef"].is_object() {
        errors.require_all(&source["secretRef"], &["name"], &path.child("secretRef"));
    }
}

fn in_byte(value: &Value, detail: &str, path: &Path, errors: &mut Errors) {
    if value.as_i64().is_some_and(|number| !(0..=255).contains(&number)) {
        errors.invalid(path, value, detail);
    }
}

pub(super) fn validate_git(source: &Value, path: &Path, errors: &mut Errors) {
    errors.require_all(source, &["repository"], path);
    relative_path(&source["directory"], &path.child("directory"), errors);
}

pub(super) fn validate_gce(source: &Value, path: &Path, errors: &mut Errors) {
    errors.require_all(source, &["pdName"], path);
    in_byte(&source["partition"], PARTITION, &path.child("partition"), errors);
}

pub(super) fn validate_aws(source: &Value, path: &Path, errors: &mut Errors) {
    errors.require_all(source, &["volumeID"], path);
    in_byte(&source["partition"], PARTITION, &path.child("partition"), errors);
}

pub(super) fn validate_nfs(source: &Value, path: &Path, errors: &mut Errors) {
    errors.require_all(source, &["server", "path"], path);
    if !text(&source["path"]).starts_with('/') {
        errors.invalid(&path.child("path"), &source["path"], "must be an absolute path");
    }
}

pub(super) fn validate_iscsi(source: &Value, path: &Path, errors: &mut Errors) {
    validate_target(source, "must be valid format starting with iqn, eui, or naa", path, errors);
    validate_initiator(source, "must be valid format starting with iqn, eui, or naa", path, errors);
}

fn validate_persistent_iscsi(source: &Value, path: &Path, errors: &mut Errors) {
    validate_target(source, "must be valid format", path, errors);
    require_own_secret(source, path, errors);
    validate_initiator(source, "must be valid format", path, errors);
}

fn validate_target(source: &Value, unknown: &str, path: &Path, errors: &mut Errors) {
    errors.require_all(source, &["targetPortal", "iqn"], path);
    if !is_empty(&source["iqn"]) {
        validate_iscsi_name(&source["iqn"], unknown, &path.child("iqn"), errors);
    }
    in_byte(&source["lun"], UNIT, &path.child("lun"), errors);
    let authenticates = source["chapAuthDiscovery"] == true || source["chapAuthSession"] == true;
    if authenticates && !source["secretRef"].is_object() {
        errors.required(&path.child("secretRef"), "");
    }
}

fn validate_initiator(source: &Value, unknown: &str, path: &Path, errors: &mut Errors) {
    if source["initiatorName"].is_string() {
        validate_iscsi_name(&source["initiatorName"], unknown, &path.child("initiatorname"), errors);
    }
}

/// `iqn.2001-04.com.example:storage`, or a number of one of two registries.
fn validate_iscsi_name(name: &Value, unknown: &str, path: &Path, errors: &mut Errors) {
    let (kind, rest) = text(name).split_at_checked(3).unwrap_or((text(name), ""));
    let number = |length: usize| {
        let mut letters = rest.chars();
        letters.next().is_some()
            && letters.clone().count() == length
            && letters.all(|c| c.is_ascii_alphanumeric())
    };
    let good = match kind {
        "iqn" => is_iqn(rest),
        "eui" => number(16),
        "naa" => number(32),
        _ => return errors.invalid(path, name, unknown),
    };
    if !good {
        errors.invalid(path, name, "must be valid format");
    }
}

/// `.2001-04.com.example:storage`
fn is_iqn(rest: &str) -> bool {
    let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    let Some((date, rest)) = rest.strip_prefix('.').and_then(|rest| rest.split_once('.')) else {
        return false;
    };
    let dated = date.split_once('-').is_some_and(|(year, month)| digits(year, 4) && digits(month, 2));
    let Some((domain, name)) = rest.split_once(':') else { return false };
    let in_domain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let in_name = |c: char| !",;*&$|".contains(c) && !c.is_whitespace();
    dated
        && !domain.is_empty()
        && domain.chars().all(in_domain)
        && !name.is_empty()
        && name.chars().all(in_name)
}

pub(super) fn validate_gluster(source: &Value, path: &Path, errors: &mut Errors) {
    errors.require_all(source, &["endpoints", "path"], path);
}

fn validate_persistent_gluster(source: &Value, path: &Path, errors: &mut Errors) {
    validate_gluster(source, path, errors);
    let at = path.child("endpointsNamespace");
    match source["endpointsNamespace"].as_str() {
        Some("") => {
            let detail = "if the endpointnamespace is set, it must be a valid namespace name";
            errors.invalid(&at, &"".into(), detail);
        }
        Some(namespace) => errors.rule(&at, namespace, names::dns1123_label),
        None => {}
    }
}

pub(super) fn validate_flocker(source: &Value, path: &Path, errors: &mut Errors) {
    let (name, id) = (text(&source["datasetName"]), text(&source["datasetUUID"]));
    if name.is_empty() && id.is_empty() {
        errors.required(path, "one of datasetName and datasetUUID is required");
    }
    if !name.is_empty() && !id.is_empty() {
        let detail = "datasetName and datasetUUID can not be specified simultaneously";
        errors.push(FieldError::invalid(path.as_str(), "resource", detail));
    }
    if name.contains('/') {
        errors.invalid(&path.child("datasetName"), &name.into(), "must not contain '/'");
    }
}

pub(super) fn validate_rbd(source: &Value, path: &Path, errors: &mut Errors) {
    errors.require_all(source, &["monitors", "image"], path);
}

pub(super) fn validate_cinder(source: &Value, path: &Path, errors: &mut Errors) {
    errors.require_all(source, &["volumeID"], path);
    require_own_secret(source, path, errors);
}

pub(super) fn validate_ceph(source: &Value, path: &Path, errors: &mut Errors) {
    errors.require_all(source, &["monitors"], path);
}

pub(super) fn validate_quobyte(source: &Value, path: &Path, errors: &mut Errors) {
    let registry = text(&source["registry"]);
    if registry.is_empty() {
        errors.required(&path.child("registry"), HOST_PORTS);
    } else if text(&source["tenant"]).len() > 64 {
        let detail = "must be a UUID and may not exceed a length of 64 characters";
        errors.required(&path.child("tenant"), detail);
    } else {
        for _ in registry.split(',').filter(|pair| pair.matches(':').count() != 1) {
            errors.invalid(&path.child("registry"), &registry.into(), HOST_PORTS);
        }
    }
    errors.require_all(source, &["volume"], path);
}

pub(super) fn validate_fibre(source: &Value, path: &Path, errors: &mut Errors) {
    let (names, ids) = (items(&source["targetWWNs"]), items(&source["wwids"]));
    let at = path.child("targetWWNs");
    if names.is_empty() && ids.is_empty() {
        errors.required(&at, "must specify either targetWWNs or wwids, but not both");
    }
    if !names.is_empty() && !ids.is_empty() {
        let detail = "targetWWNs and wwids can not be specified simultaneously";
        errors.invalid(&at, &source["targetWWNs"], detail);
    }
    if names.is_empty() {
        return;
    }
    if source["lun"].is_null() {
        errors.required(&path.child("lun"), "lun is required if targetWWNs is specified");
    }
    in_byte(&source["lun"], UNIT, &path.child("lun"), errors);
}

pub(super) fn validate_flex(source: &Value, path: &Path, errors: &mut Errors) {
    errors.require_all(source, &["driver"], path);
    for (key, _) in source["options"].as_object().into_iter().flatten() {
        let domain = format!(".{}", key.split('/').next().unwrap_or(key).to_lowercase());
        if domain.ends_with(".kubernetes.io") || domain.ends_with(".k8s.io") {
            let detail = "kubernetes.io and k8s.io namespaces are reserved";
            errors.invalid(&path.child("options").key(key), &key.as_str().into(), detail);
        }
    }
}

pub(super) fn validate_azure_file(source: &Value, path: &Path, errors: &mut Errors) {
    errors.require_all(source, &["secretName", "shareName"], path);
}

pub(super) fn validate_azure_disk(source: &Value, path: &Path, errors: &mut Errors) {
    const MANAGED: &str =
        "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}";
    const BLOB: &str = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd";
    errors.require_all(source, &["diskName", "diskURI"], path);
    errors.given_one_of(
        &path.child("cachingMode"),
        &source["cachingMode"],
        &["None", "ReadOnly", "ReadWrite"],
    );
    errors.given_one_of(&path.child("kind"), &source["kind"], &["Dedicated", "Managed", "Shared"]);
    let (at, uri) = (path.child("diskURI"), text(&source["diskURI"]));
    match source["kind"].as_str() {
        Some("Managed") if !uri.starts_with("/subscriptions/") => {
            errors.push(FieldError::not_listed(at.as_str(), uri, &[MANAGED]));
        }
        Some("Managed") | None => {}
        Some(_) if !uri.starts_with("https://") => {
            errors.push(FieldError::not_listed(at.as_str(), uri, &[BLOB]));
        }
        Some(_) => {}
    }
}

pub(super) fn validate_vsphere(source: &Value, path: &Path, errors: &mut Errors) {
    errors.require_all(source, &["volumePath"], path);
}

pub(super) fn validate_photon(source: &Value, path: &Path, errors: &mut Errors) {
    errors.require_all(source, &["pdID"], path);
}

pub(super) fn validate_portworx(source: &Value, path: &Path, errors: &mut Errors) {
    errors.require_all(source, &["volumeID"], path);
}

pub(super) fn validate_scale_io(source: &Value, path: &Path, errors: &mut Errors) {
    errors.require_all(source, &["gateway", "system", "volumeName"], path);
}

pub(super) fn validate_storage_os(source: &Value, path: &Path, errors: &mut Errors) {
    validate_storage_os_names(source, path, errors);
    require_own_secret(source, path, errors);
}

fn validate_storage_os_names(source: &Value, path: &Path, errors: &mut Errors) {
    errors.require_all(source, &["volumeName"], path);
    for field in ["volumeName", "volumeNamespace"] {
        let name = text(&source[field]);
        if !name.is_empty() {
            errors.rule(&path.child(field), name, names::dns1123_label);
        }
    }
}

pub(super) fn validate_csi(source: &Value, path: &Path, errors: &mut Errors) {
    validate_driver(&source["driver"], &path.child("driver"), errors);
    let secret = &source["nodePublishSecretRef"];
    if secret.is_object() {
        match text(&secret["name"]) {
            "" => errors.required(&path.at(&["nodePublishSecretRef", "name"]), ""),
            name => errors.rule(&path.child("name"), name, names::dns1123_subdomain),
        }
    }
}

fn validate_persistent_csi(source: &Value, path: &Path, errors: &mut Errors) {
    validate_driver(&source["driver"], &path.child("driver"), errors);
    errors.require_all(source, &["volumeHandle"], path);
    for field in [
        "controllerPublishSecretRef",
        "controllerExpandSecretRef",
        "nodePublishSecretRef",
        "nodeExpandSecretRef",
    ] {
        let rules: [(&str, names::Rule); 2] =
            [("name", names::dns1123_subdomain), ("namespace", names::dns1123_label)];
        for (part, rule) in rules.into_iter().filter(|_| source[field].is_object()) {
            let at = path.at(&[field, part]);
            match text(&source[field][part]) {
                "" => errors.required(&at, ""),
                name => errors.rule(&at, name, rule),
            }
        }
    }
}

/// `ValidateCSIDriverName`
pub(crate) fn validate_driver(driver: &Value, path: &Path, errors: &mut Errors) {
    let name = text(driver);
    if name.is_empty() {
        return errors.required(path, "");
    }
    if name.len() > LONGEST_DRIVER {
        errors.too_long(path, LONGEST_DRIVER);
    }
    for message in names::dns1123_subdomain(&name.to_lowercase()) {
        errors.invalid(path, driver, message);
    }
}
