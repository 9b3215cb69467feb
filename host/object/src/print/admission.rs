//! Webhook configurations, admission policies and their bindings.

use serde_json::Value;

use super::{age, integer, list, name, path, text};
use crate::kind::Column;

const UNSET: &str = "<unset>";

pub(crate) fn webhook_columns() -> Vec<Column> {
    let webhooks = integer("Webhooks", "How many webhooks it names.", |configuration| {
        list(&configuration["webhooks"]).len().into()
    });
    vec![name(), webhooks, age()]
}

pub(crate) fn validating_policy_columns() -> Vec<Column> {
    let validations = integer("Validations", "How many validations it makes.", |policy| {
        list(&policy["spec"]["validations"]).len().into()
    });
    vec![name(), validations, param_kind(), age()]
}

pub(crate) fn mutating_policy_columns() -> Vec<Column> {
    let mutations = integer("Mutations", "How many mutations it makes.", |policy| {
        list(&policy["spec"]["mutations"]).len().into()
    });
    vec![name(), mutations, param_kind(), age()]
}

pub(crate) fn binding_columns() -> Vec<Column> {
    vec![
        name(),
        path("PolicyName", "The policy it puts to use.", "spec.policyName"),
        text("ParamRef", "Its parameters.", |binding| param_ref(&binding["spec"]["paramRef"]).into()),
        age(),
    ]
}

fn param_kind() -> Column {
    text("ParamKind", "The kind of its parameters.", |policy| {
        let kind = &policy["spec"]["paramKind"];
        match (kind["apiVersion"].as_str(), kind["kind"].as_str()) {
            (Some(version), Some(kind)) => format!("{version}/{kind}").into(),
            _ => UNSET.into(),
        }
    })
}

fn param_ref(reference: &Value) -> String {
    if reference.is_null() {
        return UNSET.into();
    }
    match (reference["name"].as_str().filter(|name| !name.is_empty()), reference["namespace"].as_str()) {
        (Some(name), Some(namespace)) if !namespace.is_empty() => format!("{namespace}/{name}"),
        (Some(name), _) => format!("*/{name}"),
        (None, _) if reference["selector"].is_object() => selector(&reference["selector"]),
        (None, _) => UNSET.into(),
    }
}

/// As Go prints the message.
fn selector(selector: &Value) -> String {
    let labels: String = (selector["matchLabels"].as_object().into_iter().flatten())
        .map(|(key, value)| format!("{key}: {},", value.as_str().unwrap_or_default()))
        .collect();
    let expressions: String = list(&selector["matchExpressions"])
        .iter()
        .map(|expression| {
            let values: Vec<&str> = list(&expression["values"]).iter().filter_map(Value::as_str).collect();
            let text = |field: &str| expression[field].as_str().unwrap_or_default();
            format!(
                "LabelSelectorRequirement{{Key:{},Operator:{},Values:[{}],}},",
                text("key"),
                text("operator"),
                values.join(" ")
            )
        })
        .collect();
    format!(
        "&LabelSelector{{MatchLabels:map[string]string{{{labels}}},MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
    )
}
