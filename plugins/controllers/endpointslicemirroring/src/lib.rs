//! Mirrors the Endpoints that people write for Services without a selector into EndpointSlices, which is
//! what proxies and DNS read (`pkg/controller/endpointslicemirroring`).

use orch_sdk::controller::{
    Api, Change, Controller, DeleteOptions, Description, Error, Kind, Outcome, Selection, key_of, split_key,
};
use orch_sdk::object::{Object, controller_reference};
use orch_sdk::{Value, json};

const ENDPOINTS: Kind = Kind::new("v1", "Endpoints");
const SLICES: Kind = Kind::ENDPOINT_SLICE;
const SERVICE_NAME: &str = "kubernetes.io/service-name";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const MANAGER: &str = "endpointslicemirroring-controller.k8s.io";
const SKIP: &str = "endpointslice.kubernetes.io/skip-mirror";
/// Locks of leader elections of old are Endpoints, too.
const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";
const NOT_COPIED: [&str; 2] =
    ["endpoints.kubernetes.io/last-change-trigger-time", "kubectl.kubernetes.io/last-applied-configuration"];
/// Of one subset and family; what is beyond is left out, as upstream does.
const MOST: usize = 1000;

#[derive(Default)]
pub struct Mirroring;

orch_sdk::export_controller!(Mirroring);

impl Controller for Mirroring {
    fn describe() -> Description {
        let of_endpoints = ["metadata.labels", "metadata.annotations", "subsets"];
        Description::new()
            .watches(ENDPOINTS, &of_endpoints)
            .watches(Kind::SERVICE, &["spec.selector"])
            .watches_mapped(SLICES, &["metadata.labels", "endpoints", "ports"])
    }

    /// A slice of ours that somebody touched is put right.
    fn keys(&mut self, _: usize, _: Change, slice: &Value, _: Option<&Value>) -> Vec<String> {
        match (slice.label(MANAGED_BY), slice.label(SERVICE_NAME)) {
            (Some(MANAGER), Some(service)) => vec![key_of(slice.namespace(), service)],
            _ => Vec::new(),
        }
    }

    fn reconcile(&mut self, api: &dyn Api, key: &str) -> Result<Outcome, Error> {
        let (namespace, name) = split_key(key);
        let ours = format!("{SERVICE_NAME}={name},{MANAGED_BY}={MANAGER}");
        let mut existing = api.list(SLICES, Selection::within(namespace).labels(&ours))?;
        existing.retain(|slice| !slice.is_being_deleted());
        let wanted = match api.get(ENDPOINTS.object(namespace, name))? {
            Some(endpoints) if is_mirrored(api, &endpoints)? => slices(&endpoints),
            _ => Vec::new(),
        };
        for slice in wanted {
            let same =
                |old: &Value| ["addressType", "ports"].iter().all(|field| old[*field] == slice[*field]);
            match existing.iter().position(same) {
                Some(position) => update(api, existing.swap_remove(position), &slice)?,
                None => match api.create(&slice) {
                    Err(error) if error.is_namespace_terminating() => return Ok(Outcome::done()),
                    created => drop(created?),
                },
            }
        }
        for slice in existing {
            let at = SLICES.object(slice.namespace(), slice.name());
            match api.delete(at, &DeleteOptions::uid(slice.uid())) {
                Err(error) if !error.is_not_found() => return Err(error.into()),
                _ => {}
            }
        }
        Ok(Outcome::done())
    }
}

fn is_mirrored(api: &dyn Api, endpoints: &Value) -> Result<bool, Error> {
    let skipped =
        endpoints.label(SKIP).is_some_and(|skip| ["true", "True", "TRUE", "t", "T", "1"].contains(&skip));
    if skipped || endpoints.is_being_deleted() || endpoints.annotation(LEADER).is_some() {
        return Ok(false);
    }
    let service = api.get(Kind::SERVICE.object(endpoints.namespace(), endpoints.name()))?;
    Ok(service.is_some_and(|service| service.at(&["spec", "selector"]).is_null()))
}

fn update(api: &dyn Api, mut slice: Value, wanted: &Value) -> Result<(), Error> {
    let metadata = ["labels", "annotations"];
    let same = slice["endpoints"] == wanted["endpoints"]
        && metadata.iter().all(|field| slice["metadata"][*field] == wanted["metadata"][*field]);
    if same {
        return Ok(());
    }
    slice["endpoints"] = wanted["endpoints"].clone();
    for field in metadata {
        slice["metadata"][field] = wanted["metadata"][field].clone();
    }
    api.update(&slice)?;
    Ok(())
}

/// One slice for each family and set of ports.
fn slices(endpoints: &Value) -> Vec<Value> {
    let mut slices: Vec<Value> = Vec::new();
    for subset in endpoints.items(&["subsets"]) {
        let ports: Vec<Value> = subset.items(&["ports"]).iter().map(port).collect();
        for (list, ready) in [("addresses", true), ("notReadyAddresses", false)] {
            for address in subset.items(&[list]) {
                let family =
                    if address["ip"].as_str().unwrap_or_default().contains(':') { "IPv6" } else { "IPv4" };
                let known = slices
                    .iter()
                    .position(|slice| slice["addressType"] == family && slice["ports"] == json!(ports));
                let slice = known.unwrap_or_else(|| {
                    slices.push(json!({
                        "apiVersion": SLICES.api_version, "kind": SLICES.kind, "metadata": metadata(endpoints),
                        "addressType": family, "ports": ports, "endpoints": [],
                    }));
                    slices.len() - 1
                });
                if let Some(list) = slices[slice]["endpoints"].as_array_mut().filter(|list| list.len() < MOST)
                {
                    list.push(endpoint(address, ready));
                }
            }
        }
    }
    slices
}

fn port(port: &Value) -> Value {
    let mut of_slice = json!({
        "name": port["name"].as_str().unwrap_or_default(),
        "port": port["port"],
        "protocol": port["protocol"].as_str().unwrap_or("TCP"),
    });
    if let Some(protocol) = port["appProtocol"].as_str() {
        of_slice["appProtocol"] = protocol.into();
    }
    of_slice
}

fn endpoint(address: &Value, ready: bool) -> Value {
    let mut endpoint = json!({ "addresses": [address["ip"]], "conditions": { "ready": ready } });
    for field in ["hostname", "nodeName", "targetRef"] {
        if !address[field].is_null() {
            endpoint[field] = address[field].clone();
        }
    }
    endpoint
}

fn metadata(endpoints: &Value) -> Value {
    let copy = |field: &str| endpoints.at(&["metadata", field]).as_object().cloned().unwrap_or_default();
    let mut labels = copy("labels");
    labels.insert(SERVICE_NAME.into(), endpoints.name().into());
    labels.insert(MANAGED_BY.into(), MANAGER.into());
    let mut annotations = copy("annotations");
    annotations.retain(|name, _| !NOT_COPIED.contains(&name.as_str()));
    let mut metadata = json!({
        "generateName": format!("{}-", endpoints.name()),
        "namespace": endpoints.namespace(),
        "labels": labels,
        "ownerReferences": [controller_reference(endpoints)],
    });
    if !annotations.is_empty() {
        metadata["annotations"] = annotations.into();
    }
    metadata
}

#[cfg(test)]
mod tests;
