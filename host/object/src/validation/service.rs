//! Services.

use std::net::IpAddr;

use serde_json::Value;

use super::endpoints::{INVALID_IP, PROTOCOLS};
use super::{Errors, Path, is_empty, items, metadata, same, text};
use crate::names;
use crate::status::FieldError;

const TYPES: [&str; 4] = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const MAX_AFFINITY_SECONDS: i64 = 86_400;

pub(crate) fn validate(service: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(service, old, names::dns1035_label, &mut errors);
    let (path, spec) = (Path::new("spec"), &service["spec"]);
    validate_type(spec, &path, &mut errors);
    validate_ports(spec, &path.child("ports"), &mut errors);
    metadata::validate_labels(&spec["selector"], &path.child("selector"), &mut errors);
    validate_affinity(spec, &path, &mut errors);
    validate_cluster_ips(spec, &path, &mut errors);
    validate_policies(spec, &path, &mut errors);
    for (index, ip) in items(&spec["externalIPs"]).iter().enumerate() {
        if text(ip).parse::<IpAddr>().is_err() {
            errors.invalid(&path.child("externalIPs").index(index), ip, INVALID_IP);
        }
    }
    if let Some(old) = old {
        validate_update(spec, &old["spec"], &path, &mut errors);
    }
    errors.into_vec()
}

fn is_headless(spec: &Value) -> bool {
    text(&spec["clusterIP"]) == "None"
}

fn validate_type(spec: &Value, path: &Path, errors: &mut Errors) {
    errors.required_one_of(&path.child("type"), &spec["type"], &TYPES);
    match text(&spec["type"]) {
        "LoadBalancer" | "NodePort" if is_headless(spec) => {
            let detail = format!("may not be set to 'None' for {} services", text(&spec["type"]));
            errors.invalid(&path.child("clusterIPs").index(0), &spec["clusterIP"], detail);
        }
        "ExternalName" => validate_external_name(spec, path, errors),
        _ => {}
    }
}

fn validate_external_name(spec: &Value, path: &Path, errors: &mut Errors) {
    if !is_empty(&spec["clusterIPs"]) {
        errors.forbidden(&path.child("clusterIPs"), "may not be set for ExternalName services");
    }
    match text(&spec["externalName"]).trim_end_matches('.') {
        "" => errors.required(&path.child("externalName"), ""),
        name => errors.rule(&path.child("externalName"), name, names::dns1123_subdomain),
    }
}

fn validate_ports(spec: &Value, path: &Path, errors: &mut Errors) {
    let ports = items(&spec["ports"]);
    if ports.is_empty() && !is_headless(spec) && text(&spec["type"]) != "ExternalName" {
        errors.required(path, "");
    }
    let mut seen_names: Vec<&str> = Vec::new();
    let mut seen: Vec<(&Value, &Value)> = Vec::new();
    let mut seen_node_ports: Vec<(&Value, &Value)> = Vec::new();
    for (index, port) in ports.iter().enumerate() {
        let at = path.index(index);
        validate_port(port, ports.len() > 1, &mut seen_names, &at, errors);
        let identity = (&port["protocol"], &port["port"]);
        if seen.contains(&identity) {
            errors.duplicate(&at, port.clone());
        }
        seen.push(identity);
        let node_port = port["nodePort"].as_i64().unwrap_or(0);
        if node_port == 0 {
            continue;
        }
        if matches!(text(&spec["type"]), "ClusterIP" | "ExternalName") {
            errors.forbidden(
                &at.child("nodePort"),
                format!("may not be used when `type` is '{}'", text(&spec["type"])),
            );
        }
        let identity = (&port["protocol"], &port["nodePort"]);
        if seen_node_ports.contains(&identity) {
            errors.duplicate(&at.child("nodePort"), node_port);
        }
        seen_node_ports.push(identity);
    }
}

