//! Admission policies and their bindings (`pkg/apis/admissionregistration/v1/defaults.go`).

use serde_json::{Value, json};

use super::{PLAIN, WITH_LONE_STATUS, default_to, each, ensure, part};
use crate::kind::Strategy;
use crate::validation;

pub(crate) const VALIDATING_POLICY: Strategy = Strategy {
    default: default_policy,
    validate: validation::admission::validate_validating_policy,
    ..WITH_LONE_STATUS
};

pub(crate) const MUTATING_POLICY: Strategy =
    Strategy { default: default_policy, validate: validation::admission::validate_mutating_policy, ..PLAIN };

pub(crate) const VALIDATING_BINDING: Strategy = Strategy {
    default: default_binding,
    validate: validation::admission::validate_validating_binding,
    ..PLAIN
};

pub(crate) const MUTATING_BINDING: Strategy = Strategy {
    default: default_binding,
    validate: validation::admission::validate_mutating_binding,
    ..PLAIN
};

fn default_policy(policy: &mut Value) {
    let Some(spec) = ensure(policy, "spec") else { return };
    default_to(spec, "failurePolicy", "Fail");
    if let Some(constraints) = part(spec, "matchConstraints") {
        default_resources(constraints);
    }
}

fn default_binding(binding: &mut Value) {
    if let Some(resources) = part(binding, "spec").and_then(|spec| part(spec, "matchResources")) {
        default_resources(resources);
    }
}

fn default_resources(resources: &mut Value) {
    default_to(resources, "matchPolicy", "Equivalent");
    default_to(resources, "namespaceSelector", json!({}));
    default_to(resources, "objectSelector", json!({}));
    for rules in ["resourceRules", "excludeResourceRules"] {
        each(resources, rules).for_each(|rule| default_to(rule, "scope", "*"));
    }
}
