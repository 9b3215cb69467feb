//! Containers, init containers and ephemeral containers.

use serde_json::Value;

use super::super::endpoints::PROTOCOLS;
use super::volume::Volumes;
use super::{environment, probe, resources, security};
use crate::names;
use crate::validation::{Errors, Path, is_empty, items, text};

const PULL_POLICIES: [&str; 3] = ["Always", "IfNotPresent", "Never"];
const MESSAGE_POLICIES: [&str; 2] = ["File", "FallbackToLogsOnError"];

/// What differs between the lists of containers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Init,
    Main,
    Ephemeral,
}

pub(super) fn validate_all(spec: &Value, volumes: &Volumes<'_>, path: &Path, errors: &mut Errors) {
    let lists = [
        ("containers", Role::Main),
        ("initContainers", Role::Init),
        ("ephemeralContainers", Role::Ephemeral),
    ];
    if is_empty(&spec["containers"]) {
        errors.required(&path.child("containers"), "");
    }
    let mut seen: Vec<&str> = Vec::new();
    for (field, role) in lists {
        for (index, container) in items(&spec[field]).iter().enumerate() {
            let at = path.child(field).index(index);
            validate_name(container, &mut seen, &at, errors);
            validate(container, role, volumes, &at, errors);
        }
    }
    validate_host_ports(spec, path, errors);
}

fn validate_name<'v>(container: &'v Value, seen: &mut Vec<&'v str>, path: &Path, errors: &mut Errors) {
    let at = path.child("name");
    match text(&container["name"]) {
        "" => errors.required(&at, ""),
        name if seen.contains(&name) => errors.duplicate(&at, name),
        name => {
            errors.rule(&at, name, names::dns1123_label);
            seen.push(name);
        }
    }
}

fn validate(container: &Value, role: Role, volumes: &Volumes<'_>, path: &Path, errors: &mut Errors) {
    validate_image(&container["image"], &path.child("image"), errors);
    errors.required_one_of(&path.child("imagePullPolicy"), &container["imagePullPolicy"], &PULL_POLICIES);
    let policy = &container["terminationMessagePolicy"];
    errors.required_one_of(&path.child("terminationMessagePolicy"), policy, &MESSAGE_POLICIES);
    validate_ports(&container["ports"], &path.child("ports"), errors);
    environment::validate(container, path, errors);
    validate_mounts(container, volumes, path, errors);
    resources::validate(&container["resources"], &path.child("resources"), errors);
    security::validate_container(&container["securityContext"], &path.child("securityContext"), errors);
    validate_restart(container, role, path, errors);
    validate_probes(container, role, path, errors);
}

fn validate_image(image: &Value, path: &Path, errors: &mut Errors) {
    match text(image) {
        "" => errors.required(path, ""),
        name if name.trim() != name => {
            errors.invalid(path, image, "must not have leading or trailing whitespace")
        }
        _ => {}
    }
}

fn validate_restart(container: &Value, role: Role, path: &Path, errors: &mut Errors) {
    let at = path.child("restartPolicy");
    match (role, text(&container["restartPolicy"])) {
        (_, "") => {}
        (Role::Ephemeral, _) => errors.forbidden(&at, "not allowed for ephemeral containers"),
        (Role::Main, _) => errors.one_of(&at, &container["restartPolicy"], &["Always", "OnFailure", "Never"]),
        (Role::Init, _) => errors.one_of(&at, &container["restartPolicy"], &["Always", "OnFailure", "Never"]),
    }
}

/// Containers that run to their end once have nothing to probe.
fn validate_probes(container: &Value, role: Role, path: &Path, errors: &mut Errors) {
    let keeps_running = match role {
        Role::Main => true,
        Role::Init => container["restartPolicy"] == "Always",
        Role::Ephemeral => false,
    };
    let detail = match role {
        Role::Ephemeral => "cannot be set for an Ephemeral Container",
        Role::Init | Role::Main => "may not be set for init containers without restartPolicy=Always",
    };
    for field in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
        if !keeps_running && container[field].is_object() {
            errors.forbidden(&path.child(field), detail);
        }
    }
    if keeps_running {
        probe::validate_all(container, path, errors);
    }
}

