//! Probes and lifecycle hooks.

use serde_json::Value;

use super::container::validate_port;
use crate::names;
use crate::validation::{Errors, Path, items, text};

const PROBES: [&str; 4] = ["exec", "httpGet", "tcpSocket", "grpc"];
const HOOKS: [&str; 4] = ["exec", "httpGet", "tcpSocket", "sleep"];
const COUNTS: [&str; 5] =
    ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"];

pub(super) fn validate_all(container: &Value, spec: &Value, path: &Path, errors: &mut Errors) {
    let (hooks, at) = (&container["lifecycle"], path.child("lifecycle"));
    for field in ["postStart", "preStop"] {
        if hooks[field].is_object() {
            validate_handler(&hooks[field], &HOOKS, spec, &at.child(field), errors);
        }
    }
    if !hooks["stopSignal"].is_null() {
        validate_signal(&hooks["stopSignal"], &spec["os"], &at.child("stopSignal"), errors);
    }
    for field in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if container[field].is_object() {
            validate_probe(&container[field], field != "readinessProbe", spec, &path.child(field), errors);
        }
    }
}

fn validate_probe(probe: &Value, once: bool, spec: &Value, path: &Path, errors: &mut Errors) {
    validate_handler(probe, &PROBES, spec, path, errors);
    for field in COUNTS {
        errors.not_negative(&path.child(field), &probe[field]);
    }
    let (grace, at) = (&probe["terminationGracePeriodSeconds"], path.child("terminationGracePeriodSeconds"));
    if grace.as_i64().is_some_and(|seconds| seconds <= 0) {
        errors.invalid(&at, grace, "must be greater than 0");
    }
    // One success says all there is to say about being alive or started.
    let successes = probe["successThreshold"].as_i64().unwrap_or(0);
    if once && successes != 1 {
        errors.invalid(&path.child("successThreshold"), &successes.into(), "must be 1");
    }
    if !once && !grace.is_null() {
        errors.invalid(&at, grace, "must not be set for readinessProbes");
    }
}

fn validate_handler(handler: &Value, kinds: &[&str], spec: &Value, path: &Path, errors: &mut Errors) {
    let mut given = kinds.iter().filter(|kind| handler[**kind].is_object());
    match given.next() {
        None => errors.required(path, "must specify a handler type"),
        Some(kind) => validate_action(kind, &handler[*kind], spec, &path.child(kind), errors),
    }
    for kind in given {
        errors.forbidden(&path.child(kind), "may not specify more than 1 handler type");
    }
}

fn validate_action(kind: &str, action: &Value, spec: &Value, path: &Path, errors: &mut Errors) {
    match kind {
        "exec" => errors.require_all(action, &["command"], path),
        "httpGet" => validate_http(action, path, errors),
        "tcpSocket" => validate_target(&action["port"], &path.child("port"), errors),
        "grpc" => {
            validate_port(action["port"].as_i64().unwrap_or(0), &path.child("port"), errors);
            errors.given_one_of(&path.child("mode"), &action["mode"], &["Plaintext", "TLS"]);
        }
        "sleep" => validate_sleep(action, &spec["terminationGracePeriodSeconds"], path, errors),
        _ => {}
    }
}

fn validate_sleep(sleep: &Value, grace: &Value, path: &Path, errors: &mut Errors) {
    let seconds = sleep["seconds"].as_i64().unwrap_or(0);
    let Some(grace) = grace.as_i64().filter(|grace| !(0..=*grace).contains(&seconds)) else { return };
    let detail = format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
    errors.invalid(path, &seconds.into(), detail);
}

fn validate_http(action: &Value, path: &Path, errors: &mut Errors) {
    errors.require_all(action, &["path"], path);
    validate_target(&action["port"], &path.child("port"), errors);
    errors.one_of(&path.child("scheme"), &action["scheme"], &["HTTP", "HTTPS"]);
    for header in items(&action["httpHeaders"]) {
        errors.rule(&path.child("httpHeaders"), text(&header["name"]), names::header_name);
    }
}

/// A number, or the name of a port of the container.
pub(crate) fn validate_target(port: &Value, path: &Path, errors: &mut Errors) {
    match port {
        Value::String(name) => errors.rule(path, name, names::port_name),
        number => validate_port(number.as_i64().unwrap_or(0), path, errors),
    }
}

const WINDOWS_SIGNALS: [&str; 2] = ["SIGKILL", "SIGTERM"];

fn validate_signal(signal: &Value, os: &Value, path: &Path, errors: &mut Errors) {
    match text(&os["name"]) {
        _ if os.is_null() => {
            errors.forbidden(path, "may not be set for containers with empty `spec.os.name`");
        }
        "windows" => errors.one_of(path, signal, &WINDOWS_SIGNALS),
        "linux" => {
            let signals = linux_signals();
            let signals: Vec<&str> = signals.iter().map(String::as_str).collect();
            errors.one_of(path, signal, &signals);
        }
        _ => {}
    }
}

fn linux_signals() -> Vec<String> {
    const PLAIN: &str = "ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV \
                         STKFLT STOP SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX";
    let plain = PLAIN.split(' ').map(|name| format!("SIG{name}"));
    let above = (1..=15).map(|n| format!("SIGRTMIN+{n}"));
    let below = (1..=14).map(|n| format!("SIGRTMAX-{n}"));
    plain.chain(above).chain(below).collect()
}
