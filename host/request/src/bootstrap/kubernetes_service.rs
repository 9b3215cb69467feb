//! `kubernetes.default`: how pods find the API.

use orch_client::{Resource, Target};
use orch_object::Status;
use serde_json::json;

use super::{Bootstrap, apply_condition, ensure, ensure_fields};
use crate::causes;
use crate::verbs::{Api, Call, time};

/// Who upstream says that the range is ready.
const RANGE_MANAGER: &str = "kubernetes-service-cidr-controller";

pub async fn create(api: &Api, call: &Call, bootstrap: &Bootstrap) -> Result<(), Status> {
    // The Service's address is of this range.
    let cidr = json!({ "metadata": { "name": "kubernetes" }, "spec": { "cidrs": [bootstrap.service_cidr] } });
    let resource = Resource::new("networking.k8s.io", "v1", "servicecidrs");
    ensure(api, call, Target::all(&resource), cidr).await?;
    tell_ready(api, &resource).await?;
    let service = json!({
        "metadata": { "name": "kubernetes", "namespace": "default",
            "labels": { "component": "apiserver", "provider": "kubernetes" } },
        "spec": {
            "type": "ClusterIP", "clusterIP": bootstrap.kubernetes_ip.to_string(),
            "ipFamilyPolicy": "SingleStack", "sessionAffinity": "None",
            "internalTrafficPolicy": "Cluster",
            "ports": [{ "name": "https", "port": 443, "protocol": "TCP", "targetPort": bootstrap.port }],
        },
    });
    let ports = json!({ "spec": { "ports": service["spec"]["ports"] } });
    ensure_fields(api, call, within("", "v1", "services"), service, ports).await?;
    if bootstrap.advertise.is_loopback() {
        // No endpoint may be a loopback address: a pod would reach itself.
        tracing::warn!("pods cannot reach the API: this host is advertised as {}", bootstrap.advertise);
    } else {
        endpoints(api, call, bootstrap).await?;
    }
    Ok(())
}

/// Once: the range that the server was given is ready from birth.
async fn tell_ready(api: &Api, resource: &Resource) -> Result<(), Status> {
    let key = crate::key::object(&resource.group, &resource.plural, "", "kubernetes");
    let range = api.cache().get_fresh(&key).await.map_err(causes::store)?;
    let Some(range) = range else { return Ok(()) };
    let conditions = range.value()["status"]["conditions"].clone();
    if conditions.as_array().into_iter().flatten().any(|condition| condition["type"] == "Ready") {
        return Ok(());
    }
    let condition = json!({
        "type": "Ready", "status": "True", "lastTransitionTime": time(api.clock.now()),
        "message": "Kubernetes default Service CIDR is ready",
    });
    apply_condition(api, resource, "kubernetes", RANGE_MANAGER, condition).await
}

/// Where the Service leads: this host, as others reach it.
async fn endpoints(api: &Api, call: &Call, bootstrap: &Bootstrap) -> Result<(), Status> {
    let address = bootstrap.advertise.to_string();
    let family = if bootstrap.advertise.is_ipv4() { "IPv4" } else { "IPv6" };
    let port = json!([{ "name": "https", "port": bootstrap.port, "protocol": "TCP" }]);
    let subsets = json!([{ "addresses": [{ "ip": address }], "ports": port }]);
    let object = json!({
        "metadata": { "name": "kubernetes", "namespace": "default",
            "labels": { "endpointslice.kubernetes.io/skip-mirror": "true" } },
        "subsets": subsets,
    });
    let fields = json!({ "subsets": subsets });
    ensure_fields(api, call, within("", "v1", "endpoints"), object, fields).await?;
    let endpoints = json!([{ "addresses": [address], "conditions": { "ready": true } }]);
    let slice = json!({
        "metadata": { "name": "kubernetes", "namespace": "default",
            "labels": { "kubernetes.io/service-name": "kubernetes" } },
        "addressType": family, "endpoints": endpoints, "ports": port,
    });
    let fields = json!({ "endpoints": endpoints, "ports": port });
    ensure_fields(api, call, within("discovery.k8s.io", "v1", "endpointslices"), slice, fields).await
}

fn within(group: &'static str, version: &'static str, plural: &'static str) -> Target {
    Target::within(&Resource::new(group, version, plural), "default")
}
