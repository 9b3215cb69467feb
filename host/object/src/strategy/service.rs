use serde_json::{Value, json};

use super::{PLAIN, default_to, drop_status, each, ensure, part, remove, restore_status};
use crate::kind::{Connects, Strategy};
use crate::validation;

pub(crate) const STRATEGY: Strategy = Strategy {
    connects: Some(Connects::Service),
    default,
    prepare_create,
    prepare_update,
    validate: validation::service::validate,
    validate_part: Some(validation::service::validate_part),
    warn: |service, _| warn(service),
    ..PLAIN
};

/// How long a client stays with one endpoint, in seconds.
const AFFINITY_TIMEOUT: i64 = 10_800;

fn default(service: &mut Value) {
    let Some(spec) = ensure(service, "spec") else { return };
    default_to(spec, "type", "ClusterIP");
    default_to(spec, "sessionAffinity", "None");
    set_affinity_timeout(spec);
    for port in each(spec, "ports") {
        default_to(port, "protocol", "TCP");
        let unset =
            matches!(&port["targetPort"], Value::Null) || port["targetPort"] == 0 || port["targetPort"] == "";
        if unset && port["port"].is_i64() {
            port["targetPort"] = port["port"].clone();
        }
    }
    set_traffic_policies(spec);
    if spec["type"] == "LoadBalancer" {
        set_modes(service);
    }
}

/// A balancer's address is reached as it is, unless its provider says otherwise.
fn set_modes(service: &mut Value) {
    let Some(balancer) = part(service, "status").and_then(|status| part(status, "loadBalancer")) else {
        return;
    };
    for ingress in each(balancer, "ingress") {
        if ingress["ip"].as_str().is_some_and(|ip| !ip.is_empty()) {
            default_to(ingress, "ipMode", "VIP");
        }
    }
}

fn set_affinity_timeout(spec: &mut Value) {
    if spec["sessionAffinity"] != "ClientIP" {
        remove(spec, "sessionAffinityConfig");
        return;
    }
    let timeout = json!({ "clientIP": { "timeoutSeconds": AFFINITY_TIMEOUT } });
    if spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"].is_null() {
        spec["sessionAffinityConfig"] = timeout;
    }
}

fn set_traffic_policies(spec: &mut Value) {
    let kind = spec["type"].as_str().unwrap_or_default().to_owned();
    let external_ips = spec["externalIPs"].as_array().is_some_and(|ips| !ips.is_empty());
    match kind.as_str() {
        "LoadBalancer" => {
            default_to(spec, "allocateLoadBalancerNodePorts", true);
            default_to(spec, "externalTrafficPolicy", "Cluster");
        }
        "NodePort" => default_to(spec, "externalTrafficPolicy", "Cluster"),
        "ClusterIP" if external_ips => default_to(spec, "externalTrafficPolicy", "Cluster"),
        _ => {}
    }
    if has_cluster_ip(&kind) {
        default_to(spec, "internalTrafficPolicy", "Cluster");
    }
}

fn has_cluster_ip(service_type: &str) -> bool {
    matches!(service_type, "ClusterIP" | "NodePort" | "LoadBalancer")
}

fn prepare_create(service: &mut Value) {
    drop_status(service);
    service["status"] = json!({ "loadBalancer": {} });
    if let Some(spec) = part(service, "spec") {
        normalize_cluster_ips(spec);
        set_ip_families(spec);
    }
}

/// `clusterIP` is the first of `clusterIPs`; a client may give either.
fn normalize_cluster_ips(spec: &mut Value) {
    let first = spec["clusterIP"].as_str().unwrap_or_default().to_owned();
    let listed = spec["clusterIPs"].as_array().and_then(|ips| ips.first()).cloned();
    match (first.is_empty(), listed) {
        (false, None) => spec["clusterIPs"] = json!([first]),
        (true, Some(listed)) => spec["clusterIP"] = listed,
        _ => {}
    }
}

/// This cluster has one family. Endpoints of a headless service without selector are the author's
/// affair, so those are open to both.
fn set_ip_families(spec: &mut Value) {
    if spec["type"] == "ExternalName" {
        return;
    }
    let selectorless = spec["selector"].as_object().is_none_or(|selector| selector.is_empty());
    let both = spec["clusterIP"] == "None" && selectorless;
    default_to(spec, "ipFamilyPolicy", if both { "RequireDualStack" } else { "SingleStack" });
    if spec["ipFamilies"].as_array().is_none_or(|families| families.is_empty()) {
        spec["ipFamilies"] = if both { json!(["IPv4", "IPv6"]) } else { json!(["IPv4"]) };
    }
}

