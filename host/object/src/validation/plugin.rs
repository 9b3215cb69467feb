use serde_json::Value;

use super::{Errors, Path, metadata, text};
use crate::names;
use crate::quantity::Quantity;
use crate::status::FieldError;

const WORLDS: [&str; 4] = ["orch:scheduler", "orch:controller", "orch:admission", "orch:cni"];
const SOURCES: [&str; 4] = ["builtin", "file", "oci", "digest"];

pub(crate) fn validate(plugin: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(plugin, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &plugin["spec"]);
    errors.required_one_of(&path.child("world"), &spec["world"], &WORLDS);
    if let Some(old) = old {
        // Another world is another plugin: what calls it is not the same.
        errors.immutable(&path.child("world"), &spec["world"], &old["spec"]["world"]);
    }
    validate_source(&spec["source"], &path.child("source"), &mut errors);
    validate_limits(&spec["limits"], &path.child("limits"), &mut errors);
    errors.optional_one_of(&path.child("failurePolicy"), &spec["failurePolicy"], &["Fail", "Ignore"]);
    let strategy = &spec["rollout"]["strategy"];
    errors.optional_one_of(&path.child("rollout").child("strategy"), strategy, &["Immediate"]);
    errors.not_negative(&path.child("weight"), &spec["weight"]);
    errors.into_vec()
}

fn validate_source(source: &Value, path: &Path, errors: &mut Errors) {
    let given: Vec<&&str> = SOURCES.iter().filter(|field| !text(&source[**field]).is_empty()).collect();
    match given.as_slice() {
        [] => errors.required(path, "exactly one of builtin, file, oci and digest must be set"),
        [_] => {}
        [_, more @ ..] => {
            for field in more {
                errors.forbidden(&path.child(field), "exactly one source may be set");
            }
        }
    }
    let file = text(&source["file"]);
    if !file.is_empty() && !file.starts_with('/') {
        errors.invalid(&path.child("file"), &source["file"], "must be an absolute path");
    }
    let digest = text(&source["digest"]);
    let hex = digest.strip_prefix("sha256:").unwrap_or("");
    if !digest.is_empty() && (hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit())) {
        errors.invalid(&path.child("digest"), &source["digest"], "must be sha256: and 64 hexadecimal digits");
    }
}

fn validate_limits(limits: &Value, path: &Path, errors: &mut Errors) {
    if let Ok(memory) = Quantity::from_json(&limits["memory"])
        && memory <= Quantity::ZERO
    {
        errors.invalid(&path.child("memory"), &limits["memory"], "must be greater than 0");
    }
    if limits["deadlineMilliseconds"].as_i64().is_some_and(|milliseconds| milliseconds <= 0) {
        let at = path.child("deadlineMilliseconds");
        errors.invalid(&at, &limits["deadlineMilliseconds"], "must be greater than 0");
    }
}
