//! Services.

mod addresses;

use serde_json::{Value, json};

use super::endpoints::PROTOCOLS;
use super::{Errors, Path, ip, is_empty, items, metadata, pod, same, text};
use crate::names;
use crate::status::FieldError;

const TYPES: [&str; 4] = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const DISTRIBUTIONS: [&str; 3] = ["PreferClose", "PreferSameZone", "PreferSameNode"];
const POLICIES: [&str; 2] = ["Cluster", "Local"];
const MAX_AFFINITY_SECONDS: i64 = 86_400;
const BALANCED_ONLY: &str = "may only be used when `type` is 'LoadBalancer'";
const HINTS: &str = "service.kubernetes.io/topology-aware-hints";
const MODE: &str = "service.kubernetes.io/topology-mode";

pub(crate) fn validate(service: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let (path, spec) = (Path::new("spec"), &service["spec"]);
    // Upstream looks at these first, to allocate what they ask for.
    addresses::validate(spec, &path, &mut errors);
    if !errors.is_empty() {
        return errors.into_vec();
    }
    metadata::validate_either(service, old, names::dns1123_label, &mut errors);
    if let Some(old) = old {
        addresses::validate_update(spec, &old["spec"], &path, &mut errors);
        validate_class_update(spec, &old["spec"], &path.child("loadBalancerClass"), &mut errors);
    }
    validate_annotations(service, &mut errors);
    validate_type(spec, &path, &mut errors);
    validate_ports(spec, &path.child("ports"), &mut errors);
    metadata::validate_labels(&spec["selector"], &path.child("selector"), &mut errors);
    validate_affinity(spec, &path, &mut errors);
    let external = path.child("externalIPs");
    for (index, address) in items(&spec["externalIPs"]).iter().enumerate() {
        let (at, before) = (external.index(index), errors.len());
        ip::validate(address, &at, &mut errors);
        if errors.len() == before {
            ip::validate_reachable(address, &at, &mut errors);
        }
    }
    errors.required_one_of(&path.child("type"), &spec["type"], &TYPES);
    validate_port_numbers(spec, &path.child("ports"), &mut errors);
    validate_balancing(spec, &path, &mut errors);
    validate_traffic(spec, &path, &mut errors);
    errors.into_vec()
}

fn is_headless(spec: &Value) -> bool {
    items(&spec["clusterIPs"]) == [json!("None")]
}

fn is_balanced(spec: &Value) -> bool {
    spec["type"] == "LoadBalancer"
}

fn validate_annotations(service: &Value, errors: &mut Errors) {
    let annotations = &service["metadata"]["annotations"];
    if let (Some(hints), Some(mode)) = (annotations.get(HINTS), annotations.get(MODE))
        && hints != mode
    {
        let at = Path::new("metadata").child("annotations").key(MODE);
        errors.invalid(&at, mode, format!("must match annotations[{HINTS}] when both are specified"));
    }
}

fn validate_type(spec: &Value, path: &Path, errors: &mut Errors) {
    let kind = text(&spec["type"]);
    if is_empty(&spec["ports"]) && !is_headless(spec) && kind != "ExternalName" {
        errors.required(&path.child("ports"), "");
    }
    match kind {
        "LoadBalancer" | "NodePort" if is_headless(spec) => {
            let detail = format!("may not be set to 'None' for {kind} services");
            errors.invalid(&path.child("clusterIPs").index(0), &spec["clusterIPs"][0], detail);
        }
        "ExternalName" => validate_external_name(spec, path, errors),
        _ => {}
    }
}

fn validate_external_name(spec: &Value, path: &Path, errors: &mut Errors) {
    for field in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        if !is_empty(&spec[field]) {
            errors.forbidden(&path.child(field), "may not be set for ExternalName services");
        }
    }
    let name = text(&spec["externalName"]);
    match name.strip_suffix('.').unwrap_or(name) {
        "" => errors.required(&path.child("externalName"), ""),
        name => errors.rule(&path.child("externalName"), name, names::dns1123_subdomain),
    }
}

