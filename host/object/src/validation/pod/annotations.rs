//! Annotations that mean something to pods.

use serde_json::Value;

use super::{containers_of, volume};
use crate::validation::{Errors, Path, text};

const MIRROR: &str = "kubernetes.io/config.mirror";
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
const SECCOMP: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_OF_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";

/// `object` is a pod or a template.
pub(super) fn validate(object: &Value, path: &Path, errors: &mut Errors) {
    let annotations = &object["metadata"]["annotations"];
    let spec = &object["spec"];
    if let Some(mirror) = annotations.get(MIRROR).filter(|_| text(&spec["nodeName"]).is_empty()) {
        let detail = "must set spec.nodeName if mirror pod annotation is set";
        errors.invalid(&path.key(MIRROR), mirror, detail);
    }
    if let Some(cost) = annotations.get(DELETION_COST).filter(|cost| !is_cost(text(cost))) {
        errors.invalid(&path.key(DELETION_COST), cost, "must be a 32bit integer");
    }
    for (key, value) in annotations.as_object().into_iter().flatten() {
        if key == SECCOMP || key.starts_with(SECCOMP_OF_CONTAINER) {
            validate_seccomp(value, &path.child(key), errors);
        }
    }
    for (key, value) in annotations.as_object().into_iter().flatten() {
        if let Some(container) = key.strip_prefix(APP_ARMOR) {
            validate_app_armor(container, value, spec, &path.key(key), errors);
        }
    }
}

/// A number as it is usually written.
fn is_cost(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain =
        digits == "0" && !text.starts_with('-') || digits.starts_with(|c: char| ('1'..='9').contains(&c));
    plain && text.parse::<i32>().is_ok()
}

fn validate_seccomp(profile: &Value, path: &Path, errors: &mut Errors) {
    match text(profile) {
        "runtime/default" | "docker/default" | "unconfined" => {}
        named => match named.strip_prefix("localhost/") {
            Some(file) => volume::relative_path(&file.into(), path, errors),
            None => errors.invalid(path, profile, "must be a valid seccomp profile"),
        },
    }
}

fn validate_app_armor(container: &str, profile: &Value, spec: &Value, path: &Path, errors: &mut Errors) {
    if !containers_of(spec, path).any(|(other, _)| text(&other["name"]) == container) {
        errors.invalid(path, &container.into(), "container not found");
    }
    let name = text(profile);
    if !["", "runtime/default", "unconfined"].contains(&name) && !name.starts_with("localhost/") {
        errors.invalid(path, profile, format!("invalid AppArmor profile name: {name:?}"));
    }
}

/// What a running pod was started with stays written on it.
pub(super) fn validate_change(pod: &Value, old: &Value, errors: &mut Errors) {
    let path = Path::new("metadata").child("annotations");
    let (new, before) = (&pod["metadata"]["annotations"], &old["metadata"]["annotations"]);
    let mut refuse = |key: &str, what: &str| {
        let name = match key {
            MIRROR => "mirror pod annotation",
            key if key.starts_with(APP_ARMOR) => "AppArmor annotations",
            _ => return,
        };
        errors.forbidden(&path.key(key), format!("may not {what} {name}"));
    };
    for (key, _) in
        before.as_object().into_iter().flatten().filter(|(key, value)| new.get(key) != Some(value))
    {
        refuse(key, "remove or update");
    }
    for (key, _) in new.as_object().into_iter().flatten().filter(|(key, _)| before.get(key).is_none()) {
        refuse(key, "add");
    }
    validate(pod, &path, errors);
}