fn validate_ports(ports: &Value, path: &Path, errors: &mut Errors) {
    let mut seen: Vec<&str> = Vec::new();
    for (index, port) in items(ports).iter().enumerate() {
        let at = path.index(index);
        let name = text(&port["name"]);
        if !name.is_empty() {
            errors.rule(&at.child("name"), name, names::port_name);
            if seen.contains(&name) {
                errors.duplicate(&at.child("name"), name);
            }
            seen.push(name);
        }
        match port["containerPort"].as_i64().unwrap_or(0) {
            0 => errors.required(&at.child("containerPort"), ""),
            number => validate_port(number, &at.child("containerPort"), errors),
        }
        match port["hostPort"].as_i64().unwrap_or(0) {
            0 => {}
            number => validate_port(number, &at.child("hostPort"), errors),
        }
        errors.required_one_of(&at.child("protocol"), &port["protocol"], &PROTOCOLS);
    }
}

pub(super) fn validate_port(number: i64, path: &Path, errors: &mut Errors) {
    for message in names::port_number(number) {
        errors.invalid(path, &number.into(), message);
    }
}

fn validate_mounts(container: &Value, volumes: &Volumes<'_>, path: &Path, errors: &mut Errors) {
    let mut paths: Vec<&str> = Vec::new();
    for (index, mount) in items(&container["volumeMounts"]).iter().enumerate() {
        let at = path.child("volumeMounts").index(index);
        match text(&mount["name"]) {
            "" => errors.required(&at.child("name"), ""),
            name if !volumes.contains(name) => errors.not_found(&at.child("name"), name),
            _ => {}
        }
        match text(&mount["mountPath"]) {
            "" => errors.required(&at.child("mountPath"), ""),
            place if paths.contains(&place) => {
                errors.invalid(&at.child("mountPath"), &mount["mountPath"], "must be unique")
            }
            place => paths.push(place),
        }
        validate_sub_path(mount, &at, errors);
        let propagations = ["Bidirectional", "HostToContainer", "None"];
        errors.optional_one_of(&at.child("mountPropagation"), &mount["mountPropagation"], &propagations);
        if mount["mountPropagation"] == "Bidirectional" && container["securityContext"]["privileged"] != true
        {
            let detail = "Bidirectional mount propagation is available only to privileged containers";
            errors.forbidden(&at.child("mountPropagation"), detail);
        }
    }
}

fn validate_sub_path(mount: &Value, path: &Path, errors: &mut Errors) {
    for field in ["subPath", "subPathExpr"] {
        relative_path(&mount[field], &path.child(field), errors);
    }
    if !is_empty(&mount["subPath"]) && !is_empty(&mount["subPathExpr"]) {
        errors.invalid(
            &path.child("subPathExpr"),
            &mount["subPathExpr"],
            "subPathExpr and subPath are mutually exclusive",
        );
    }
}

/// A path that stays inside what it is relative to.
pub(super) fn relative_path(value: &Value, path: &Path, errors: &mut Errors) {
    let place = text(value);
    if place.starts_with('/') {
        errors.invalid(path, value, "must be a relative path");
    }
    if place.split('/').any(|part| part == "..") {
        errors.invalid(path, value, "must not contain '..'");
    }
}

/// In the host's network a port is the host's port; and no two containers share one.
fn validate_host_ports(spec: &Value, path: &Path, errors: &mut Errors) {
    let mut seen: Vec<String> = Vec::new();
    for (index, container) in items(&spec["containers"]).iter().enumerate() {
        for (at, port) in items(&container["ports"]).iter().enumerate() {
            let host_port = port["hostPort"].as_i64().unwrap_or(0);
            let at = path.child("containers").index(index).child("ports").index(at);
            if spec["hostNetwork"] == true && host_port != 0 && port["hostPort"] != port["containerPort"] {
                let detail = "must match `hostPort` when `hostNetwork` is true";
                errors.invalid(&at.child("containerPort"), &port["containerPort"], detail);
            }
            if host_port == 0 {
                continue;
            }
            let identity = format!("{}/{}/{host_port}", text(&port["protocol"]), text(&port["hostIP"]));
            if seen.contains(&identity) {
                errors.duplicate(&at.child("hostPort"), identity.clone());
            }
            seen.push(identity);
        }
    }
}