fn validate_ports(spec: &Value, path: &Path, errors: &mut Errors) {
    let ports = items(&spec["ports"]);
    let mut seen: Vec<&str> = Vec::new();
    for (index, port) in ports.iter().enumerate() {
        validate_port(port, ports.len() > 1, &mut seen, &path.index(index), errors);
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
    let number = port["port"].as_i64().unwrap_or(0);
    for message in names::port_number(number) {
        errors.invalid(&path.child("port"), &number.into(), message);
    }
    errors.required_one_of(&path.child("protocol"), &port["protocol"], &PROTOCOLS);
    pod::validate_target(&port["targetPort"], &path.child("targetPort"), errors);
    if let Some(protocol) = port["appProtocol"].as_str() {
        errors.rule(&path.child("appProtocol"), protocol, names::qualified_name);
    }
}

/// Each port once, of the Service and of the nodes.
fn validate_port_numbers(spec: &Value, path: &Path, errors: &mut Errors) {
    let ports = items(&spec["ports"]);
    let node_port = |port: &Value| port["nodePort"].as_i64().unwrap_or(0);
    for (index, _) in ports.iter().enumerate().filter(|(_, port)| node_port(port) != 0) {
        if spec["type"] == "ClusterIP" {
            let detail = "may not be used when `type` is 'ClusterIP'";
            errors.forbidden(&path.index(index).child("nodePort"), detail);
        }
    }
    let twice = |index: usize, field: &str| {
        let same = |other: &Value| {
            other["protocol"] == ports[index]["protocol"] && other[field] == ports[index][field]
        };
        ports[..index].iter().any(same)
    };
    for (index, port) in ports.iter().enumerate().filter(|(_, port)| node_port(port) != 0) {
        if twice(index, "nodePort") {
            errors.duplicate(&path.index(index).child("nodePort"), node_port(port));
        }
    }
    for (index, port) in ports.iter().enumerate() {
        if twice(index, "port") {
            // As upstream's internal type prints what it compares.
            let shown = json!({
                "Name": "", "Protocol": port["protocol"], "AppProtocol": null, "Port": port["port"],
                "TargetPort": 0, "NodePort": 0,
            });
            errors.duplicate(&path.index(index), shown);
        }
    }
}

fn validate_affinity(spec: &Value, path: &Path, errors: &mut Errors) {
    errors.required_one_of(&path.child("sessionAffinity"), &spec["sessionAffinity"], &["ClientIP", "None"]);
    let (config, at) = (&spec["sessionAffinityConfig"], path.child("sessionAffinityConfig"));
    match text(&spec["sessionAffinity"]) {
        "ClientIP" => validate_stickiness(config, &at, errors),
        "None" if !config.is_null() => {
            errors.forbidden(&at, "must not be set when session affinity is None");
        }
        _ => {}
    }
}

fn validate_stickiness(config: &Value, path: &Path, errors: &mut Errors) {
    const NEEDED: &str = "when session affinity type is ClientIP";
    let (client, timeout) = (path.child("clientIP"), &config["clientIP"]["timeoutSeconds"]);
    if config.is_null() {
        errors.required(path, NEEDED);
    } else if config["clientIP"].is_null() {
        errors.required(&client, NEEDED);
    } else if timeout.is_null() {
        errors.required(&client.child("timeoutSeconds"), NEEDED);
    } else if timeout.as_i64().is_some_and(|seconds| seconds <= 0 || seconds > MAX_AFFINITY_SECONDS) {
        let detail = format!("must be greater than 0 and less than {MAX_AFFINITY_SECONDS}");
        errors.invalid(&client.child("timeoutSeconds"), timeout, detail);
    }
}

fn validate_balancing(spec: &Value, path: &Path, errors: &mut Errors) {
    // Upstream calls it as Go does.
    let (ranges, at) = (items(&spec["loadBalancerSourceRanges"]), path.child("LoadBalancerSourceRanges"));
    if !ranges.is_empty() && !is_balanced(spec) {
        errors.forbidden(&at, BALANCED_ONLY);
    }
    for (index, range) in ranges.iter().enumerate() {
        ip::validate_network(&text(range).trim().into(), &at.index(index), errors);
    }
    let allocates = "allocateLoadBalancerNodePorts";
    match (is_balanced(spec), spec[allocates].is_null()) {
        (false, false) => errors.forbidden(&path.child(allocates), BALANCED_ONLY),
        (true, true) => errors.required(&Path::new(allocates), ""),
        (true, false) | (false, true) => {}
    }
    let class = path.child("loadBalancerClass");
    match spec["loadBalancerClass"].as_str() {
        Some(name) if is_balanced(spec) => errors.rule(&class, name, names::qualified_name),
        Some(_) => errors.forbidden(&class, BALANCED_ONLY),
        None => {}
    }
}

fn validate_class_update(spec: &Value, old: &Value, path: &Path, errors: &mut Errors) {
    let class = "loadBalancerClass";
    if !is_balanced(spec) || !is_balanced(old) || spec[class] == old[class] {
        return;
    }
    errors.shown(path, &spec[class], "may not change once set");
}

fn validate_traffic(spec: &Value, path: &Path, errors: &mut Errors) {
    let (external, at) = (&spec["externalTrafficPolicy"], path.child("externalTrafficPolicy"));
    let kind = text(&spec["type"]);
    let reachable = matches!(kind, "LoadBalancer" | "NodePort")
        || (kind == "ClusterIP" && !is_empty(&spec["externalIPs"]));
    if reachable {
        errors.required_one_of(&at, external, &POLICIES);
    } else if !text(external).is_empty() {
        errors.invalid(&at, external, "may only be set for externally-accessible services");
    }
    let (check, at) = (&spec["healthCheckNodePort"], path.child("healthCheckNodePort"));
    let checked = is_balanced(spec) && external == "Local";
    if !checked && check.as_i64().is_some_and(|port| port != 0) {
        let detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
        errors.invalid(&at, check, detail);
    }
    let (internal, at) = (&spec["internalTrafficPolicy"], path.child("internalTrafficPolicy"));
    if internal.is_null() && matches!(kind, "NodePort" | "LoadBalancer" | "ClusterIP") {
        errors.required(&at, "");
    }
    errors.given_one_of(&at, internal, &POLICIES);
    let distribution = &spec["trafficDistribution"];
    if !distribution.is_null() {
        errors.listed(&path.child("trafficDistribution"), distribution, &DISTRIBUTIONS);
    }
}

/// A write of the status.
pub(crate) fn validate_part(service: &Value, old: &Value, part: &str, _: &str) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate_change(service, old, &mut errors);
    let balancer = &service["status"]["loadBalancer"];
    let path = Path::new(part).at(&["loadBalancer", "ingress"]);
    if !is_balanced(&service["spec"]) && !is_empty(&balancer["ingress"]) {
        errors.forbidden(&path, "may only be used when `spec.type` is 'LoadBalancer'");
        return errors.into_vec();
    }
    for (index, ingress) in items(&balancer["ingress"]).iter().enumerate() {
        let known = items(&old["status"]["loadBalancer"]["ingress"]);
        let is_known = known.iter().any(|old| same(&old["ip"], &ingress["ip"]));
        validate_ingress(ingress, is_known, &path.index(index), &mut errors);
    }
    errors.into_vec()
}

fn validate_ingress(ingress: &Value, known: bool, path: &Path, errors: &mut Errors) {
    let (has_ip, mode) = (!is_empty(&ingress["ip"]), &ingress["ipMode"]);
    if has_ip && !known {
        ip::validate(&ingress["ip"], &path.child("ip"), errors);
    }
    let at = path.child("ipMode");
    match (has_ip, mode.is_null()) {
        (true, true) => errors.required(&at, "must be specified when `ip` is set"),
        (false, false) => errors.forbidden(&at, "may not be specified when `ip` is not set"),
        (true, false) => errors.one_of(&at, mode, &["Proxy", "VIP"]),
        (false, true) => {}
    }
    let name = text(&ingress["hostname"]);
    if name.is_empty() {
        return;
    }
    errors.rule(&path.child("hostname"), name, names::dns1123_subdomain);
    if ip::parse_sloppy(name).is_some() {
        let detail = "must be a DNS name, not an IP address";
        errors.invalid(&path.child("hostname"), &ingress["hostname"], detail);
    }
}
