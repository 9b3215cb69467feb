use serde_json::Value;

use super::{Errors, Path, items, metadata, text};
use crate::names;
use crate::quantity::Quantity;
use crate::status::FieldError;

const WORLDS: [&str; 4] = ["orch:scheduler", "orch:controller", "orch:admission", "orch:cni"];
/// 64 MiB that do not compress, in chunks of 1 MiB, and then some.
const MOST_CHUNKS: i64 = 80;
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
    errors.optional_one_of(
        &path.child("rollout").child("strategy"),
        strategy,
        &["Canary", "Immediate", "Shadow"],
    );
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
    if !text(&source["digest"]).is_empty() {
        validate_digest(&source["digest"], &path.child("digest"), errors);
    }
    if !text(&source["pullSecret"]).is_empty() {
        let at = path.child("pullSecret");
        errors.rule(&at, text(&source["pullSecret"]), names::dns1123_subdomain);
        if text(&source["oci"]).is_empty() {
            errors.forbidden(&at, "may be set only with oci");
        }
    }
    let detached = ["file", "digest"].iter().any(|field| !text(&source[*field]).is_empty());
    if !text(&source["signature"]).is_empty() && !detached {
        let why =
            "may be set only with file or digest; the signatures of an OCI artifact are in its registry";
        errors.forbidden(&path.child("signature"), why);
    }
}

fn validate_digest(digest: &Value, path: &Path, errors: &mut Errors) {
    let hex = text(digest).strip_prefix("sha256:").unwrap_or("");
    let is_lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if hex.len() != 64 || !hex.bytes().all(is_lower_hex) {
        errors.invalid(path, digest, "must be sha256: and 64 hexadecimal digits");
    }
}

const ACTIONS: [&str; 3] = ["Allow", "Deny", "RequireSignature"];
const SCHEMES: [&str; 4] = ["builtin:", "file:", "oci:", "digest:"];
const PEM: &str = "-----BEGIN PUBLIC KEY-----";

pub(crate) fn validate_policy(policy: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(policy, old, names::dns1123_subdomain, &mut errors);
    let rules = Path::new("spec").child("rules");
    if policy["spec"]["rules"].is_null() {
        errors.required(&rules, "");
    }
    for (index, rule) in items(&policy["spec"]["rules"]).iter().enumerate() {
        validate_rule(rule, &rules.index(index), &mut errors);
    }
    errors.into_vec()
}

fn validate_rule(rule: &Value, path: &Path, errors: &mut Errors) {
    errors.required_one_of(&path.child("action"), &rule["action"], &ACTIONS);
    let keys = path.child("keys");
    match (text(&rule["action"]), items(&rule["keys"])) {
        ("RequireSignature", []) => errors.required(&keys, "at least one public key in PEM is needed"),
        ("RequireSignature", _) | (_, []) => {}
        _ => errors.forbidden(&keys, "may be set only with action RequireSignature"),
    }
    for (index, key) in items(&rule["keys"]).iter().enumerate() {
        if !text(key).trim_start().starts_with(PEM) {
            errors.invalid(&keys.index(index), key, format!("must be a public key in PEM, beginning {PEM}"));
        }
    }
    let sources = path.child("match").child("sources");
    for (index, source) in items(&rule["match"]["sources"]).iter().enumerate() {
        let pattern = text(source);
        if pattern != "*" && !SCHEMES.iter().any(|scheme| pattern.starts_with(scheme)) {
            let detail = format!("must be * or begin with {}", SCHEMES.join(", "));
            errors.invalid(&sources.index(index), source, detail);
        }
    }
}

pub(crate) fn validate_artifact(artifact: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(artifact, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &artifact["spec"]);
    validate_digest(&spec["digest"], &path.child("digest"), &mut errors);
    let name = text(&spec["digest"]).replace(':', "-");
    if text(&artifact["metadata"]["name"]) != name {
        let at = Path::new("metadata").child("name");
        errors.invalid(&at, &artifact["metadata"]["name"], format!("must be the digest: {name}"));
    }
    errors.required_one_of(&path.child("encoding"), &spec["encoding"], &["zstd"]);
    errors.not_negative(&path.child("size"), &spec["size"]);
    if !spec["chunks"].as_i64().is_some_and(|chunks| (1..=MOST_CHUNKS).contains(&chunks)) {
        let detail = format!("must be between 1 and {MOST_CHUNKS}");
        errors.invalid(&path.child("chunks"), &spec["chunks"], detail);
    }
    if let Some(old) = old {
        errors.immutable(&path, spec, &old["spec"]);
    }
    errors.into_vec()
}

pub(crate) fn validate_chunk(chunk: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(chunk, old, names::dns1123_subdomain, &mut errors);
    let path = Path::new("spec");
    if text(&chunk["spec"]["data"]).is_empty() {
        errors.required(&path.child("data"), "");
    }
    if let Some(old) = old {
        errors.immutable(&path, &chunk["spec"], &old["spec"]);
    }
    errors.into_vec()
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
