//! The downward API: what a pod may learn about itself.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::spec::{Pod, ResourceFieldRef};
use crate::quantity;

/// What the fields are read from.
#[derive(Clone, Copy)]
pub struct Downward<'a> {
    pub pod: &'a Pod,
    pub pod_ips: &'a [IpAddr],
    pub host_ips: &'a [IpAddr],
    pub node: &'a NodeResources,
}

/// What an unset limit means: all the node can give.
#[derive(Debug, Clone, Default)]
pub struct NodeResources {
    pub milli_cpu: i128,
    pub memory_bytes: i128,
    pub ephemeral_bytes: i128,
}

/// The value of a `fieldRef`.
pub fn field(from: Downward, path: &str) -> Result<String, String> {
    let Downward { pod, pod_ips, host_ips, .. } = from;
    let meta = &pod.metadata;
    Ok(match path {
        "metadata.name" => meta.name.clone(),
        "metadata.namespace" => meta.namespace.clone(),
        "metadata.uid" => meta.uid.clone(),
        "metadata.labels" => formatted(&meta.labels),
        "metadata.annotations" => formatted(&meta.annotations),
        "spec.nodeName" => pod.spec.node_name.clone(),
        "spec.serviceAccountName" => pod.spec.service_account_name.clone(),
        "status.hostIP" => host_ips.first().map(ToString::to_string).unwrap_or_default(),
        "status.hostIPs" => joined(host_ips),
        "status.podIP" => pod_ips.first().map(ToString::to_string).unwrap_or_default(),
        "status.podIPs" => joined(pod_ips),
        _ => return subscript(pod, path).ok_or_else(|| format!("unsupported fieldPath: {path}")),
    })
}

fn joined(ips: &[IpAddr]) -> String {
    ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// `metadata.labels['app']`
fn subscript(pod: &Pod, path: &str) -> Option<String> {
    let (map, rest) = if let Some(rest) = path.strip_prefix("metadata.labels") {
        (&pod.metadata.labels, rest)
    } else {
        (&pod.metadata.annotations, path.strip_prefix("metadata.annotations")?)
    };
    let key = rest.strip_prefix("['").and_then(|r| r.strip_suffix("']"))?;
    Some(map.get(key).cloned().unwrap_or_default())
}

/// `key="value"` lines, values quoted as Go quotes them.
fn formatted(map: &BTreeMap<String, String>) -> String {
    map.iter().map(|(k, v)| format!("{k}={}", quoted(v))).collect::<Vec<_>>().join("\n")
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The value of a `resourceFieldRef`, in units of its divisor, rounded up. `own` is the container
/// meant when the reference names none.
pub fn resource(from: Downward, reference: &ResourceFieldRef, own: &str) -> Result<String, String> {
    let name = if reference.container_name.is_empty() { own } else { &reference.container_name };
    let container = from.pod.container(name).ok_or_else(|| format!("container {name} not found"))?;
    let (side, resource) =
        reference.resource.split_once('.').ok_or_else(|| unsupported(&reference.resource))?;
    let list = match side {
        "limits" => &container.resources.limits,
        "requests" => &container.resources.requests,
        _ => return Err(unsupported(&reference.resource)),
    };
    let set = list.get(resource).and_then(quantity::milli);
    let milli = match (set, side) {
        (Some(milli), _) => milli,
        (None, "limits") => allocatable(from.node, resource),
        (None, _) => 0,
    };
    let divisor = reference.divisor.as_ref().and_then(quantity::milli).filter(|d| *d > 0).unwrap_or(1000);
    Ok((milli.div_euclid(divisor) + i128::from(milli.rem_euclid(divisor) != 0)).to_string())
}

fn allocatable(node: &NodeResources, resource: &str) -> i128 {
    match resource {
        "cpu" => node.milli_cpu,
        "memory" => node.memory_bytes * 1000,
        "ephemeral-storage" => node.ephemeral_bytes * 1000,
        _ => 0,
    }
}

fn unsupported(resource: &str) -> String {
    format!("unsupported container resource : {resource}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Arc;

    #[test]
    fn reads_fields_and_resources() {
        let pod = Pod::read(Arc::new(json!({
            "metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {"a": "x\"y", "b": "2"}},
            "spec": {"nodeName": "node", "containers": [{"name": "c",
                "resources": {"limits": {"cpu": "1500m"}, "requests": {"memory": "64Mi"}}}]}})))
        .unwrap();
        let ips = ["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()];
        let node = NodeResources { milli_cpu: 2000, memory_bytes: 1 << 30, ephemeral_bytes: 0 };
        let from = Downward { pod: &pod, pod_ips: &ips, host_ips: &[], node: &node };
        assert_eq!(field(from, "metadata.labels['a']").unwrap(), "x\"y");
        assert_eq!(field(from, "metadata.labels").unwrap(), "a=\"x\\\"y\"\nb=\"2\"");
        assert_eq!(field(from, "status.podIPs").unwrap(), "10.0.0.1,fd00::1");
        assert!(field(from, "spec.nope").is_err());
        let value = |resource: &str, divisor: &str| {
            let reference = ResourceFieldRef {
                resource: resource.into(),
                divisor: Some(json!(divisor)),
                ..Default::default()
            };
            resource_value(from, &reference)
        };
        assert_eq!(value("limits.cpu", "0"), "2");
        assert_eq!(value("limits.cpu", "1m"), "1500");
        assert_eq!(value("requests.memory", "1Mi"), "64");
        assert_eq!(value("limits.memory", "1"), (1u64 << 30).to_string());
    }

    fn resource_value(from: Downward, reference: &ResourceFieldRef) -> String {
        resource(from, reference, "c").unwrap()
    }
}
