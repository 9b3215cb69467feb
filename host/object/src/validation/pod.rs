//! Pods and the pod specs of templates.

mod container;
mod environment;
mod parts;
mod placement;
mod probe;
mod resources;
mod security;
mod update;
mod volume;

use serde_json::Value;

pub(crate) use parts::validate_part;

use super::{Errors, Path, is_empty, items, metadata, text};
use crate::names;
use crate::status::FieldError;

const DNS_POLICIES: [&str; 4] = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
const RESTART_POLICIES: [&str; 3] = ["Always", "OnFailure", "Never"];
const MAX_DNS_NAMESERVERS: usize = 3;

pub(crate) fn validate(pod: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(pod, old, names::dns1123_subdomain, &mut errors);
    let path = Path::new("spec");
    validate_spec(&pod["spec"], &path, &mut errors);
    if let Some(old) = old {
        update::validate(pod, old, &path, &mut errors);
    } else if text(&pod["metadata"]["resourceVersion"]).is_empty() {
        validate_ephemeral(&pod["spec"], &path, &mut errors);
    }
    errors.into_vec()
}

pub(crate) fn validate_spec(spec: &Value, path: &Path, errors: &mut Errors) {
    let volumes = volume::validate(&spec["volumes"], &path.child("volumes"), errors);
    container::validate_all(spec, &volumes, path, errors);
    let restart = path.child("restartPolicy");
    errors.required_one_of(&restart, &spec["restartPolicy"], &RESTART_POLICIES);
    validate_dns(spec, path, errors);
    security::validate_pod(spec, path, errors);
    validate_names(spec, path, errors);
    validate_times(spec, path, errors);
    placement::validate(spec, path, errors);
    resources::validate_pod(spec, path, errors);
}

/// Debugging containers join a running pod; they are no part of a new one (without a version yet).
fn validate_ephemeral(spec: &Value, path: &Path, errors: &mut Errors) {
    if !is_empty(&spec["ephemeralContainers"]) {
        errors.forbidden(&path.child("ephemeralContainers"), "cannot be set on create");
    }
}

fn validate_dns(spec: &Value, path: &Path, errors: &mut Errors) {
    errors.required_one_of(&path.child("dnsPolicy"), &spec["dnsPolicy"], &DNS_POLICIES);
    let nameservers = items(&spec["dnsConfig"]["nameservers"]);
    let at = path.child("dnsConfig").child("nameservers");
    if spec["dnsPolicy"] == "None" && nameservers.is_empty() {
        if spec["dnsConfig"].is_object() {
            errors.required(&at, "must provide at least one DNS nameserver when `dnsPolicy` is None");
        } else {
            errors.required(&path.child("dnsConfig"), "must provide `dnsConfig` when `dnsPolicy` is None");
        }
    }
    if nameservers.len() > MAX_DNS_NAMESERVERS {
        let value = &spec["dnsConfig"]["nameservers"];
        errors.invalid(&at, value, format!("must not have more than {MAX_DNS_NAMESERVERS} nameservers"));
    }
    for (index, server) in nameservers.iter().enumerate() {
        if text(server).parse::<std::net::IpAddr>().is_err() {
            errors.invalid(&at.index(index), server, super::endpoints::INVALID_IP);
        }
    }
}

fn validate_names(spec: &Value, path: &Path, errors: &mut Errors) {
    let rules: [(&str, names::Rule); 7] = [
        ("serviceAccountName", names::dns1123_subdomain),
        ("nodeName", names::dns1123_subdomain),
        ("hostname", names::dns1123_label),
        ("subdomain", names::dns1123_label),
        ("priorityClassName", names::dns1123_subdomain),
        ("runtimeClassName", names::dns1123_subdomain),
        ("schedulerName", names::qualified_name),
    ];
    for (field, rule) in rules {
        let name = text(&spec[field]);
        if !name.is_empty() {
            errors.rule(&path.child(field), name, rule);
        }
    }
    for (index, secret) in items(&spec["imagePullSecrets"]).iter().enumerate() {
        if text(&secret["name"]).is_empty() {
            errors.required(&path.child("imagePullSecrets").index(index).child("name"), "");
        }
    }
    for (index, alias) in items(&spec["hostAliases"]).iter().enumerate() {
        let at = path.child("hostAliases").index(index);
        if text(&alias["ip"]).parse::<std::net::IpAddr>().is_err() {
            errors.invalid(&at.child("ip"), &alias["ip"], super::endpoints::INVALID_IP);
        }
        for (index, name) in items(&alias["hostnames"]).iter().enumerate() {
            errors.rule(&at.child("hostnames").index(index), text(name), names::dns1123_subdomain);
        }
    }
}

fn validate_times(spec: &Value, path: &Path, errors: &mut Errors) {
    let deadline = &spec["activeDeadlineSeconds"];
    let in_range = |seconds: i64| (1..=i64::from(i32::MAX)).contains(&seconds);
    if deadline.as_i64().is_some_and(|seconds| !in_range(seconds)) {
        let at = path.child("activeDeadlineSeconds");
        errors.invalid(&at, deadline, "must be between 1 and 2147483647, inclusive");
    }
}
