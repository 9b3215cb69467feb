//! From a Service to an address (`k8s.io/apiserver/pkg/util/proxy`).

use http::uri::Authority;
use orch_watch::Cache;
use rand::seq::IndexedRandom;
use serde_json::Value;

use crate::key;

/// Why a Service leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    #[error("service {0:?} not found")]
    NoService(String),
    #[error("no service port {port} found for service {service:?}")]
    NoPort { service: String, port: String },
    #[error("no endpoints available for service {0:?}")]
    NoEndpoints(String),
    #[error("service {0:?} has an address that cannot be used")]
    BadAddress(String),
}

/// A ready endpoint behind a Service's port; for an ExternalName that name.
pub fn service(cache: &Cache, namespace: &str, name: &str, port: u16) -> Result<Authority, Unresolved> {
    let found = cache.get(&key::object("", "services", namespace, name));
    let service = found.ok_or_else(|| Unresolved::NoService(name.into()))?.value();
    if service["spec"]["type"] == "ExternalName" {
        let host = service["spec"]["externalName"].as_str().unwrap_or_default();
        return authority(host, u64::from(port)).ok_or_else(|| Unresolved::BadAddress(name.into()));
    }
    let slices = slices_of(cache, namespace, name);
    let no_port = || Unresolved::NoPort { service: name.into(), port: port.to_string() };
    let entry = list(&service["spec"]["ports"]).iter().find(|entry| entry["port"] == port);
    let port_name = entry.ok_or_else(no_port)?["name"].as_str().unwrap_or_default();
    endpoint(name, port_name, &slices, |_| true)
}

/// The EndpointSlices of a Service.
pub fn slices_of(cache: &Cache, namespace: &str, name: &str) -> Vec<std::sync::Arc<Value>> {
    let all = cache.list(&key::prefix("discovery.k8s.io", "endpointslices", Some(namespace))).items;
    let own = |slice: &Value| slice["metadata"]["labels"]["kubernetes.io/service-name"] == name;
    all.iter().map(|slice| slice.value()).filter(|slice| own(slice)).collect()
}

/// Any ready and accepted address that serves the port of this name.
pub fn endpoint<V: AsRef<Value>>(
    service: &str,
    port_name: &str,
    slices: &[V],
    accepted: impl Fn(&Value) -> bool,
) -> Result<Authority, Unresolved> {
    let accepted = &accepted;
    let ready = slices.iter().flat_map(|slice| {
        let slice = slice.as_ref();
        let ports = list(&slice["ports"]).iter();
        let number = ports
            .filter(|entry| entry["name"].as_str().unwrap_or_default() == port_name)
            .find_map(|entry| entry["port"].as_u64());
        let endpoints = list(&slice["endpoints"]).iter();
        let ready = endpoints.filter(|e| e["conditions"]["ready"] != false && accepted(e));
        ready.filter_map(move |endpoint| authority(endpoint["addresses"][0].as_str()?, number?))
    });
    let ready: Vec<Authority> = ready.collect();
    ready.choose(&mut rand::rng()).cloned().ok_or_else(|| Unresolved::NoEndpoints(service.into()))
}

/// `10.0.0.1:80`, `[fd00::1]:80`.
pub fn authority(host: &str, port: u64) -> Option<Authority> {
    let text = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    text.parse().ok()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    fn slice(address: &str, ready: bool) -> Arc<Value> {
        Arc::new(json!({ "ports": [{ "name": "https", "port": 8443 }, { "name": "other", "port": 1 }],
            "endpoints": [{ "addresses": [address], "conditions": { "ready": ready } }] }))
    }

    #[test]
    fn ready_endpoints_serve_the_ports_target() {
        let slices = [slice("10.0.0.1", false), slice("10.0.0.2", true)];
        let found = |slices: &[Arc<Value>]| endpoint("s", "https", slices, |_| true);
        assert_eq!(found(&slices).unwrap().as_str(), "10.0.0.2:8443");
        assert_eq!(found(&[slice("fd00::1", true)]).unwrap().as_str(), "[fd00::1]:8443");
        let nothing = found(&slices[..1]).unwrap_err();
        assert_eq!(nothing.to_string(), r#"no endpoints available for service "s""#);
        assert_eq!(endpoint("s", "https", &slices, |_| false), Err(nothing));
        let unknown = endpoint("s", "x", &slices, |_| true).unwrap_err();
        assert_eq!(unknown, Unresolved::NoEndpoints("s".into()));
    }
}
