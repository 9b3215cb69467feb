use serde_json::{Value, json};

use super::amount::{self, entries};
use super::{Errors, Path, ip, items, metadata, same, text};
use crate::names;
use crate::status::FieldError;

/// In upstream's order.
pub(crate) const TAINT_EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

pub(crate) fn validate(node: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate_new(node, names::dns1123_subdomain, &mut errors);
    // Upstream says it of the metadata.
    validate_taints(&node["spec"]["taints"], &Path::new("metadata").child("taints"), &mut errors);
    validate_amounts(node, &mut errors);
    validate_networks(&node["spec"]["podCIDRs"], &Path::new("spec").child("podCIDRs"), &mut errors);
    if let Some(old) = old {
        metadata::validate_change(node, old, &mut errors);
        validate_update(&node["spec"], &old["spec"], &mut errors);
    }
    errors.into_vec()
}

fn validate_amounts(node: &Value, errors: &mut Errors) {
    for list in ["capacity", "allocatable"] {
        let path = Path::new("status").child(list);
        for (name, value) in entries(&node["status"][list]) {
            amount::validate_amount(name, value, &path.child(name), errors);
        }
    }
}

fn validate_networks(networks: &Value, path: &Path, errors: &mut Errors) {
    let listed = items(networks);
    for (index, network) in listed.iter().enumerate() {
        ip::validate_network(network, &path.index(index), errors);
    }
    let is_six = |network: &Value| text(network).contains(':');
    if listed.len() > 2 || matches!(listed, [first, second] if is_six(first) == is_six(second)) {
        errors.invalid(path, networks, "may specify no more than one CIDR for each IP family");
    }
}

/// Set once, by whoever knows them.
fn validate_update(spec: &Value, old: &Value, errors: &mut Errors) {
    let path = Path::new("spec");
    if !items(&old["podCIDRs"]).is_empty() && !same(&spec["podCIDRs"], &old["podCIDRs"]) {
        let detail = "node updates may not change podCIDR except from \"\" to valid";
        errors.forbidden(&path.child("podCIDRs"), detail);
    }
    let (id, before) = (text(&spec["providerID"]), text(&old["providerID"]));
    if !before.is_empty() && id != before {
        let what = if id.is_empty() { "cleared" } else { "modified" };
        let detail = format!("field cannot be {what} once set");
        errors.shown(&path.child("providerID"), &Value::Null, &detail);
    }
}

fn validate_taints(taints: &Value, path: &Path, errors: &mut Errors) {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for (index, taint) in items(taints).iter().enumerate() {
        let at = path.index(index);
        errors.rule(&at.child("key"), text(&taint["key"]), names::qualified_name);
        let wrong = names::label_value(text(&taint["value"]));
        if !wrong.is_empty() {
            errors.invalid(&at.child("value"), &taint["value"], wrong.join(";"));
        }
        errors.required_listed(&at.child("effect"), &taint["effect"], &TAINT_EFFECTS);
        let identity = (text(&taint["key"]), text(&taint["effect"]));
        if seen.contains(&identity) {
            // As upstream's internal type prints it.
            let shown = json!({
                "Key": taint["key"], "Value": text(&taint["value"]), "Effect": taint["effect"],
                "TimeAdded": taint["timeAdded"],
            });
            let detail = "taints must be unique by key and effect pair".into();
            errors.push(FieldError { detail, ..FieldError::duplicate(at.as_str(), shown) });
        }
        seen.push(identity);
    }
}
