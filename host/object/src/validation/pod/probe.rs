//! Probes and lifecycle hooks.

use serde_json::Value;

use super::container::validate_port;
use crate::names;
use crate::validation::{Errors, Path, items, text};

pub(super) fn validate_all(container: &Value, path: &Path, errors: &mut Errors) {
    for (field, handlers) in [("postStart", &HOOKS), ("preStop", &HOOKS)] {
        let hook = &container["lifecycle"][field];
        if hook.is_object() {
            validate_handler(hook, handlers, &path.child("lifecycle").child(field), errors);
        }
    }
    for field in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if container[field].is_object() {
            validate_probe(&container[field], field != "readinessProbe", &path.child(field), errors);
        }
    }
}

const PROBES: [&str; 4] = ["exec", "httpGet", "tcpSocket", "grpc"];
const HOOKS: [&str; 4] = ["exec", "httpGet", "tcpSocket", "sleep"];
const COUNTS: [&str; 5] =
    ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"];

fn validate_probe(probe: &Value, once: bool, path: &Path, errors: &mut Errors) {
    validate_handler(probe, &PROBES, path, errors);
    for field in COUNTS {
        errors.not_negative(&path.child(field), &probe[field]);
    }
    // One success says all there is to say about being alive or started.
    if once && probe["successThreshold"].as_i64().is_some_and(|count| count != 1) {
        errors.invalid(&path.child("successThreshold"), &probe["successThreshold"], "must be 1");
    }
    let grace = &probe["terminationGracePeriodSeconds"];
    if grace.as_i64().is_some_and(|seconds| seconds <= 0) {
        errors.invalid(&path.child("terminationGracePeriodSeconds"), grace, "must be greater than 0");
    }
    if !once && !grace.is_null() {
        errors.invalid(
            &path.child("terminationGracePeriodSeconds"),
            grace,
            "must not be set for readinessProbes",
        );
    }
}

fn validate_handler(handler: &Value, kinds: &[&str], path: &Path, errors: &mut Errors) {
    let given: Vec<&&str> = kinds.iter().filter(|kind| handler[**kind].is_object()).collect();
    if given.is_empty() {
        errors.required(path, "must specify a handler type");
    }
    for (index, kind) in given.into_iter().enumerate() {
        let at = path.child(kind);
        if index > 0 {
            errors.forbidden(&at, "may not specify more than 1 handler type");
            continue;
        }
        let action = &handler[*kind];
        match *kind {
            "exec" if items(&action["command"]).is_empty() => errors.required(&at.child("command"), ""),
            "httpGet" => validate_http(action, &at, errors),
            "tcpSocket" | "grpc" => validate_target(&action["port"], &at.child("port"), errors),
            _ => {}
        }
    }
}

fn validate_http(action: &Value, path: &Path, errors: &mut Errors) {
    if text(&action["path"]).is_empty() {
        errors.required(&path.child("path"), "");
    }
    validate_target(&action["port"], &path.child("port"), errors);
    errors.one_of(&path.child("scheme"), &action["scheme"], &["HTTP", "HTTPS"]);
    for (index, header) in items(&action["httpHeaders"]).iter().enumerate() {
        if text(&header["name"]).is_empty() {
            errors.required(&path.child("httpHeaders").index(index).child("name"), "");
        }
    }
}

/// A number, or the name of a port of the container.
fn validate_target(port: &Value, path: &Path, errors: &mut Errors) {
    match port {
        Value::String(name) => errors.rule(path, name, names::port_name),
        number => validate_port(number.as_i64().unwrap_or(0), path, errors),
    }
}
