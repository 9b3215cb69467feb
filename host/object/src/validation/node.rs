use serde_json::Value;

use super::{Errors, Path, items, metadata, same, text};
use crate::names;
use crate::status::FieldError;

pub(crate) const TAINT_EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

pub(crate) fn validate(node: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(node, old, names::dns1123_subdomain, &mut errors);
    let spec = Path::new("spec");
    validate_taints(&node["spec"]["taints"], &spec.child("taints"), &mut errors);
    if let Some(old) = old {
        for field in ["podCIDR", "podCIDRs", "providerID"] {
            let (new, old) = (&node["spec"][field], &old["spec"][field]);
            // These are set once, by whoever knows them.
            if !same(old, &Value::Null) && !same(new, old) {
                errors.forbidden(&spec.child(field), "node updates may not change it once it is set");
            }
        }
    }
    errors.into_vec()
}

fn validate_taints(taints: &Value, path: &Path, errors: &mut Errors) {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for (index, taint) in items(taints).iter().enumerate() {
        let at = path.index(index);
        errors.rule(&at.child("key"), text(&taint["key"]), names::qualified_name);
        errors.rule(&at.child("value"), text(&taint["value"]), names::label_value);
        errors.required_one_of(&at.child("effect"), &taint["effect"], &TAINT_EFFECTS);
        let identity = (text(&taint["key"]), text(&taint["effect"]));
        if seen.contains(&identity) {
            errors.duplicate(&at, taint.clone());
        }
        seen.push(identity);
    }
}
