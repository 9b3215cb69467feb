//! Defaults of pods and pod templates.

use serde_json::{Value, json};

use crate::image;
use crate::quantity::Quantity;
use crate::strategy::{default_to, each, ensure, part};

/// Read by everybody, written by the owner: 0644.
const DEFAULT_MODE: i64 = 0o644;
const TOKEN_LIFETIME_SECONDS: i64 = 3600;
const CONTAINER_LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

pub(crate) fn default_pod(pod: &mut Value) {
    let Some(spec) = ensure(pod, "spec") else { return };
    default_spec(spec);
    if spec["terminationGracePeriodSeconds"].as_i64().is_some_and(|seconds| seconds < 0) {
        spec["terminationGracePeriodSeconds"] = 1.into();
    }
    default_to(spec, "enableServiceLinks", true);
    let host_network = spec["hostNetwork"] == true;
    for field in ["initContainers", "containers"] {
        for container in each(spec, field) {
            default_requests(container);
            if host_network {
                default_host_ports(container);
            }
        }
    }
    default_pod_requests(spec);
}

/// A template gets what does not depend on being a pod: requests stay as they are written.
pub(crate) fn default_template(template: &mut Value) {
    if let Some(spec) = ensure(template, "spec") {
        default_spec(spec);
    }
}

fn default_spec(spec: &mut Value) {
    default_to(spec, "dnsPolicy", "ClusterFirst");
    default_to(spec, "restartPolicy", "Always");
    default_to(spec, "terminationGracePeriodSeconds", 30);
    default_to(spec, "schedulerName", "default-scheduler");
    ensure(spec, "securityContext");
    default_service_account(spec);
    for volume in each(spec, "volumes") {
        default_volume(volume);
    }
    for field in CONTAINER_LISTS {
        for container in each(spec, field) {
            default_container(container);
        }
    }
    if let Some(resources) = part(spec, "resources") {
        default_resources(resources);
    }
    if let Some(overhead) = part(spec, "overhead") {
        round_up(overhead);
    }
}

/// `serviceAccount` is the old name of `serviceAccountName`; both are always shown.
fn default_service_account(spec: &mut Value) {
    let old = spec["serviceAccount"].clone();
    if old.is_string() {
        default_to(spec, "serviceAccountName", old);
    }
    if spec["serviceAccountName"].as_str().is_some_and(|name| !name.is_empty()) {
        spec["serviceAccount"] = spec["serviceAccountName"].clone();
    }
}

fn default_container(container: &mut Value) {
    default_pull_policy(container, "image", "imagePullPolicy");
    default_to(container, "terminationMessagePath", "/dev/termination-log");
    default_to(container, "terminationMessagePolicy", "File");
    for port in each(container, "ports") {
        default_to(port, "protocol", "TCP");
    }
    for variable in each(container, "env") {
        if let Some(field) = part(variable, "valueFrom").and_then(|from| part(from, "fieldRef")) {
            default_to(field, "apiVersion", "v1");
        }
        if let Some(file) = part(variable, "valueFrom").and_then(|from| part(from, "fileKeyRef")) {
            default_to(file, "optional", false);
        }
    }
    if let Some(resources) = ensure(container, "resources") {
        default_resources(resources);
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = part(container, probe) {
            default_probe(probe);
        }
    }
    for hook in ["postStart", "preStop"] {
        if let Some(hook) = part(container, "lifecycle").and_then(|lifecycle| part(lifecycle, hook)) {
            default_http_get(hook);
        }
    }
}

/// What may have changed since the last pull is pulled again.
fn default_pull_policy(object: &mut Value, reference: &str, policy: &str) {
    let image = object[reference].as_str().unwrap_or_default();
    let latest = image::is_well_formed(image) && image::tag(image).is_some_and(|tag| tag == "latest");
    default_to(object, policy, if latest { "Always" } else { "IfNotPresent" });
}

