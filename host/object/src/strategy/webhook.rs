//! Webhook configurations.

use serde_json::{Value, json};

use super::{PLAIN, default_to, each, part};
use crate::kind::Strategy;
use crate::validation;

pub(crate) const VALIDATING: Strategy = Strategy {
    default: |configuration| each(configuration, "webhooks").for_each(default_webhook),
    validate: validation::webhook::validate_webhooks,
    ..PLAIN
};

pub(crate) const MUTATING: Strategy = Strategy {
    default: |configuration| {
        for hook in each(configuration, "webhooks") {
            default_webhook(hook);
            default_to(hook, "reinvocationPolicy", "Never");
        }
    },
    ..VALIDATING
};

fn default_webhook(hook: &mut Value) {
    default_to(hook, "failurePolicy", "Fail");
    default_to(hook, "matchPolicy", "Equivalent");
    default_to(hook, "namespaceSelector", json!({}));
    default_to(hook, "objectSelector", json!({}));
    default_to(hook, "timeoutSeconds", 10);
    each(hook, "rules").for_each(|rule| default_to(rule, "scope", "*"));
    if let Some(service) = part(hook, "clientConfig").and_then(|config| part(config, "service")) {
        default_to(service, "port", 443);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_upstreams() {
        let mut configuration =
            json!({ "webhooks": [{ "name": "a", "rules": [{}], "clientConfig": { "service": {} } }] });
        (MUTATING.default)(&mut configuration);
        let expected = json!({ "webhooks": [{
            "name": "a", "rules": [{ "scope": "*" }], "clientConfig": { "service": { "port": 443 } },
            "failurePolicy": "Fail", "matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {},
            "timeoutSeconds": 10, "reinvocationPolicy": "Never",
        }] });
        assert_eq!(configuration, expected);
    }
}
