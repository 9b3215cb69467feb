//! Which audiences a node may ask tokens for: those that volumes of the pod name, and those that somebody
//! allows it (`plugin/pkg/admission/noderestriction`, `ServiceAccountNodeAudienceRestriction`).

use std::sync::Arc;

use orch_client::Target;
use serde_json::Value;

use crate::authz::Attributes;
use crate::key;
use crate::verbs::{Api, Call, namespace};

/// Volumes of Kubernetes' own that a CSI driver has taken over.
const MIGRATED: [(&str, &str); 7] = [
    ("awsElasticBlockStore", "ebs.csi.aws.com"),
    ("azureDisk", "disk.csi.azure.com"),
    ("azureFile", "file.csi.azure.com"),
    ("cinder", "cinder.csi.openstack.org"),
    ("gcePersistentDisk", "pd.csi.storage.gke.io"),
    ("portworxVolume", "pxd.portworx.com"),
    ("vsphereVolume", "csi.vsphere.vmware.com"),
];

/// The error says why a node may not ask for a token for these audiences, bound to this pod.
pub fn check(api: &Api, call: &Call, target: &Target, pod: &Value, audiences: &Value) -> Result<(), String> {
    let audience = match audiences.as_array().map_or(&[][..], Vec::as_slice) {
        [] => "",
        [one] => one.as_str().unwrap_or_default(),
        _ => return Err("node may only request 0 or 1 audiences".into()),
    };
    let named = is_named(api, pod, namespace(target), audience);
    if named.map_err(|why| format!("error validating audience {audience:?}: {why}"))? {
        return Ok(());
    }
    let attributes = Attributes {
        verb: "request-serviceaccounts-token-audience".into(),
        namespace: namespace(target).into(),
        resource: audience.into(),
        name: target.name.clone(),
        ..Attributes::default()
    };
    match api.authorizer().authorize(&call.identity, &attributes) {
        Ok(()) => Ok(()),
        Err(_) => {
            let user = &call.identity.name;
            Err(format!("{user} is not authorized to request tokens for audience {audience:?}"))
        }
    }
}

/// Whether a volume of the pod names the audience, or its driver does. What could not be looked up is an
/// error only if nothing else names it.
fn is_named(api: &Api, pod: &Value, namespace: &str, audience: &str) -> Result<bool, String> {
    let mut errors = Vec::new();
    for volume in list(&pod["spec"]["volumes"]) {
        let projected = list(&volume["projected"]["sources"]);
        let tokens = projected.iter().filter(|source| source["serviceAccountToken"].is_object());
        if tokens
            .map(|source| text(&source["serviceAccountToken"]["audience"]))
            .any(|named| named == audience)
        {
            return Ok(true);
        }
        match driver(api, pod, namespace, volume).and_then(|driver| asks_for(api, driver, audience)) {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(why) => errors.push(why),
        }
    }
    match &errors[..] {
        [] => Ok(false),
        [one] => Err(one.clone()),
        several => Err(format!("[{}]", several.join(", "))),
    }
}

/// The CSI driver of a volume; empty: it has none.
fn driver(api: &Api, pod: &Value, namespace: &str, volume: &Value) -> Result<String, String> {
    let claim = if volume["ephemeral"]["volumeClaimTemplate"].is_object() {
        Some(format!("{}-{}", text(&pod["metadata"]["name"]), text(&volume["name"])))
    } else {
        volume["persistentVolumeClaim"]["claimName"].as_str().map(String::from)
    };
    let Some(claim) = claim else { return Ok(driver_of(volume)) };
    let claim = find(api, "", "persistentvolumeclaim", namespace, &claim)?;
    let bound = find(api, "", "persistentvolume", "", text(&claim["spec"]["volumeName"]))?;
    Ok(driver_of(&bound["spec"]))
}

/// Of a pod's volume, or of the spec of a persistent one.
fn driver_of(volume: &Value) -> String {
    let own = text(&volume["csi"]["driver"]);
    let migrated = MIGRATED.iter().find(|(source, _)| volume[*source].is_object());
    if own.is_empty() { migrated.map_or("", |(_, driver)| driver).into() } else { own.into() }
}

fn asks_for(api: &Api, driver: String, audience: &str) -> Result<bool, String> {
    if driver.is_empty() {
        return Ok(false);
    }
    let driver = find(api, "storage.k8s.io", "csidriver", "", &driver)?;
    Ok(list(&driver["spec"]["tokenRequests"]).iter().any(|token| text(&token["audience"]) == audience))
}

/// `kind`: as upstream's messages call it, the plural without its last letter.
fn find(api: &Api, group: &str, kind: &str, namespace: &str, name: &str) -> Result<Arc<Value>, String> {
    let found = api.cache().get(&key::object(group, &format!("{kind}s"), namespace, name));
    found.map(|object| object.value()).ok_or_else(|| {
        let dotted = if group.is_empty() { String::new() } else { format!(".{group}") };
        format!("{kind}{dotted} {name:?} not found")
    })
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
