//! Containers, init containers and ephemeral containers.

use serde_json::Value;

use super::super::endpoints::PROTOCOLS;
use super::{Surroundings, environment, mounts, probe, resources, security};
use crate::names;
use crate::validation::{Errors, Path, is_empty, items, text};

const PULL_POLICIES: [&str; 3] = ["Always", "IfNotPresent", "Never"];
const MESSAGE_POLICIES: [&str; 2] = ["File", "FallbackToLogsOnError"];
const RESTART_POLICIES: [&str; 3] = ["Always", "Never", "OnFailure"];
const RESTART_ACTIONS: [&str; 2] = ["Restart", "RestartAllContainers"];
const MOST_RESTART_RULES: usize = 20;
const MOST_EXIT_CODES: usize = 255;
const NOT_FOR_INIT: &str = "may not be set for init containers without restartPolicy=Always";
const NOT_FOR_EPHEMERAL: &str = "cannot be set for an Ephemeral Container";
/// What runs for as long as the pod does has these; in the order of upstream's type.
const FOR_LONG: [&str; 4] = ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"];
const NONE_OF_EPHEMERAL: [&str; 9] = [
    "ports",
    "resources",
    "resizePolicy",
    "restartPolicy",
    "restartPolicyRules",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
];

pub(super) fn validate_all(spec: &Value, around: &Surroundings<'_>, path: &Path, errors: &mut Errors) {
    validate_main(spec, around, &path.child("containers"), errors);
    validate_init(spec, around, &path.child("initContainers"), errors);
    validate_ephemeral(spec, around, &path.child("ephemeralContainers"), errors);
}

fn names_of(containers: &Value) -> Vec<&str> {
    items(containers).iter().map(|container| text(&container["name"])).collect()
}

fn validate_main(spec: &Value, around: &Surroundings<'_>, path: &Path, errors: &mut Errors) {
    let containers = items(&spec["containers"]);
    if containers.is_empty() {
        return errors.required(path, "");
    }
    let mut seen = Vec::new();
    for (index, container) in containers.iter().enumerate() {
        let at = path.index(index);
        validate_common(container, around, &at, errors);
        validate_unique(text(&container["name"]), &mut seen, &at, errors);
        probe::validate_all(container, spec, &at, errors);
        validate_restart(container, &at, errors);
    }
    validate_host_ports(containers, path, errors);
}

fn validate_unique<'v>(name: &'v str, seen: &mut Vec<&'v str>, path: &Path, errors: &mut Errors) {
    if seen.contains(&name) {
        errors.duplicate(&path.child("name"), name);
    } else {
        seen.push(name);
    }
}

fn validate_init(spec: &Value, around: &Surroundings<'_>, path: &Path, errors: &mut Errors) {
    let mut seen = names_of(&spec["containers"]);
    for (index, container) in items(&spec["initContainers"]).iter().enumerate() {
        let at = path.index(index);
        validate_common(container, around, &at, errors);
        validate_restart(container, &at, errors);
        let name = text(&container["name"]);
        if !name.is_empty() || seen.contains(&name) {
            validate_unique(name, &mut seen, &at, errors);
        }
        validate_host_ports(std::slice::from_ref(container), path, errors);
        if container["restartPolicy"] == "Always" {
            probe::validate_all(container, spec, &at, errors);
        } else {
            for field in FOR_LONG.into_iter().filter(|field| container[*field].is_object()) {
                errors.forbidden(&at.child(field), NOT_FOR_INIT);
            }
            validate_no_restart_on_resize(container, &at, errors);
        }
    }
}

fn validate_no_restart_on_resize(container: &Value, path: &Path, errors: &mut Errors) {
    for (index, policy) in items(&container["resizePolicy"]).iter().enumerate() {
        if policy["restartPolicy"] == "RestartContainer" {
            let at = path.child("resizePolicy").index(index).child("restartPolicy");
            let detail = "must not be set to 'RestartContainer' for non-sidecar initContainers";
            errors.invalid(&at, &policy["restartPolicy"], detail);
        }
    }
}