fn default_probe(probe: &mut Value) {
    for (field, value) in
        [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
    {
        if probe[field].as_i64().unwrap_or(0) == 0 {
            probe[field] = value.into();
        }
    }
    default_http_get(probe);
    if let Some(grpc) = part(probe, "grpc") {
        default_to(grpc, "service", "");
    }
}

fn default_http_get(handler: &mut Value) {
    if let Some(http_get) = part(handler, "httpGet") {
        default_to(http_get, "path", "/");
        default_to(http_get, "scheme", "HTTP");
    }
}

fn default_resources(resources: &mut Value) {
    for list in ["limits", "requests"] {
        if let Some(list) = part(resources, list) {
            round_up(list);
        }
    }
}

/// Amounts are kept in thousandths at most.
fn round_up(list: &mut Value) {
    for amount in list.as_object_mut().into_iter().flat_map(|map| map.values_mut()) {
        let parsed = amount.as_str().and_then(|text| text.parse::<Quantity>().ok());
        if let Some(rounded) = parsed.and_then(|quantity| quantity.rounded_up_to_milli()) {
            *amount = rounded.to_string().into();
        }
    }
}

/// A limit without a request is its own request.
fn default_requests(container: &mut Value) {
    let Some(resources) = part(container, "resources") else { return };
    let Some(limits) = resources["limits"].as_object().filter(|limits| !limits.is_empty()).cloned() else {
        return;
    };
    let Some(requests) = ensure(resources, "requests") else { return };
    for (name, limit) in limits {
        default_to(requests, &name, limit);
    }
}

/// With limits for the whole pod, its requests are those of the containers, or else the limits.
fn default_pod_requests(spec: &mut Value) {
    let Some(limits) = spec["resources"]["limits"].as_object().filter(|limits| !limits.is_empty()).cloned()
    else {
        return;
    };
    let supported = |name: &str| name == "cpu" || name == "memory" || name.starts_with("hugepages-");
    let names: Vec<&String> = limits.keys().filter(|name| supported(name)).collect();
    let requests: Vec<(String, Value)> = names
        .into_iter()
        .map(|name| {
            let total = containers_request(spec, name);
            let request = total.map_or_else(|| limits[name].clone(), |total| total.to_string().into());
            (name.clone(), request)
        })
        .collect();
    if let Some(own) = part(spec, "resources").and_then(|resources| ensure(resources, "requests")) {
        for (name, request) in requests {
            default_to(own, &name, request);
        }
    }
}

/// What the containers ask for together: they run at once, after each init container alone.
fn containers_request(spec: &Value, resource: &str) -> Option<Quantity> {
    let of = |field: &str| -> Vec<Quantity> {
        let containers = spec[field].as_array().into_iter().flatten();
        containers
            .filter_map(|container| container["resources"]["requests"][resource].as_str()?.parse().ok())
            .collect()
    };
    let together = of("containers").into_iter().reduce(|a, b| a.add(&b));
    of("initContainers").into_iter().chain(together).max()
}

fn default_host_ports(container: &mut Value) {
    for port in each(container, "ports") {
        if port["hostPort"].as_i64().unwrap_or(0) == 0 && port["containerPort"].is_i64() {
            port["hostPort"] = port["containerPort"].clone();
        }
    }
}

fn default_volume(volume: &mut Value) {
    let named_only = volume.as_object().is_some_and(|map| map.keys().all(|key| key == "name"));
    if named_only {
        volume["emptyDir"] = json!({});
    }
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = part(volume, source) {
            default_to(source, "defaultMode", DEFAULT_MODE);
            default_field_refs(source);
        }
    }
    if let Some(projected) = part(volume, "projected") {
        for source in each(projected, "sources") {
            default_projection(source);
        }
    }
    if let Some(host_path) = part(volume, "hostPath") {
        default_to(host_path, "type", "");
    }
    if let Some(image) = part(volume, "image") {
        default_pull_policy(image, "reference", "pullPolicy");
    }
    if let Some(claim) = part(volume, "ephemeral")
        .and_then(|ephemeral| part(ephemeral, "volumeClaimTemplate"))
        .and_then(|template| part(template, "spec"))
    {
        default_to(claim, "volumeMode", "Filesystem");
    }
    default_network_volume(volume);
}

fn default_projection(source: &mut Value) {
    if let Some(token) = part(source, "serviceAccountToken") {
        default_to(token, "expirationSeconds", TOKEN_LIFETIME_SECONDS);
    }
    if let Some(downward) = part(source, "downwardAPI") {
        default_field_refs(downward);
    }
}

fn default_field_refs(source: &mut Value) {
    for item in each(source, "items") {
        if let Some(field) = part(item, "fieldRef") {
            default_to(field, "apiVersion", "v1");
        }
    }
}

fn default_network_volume(volume: &mut Value) {
    if let Some(iscsi) = part(volume, "iscsi") {
        default_to(iscsi, "iscsiInterface", "default");
    }
    if let Some(rbd) = part(volume, "rbd") {
        default_to(rbd, "pool", "rbd");
        default_to(rbd, "user", "admin");
        default_to(rbd, "keyring", "/etc/ceph/keyring");
    }
    if let Some(disk) = part(volume, "azureDisk") {
        default_to(disk, "cachingMode", "ReadWrite");
        default_to(disk, "kind", "Shared");
        default_to(disk, "fsType", "ext4");
        default_to(disk, "readOnly", false);
    }
    if let Some(scale_io) = part(volume, "scaleIO") {
        default_to(scale_io, "storageMode", "ThinProvisioned");
        default_to(scale_io, "fsType", "xfs");
    }
}