fn validate_port<'v>(
    port: &'v Value,
    named: bool,
    seen: &mut Vec<&'v str>,
    path: &Path,
    errors: &mut Errors,
) {
    let name = text(&port["name"]);
    if named && name.is_empty() {
        errors.required(&path.child("name"), "");
    } else if !name.is_empty() {
        errors.rule(&path.child("name"), name, names::dns1123_label);
        if seen.contains(&name) {
            errors.duplicate(&path.child("name"), name);
        }
        seen.push(name);
    }
    port_number(&port["port"], &path.child("port"), errors);
    errors.required_one_of(&path.child("protocol"), &port["protocol"], &PROTOCOLS);
    match &port["targetPort"] {
        Value::String(name) => errors.rule(&path.child("targetPort"), name, names::port_name),
        Value::Null => {}
        number => port_number(number, &path.child("targetPort"), errors),
    }
}

fn port_number(port: &Value, path: &Path, errors: &mut Errors) {
    let number = port.as_i64().unwrap_or(0);
    for message in names::port_number(number) {
        errors.invalid(path, &number.into(), message);
    }
}

fn validate_affinity(spec: &Value, path: &Path, errors: &mut Errors) {
    errors.required_one_of(&path.child("sessionAffinity"), &spec["sessionAffinity"], &["ClientIP", "None"]);
    if spec["sessionAffinity"] != "ClientIP" {
        return;
    }
    let timeout = &spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"];
    if timeout.as_i64().is_some_and(|seconds| seconds <= 0 || seconds > MAX_AFFINITY_SECONDS) {
        let at = path.child("sessionAffinityConfig").child("clientIP").child("timeoutSeconds");
        errors.invalid(&at, timeout, format!("must be greater than 0 and less than {MAX_AFFINITY_SECONDS}"));
    }
}

fn validate_cluster_ips(spec: &Value, path: &Path, errors: &mut Errors) {
    let at = path.child("clusterIPs");
    let ips = items(&spec["clusterIPs"]);
    for (index, ip) in ips.iter().enumerate() {
        let none = text(ip) == "None" && index == 0 && ips.len() == 1;
        if !none && !text(ip).is_empty() && text(ip).parse::<IpAddr>().is_err() {
            errors.invalid(&at.index(index), ip, INVALID_IP);
        }
    }
    if ips.len() > 2 {
        errors.invalid(&at, &spec["clusterIPs"], "may only hold up to 2 values");
    }
    if let Some(first) = ips.first().filter(|first| !same(first, &spec["clusterIP"])) {
        errors.invalid(&at.index(0), first, "first value must match `clusterIP`");
    }
}

fn validate_policies(spec: &Value, path: &Path, errors: &mut Errors) {
    let policies = ["Cluster", "Local"];
    let external = path.child("externalTrafficPolicy");
    errors.optional_one_of(&external, &spec["externalTrafficPolicy"], &policies);
    errors.optional_one_of(&path.child("internalTrafficPolicy"), &spec["internalTrafficPolicy"], &policies);
    let reachable =
        matches!(text(&spec["type"]), "LoadBalancer" | "NodePort") || !is_empty(&spec["externalIPs"]);
    if !is_empty(&spec["externalTrafficPolicy"]) && !reachable {
        errors.invalid(
            &external,
            &spec["externalTrafficPolicy"],
            "may only be set for externally-accessible services",
        );
    }
    let ip_policies = ["PreferDualStack", "RequireDualStack", "SingleStack"];
    errors.optional_one_of(&path.child("ipFamilyPolicy"), &spec["ipFamilyPolicy"], &ip_policies);
    for (index, family) in items(&spec["ipFamilies"]).iter().enumerate() {
        errors.one_of(&path.child("ipFamilies").index(index), family, &["IPv4", "IPv6"]);
    }
}

fn validate_update(spec: &Value, old: &Value, path: &Path, errors: &mut Errors) {
    let external = |spec: &Value| text(&spec["type"]) == "ExternalName";
    if external(spec) || external(old) || is_empty(&old["clusterIP"]) {
        return;
    }
    if !same(&spec["clusterIP"], &old["clusterIP"]) {
        let ips = &spec["clusterIPs"];
        errors.invalid(&path.child("clusterIPs").index(0), ips, "may not change once set");
    }
}