fn validate_ephemeral(spec: &Value, around: &Surroundings<'_>, path: &Path, errors: &mut Errors) {
    let others = [names_of(&spec["containers"]), names_of(&spec["initContainers"])].concat();
    let mut seen = others.clone();
    for (index, container) in items(&spec["ephemeralContainers"]).iter().enumerate() {
        let at = path.index(index);
        validate_common(container, around, &at, errors);
        validate_trimmed(container, &at, errors);
        validate_unique(text(&container["name"]), &mut seen, &at, errors);
        let target = text(&container["targetContainerName"]);
        if !target.is_empty() && !others.contains(&target) {
            errors.not_found(&at.child("targetContainerName"), target);
        }
        for field in NONE_OF_EPHEMERAL.into_iter().filter(|field| !is_empty(&container[*field])) {
            errors.forbidden(&at.child(field), NOT_FOR_EPHEMERAL);
        }
        for (index, mount) in items(&container["volumeMounts"]).iter().enumerate() {
            let at = at.child("volumeMounts").index(index);
            for field in ["subPath", "subPathExpr"].into_iter().filter(|field| !is_empty(&mount[*field])) {
                errors.forbidden(&at.child(field), NOT_FOR_EPHEMERAL);
            }
        }
    }
}

/// Only pods are told so: templates have always been let be.
pub(super) fn validate_trimmed(container: &Value, path: &Path, errors: &mut Errors) {
    if text(&container["image"]).trim() != text(&container["image"]) {
        let detail = "must not have leading or trailing whitespace";
        errors.invalid(&path.child("image"), &container["image"], detail);
    }
}

fn validate_common(container: &Value, around: &Surroundings<'_>, path: &Path, errors: &mut Errors) {
    match text(&container["name"]) {
        "" => errors.required(&path.child("name"), ""),
        name => errors.rule(&path.child("name"), name, names::dns1123_label),
    }
    errors.require_all(container, &["image"], path);
    let policy = &container["terminationMessagePolicy"];
    errors.required_listed(&path.child("terminationMessagePolicy"), policy, &MESSAGE_POLICIES);
    validate_ports(&container["ports"], &path.child("ports"), errors);
    environment::validate(container, path, errors);
    mounts::validate(container, &around.volumes, path, errors);
    errors.required_one_of(&path.child("imagePullPolicy"), &container["imagePullPolicy"], &PULL_POLICIES);
    resources::validate(&container["resources"], &around.claims, &path.child("resources"), errors);
    validate_resize(&container["resizePolicy"], around, &path.child("resizePolicy"), errors);
    let context = &container["securityContext"];
    security::validate_container(context, around.host_users, &path.child("securityContext"), errors);
}

fn validate_resize(policies: &Value, around: &Surroundings<'_>, path: &Path, errors: &mut Errors) {
    let mut seen = Vec::new();
    for (index, policy) in items(policies).iter().enumerate() {
        let (resource, restart) = (text(&policy["resourceName"]), &policy["restartPolicy"]);
        if seen.contains(&resource) {
            errors.duplicate(&path.index(index), resource);
        }
        seen.push(resource);
        errors.required_one_of(path, &policy["resourceName"], &["cpu", "memory"]);
        errors.required_one_of(path, restart, &["NotRequired", "RestartContainer"]);
        if around.restart_policy == "Never" && restart != "NotRequired" {
            let detail = "must be 'NotRequired' when pod `restartPolicy` is 'Never'";
            errors.invalid(path, restart, detail);
        }
    }
}

