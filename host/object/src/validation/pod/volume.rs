//! Volumes.

use serde_json::Value;

use super::container::relative_path;
use super::environment::{validate_field_ref, validate_resource_ref};
use crate::names;
use crate::quantity::Quantity;
use crate::validation::{Errors, NOT_NEGATIVE, Path, is_empty, items, text};
use crate::validation::{certificates, selector};

const MODE: &str = "must be a number between 0 and 0777 (octal), both inclusive";
const HOST_PATH_TYPES: [&str; 8] =
    ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
/// Fields that a downward API file may show, beside labels and annotations.
const FIELDS: [&str; 5] =
    ["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];
const PROJECTIONS: [&str; 6] =
    ["secret", "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle", "podCertificate"];
const KEY_TYPES: [&str; 6] = ["ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519", "RSA3072", "RSA4096"];
const SHORTEST_TOKEN_SECONDS: i64 = 600;

/// Names that mounts may refer to.
pub(super) struct Volumes<'v>(Vec<&'v str>);

impl Volumes<'_> {
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains(&name)
    }
}

pub(super) fn validate<'v>(volumes: &'v Value, path: &Path, errors: &mut Errors) -> Volumes<'v> {
    let mut seen: Vec<&str> = Vec::new();
    for (index, volume) in items(volumes).iter().enumerate() {
        let at = path.index(index);
        match text(&volume["name"]) {
            "" => errors.required(&at.child("name"), ""),
            name if seen.contains(&name) => errors.duplicate(&at.child("name"), name),
            name => {
                errors.rule(&at.child("name"), name, names::dns1123_label);
                seen.push(name);
            }
        }
        validate_source(volume, &at, errors);
    }
    Volumes(seen)
}

fn validate_source(volume: &Value, path: &Path, errors: &mut Errors) {
    let fields = volume.as_object().into_iter().flatten();
    let sources: Vec<&String> = fields.filter(|(name, _)| *name != "name").map(|(name, _)| name).collect();
    match sources.as_slice() {
        [] => errors.required(path, "must specify a volume type"),
        [source] => validate_one(source, &volume[*source], &path.child(source), errors),
        [_, more @ ..] => {
            for source in more {
                errors.forbidden(&path.child(source), "may not specify more than 1 volume type");
            }
        }
    }
}

fn validate_one(kind: &str, source: &Value, path: &Path, errors: &mut Errors) {
    match kind {
        "emptyDir" => validate_empty_dir(source, path, errors),
        "hostPath" => validate_host_path(source, path, errors),
        "secret" => {
            required(source, "secretName", path, errors);
            validate_files(source, path, errors);
        }
        "configMap" => {
            required(source, "name", path, errors);
            validate_files(source, path, errors);
        }
        "downwardAPI" => {
            validate_mode(&source["defaultMode"], &path.child("defaultMode"), errors);
            validate_downward(&source["items"], path, errors);
        }
        "projected" => validate_projected(source, path, errors),
        "persistentVolumeClaim" => required(source, "claimName", path, errors),
        "nfs" => {
            required(source, "server", path, errors);
            required(source, "path", path, errors);
        }
        "image" => required(source, "reference", path, errors),
        "csi" => required(source, "driver", path, errors),
        "ephemeral" if !source["volumeClaimTemplate"].is_object() => {
            errors.required(&path.child("volumeClaimTemplate"), "");
        }
        _ => {}
    }
}

fn required(source: &Value, field: &str, path: &Path, errors: &mut Errors) {
    if text(&source[field]).is_empty() {
        errors.required(&path.child(field), "");
    }
}

fn validate_empty_dir(source: &Value, path: &Path, errors: &mut Errors) {
    if Quantity::from_json(&source["sizeLimit"]).is_ok_and(|size| size < Quantity::ZERO) {
        errors.invalid(&path.child("sizeLimit"), &source["sizeLimit"], NOT_NEGATIVE);
    }
}

fn validate_host_path(source: &Value, path: &Path, errors: &mut Errors) {
    let place = text(&source["path"]);
    if place.is_empty() {
        errors.required(&path.child("path"), "");
    } else if place.split('/').any(|part| part == "..") {
        errors.invalid(&path.child("path"), &source["path"], "must not contain '..'");
    }
    errors.one_of(&path.child("type"), &source["type"], &HOST_PATH_TYPES);
}

fn validate_mode(mode: &Value, path: &Path, errors: &mut Errors) {
    if mode.as_i64().is_some_and(|mode| !(0..=0o777).contains(&mode)) {
        errors.invalid(path, mode, MODE);
    }
}

/// The files made from a Secret's or ConfigMap's keys.
fn validate_files(source: &Value, path: &Path, errors: &mut Errors) {
    validate_mode(&source["defaultMode"], &path.child("defaultMode"), errors);
    for (index, item) in items(&source["items"]).iter().enumerate() {
        let at = path.child("items").index(index);
        required(item, "key", &at, errors);
        validate_file(item, &at, errors);
    }
}

fn validate_file(item: &Value, path: &Path, errors: &mut Errors) {
    required(item, "path", path, errors);
    relative_path(&item["path"], &path.child("path"), errors);
    validate_mode(&item["mode"], &path.child("mode"), errors);
}

