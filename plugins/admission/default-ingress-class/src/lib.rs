//! An Ingress that names no class gets the default one.
//! <https://kubernetes.io/docs/concepts/services-networking/ingress/#default-ingress-class>

use orch_sdk::Value;
use orch_sdk::admission::{Admitted, Check, Delta, Denial, Description, Operation, Request};
use orch_sdk::class::Defaults;
use orch_sdk::object::Object;

const GROUP: &str = "networking.k8s.io";
const MARK: &str = "ingressclass.kubernetes.io/is-default-class";
/// How an Ingress named its class before it had a field for it.
const CLASS: &str = "kubernetes.io/ingress.class";

#[derive(Default)]
pub struct DefaultIngressClass {
    defaults: Defaults,
}

orch_sdk::export_admission!(DefaultIngressClass);

impl Check for DefaultIngressClass {
    fn describe() -> Description {
        let fields = ["metadata.annotations", "metadata.creationTimestamp"];
        Description::new()
            .reviews(&[Operation::Create], &[GROUP], &["ingresses"])
            .reads("networking.k8s.io/v1", "IngressClass", &fields)
            .mutates()
    }

    fn sync(&mut self, delta: Delta) -> Result<(), String> {
        self.defaults.sync(&delta, &[MARK]);
        Ok(())
    }

    fn review(&mut self, request: &Request) -> Result<Admitted, Denial> {
        let class = self.defaults.name().filter(|_| !names_a_class(&request.object));
        let Some(class) = class else { return Ok(Admitted::unchanged()) };
        let mut ingress = request.object.clone();
        ingress.set(&["spec", "ingressClassName"], class);
        Ok(Admitted::changed(&request.object, &ingress))
    }
}

fn names_a_class(ingress: &Value) -> bool {
    ingress.annotation(CLASS).is_some() || !ingress.at(&["spec", "ingressClassName"]).is_null()
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::json;

    fn patch(check: &mut DefaultIngressClass, ingress: Value) -> String {
        let request = json!({"operation": "CREATE", "resource": {"group": GROUP, "resource": "ingresses"}, "object": ingress});
        check.review(&orch_sdk::serde_json::from_value(request).unwrap()).unwrap().patch
    }

    #[test]
    fn ingresses_without_a_class_get_the_default() {
        let mut check = DefaultIngressClass::default();
        assert_eq!(patch(&mut check, json!({"spec": {}})), "");
        check
            .sync(Delta::Upsert(json!({"metadata": {"name": "edge", "annotations": {MARK: "true"}}})))
            .unwrap();
        assert!(patch(&mut check, json!({"spec": {}})).contains("\"edge\""));
        assert_eq!(patch(&mut check, json!({"spec": {"ingressClassName": "other"}})), "");
        assert_eq!(patch(&mut check, json!({"metadata": {"annotations": {CLASS: "x"}}})), "");
    }
}