fn validate_restart(container: &Value, path: &Path, errors: &mut Errors) {
    let (policy, rules) = (&container["restartPolicy"], items(&container["restartPolicyRules"]));
    let at = path.child("restartPolicy");
    if policy.is_null() && !rules.is_empty() {
        errors.required(&at, "must specify restartPolicy when restart rules are used");
    }
    errors.given_one_of(&at, policy, &RESTART_POLICIES);
    let at = path.child("restartPolicyRules");
    errors.at_most(&at, rules.len(), MOST_RESTART_RULES);
    for (index, rule) in rules.iter().enumerate() {
        let at = at.index(index);
        errors.one_of(&at.child("action"), &rule["action"], &RESTART_ACTIONS);
        let (codes, at) = (&rule["exitCodes"], at.child("exitCodes"));
        if !codes.is_object() {
            errors.required(&at, "must be specified");
            continue;
        }
        errors.one_of(&at.child("operator"), &codes["operator"], &["In", "NotIn"]);
        errors.at_most(&at.child("values"), items(&codes["values"]).len(), MOST_EXIT_CODES);
    }
}

fn validate_ports(ports: &Value, path: &Path, errors: &mut Errors) {
    let mut seen: Vec<&str> = Vec::new();
    for (index, port) in items(ports).iter().enumerate() {
        let at = path.index(index);
        validate_port_name(text(&port["name"]), &mut seen, &at.child("name"), errors);
        match port["containerPort"].as_i64().unwrap_or(0) {
            0 => errors.required(&at.child("containerPort"), ""),
            number => validate_port(number, &at.child("containerPort"), errors),
        }
        match port["hostPort"].as_i64().unwrap_or(0) {
            0 => {}
            number => validate_port(number, &at.child("hostPort"), errors),
        }
        let mut protocols = PROTOCOLS;
        protocols.sort_unstable();
        errors.required_one_of(&at.child("protocol"), &port["protocol"], &protocols);
    }
}

fn validate_port_name<'v>(name: &'v str, seen: &mut Vec<&'v str>, path: &Path, errors: &mut Errors) {
    if name.is_empty() {
        return;
    }
    let before = errors.len();
    errors.rule(path, name, names::port_name);
    if errors.len() > before {
        return;
    }
    if seen.contains(&name) {
        errors.duplicate(path, name);
    }
    seen.push(name);
}

pub(super) fn validate_port(number: i64, path: &Path, errors: &mut Errors) {
    for message in names::port_number(number) {
        errors.invalid(path, &number.into(), message);
    }
}

/// No two of these containers share a port of the host.
fn validate_host_ports(containers: &[Value], path: &Path, errors: &mut Errors) {
    let mut seen: Vec<String> = Vec::new();
    for (index, container) in containers.iter().enumerate() {
        for (at, port) in items(&container["ports"]).iter().enumerate() {
            let host_port = port["hostPort"].as_i64().unwrap_or(0);
            if host_port == 0 {
                continue;
            }
            let identity = format!("{}/{}/{host_port}", text(&port["protocol"]), text(&port["hostIP"]));
            if seen.contains(&identity) {
                let at = path.index(index).child("ports").index(at).child("hostPort");
                errors.duplicate(&at, identity.as_str());
            } else {
                seen.push(identity);
            }
        }
    }
}

/// In the host's network a port is the host's port.
pub(super) fn validate_host_network(spec: &Value, is_pod: bool, path: &Path, errors: &mut Errors) {
    if spec["hostNetwork"] != true {
        return;
    }
    for (index, container) in items(&spec["containers"]).iter().enumerate() {
        for (at, port) in items(&container["ports"]).iter().enumerate() {
            let number = |field: &str| port[field].as_i64().unwrap_or(0);
            let (host, own) = (number("hostPort"), number("containerPort"));
            if (is_pod || host != 0) && host != own {
                let at = path.child("containers").index(index).child("ports").index(at).child("hostPort");
                let detail = "must match `containerPort` when `hostNetwork` is true";
                errors.invalid(&at, &host.into(), detail);
            }
        }
    }
}
