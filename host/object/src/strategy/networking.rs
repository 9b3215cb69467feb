//! Ingresses and network policies.

use serde_json::{Value, json};

use super::{PLAIN, WITH_LONE_STATUS, WITH_STATUS, default_to, each, ensure, part};
use crate::kind::Strategy;
use crate::validation;

pub(crate) const INGRESS_CLASS: Strategy = Strategy {
    default: |class| {
        let parameters = part(class, "spec").and_then(|spec| part(spec, "parameters"));
        if let Some(parameters) = parameters {
            default_to(parameters, "scope", "Cluster");
        }
    },
    validate: validation::networking::validate_ingress_class,
    ..PLAIN
};

pub(crate) const INGRESS: Strategy = Strategy {
    validate: validation::networking::validate_ingress,
    validate_part: Some(validation::networking::validate_ingress_status),
    warn: warn_of_ingress,
    ..WITH_STATUS
};

pub(crate) const POLICY: Strategy = Strategy {
    default: default_policy,
    validate: validation::networking::validate_policy,
    warn: validation::networking::warn_of_policy,
    ..PLAIN
};

pub(crate) const ADDRESS: Strategy = Strategy { validate: validation::networking::validate_address, ..PLAIN };

pub(crate) const RANGE: Strategy = Strategy {
    default: |range| {
        ensure(range, "status");
    },
    validate: validation::networking::validate_range,
    ..WITH_LONE_STATUS
};

fn warn_of_ingress(ingress: &Value, old: Option<&Value>) -> Vec<String> {
    let annotation = &ingress["metadata"]["annotations"]["kubernetes.io/ingress.class"];
    if old.is_some() || annotation.is_null() || !ingress["spec"]["ingressClassName"].is_null() {
        return Vec::new();
    }
    vec![
        "annotation \"kubernetes.io/ingress.class\" is deprecated, please use 'spec.ingressClassName' instead"
            .into(),
    ]
}

fn default_policy(policy: &mut Value) {
    let Some(spec) = ensure(policy, "spec") else { return };
    for (direction, _) in [("ingress", "from"), ("egress", "to")] {
        for rule in each(spec, direction) {
            for port in each(rule, "ports") {
                default_to(port, "protocol", "TCP");
            }
        }
    }
    ensure(spec, "podSelector");
    if spec["policyTypes"].as_array().is_none_or(Vec::is_empty) {
        let egress = spec["egress"].as_array().is_some_and(|rules| !rules.is_empty());
        spec["policyTypes"] = if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
    }
}
