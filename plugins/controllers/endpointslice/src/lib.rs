//! Keeps the EndpointSlices of every Service that selects pods.
//!
//! [`endpoint`] turns a pod into an endpoint, [`ports`] resolves a Service's ports on it, [`pack`]
//! lays endpoints out over slices with as few writes as it can; this file reads and carries out.

mod endpoint;
mod pack;
mod ports;

use orch_sdk::controller::{
    Api, Change, Controller, DeleteOptions, Description, Error, Kind, Outcome, Selection, key_of,
};
use orch_sdk::object::Object;
use orch_sdk::{Value, json, service};

use pack::{Family, Plan};

const SLICES: Kind = Kind::ENDPOINT_SLICE;
pub const SERVICE_NAME: &str = "kubernetes.io/service-name";
pub const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
pub const MANAGER: &str = "endpointslice-controller.k8s.io";

#[derive(Default)]
pub struct EndpointSlices;

orch_sdk::export_controller!(EndpointSlices);

const PODS: usize = 1;

impl Controller for EndpointSlices {
    /// One worker: a key of pods ranges over Services that have keys of their own.
    fn describe() -> Description {
        let of_pods = [
            "metadata.labels",
            "metadata.deletionTimestamp",
            "spec.nodeName",
            "spec.hostname",
            "spec.subdomain",
            "spec.containers[*].ports",
            "spec.initContainers",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.conditions",
        ];
        Description::new()
            .watches(Kind::SERVICE, &["spec", "metadata.labels", "metadata.deletionTimestamp"])
            .watches_mapped(Kind::POD, &of_pods)
            .watches_mapped(SLICES, &[])
            .watches_mapped(Kind::NODE, &["metadata.labels[topology.kubernetes.io/zone]"])
    }

    fn keys(&mut self, watch: usize, change: Change, object: &Value, before: Option<&Value>) -> Vec<String> {
        match watch {
            PODS => service::keys_of_pod(object, before),
            _ if object.kind() == "EndpointSlice" => key_of_slice(change, object).into_iter().collect(),
            _ => Vec::new(), // nodes are watched for their zone to be at hand
        }
    }

    fn reconcile(&mut self, api: &dyn Api, key: &str) -> Result<Outcome, Error> {
        let gone = |namespace: &str, name: &str| remove_all(api, namespace, name);
        service::reconcile(api, key, |service| sync(api, service), gone)
    }
}

/// A slice that somebody else changed or deleted is put right.
fn key_of_slice(change: Change, slice: &Value) -> Option<String> {
    let ours = slice.label(MANAGED_BY) == Some(MANAGER) && change != Change::Added;
    ours.then(|| slice.label(SERVICE_NAME).map(|service| key_of(slice.namespace(), service)))?
}

fn slices_of(api: &dyn Api, namespace: &str, service: &str) -> Result<Vec<Value>, Error> {
    let labels = format!("{SERVICE_NAME}={service},{MANAGED_BY}={MANAGER}");
    let slices = api.list(SLICES, Selection::within(namespace).labels(&labels))?;
    Ok(slices.into_iter().filter(|slice| !slice.is_being_deleted()).collect())
}

fn remove_all(api: &dyn Api, namespace: &str, service: &str) -> Result<(), Error> {
    slices_of(api, namespace, service)?.iter().try_for_each(|slice| delete(api, slice))
}

fn sync(api: &dyn Api, service: &Value) -> Result<(), Error> {
    let Some(selector) = service::selector(service) else { return Ok(()) };
    let labels = selector.to_string();
    let pods = api.list(Kind::POD, Selection::within(service.namespace()).labels(&labels))?;
    let existing = slices_of(api, service.namespace(), service.name())?;
    let mut plan = Plan::default();
    for family in Family::of_service(service) {
        let mut wanted = pack::Wanted::default();
        for pod in pods.iter().filter(|pod| endpoint::belongs(pod)) {
            if let Some(address) = family.address(pod) {
                let zone = zone(api, pod)?;
                wanted.add(ports::of(service, pod), endpoint::of(service, pod, address, zone));
            }
        }
        plan.lay_out(family, wanted, &existing);
    }
    plan.drop_other_families(service, &existing);
    carry_out(api, service, plan)
}

fn zone(api: &dyn Api, pod: &Value) -> Result<Option<String>, Error> {
    let Some(node) = pod.at(&["spec", "nodeName"]).as_str().filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    let node = api.get(Kind::NODE.object("", node))?;
    Ok(node.and_then(|node| node.label("topology.kubernetes.io/zone").map(String::from)))
}

fn carry_out(api: &dyn Api, service: &Value, plan: Plan) -> Result<(), Error> {
    let labels = labels(service);
    for mut slice in plan.keep {
        if slice.changed || slice.object.at(&["metadata", "labels"]) != &labels {
            slice.object.set(&["metadata", "labels"], labels.clone());
            api.update(&slice.object)?;
        }
    }
    for mut slice in plan.create {
        slice.set(
            &["metadata"],
            json!({
                "generateName": format!("{}-", service.name()),
                "namespace": service.namespace(),
                "labels": labels,
                "ownerReferences": [orch_sdk::object::controller_reference(service)],
            }),
        );
        match api.create(&slice) {
            Err(error) if error.is_namespace_terminating() => return Ok(()),
            result => result?,
        };
    }
    plan.delete.iter().try_for_each(|slice| delete(api, slice))
}

fn delete(api: &dyn Api, slice: &Value) -> Result<(), Error> {
    match api.delete(SLICES.object(slice.namespace(), slice.name()), &DeleteOptions::uid(slice.uid())) {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}

/// The Service's own labels, and those that tie slice and Service together.
fn labels(service: &Value) -> Value {
    let mut labels = service.at(&["metadata", "labels"]).as_object().cloned().unwrap_or_default();
    labels.retain(|key, _| key != "service.kubernetes.io/headless");
    labels.insert(SERVICE_NAME.into(), service.name().into());
    labels.insert(MANAGED_BY.into(), MANAGER.into());
    if ports::is_headless(service) {
        labels.insert("service.kubernetes.io/headless".into(), "".into());
    }
    Value::Object(labels)
}

#[cfg(test)]
mod tests;
