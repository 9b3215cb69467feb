//! Volumes of several sources.

use serde_json::Value;

use super::{unreserved_path, validate_downward_file, validate_file, validate_mode};
use crate::validation::{Errors, Path, certificates, items, selector, text};

const KEY_TYPES: [&str; 6] = ["RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519"];
const SHORTEST_TOKEN_SECONDS: i64 = 600;
const LONGEST_TOKEN_SECONDS: i64 = 1 << 32;
const KINDS: [(&str, Check); 6] = [
    ("secret", validate_keys),
    ("configMap", validate_keys),
    ("downwardAPI", validate_downward),
    ("serviceAccountToken", validate_token),
    ("clusterTrustBundle", validate_trust_bundle),
    ("podCertificate", validate_certificate),
];

type Check = fn(&Value, &mut Files<'_>, &Path, &mut Errors);

/// The paths that sources before have taken, and where the volume stands.
struct Files<'p> {
    volume: &'p Path,
    taken: Vec<String>,
}

impl Files<'_> {
    /// `shown` is what upstream prints of the source.
    fn take(&mut self, path: &Value, shown: &Value, errors: &mut Errors) {
        if self.taken.iter().any(|taken| path == taken) {
            errors.invalid(self.volume, shown, "conflicting duplicate paths");
        } else {
            self.taken.push(text(path).into());
        }
    }
}

pub(super) fn validate(projected: &Value, path: &Path, errors: &mut Errors) {
    validate_mode(&projected["defaultMode"], &path.child("defaultMode"), errors);
    let mut files = Files { volume: path, taken: Vec::new() };
    for (index, source) in items(&projected["sources"]).iter().enumerate() {
        let at = path.child("sources").index(index);
        let given: Vec<_> = KINDS.iter().filter(|(kind, _)| source[*kind].is_object()).collect();
        for (kind, check) in &given {
            check(&source[*kind], &mut files, &at.child(kind), errors);
        }
        if given.len() > 1 {
            errors.forbidden(&at, "may not specify more than 1 volume type per source");
        }
    }
}

fn validate_keys(source: &Value, files: &mut Files<'_>, path: &Path, errors: &mut Errors) {
    errors.require_all(source, &["name"], path);
    for (index, item) in items(&source["items"]).iter().enumerate() {
        validate_file(item, &path.child("items").index(index), errors);
        if !text(&item["path"]).is_empty() {
            files.take(&item["path"], &source["name"], errors);
        }
    }
}

fn validate_downward(source: &Value, files: &mut Files<'_>, path: &Path, errors: &mut Errors) {
    for item in items(&source["items"]) {
        validate_downward_file(item, path, errors);
        if !text(&item["path"]).is_empty() {
            files.take(&item["path"], &item["path"], errors);
        }
    }
}

fn validate_token(source: &Value, files: &mut Files<'_>, path: &Path, errors: &mut Errors) {
    let (lifetime, at) = (&source["expirationSeconds"], path.child("expirationSeconds"));
    match lifetime.as_i64() {
        None => errors.required(&at, ""),
        Some(seconds) if seconds < SHORTEST_TOKEN_SECONDS => {
            errors.invalid(&at, lifetime, "may not specify a duration less than 10 minutes");
        }
        Some(seconds) if seconds > LONGEST_TOKEN_SECONDS => {
            errors.invalid(&at, lifetime, "may not specify a duration larger than 2^32 seconds");
        }
        Some(_) => {}
    }
    // Upstream says it of the volume.
    let at = files.volume.child("path");
    match text(&source["path"]) {
        "" => errors.required(&at, ""),
        _ => unreserved_path(&source["path"], &at, errors),
    }
}

fn validate_trust_bundle(source: &Value, files: &mut Files<'_>, path: &Path, errors: &mut Errors) {
    match (source["name"].as_str(), source["signerName"].as_str()) {
        (Some(_), Some(_)) => errors.invalid(path, source, "only one of name and signerName may be used"),
        (Some(name), None) => validate_bundle_name(name, source, path, errors),
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
    errors.require_all(source, &["path"], path);
    unreserved_path(&source["path"], &path.child("path"), errors);
    files.take(&source["path"], &source["path"], errors);
}

fn validate_bundle_name(name: &str, source: &Value, path: &Path, errors: &mut Errors) {
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

fn validate_certificate(source: &Value, files: &mut Files<'_>, path: &Path, errors: &mut Errors) {
    certificates::validate_signer(&source["signerName"], &path.child("signerName"), errors);
    let annotations = "userAnnotations";
    certificates::validate_user_annotations(&source[annotations], &path.child(annotations), errors);
    errors.listed(&path.child("keyType"), &source["keyType"], &KEY_TYPES);
    let (seconds, at) = (&source["maxExpirationSeconds"], path.child("maxExpirationSeconds"));
    let shortest = certificates::SHORTEST_POD_CERTIFICATE;
    let longest = certificates::longest_pod_certificate(text(&source["signerName"]));
    if seconds.as_i64().is_some_and(|seconds| seconds < shortest) {
        errors.invalid(&at, seconds, format!("if provided, maxExpirationSeconds must be >= {shortest}"));
    }
    if seconds.as_i64().is_some_and(|seconds| seconds > longest) {
        errors.invalid(&at, seconds, format!("if provided, maxExpirationSeconds must be <= {longest}"));
    }
    let places = ["credentialBundlePath", "keyPath", "certificateChainPath"];
    let given = places.into_iter().filter(|place| !text(&source[*place]).is_empty());
    for place in given.clone() {
        unreserved_path(&source[place], &path.child(place), errors);
        files.take(&source[place], &source[place], errors);
    }
    if given.count() == 0 {
        let detail = "specify at least one of credentialBundlePath, keyPath, and certificateChainPath";
        errors.required(path, detail);
    }
}
