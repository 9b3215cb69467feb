//! Keeps the core/v1 Endpoints of every Service that selects pods, for clients that do not read
//! EndpointSlices. One object a Service, of the Service's first address family.

mod subsets;

use orch_sdk::controller::{
    Api, Change, Controller, DeleteOptions, Description, Error, Kind, Outcome, Selection,
};
use orch_sdk::object::Object;
use orch_sdk::{Value, json, service};

const ENDPOINTS: Kind = Kind::new("v1", "Endpoints");
const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
const MANAGER: &str = "endpoint-controller";
const HEADLESS: &str = "service.kubernetes.io/headless";
const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";

#[derive(Default)]
pub struct EndpointsController;

orch_sdk::export_controller!(EndpointsController);

const PODS: usize = 1;

impl Controller for EndpointsController {
    /// One worker: a key of pods ranges over Services that have keys of their own.
    fn describe() -> Description {
        let of_pods = [
            "metadata.labels",
            "metadata.deletionTimestamp",
            "spec.nodeName",
            "spec.hostname",
            "spec.subdomain",
            "spec.restartPolicy",
            "spec.containers[*].ports",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.conditions",
        ];
        Description::new()
            .watches(Kind::SERVICE, &["spec", "metadata.labels", "metadata.deletionTimestamp"])
            .watches_mapped(Kind::POD, &of_pods)
            .watches_mapped(ENDPOINTS, &[])
    }

    fn keys(&mut self, watch: usize, change: Change, object: &Value, before: Option<&Value>) -> Vec<String> {
        if watch == PODS {
            return service::keys_of_pod(object, before);
        }
        let ours = object.label(MANAGED_BY) == Some(MANAGER) && change != Change::Added;
        if ours { vec![object.key()] } else { Vec::new() }
    }

    fn reconcile(&mut self, api: &dyn Api, key: &str) -> Result<Outcome, Error> {
        let gone = |namespace: &str, name: &str| remove(api, namespace, name);
        service::reconcile(api, key, |service| sync(api, service), gone)
    }
}

/// Endpoints go with their Service; those that somebody else wrote are not ours to delete.
fn remove(api: &dyn Api, namespace: &str, name: &str) -> Result<(), Error> {
    let ours = |endpoints: &Value| endpoints.label(MANAGED_BY) == Some(MANAGER);
    let Some(endpoints) = api.get(ENDPOINTS.object(namespace, name))?.filter(ours) else { return Ok(()) };
    match api.delete(ENDPOINTS.object(namespace, name), &DeleteOptions::uid(endpoints.uid())) {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}

fn sync(api: &dyn Api, service: &Value) -> Result<(), Error> {
    let Some(selector) = service::selector(service) else { return Ok(()) };
    let labels = selector.to_string();
    let pods = api.list(Kind::POD, Selection::within(service.namespace()).labels(&labels))?;
    let (subsets, truncated) = subsets::of(service, &pods);
    let wanted = wanted(service, subsets, truncated);
    let result = match api.get(ENDPOINTS.object(service.namespace(), service.name()))? {
        Some(there) if says_the_same(&there, &wanted) => return Ok(()),
        Some(mut there) => {
            there.set(&["subsets"], wanted["subsets"].clone());
            there.set(&["metadata", "labels"], wanted.at(&["metadata", "labels"]).clone());
            set_over_capacity(&mut there, truncated);
            api.update(&there)
        }
        None => api.create(&wanted),
    };
    match result {
        Err(error) if error.is_namespace_terminating() => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Ok(()),
    }
}

fn says_the_same(there: &Value, wanted: &Value) -> bool {
    there.items(&["subsets"]) == wanted.items(&["subsets"])
        && there.at(&["metadata", "labels"]) == wanted.at(&["metadata", "labels"])
        && there.annotation(OVER_CAPACITY) == wanted.annotation(OVER_CAPACITY)
}

fn wanted(service: &Value, subsets: Vec<Value>, truncated: bool) -> Value {
    let mut labels = service.at(&["metadata", "labels"]).as_object().cloned().unwrap_or_default();
    labels.remove(HEADLESS);
    labels.insert(MANAGED_BY.into(), MANAGER.into());
    if service.at(&["spec", "clusterIP"]) == "None" {
        labels.insert(HEADLESS.into(), "".into());
    }
    let mut endpoints = json!({
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": service.name(), "namespace": service.namespace(), "labels": labels},
        "subsets": subsets,
    });
    set_over_capacity(&mut endpoints, truncated);
    endpoints
}

fn set_over_capacity(endpoints: &mut Value, truncated: bool) {
    if truncated {
        endpoints.set(&["metadata", "annotations", OVER_CAPACITY], "truncated");
    } else if let Some(annotations) =
        endpoints.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut)
    {
        annotations.remove(OVER_CAPACITY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::fake::Cluster;

    fn service() -> Value {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop", "labels": {"team": "a"}},
            "spec": {"selector": {"app": "web"}, "clusterIP": "10.96.0.5", "ports": [{"port": 80, "targetPort": 8080}]}})
    }
    fn pod(name: &str, ip: &str, ready: bool) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "shop", "uid": name, "labels": {"app": "web"}},
            "status": {"phase": "Running", "podIP": ip,
                "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]}})
    }
    fn reconcile(cluster: &Cluster, key: &str) {
        EndpointsController.reconcile(cluster, key).unwrap();
    }

    #[test]
    fn a_service_gets_its_endpoints() {
        let cluster = Cluster::with([service(), pod("b", "10.0.0.2", true), pod("a", "10.0.0.1", false)]);
        reconcile(&cluster, "shop/web");
        let endpoints = cluster.object(ENDPOINTS, "shop", "web");
        assert_eq!(endpoints["metadata"]["labels"], json!({"team": "a", MANAGED_BY: MANAGER}));
        let subset = &endpoints["subsets"][0];
        assert_eq!(subset["addresses"][0]["ip"], "10.0.0.2");
        assert_eq!(subset["notReadyAddresses"][0]["targetRef"]["name"], "a");
        assert_eq!(subset["ports"], json!([{"port": 8080, "protocol": "TCP"}]));
        cluster.take_writes();
        reconcile(&cluster, "shop/web");
        assert!(cluster.take_writes().is_empty());
        let ready = pod("a", "10.0.0.1", true);
        cluster.put(ready.clone());
        reconcile(&cluster, &EndpointsController.keys(PODS, Change::Modified, &ready, None)[0]);
        assert_eq!(
            cluster.object(ENDPOINTS, "shop", "web")["subsets"][0]["addresses"].as_array().unwrap().len(),
            2
        );
    }

    #[test]
    fn they_go_with_the_service_unless_somebody_else_wrote_them() {
        let foreign = json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "mine", "namespace": "shop"}});
        let cluster = Cluster::with([service(), foreign]);
        reconcile(&cluster, "shop/web");
        cluster.delete(Kind::SERVICE.object("shop", "web"), &DeleteOptions::default()).unwrap();
        reconcile(&cluster, "shop/web");
        reconcile(&cluster, "shop/mine");
        let left: Vec<String> = cluster.objects(ENDPOINTS, "shop").iter().map(|e| e.name().into()).collect();
        assert_eq!(left, ["mine"]);
    }
}
