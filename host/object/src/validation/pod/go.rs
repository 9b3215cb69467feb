//! Values as upstream's internal types print them in messages: by the names of their fields in Go, those
//! that are not set as null.

use serde_json::{Value, json};

/// `core.SecurityContext`
pub(super) fn security_context(context: &Value) -> Value {
    let capabilities = match &context["capabilities"] {
        Value::Null => Value::Null,
        set => json!({ "Add": set["add"], "Drop": set["drop"] }),
    };
    let field = |name: &str| context[name].clone();
    json!({
        "Capabilities": capabilities,
        "Privileged": field("privileged"),
        "SELinuxOptions": field("seLinuxOptions"),
        "WindowsOptions": field("windowsOptions"),
        "RunAsUser": field("runAsUser"),
        "RunAsGroup": field("runAsGroup"),
        "RunAsNonRoot": field("runAsNonRoot"),
        "ReadOnlyRootFilesystem": field("readOnlyRootFilesystem"),
        "AllowPrivilegeEscalation": field("allowPrivilegeEscalation"),
        "ProcMount": field("procMount"),
        "SeccompProfile": field("seccompProfile"),
        "AppArmorProfile": field("appArmorProfile"),
    })
}

/// `core.PodResourceClaim`
pub(super) fn resource_claim(claim: &Value) -> Value {
    json!({
        "Name": claim["name"],
        "ResourceClaimName": claim["resourceClaimName"],
        "ResourceClaimTemplateName": claim["resourceClaimTemplateName"],
    })
}

/// `[]core.NodeSelectorTerm`
pub(super) fn node_selector_terms(terms: &Value) -> Value {
    match terms.as_array() {
        Some(terms) => terms.iter().map(node_selector_term).collect(),
        None => Value::Null,
    }
}

/// `core.NodeSelectorTerm`
pub(super) fn node_selector_term(term: &Value) -> Value {
    let requirement =
        |r: &Value| json!({ "Key": r["key"], "Operator": r["operator"], "Values": r["values"] });
    let list = |field: &str| match term[field].as_array() {
        Some(items) => items.iter().map(requirement).collect(),
        None => Value::Null,
    };
    json!({ "MatchExpressions": list("matchExpressions"), "MatchFields": list("matchFields") })
}

/// `core.VolumeNodeAffinity`
pub(crate) fn volume_affinity(affinity: &Value) -> Value {
    let required = &affinity["required"];
    match (affinity.is_null(), required.is_null()) {
        (true, _) => Value::Null,
        (false, true) => json!({ "Required": null }),
        (false, false) => {
            json!({ "Required": { "NodeSelectorTerms": node_selector_terms(&required["nodeSelectorTerms"]) } })
        }
    }
}
