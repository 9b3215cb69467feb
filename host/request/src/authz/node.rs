//! What a node may do: what the kubelet needs, on its own objects and those of its pods
//! (`plugin/pkg/auth/authorizer/node` and the NodeRestriction plug-in, in one decision).

use std::sync::Arc;

use memchr::memmem;
use orch_client::Identity;
use orch_watch::Cache;
use serde_json::Value;

use super::Attributes;
use crate::key;

/// Which pods a node runs.
pub trait PodPlacement: Send + Sync + 'static {
    /// The pods of a namespace that are bound to the node.
    fn pods_on(&self, node: &str, namespace: &str) -> Vec<Arc<Value>>;
}

/// Placement as the cache knows it.
pub fn pod_nodes(cache: Cache) -> Arc<dyn PodPlacement> {
    Arc::new(CachedPlacement(cache))
}

struct CachedPlacement(Cache);

impl PodPlacement for CachedPlacement {
    fn pods_on(&self, node: &str, namespace: &str) -> Vec<Arc<Value>> {
        let list = self.0.list(&key::prefix("", "pods", Some(namespace)));
        // A scan for the node's name spares most pods the parse.
        let named = memmem::Finder::new(node);
        let candidates = list.items.iter().filter(|pod| named.find(&pod.bytes).is_some());
        candidates.map(|pod| pod.value()).filter(|pod| pod["spec"]["nodeName"] == node).collect()
    }
}

pub struct NodeAuthorizer {
    pods: Arc<dyn PodPlacement>,
}

const READ: &[&str] = &["get", "list", "watch"];
const WRITE: &[&str] = &["create", "update", "patch"];

impl NodeAuthorizer {
    pub fn new(pods: Arc<dyn PodPlacement>) -> Self {
        NodeAuthorizer { pods }
    }

    pub fn allows(&self, identity: &Identity, attributes: &Attributes) -> bool {
        let Some(node) = identity.name.strip_prefix("system:node:") else { return false };
        if !identity.groups.iter().any(|g| g == "system:nodes") || attributes.path.is_some() {
            return false;
        }
        let verb = attributes.verb.as_str();
        match (attributes.group.as_str(), attributes.resource.as_str(), attributes.subresource.as_str()) {
            ("", "services" | "nodes" | "namespaces" | "endpoints", "") if READ.contains(&verb) => true,
            ("", "pods", "") if READ.contains(&verb) => true,
            ("discovery.k8s.io", "endpointslices", "") => READ.contains(&verb),
            ("networking.k8s.io", "networkpolicies", "") => READ.contains(&verb),
            ("node.k8s.io", "runtimeclasses", "") => READ.contains(&verb),
            ("storage.k8s.io", "csidrivers", "") => READ.contains(&verb),
            ("plugins.orch.dev", "plugins", "") => READ.contains(&verb),
            ("certificates.k8s.io", "clustertrustbundles", "") => READ.contains(&verb),
            // For whom is checked by admission, where the request is seen.
            ("certificates.k8s.io", "podcertificaterequests", "") => verb == "create" || READ.contains(&verb),
            ("certificates.k8s.io", "certificatesigningrequests", "") => {
                verb == "create" || READ.contains(&verb)
            }
            // A create names its object in the body only.
            ("", "nodes", "") => verb == "create" || attributes.name == node && WRITE.contains(&verb),
            ("", "nodes", "status") => attributes.name == node && WRITE.contains(&verb),
            ("storage.k8s.io", "csinodes", "") => verb == "create" || attributes.name == node,
            ("coordination.k8s.io", "leases", "") => {
                attributes.namespace == "kube-node-lease" && (verb == "create" || attributes.name == node)
            }
            ("" | "events.k8s.io", "events", "") => WRITE.contains(&verb),
            ("authentication.k8s.io", "tokenreviews", "") => verb == "create",
            ("authorization.k8s.io", "subjectaccessreviews" | "localsubjectaccessreviews", "") => {
                verb == "create"
            }
            ("", "pods", "") if verb == "create" => true,
            ("", "pods", "" | "status" | "eviction") => {
                ["delete", "update", "patch", "create"].contains(&verb) && self.runs(node, attributes)
            }
            ("", "secrets" | "configmaps" | "persistentvolumeclaims", "") => {
                READ.contains(&verb) && self.referenced(node, attributes)
            }
            ("", "serviceaccounts", "") => verb == "get" && self.referenced(node, attributes),
            ("", "serviceaccounts", "token") => verb == "create" && self.referenced(node, attributes),
            _ => false,
        }
    }

