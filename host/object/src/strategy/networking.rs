//! Ingresses and network policies.

use serde_json::{Value, json};

use super::{PLAIN, WITH_STATUS, default_to, each, ensure, part};
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

pub(crate) const INGRESS: Strategy =
    Strategy { validate: validation::networking::validate_ingress, ..WITH_STATUS };

pub(crate) const POLICY: Strategy =
    Strategy { default: default_policy, validate: validation::networking::validate_policy, ..PLAIN };

pub(crate) const ADDRESS: Strategy = Strategy { validate: validation::networking::validate_address, ..PLAIN };

pub(crate) const RANGE: Strategy = Strategy {
    default: |range| {
        ensure(range, "status");
    },
    validate: validation::networking::validate_range,
    ..WITH_STATUS
};

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