fn prepare_update(new: &mut Value, old: &Value) {
    restore_status(new, old);
    let Some(spec) = part(new, "spec") else { return };
    let old_spec = &old["spec"];
    drop_fields_of_old_type(spec, old_spec);
    normalize_changed_cluster_ips(spec, old_spec);
    if keeps_cluster_ip(spec, old_spec) {
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            default_to(spec, field, old_spec[field].clone());
        }
    }
    if has_node_ports(spec) && has_node_ports(old_spec) {
        keep_node_ports(spec, old_spec);
    }
    set_ip_families(spec);
    spec.as_object_mut().into_iter().for_each(|map| map.retain(|_, value| !value.is_null()));
}

/// Clients that know only `clusterIP` change it alone.
fn normalize_changed_cluster_ips(spec: &mut Value, old: &Value) {
    if spec["clusterIP"] != old["clusterIP"] && spec["clusterIPs"] == old["clusterIPs"] {
        remove(spec, "clusterIPs");
    }
    normalize_cluster_ips(spec);
}

fn keeps_cluster_ip(spec: &Value, old: &Value) -> bool {
    spec["type"] != "ExternalName" && old["type"] != "ExternalName"
}

fn has_node_ports(spec: &Value) -> bool {
    matches!(spec["type"].as_str(), Some("NodePort" | "LoadBalancer"))
}

/// A client that does not repeat the allocated ports keeps them.
fn keep_node_ports(spec: &mut Value, old: &Value) {
    let same = |a: &Value, b: &Value| a["port"] == b["port"] && a["protocol"] == b["protocol"];
    let old_ports = old["ports"].as_array().map_or(&[][..], Vec::as_slice);
    for port in each(spec, "ports") {
        if port["nodePort"].as_i64().unwrap_or(0) != 0 {
            continue;
        }
        let kept = old_ports
            .iter()
            .find(|old_port| same(old_port, port))
            .map(|old_port| old_port["nodePort"].clone());
        if let Some(kept) = kept.filter(|kept| !kept.is_null()) {
            port["nodePort"] = kept;
        }
    }
}

/// What the old type needed and the client merely carried along goes with the type.
fn drop_fields_of_old_type(spec: &mut Value, old: &Value) {
    if spec["type"] == old["type"] {
        return;
    }
    let type_of = |spec: &Value| spec["type"].as_str().unwrap_or_default().to_owned();
    let (new_type, old_type) = (type_of(spec), type_of(old));
    if old_type != "ExternalName" && new_type == "ExternalName" {
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"] {
            drop_unchanged(spec, old, field);
        }
    }
    if has_node_ports(old) && !has_node_ports(spec) {
        drop_node_ports(spec, old);
        drop_unchanged(spec, old, "externalTrafficPolicy");
        drop_unchanged(spec, old, "healthCheckNodePort");
    }
    if old_type == "LoadBalancer" {
        for field in ["allocateLoadBalancerNodePorts", "loadBalancerClass"] {
            drop_unchanged(spec, old, field);
        }
    }
    if old_type == "ExternalName" {
        drop_unchanged(spec, old, "externalName");
    }
}

fn drop_unchanged(spec: &mut Value, old: &Value, field: &str) {
    if spec[field] == old[field] {
        remove(spec, field);
    }
}

fn drop_node_ports(spec: &mut Value, old: &Value) {
    let used: Vec<Value> =
        old["ports"].as_array().into_iter().flatten().map(|port| port["nodePort"].clone()).collect();
    for port in each(spec, "ports") {
        if used.contains(&port["nodePort"]) {
            remove(port, "nodePort");
        }
    }
}

/// What a Service has and its type makes nothing of (`GetWarningsForService`).
fn warn(service: &Value) -> Vec<String> {
    let spec = &service["spec"];
    let (kind, headless) = (spec["type"].as_str().unwrap_or_default(), spec["clusterIP"] == "None");
    let external_ips = spec["externalIPs"].as_array().is_some_and(|ips| !ips.is_empty());
    let named = spec["externalName"].as_str().is_some_and(|name| !name.is_empty());
    let found = [
        (
            headless && spec["loadBalancerIP"].is_string(),
            "spec.loadBalancerIP is ignored for headless services",
        ),
        (headless && external_ips, "spec.externalIPs is ignored for headless services"),
        (
            headless && spec["sessionAffinity"] != "None",
            "spec.SessionAffinity is ignored for headless services",
        ),
        (
            external_ips && !headless && kind != "ExternalName",
            "spec.externalIPs is deprecated and may no longer be implemented in some clusters",
        ),
        (
            external_ips && kind == "ExternalName",
            "spec.externalIPs is ignored when spec.type is \"ExternalName\"",
        ),
        (
            named && kind != "ExternalName",
            "spec.externalName is ignored when spec.type is not \"ExternalName\"",
        ),
        (
            spec["trafficDistribution"] == "PreferClose",
            "spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"",
        ),
    ];
    found.into_iter().filter(|(holds, _)| *holds).map(|(_, words)| words.to_owned()).collect()
}