    fn runs(&self, node: &str, attributes: &Attributes) -> bool {
        let pods = self.pods.pods_on(node, &attributes.namespace);
        pods.iter().any(|pod| pod["metadata"]["name"] == attributes.name.as_str())
    }

    fn referenced(&self, node: &str, attributes: &Attributes) -> bool {
        let pods = self.pods.pods_on(node, &attributes.namespace);
        !attributes.name.is_empty()
            && pods.iter().any(|pod| refers(&pod["spec"], &attributes.resource, &attributes.name))
    }
}

/// Whether a pod's spec names the object.
fn refers(spec: &Value, resource: &str, name: &str) -> bool {
    match resource {
        "serviceaccounts" => {
            spec["serviceAccountName"].as_str().filter(|n| !n.is_empty()).unwrap_or("default") == name
        }
        "secrets" => {
            any(&spec["imagePullSecrets"], |s| s["name"] == name)
                || volumes(spec, |v| v["secret"]["secretName"] == name || v["secret"]["name"] == name)
                || environment(spec, "secretRef", "secretKeyRef", name)
        }
        "configmaps" => {
            volumes(spec, |v| v["configMap"]["name"] == name)
                || environment(spec, "configMapRef", "configMapKeyRef", name)
        }
        "persistentvolumeclaims" => {
            any(&spec["volumes"], |v| v["persistentVolumeClaim"]["claimName"] == name)
        }
        _ => false,
    }
}

fn any(list: &Value, test: impl Fn(&Value) -> bool) -> bool {
    list.as_array().is_some_and(|items| items.iter().any(test))
}

/// Volumes and the sources within projected ones.
fn volumes(spec: &Value, test: impl Fn(&Value) -> bool) -> bool {
    any(&spec["volumes"], |volume| test(volume) || any(&volume["projected"]["sources"], &test))
}

fn environment(spec: &Value, from: &str, key: &str, name: &str) -> bool {
    ["containers", "initContainers", "ephemeralContainers"].iter().any(|list| {
        any(&spec[*list], |container| {
            any(&container["envFrom"], |source| source[from]["name"] == name)
                || any(&container["env"], |env| env["valueFrom"][key]["name"] == name)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    struct One(Value);
    impl PodPlacement for One {
        fn pods_on(&self, node: &str, _: &str) -> Vec<Arc<Value>> {
            if self.0["spec"]["nodeName"] == node { vec![Arc::new(self.0.clone())] } else { vec![] }
        }
    }

    fn allows(node: &str, verb: &str, resource: &str, name: &str) -> bool {
        let pod = json!({"metadata": {"name": "web"}, "spec": {"nodeName": "n1", "containers": [
            {"envFrom": [{"configMapRef": {"name": "settings"}}],
             "env": [{"valueFrom": {"secretKeyRef": {"name": "password"}}}]}]}});
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let identity = Identity::new(format!("system:node:{node}"), &["system:nodes"]);
        let attributes = Attributes {
            verb: verb.into(),
            namespace: "default".into(),
            resource: resource.into(),
            subresource: subresource.into(),
            name: name.into(),
            ..Default::default()
        };
        NodeAuthorizer::new(Arc::new(One(pod))).allows(&identity, &attributes)
    }

    #[test]
    fn a_node_reaches_what_its_pods_name_and_no_more() {
        assert!(allows("n1", "get", "secrets", "password"));
        assert!(!allows("n1", "get", "secrets", "other"));
        assert!(!allows("n2", "get", "secrets", "password"));
        assert!(allows("n1", "get", "configmaps", "settings"));
        assert!(allows("n1", "create", "serviceaccounts/token", "default"));
        assert!(!allows("n2", "create", "serviceaccounts/token", "default"));
        assert!(!allows("n1", "list", "secrets", ""));
    }

    #[test]
    fn a_node_writes_its_own_node_and_pods() {
        assert!(allows("n1", "patch", "nodes/status", "n1"));
        assert!(!allows("n1", "patch", "nodes/status", "n2"));
        assert!(allows("n1", "patch", "pods/status", "web"));
        assert!(!allows("n2", "patch", "pods/status", "web"));
        assert!(!allows("n2", "delete", "pods", "web"));
    }
}
