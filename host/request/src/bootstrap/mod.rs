//! What every cluster has from birth, created when missing.

mod extension;
pub mod flow;
mod kubernetes_service;
mod roles;

use std::net::{IpAddr, Ipv4Addr};

use orch_client::{Identity, Patch, PatchType, Resource, Target, WriteOptions};
use orch_object::Status;
use serde_json::{Value, json};

use crate::definitions;
use crate::verbs::{Api, Call, Part};

/// What the objects depend on.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    pub advertise: IpAddr,
    /// The port the API listens on.
    pub port: u16,
    /// The cluster IP of `kubernetes.default`.
    pub kubernetes_ip: Ipv4Addr,
    pub service_cidr: String,
    /// PEM: who signs clients' certificates, and who this server's as a proxy.
    pub client_ca: String,
    pub front_proxy_ca: String,
}

const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// Creates what is missing; roles are completed, everything else that exists is left as it is.
pub async fn create(api: &Api, bootstrap: &Bootstrap) -> Result<(), Status> {
    let call = Call::new(Identity::new("system:apiserver", &["system:masters"]), "kube-apiserver");
    for name in NAMESPACES {
        let object = json!({
            "metadata": { "name": name, "labels": { "kubernetes.io/metadata.name": name } },
        });
        ensure(api, &call, Target::all(&Resource::core("namespaces")), object).await?;
    }
    roles::create(api, &call).await?;
    priority_classes(api, &call).await?;
    flow::create(api).await?;
    extension::create(api, &call, bootstrap).await?;
    let bundles = Target::all(&Resource::new("certificates.k8s.io", "v1", "clustertrustbundles"));
    ensure(api, &call, bundles, serving_bundle(&bootstrap.client_ca)).await?;
    kubernetes_service::create(api, &call, bootstrap).await
}

/// By which pods verify this server, under upstream's name: the signer, and what the bundle holds.
fn serving_bundle(certificate: &str) -> Value {
    use sha2::{Digest, Sha256};
    let digest = hex::encode(&Sha256::digest(certificate.as_bytes())[..12]);
    json!({
        "metadata": { "name": format!("kubernetes.io:kube-apiserver-serving:{digest}") },
        "spec": { "signerName": "kubernetes.io/kube-apiserver-serving", "trustBundle": certificate },
    })
}

async fn priority_classes(api: &Api, call: &Call) -> Result<(), Status> {
    let resource = Resource::new("scheduling.k8s.io", "v1", "priorityclasses");
    let classes = [
        ("system-cluster-critical", 2_000_000_000, "For pods the cluster needs, on whichever node."),
        ("system-node-critical", 2_000_001_000, "For pods a node needs, on that node."),
    ];
    for (name, value, description) in classes {
        let object = json!({
            "metadata": { "name": name }, "value": value, "preemptionPolicy": "PreemptLowerPriority",
            "description": description,
        });
        ensure(api, call, Target::all(&resource), object).await?;
    }
    Ok(())
}

/// Creates the object unless it exists, or its kind is not served.
async fn ensure(api: &Api, call: &Call, target: Target, object: Value) -> Result<(), Status> {
    if api.kind(&target.resource).await.is_err() {
        return Ok(());
    }
    match api.create(call, &target, object, &WriteOptions::default()).await {
        Ok(_) => Ok(()),
        Err(status) if status.is_already_exists() => Ok(()),
        Err(status) => Err(status),
    }
}

/// Writes a condition of a cluster-wide object's status, by apply.
pub(crate) async fn apply_condition(
    api: &Api,
    resource: &Resource,
    name: &str,
    manager: &str,
    condition: Value,
) -> Result<(), Status> {
    let kind = api.kind(resource).await?;
    let call = definitions::call();
    let target = Target::cluster(resource, name).subresource("status");
    let body = json!({
        "apiVersion": kind.api_version(), "kind": kind.kind,
        "metadata": { "name": name }, "status": { "conditions": [condition] },
    });
    let patch = Patch { patch_type: PatchType::Apply, body };
    let options = WriteOptions { field_manager: manager.into(), force: true, ..WriteOptions::default() };
    api.patch_part(&call, &kind, &target, &patch, Part::Status, &options).await.map(drop)
}

/// Sets fields of an object that exists, or creates it.
async fn ensure_fields(
    api: &Api,
    call: &Call,
    target: Target,
    object: Value,
    fields: Value,
) -> Result<(), Status> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_string();
    ensure(api, call, target.clone(), object).await?;
    if api.kind(&target.resource).await.is_err() {
        return Ok(());
    }
    let target = Target { name, ..target };
    let patch = Patch { patch_type: PatchType::Merge, body: fields };
    api.patch(call, &target, &patch, &WriteOptions::default()).await.map(drop)
}