fn validate_downward(files: &Value, path: &Path, errors: &mut Errors) {
    for (index, item) in items(files).iter().enumerate() {
        let at = path.child("items").index(index);
        validate_file(item, &at, errors);
        match (item["fieldRef"].is_object(), item["resourceFieldRef"].is_object()) {
            (true, true) => errors.invalid(
                &at,
                &"resource".into(),
                "fieldRef and resourceFieldRef can not be specified simultaneously",
            ),
            (false, false) => errors.required(&at, "one of fieldRef and resourceFieldRef is required"),
            (true, false) => validate_field_ref(&item["fieldRef"], &at.child("fieldRef"), &FIELDS, errors),
            (false, true) => {
                validate_resource_ref(&item["resourceFieldRef"], &at.child("resourceFieldRef"), errors)
            }
        }
    }
}

fn validate_projected(projected: &Value, path: &Path, errors: &mut Errors) {
    validate_mode(&projected["defaultMode"], &path.child("defaultMode"), errors);
    for (index, source) in items(&projected["sources"]).iter().enumerate() {
        let at = path.child("sources").index(index);
        let given: Vec<&str> = PROJECTIONS.into_iter().filter(|kind| source[*kind].is_object()).collect();
        match given.as_slice() {
            [] => errors.required(&at, "must specify a volume type"),
            [kind] => validate_projection(kind, &source[*kind], &at.child(kind), errors),
            [_, more @ ..] => {
                for kind in more {
                    errors.forbidden(&at.child(kind), "may not specify more than 1 volume type per source");
                }
            }
        }
    }
}

fn validate_projection(kind: &str, source: &Value, path: &Path, errors: &mut Errors) {
    match kind {
        "secret" | "configMap" => {
            required(source, "name", path, errors);
            validate_files(source, path, errors);
        }
        "downwardAPI" => validate_downward(&source["items"], path, errors),
        "serviceAccountToken" => validate_token(source, path, errors),
        "clusterTrustBundle" => validate_trust_bundle(source, path, errors),
        "podCertificate" => validate_certificate(source, path, errors),
        _ => {}
    }
}

fn validate_trust_bundle(source: &Value, path: &Path, errors: &mut Errors) {
    match (source["name"].as_str(), source["signerName"].as_str()) {
        (Some(_), Some(_)) => errors.invalid(path, source, "only one of name and signerName may be used"),
        (Some(name), None) => {
            let at = path.child("name");
            if name.is_empty() {
                errors.required(&at, "must be a valid object name");
            }
            let signer = name.rsplit_once(':').map_or(String::new(), |(signer, _)| signer.replace(':', "/"));
            for message in certificates::bundle_name(&signer, name) {
                errors.invalid(&at, &name.into(), format!("not a valid clustertrustbundlename: {message}"));
            }
            if source["labelSelector"].is_object() {
                let detail = "labelSelector must be unset if name is specified";
                errors.invalid(&path.child("labelSelector"), &source["labelSelector"], detail);
            }
        }
        (None, Some(signer)) => {
            let at = path.child("signerName");
            if signer.is_empty() {
                errors.required(&at, "must be a valid signer name");
            }
            certificates::validate_signer(&source["signerName"], &at, errors);
            selector::validate(&source["labelSelector"], &path.child("labelSelector"), errors);
        }
        (None, None) => errors.required(path, "either name or signerName must be specified"),
    }
    required(source, "path", path, errors);
    relative_path(&source["path"], &path.child("path"), errors);
}

fn validate_certificate(source: &Value, path: &Path, errors: &mut Errors) {
    certificates::validate_signer(&source["signerName"], &path.child("signerName"), errors);
    let annotations = "userAnnotations";
    certificates::validate_user_annotations(&source[annotations], &path.child(annotations), errors);
    errors.one_of(&path.child("keyType"), &source["keyType"], &KEY_TYPES);
    let (seconds, at) = (&source["maxExpirationSeconds"], path.child("maxExpirationSeconds"));
    let shortest = certificates::SHORTEST_POD_CERTIFICATE;
    let longest = certificates::longest_pod_certificate(text(&source["signerName"]));
    if seconds.as_i64().is_some_and(|seconds| seconds < shortest) {
        errors.invalid(&at, seconds, format!("if provided, maxExpirationSeconds must be >= {shortest}"));
    }
    if seconds.as_i64().is_some_and(|seconds| seconds > longest) {
        errors.invalid(&at, seconds, format!("if provided, maxExpirationSeconds must be <= {longest}"));
    }
    let files = ["credentialBundlePath", "keyPath", "certificateChainPath"];
    if files.iter().all(|file| text(&source[*file]).is_empty()) {
        let detail = "specify at least one of credentialBundlePath, keyPath, and certificateChainPath";
        errors.required(path, detail);
    }
    for file in files.into_iter().filter(|file| !text(&source[*file]).is_empty()) {
        relative_path(&source[file], &path.child(file), errors);
    }
}

fn validate_token(source: &Value, path: &Path, errors: &mut Errors) {
    let lifetime = &source["expirationSeconds"];
    if lifetime.as_i64().is_some_and(|seconds| seconds < SHORTEST_TOKEN_SECONDS) {
        errors.invalid(
            &path.child("expirationSeconds"),
            lifetime,
            "may not specify a duration less than 10 minutes",
        );
    }
    if is_empty(&source["path"]) {
        errors.required(&path.child("path"), "");
    }
    relative_path(&source["path"], &path.child("path"), errors);
}
