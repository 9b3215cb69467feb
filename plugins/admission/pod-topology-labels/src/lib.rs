//! A pod that gets a node gets the labels of the node's zone and region, so that its containers can
//! read them.
//! <https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#podtopologylabels>

use std::collections::HashMap;

use orch_sdk::Value;
use orch_sdk::admission::{Admitted, Check, Delta, Denial, Description, Operation, Reading, Request};
use orch_sdk::object::Object;

const LABELS: [&str; 2] = ["topology.kubernetes.io/region", "topology.kubernetes.io/zone"];

#[derive(Default)]
pub struct PodTopologyLabels {
    /// Those of [`LABELS`] that a node has, by node; nodes without are not in it.
    nodes: HashMap<String, Vec<(&'static str, Value)>>,
}

orch_sdk::export_admission!(PodTopologyLabels);

impl Check for PodTopologyLabels {
    fn describe() -> Description {
        let labels = LABELS.map(|label| format!("metadata.labels[{label}]"));
        Description::new()
            .reviews(&[Operation::Create], &[""], &["pods", "pods/binding"])
            .reads("v1", "Node", &labels.each_ref().map(String::as_str))
            .mutates()
    }

    fn reads(&self) -> Vec<Reading> {
        vec![
            Reading::of(&["pods"], &["object.metadata.labels", "object.spec.nodeName"]),
            Reading::of(&["pods/binding"], &["object.metadata.labels", "object.target"]),
        ]
    }

    fn sync(&mut self, delta: Delta) -> Result<(), String> {
        match delta {
            Delta::Upsert(node) => {
                let value = |label| node.at(&["metadata", "labels", label]);
                let has = LABELS.into_iter().filter(|label| !value(label).is_null());
                let labels: Vec<_> = has.map(|label| (label, value(label).clone())).collect();
                match labels.is_empty() {
                    true => self.nodes.remove(node.name()),
                    false => self.nodes.insert(node.name().into(), labels),
                };
            }
            Delta::Remove(node) => drop(self.nodes.remove(node.name())),
        }
        Ok(())
    }

    fn review(&mut self, request: &Request) -> Result<Admitted, Denial> {
        let labels = self.nodes.get(node_of(request)).map(Vec::as_slice).unwrap_or_default();
        if labels.is_empty() {
            return Ok(Admitted::unchanged());
        }
        let mut object = request.object.clone();
        for (label, value) in labels {
            object.set(&["metadata", "labels", label], value.clone());
        }
        Ok(Admitted::changed(&request.object, &object))
    }
}

/// Empty for a pod without a node, and for what binds it to something else.
fn node_of(request: &Request) -> &str {
    let object = &request.object;
    let name = match request.sub_resource.as_str() {
        "binding" if object.at(&["target", "kind"]) == "Node" => object.at(&["target", "name"]),
        "" => object.at(&["spec", "nodeName"]),
        _ => &Value::Null,
    };
    name.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::json;

    fn check() -> PodTopologyLabels {
        let mut check = PodTopologyLabels::default();
        let node = |name: &str, labels: Value| json!({ "metadata": { "name": name, "labels": labels } });
        let zone = json!({ "topology.kubernetes.io/zone": "z", "kubernetes.io/arch": "amd64" });
        check.sync(Delta::Upsert(node("zoned", zone.clone()))).unwrap();
        check.sync(Delta::Upsert(node("plain", Value::Null))).unwrap();
        check.sync(Delta::Upsert(node("gone", zone.clone()))).unwrap();
        check.sync(Delta::Remove(node("gone", Value::Null))).unwrap();
        check.sync(Delta::Upsert(node("moved", zone))).unwrap();
        check.sync(Delta::Upsert(node("moved", json!({})))).unwrap();
        check
    }

    fn patch(sub_resource: &str, object: Value) -> Value {
        let request = json!({ "operation": "CREATE", "resource": { "resource": "pods" },
            "subResource": sub_resource, "object": object });
        let admitted = check().review(&orch_sdk::serde_json::from_value(request).unwrap()).unwrap();
        orch_sdk::serde_json::from_str(&admitted.patch).unwrap_or_default()
    }

    fn binding(kind: &str, node: &str) -> Value {
        json!({ "metadata": { "name": "a" }, "target": { "kind": kind, "name": node } })
    }

    #[test]
    fn a_binding_takes_over_the_labels_of_its_node() {
        let labels = json!({ "topology.kubernetes.io/zone": "z" });
        let expected = json!([{ "op": "add", "path": "/metadata/labels", "value": labels }]);
        assert_eq!(patch("binding", binding("Node", "zoned")), expected);
        for (kind, node) in
            [("Node", "plain"), ("Node", "gone"), ("Node", "moved"), ("Pod", "zoned"), ("Node", "")]
        {
            assert_eq!(patch("binding", binding(kind, node)), Value::Null, "{kind} {node}");
        }
    }

    #[test]
    fn a_pod_that_names_its_node_has_them_whatever_it_says() {
        let pod = |node: &str| {
            json!({ "metadata": { "labels": { "topology.kubernetes.io/zone": "own" } },
            "spec": { "nodeName": node } })
        };
        let patched = patch("", pod("zoned"));
        assert_eq!(patched[0]["op"], "replace");
        assert_eq!(
            (&patched[0]["path"], &patched[0]["value"]),
            (&json!("/metadata/labels/topology.kubernetes.io~1zone"), &json!("z"))
        );
        assert_eq!(patch("", pod("")), Value::Null);
        assert_eq!(patch("status", pod("zoned")), Value::Null);
    }
}
