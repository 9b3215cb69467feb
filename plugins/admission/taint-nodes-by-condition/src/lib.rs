//! A new node takes no pods until it is known to be ready: it begins with the taint that the controller
//! `node` takes away. <https://kubernetes.io/docs/concepts/architecture/nodes/#taint-nodes-by-condition>

use orch_sdk::admission::{Admitted, Check, Denial, Description, Operation, Request};
use orch_sdk::json;
use orch_sdk::object::Object;

const NOT_READY: &str = "node.kubernetes.io/not-ready";
const EFFECT: &str = "NoSchedule";

#[derive(Default)]
pub struct TaintNodes;

orch_sdk::export_admission!(TaintNodes);

impl Check for TaintNodes {
    fn describe() -> Description {
        Description::new().reviews(&[Operation::Create], &[""], &["nodes"]).mutates()
    }

    fn review(&mut self, request: &Request) -> Result<Admitted, Denial> {
        let mut taints = request.object.items(&["spec", "taints"]).to_vec();
        let known = taints.iter().any(|taint| taint["key"] == NOT_READY && taint["effect"] == EFFECT);
        if known || request.resource.resource != "nodes" || !request.sub_resource.is_empty() {
            return Ok(Admitted::unchanged());
        }
        taints.push(json!({ "key": NOT_READY, "effect": EFFECT }));
        let mut node = request.object.clone();
        node.set(&["spec", "taints"], taints);
        Ok(Admitted::changed(&request.object, &node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::Value;

    fn patch(spec: Value) -> String {
        let request = json!({ "operation": "CREATE", "resource": { "resource": "nodes" },
            "object": { "metadata": { "name": "n" }, "spec": spec } });
        TaintNodes.review(&orch_sdk::serde_json::from_value(request).unwrap()).unwrap().patch
    }

    #[test]
    fn a_new_node_is_tainted_once() {
        assert!(patch(Value::Null).contains(NOT_READY));
        assert!(patch(json!({ "taints": [{ "key": NOT_READY, "effect": "NoExecute" }] })).contains(EFFECT));
        assert_eq!(patch(json!({ "taints": [{ "key": NOT_READY, "effect": EFFECT }] })), "");
    }
}
