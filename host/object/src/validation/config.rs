//! ConfigMaps and Secrets.

mod tls;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{Errors, Path, metadata, same, text};
use crate::names;
use crate::status::FieldError;

/// Of all values together, decoded.
const MAX_SIZE: usize = 1024 * 1024;

pub(crate) fn validate_config_map(map: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(map, old, names::dns1123_subdomain, &mut errors);
    let mut size = 0;
    for (key, value) in entries(&map["data"]) {
        let path = Path::new("data").key(key);
        errors.rule(&path, key, names::config_key);
        if !map["binaryData"][key].is_null() {
            errors.invalid(&path, &key.as_str().into(), "duplicate of key present in binaryData");
        }
        size += text(value).len();
    }
    for (key, value) in entries(&map["binaryData"]) {
        errors.rule(&Path::new("binaryData").key(key), key, names::config_key);
        size += decoded_length(value);
    }
    if size > MAX_SIZE {
        errors.too_long(&Path::new(""), MAX_SIZE);
    }
    if let Some(old) = old.filter(|old| old["immutable"] == true) {
        validate_frozen(map, old, &["data", "binaryData"], &mut errors);
    }
    errors.into_vec()
}

/// Keys that a type of Secret must have.
const REQUIRED_KEYS: [(&str, &[&str]); 3] = [
    ("kubernetes.io/tls", &["tls.crt", "tls.key"]),
    ("kubernetes.io/dockercfg", &[".dockercfg"]),
    ("kubernetes.io/dockerconfigjson", &[".dockerconfigjson"]),
];

/// A pair of certificate and key that no server could use, as Go's `tls` finds it.
pub(crate) fn warn_of_secret(secret: &Value) -> Vec<String> {
    if secret["type"] != "kubernetes.io/tls" {
        return Vec::new();
    }
    let data = &secret["data"];
    tls::fault(&data["tls.crt"], &data["tls.key"]).into_iter().collect()
}

pub(crate) fn validate_secret(secret: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(secret, old, names::dns1123_subdomain, &mut errors);
    let mut size = 0;
    for (key, value) in entries(&secret["data"]) {
        errors.rule(&Path::new("data").key(key), key, names::config_key);
        size += decoded_length(value);
    }
    if size > MAX_SIZE {
        errors.too_long(&Path::new("data"), MAX_SIZE);
    }
    validate_secret_type(secret, &mut errors);
    if let Some(old) = old {
        errors.immutable(&Path::new("type"), &secret["type"], &old["type"]);
        if old["immutable"] == true {
            validate_frozen(secret, old, &["data"], &mut errors);
        }
    }
    errors.into_vec()
}

fn validate_secret_type(secret: &Value, errors: &mut Errors) {
    let path = Path::new("data");
    let has = |key: &str| !secret["data"][key].is_null();
    let kind = text(&secret["type"]);
    for (_, keys) in REQUIRED_KEYS.iter().filter(|(name, _)| *name == kind) {
        for key in keys.iter().filter(|key| !has(key)) {
            errors.required(&path.key(key), "");
        }
    }
    match kind {
        "kubernetes.io/service-account-token" => {
            let annotation = "kubernetes.io/service-account.name";
            if text(&secret["metadata"]["annotations"][annotation]).is_empty() {
                errors.required(&Path::new("metadata").child("annotations").key(annotation), "");
            }
        }
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => {
            errors.required(&path.key("username"), "");
            errors.required(&path.key("password"), "");
        }
        "kubernetes.io/ssh-auth" if text(&secret["data"]["ssh-privatekey"]).is_empty() => {
            errors.required(&path.key("ssh-privatekey"), "")
        }
        "kubernetes.io/dockercfg" | "kubernetes.io/dockerconfigjson" => {
            validate_docker_config(secret, &path, errors)
        }
        _ => {}
    }
}

fn validate_docker_config(secret: &Value, path: &Path, errors: &mut Errors) {
    for key in [".dockercfg", ".dockerconfigjson"] {
        let Some(encoded) = secret["data"][key].as_str() else { continue };
        let parsed =
            STANDARD.decode(encoded).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
        if parsed.is_none() {
            errors.invalid(
                &path.key(key),
                &"<secret contents redacted>".into(),
                "the value is not valid JSON",
            );
        }
    }
}

fn validate_frozen(new: &Value, old: &Value, fields: &[&str], errors: &mut Errors) {
    const FROZEN: &str = "field is immutable when `immutable` is set";
    if new["immutable"] != true {
        errors.forbidden(&Path::new("immutable"), FROZEN);
    }
    for field in fields.iter().filter(|field| !same(&new[**field], &old[**field])) {
        errors.forbidden(&Path::new(field), FROZEN);
    }
}

fn entries(map: &Value) -> impl Iterator<Item = (&String, &Value)> {
    map.as_object().into_iter().flatten()
}

fn decoded_length(value: &Value) -> usize {
    let encoded = text(value);
    let padding = encoded.bytes().rev().take_while(|byte| *byte == b'=').count();
    (encoded.len() / 4 * 3).saturating_sub(padding)
}
