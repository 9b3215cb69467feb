//! The environment variables that tell a pod about Services.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::spec::Pod;

/// `KUBERNETES_SERVICE_HOST` and its kin; with `enableServiceLinks`, those of the pod's namespace too.
pub fn variables(pod: &Pod, services: &[Arc<Value>]) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let namespace = pod.metadata.namespace.as_str();
    let is_in = |service: &Value, ns: &str| service["metadata"]["namespace"] == ns;
    let kubernetes = services.iter().filter(|s| is_in(s, "default") && s["metadata"]["name"] == "kubernetes");
    for service in kubernetes {
        add(&mut out, service);
    }
    if pod.spec.enable_service_links.unwrap_or(true) {
        for service in services.iter().filter(|s| is_in(s, namespace)) {
            add(&mut out, service);
        }
    }
    out
}

fn add(out: &mut BTreeMap<String, String>, service: &Value) {
    let ip = service["spec"]["clusterIP"].as_str().unwrap_or_default();
    let ports = service["spec"]["ports"].as_array().map(Vec::as_slice).unwrap_or_default();
    if ip.is_empty() || ip == "None" || ports.is_empty() {
        return;
    }
    let prefix = variable_name(service["metadata"]["name"].as_str().unwrap_or_default());
    let shown_ip = if ip.contains(':') { format!("[{ip}]") } else { ip.to_string() };
    out.insert(format!("{prefix}_SERVICE_HOST"), ip.to_string());
    for (index, port) in ports.iter().enumerate() {
        let number = port["port"].as_u64().unwrap_or_default();
        let protocol = port["protocol"].as_str().unwrap_or("TCP");
        let url = format!("{}://{shown_ip}:{number}", protocol.to_lowercase());
        if index == 0 {
            out.insert(format!("{prefix}_SERVICE_PORT"), number.to_string());
            out.insert(format!("{prefix}_PORT"), url.clone());
        }
        if let Some(name) = port["name"].as_str().filter(|name| !name.is_empty()) {
            out.insert(format!("{prefix}_SERVICE_PORT_{}", variable_name(name)), number.to_string());
        }
        let link = format!("{prefix}_PORT_{number}_{}", protocol.to_uppercase());
        out.insert(format!("{link}_PROTO"), protocol.to_lowercase());
        out.insert(format!("{link}_PORT"), number.to_string());
        out.insert(format!("{link}_ADDR"), ip.to_string());
        out.insert(link, url);
    }
}

fn variable_name(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_services_of_the_namespace_and_the_api() {
        let service = |ns: &str, name: &str, ip: &str| {
            Arc::new(json!({"metadata": {"namespace": ns, "name": name},
                "spec": {"clusterIP": ip, "ports": [{"name": "https", "port": 443, "protocol": "TCP"}]}}))
        };
        let services = [
            service("default", "kubernetes", "10.96.0.1"),
            service("mine", "my-db", "10.96.0.9"),
            service("other", "far", "10.96.0.8"),
            service("mine", "headless", "None"),
        ];
        let mut pod = Pod::default();
        pod.metadata.namespace = "mine".into();
        let vars = variables(&pod, &services);
        assert_eq!(vars["KUBERNETES_SERVICE_HOST"], "10.96.0.1");
        assert_eq!(vars["KUBERNETES_SERVICE_PORT_HTTPS"], "443");
        assert_eq!(vars["MY_DB_PORT_443_TCP"], "tcp://10.96.0.9:443");
        assert_eq!(vars["MY_DB_PORT_443_TCP_ADDR"], "10.96.0.9");
        assert!(!vars.contains_key("FAR_SERVICE_HOST") && !vars.contains_key("HEADLESS_SERVICE_HOST"));
        pod.spec.enable_service_links = Some(false);
        assert!(!variables(&pod, &services).contains_key("MY_DB_PORT"));
    }
}
