//! Classes of volumes (`pkg/apis/storage/validation/validation.go`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Errors, IMMUTABLE, Path, is_empty, items, metadata, node_labels, same, text};
use crate::names;
use crate::status::FieldError;

const MOST_PARAMETERS: usize = 512;
const PARAMETERS_SIZE: usize = 256 * 1024;

pub(crate) fn validate_class(class: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(class, old, names::dns1123_subdomain, &mut errors);
    validate_provisioner(&class["provisioner"], &Path::new("provisioner"), &mut errors);
    validate_parameters(&class["parameters"], &Path::new("parameters"), &mut errors);
    errors.optional_one_of(&Path::new("reclaimPolicy"), &class["reclaimPolicy"], &["Delete", "Retain"]);
    let modes = ["Immediate", "WaitForFirstConsumer"];
    let (at, mode) = (Path::new("volumeBindingMode"), &class["volumeBindingMode"]);
    match mode {
        Value::Null => errors.required(&at, ""),
        mode => errors.one_of(&at, mode, &modes),
    }
    validate_topologies(&class["allowedTopologies"], &Path::new("allowedTopologies"), &mut errors);
    if let Some(old) = old {
        for field in ["parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"] {
            if !same(&class[field], &old[field]) {
                errors.push(FieldError::invalid(field, class[field].clone(), IMMUTABLE));
            }
        }
    }
    errors.into_vec()
}

pub(crate) fn warn_of_class(class: &Value, _old: Option<&Value>) -> Vec<String> {
    let mut found = Vec::new();
    for (index, term) in items(&class["allowedTopologies"]).iter().enumerate() {
        let path = Path::new("allowedTopologies").index(index).child("matchLabelExpressions");
        for (index, expression) in items(&term["matchLabelExpressions"]).iter().enumerate() {
            let warning = node_labels::deprecated(text(&expression["key"]));
            found.extend(warning.map(|warning| format!("{}: {warning}", path.index(index).child("key"))));
        }
    }
    found
}

fn validate_provisioner(name: &Value, path: &Path, errors: &mut Errors) {
    match text(name) {
        "" => errors.required(path, ""),
        name => errors.rule(path, &name.to_lowercase(), names::qualified_name),
    }
}

fn validate_parameters(parameters: &Value, path: &Path, errors: &mut Errors) {
    let pairs = || parameters.as_object().into_iter().flatten();
    if pairs().count() > MOST_PARAMETERS {
        return errors.too_long(path, MOST_PARAMETERS);
    }
    if pairs().any(|(key, _)| key.is_empty()) {
        errors.invalid(path, &"".into(), "field can not be empty.");
    }
    if pairs().map(|(key, value)| key.len() + text(value).len()).sum::<usize>() > PARAMETERS_SIZE {
        errors.too_long(path, PARAMETERS_SIZE);
    }
}

/// What a term asks for: each key with its values.
type Term<'v> = BTreeMap<&'v str, BTreeSet<&'v str>>;

fn validate_topologies(topologies: &Value, path: &Path, errors: &mut Errors) {
    // Upstream begins with terms that ask for nothing: one who does is their duplicate.
    let mut seen = vec![Term::new(); items(topologies).len()];
    for (index, term) in items(topologies).iter().enumerate() {
        let at = path.index(index).child("matchLabelExpressions");
        let term = validate_term(&term["matchLabelExpressions"], &at, errors);
        for _ in seen.iter().filter(|other| **other == term) {
            errors.duplicate(&at, "");
        }
        seen.push(term);
    }
}

fn validate_term<'v>(expressions: &'v Value, path: &Path, errors: &mut Errors) -> Term<'v> {
    let mut term = Term::new();
    for (index, expression) in items(expressions).iter().enumerate() {
        let at = path.index(index);
        let (key, values) = (text(&expression["key"]), at.child("values"));
        if is_empty(&expression["values"]) {
            errors.required(&values, "");
        }
        let mut given = BTreeSet::new();
        for (index, value) in items(&expression["values"]).iter().map(text).enumerate() {
            if !given.insert(value) {
                errors.duplicate(&values.index(index), value);
            }
        }
        errors.rule(&at.child("key"), key, names::qualified_name);
        if term.insert(key, given).is_some() {
            errors.duplicate(&at.child("key"), key);
        }
    }
    term
}

pub(crate) fn validate_attributes_class(class: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    for field in ["driverName", "parameters"] {
        if old.is_some_and(|old| !same(&class[field], &old[field])) {
            errors.forbidden(&Path::new(field), format!("updates to {field} are forbidden."));
        }
    }
    metadata::validate(class, old, names::dns1123_subdomain, &mut errors);
    validate_provisioner(&class["driverName"], &Path::new("driverName"), &mut errors);
    let path = Path::new("parameters");
    validate_parameters(&class["parameters"], &path, &mut errors);
    if is_empty(&class["parameters"]) {
        errors.required(&path, "must contain at least one key/value pair");
    }
    errors.into_vec()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn classes_are_upstreams() {
        let class = |change: Value| {
            let mut class = json!({ "metadata": { "name": "c" }, "provisioner": "a.b/c", "volumeBindingMode": "Immediate" });
            for (field, value) in change.as_object().expect("fields") {
                class[field] = value.clone();
            }
            class
        };
        let found = |change: Value| -> Vec<String> {
            validate_class(&class(change), None).iter().map(ToString::to_string).collect()
        };
        let term = |key: &str, values: &[&str]| json!({ "matchLabelExpressions": [{ "key": key, "values": values }] });
        let cases = [
            (json!({}), vec![]),
            (
                json!({ "reclaimPolicy": "Recycle" }),
                vec![r#"reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain""#],
            ),
            (
                json!({ "allowedTopologies": [term("k", &["v"]), term("k", &["v"])] }),
                vec![r#"allowedTopologies[1].matchLabelExpressions: Duplicate value: """#],
            ),
            (
                json!({ "allowedTopologies": [{}] }),
                vec![r#"allowedTopologies[0].matchLabelExpressions: Duplicate value: """#],
            ),
            (
                json!({ "allowedTopologies": [term("k", &["v", "v"])] }),
                vec![r#"allowedTopologies[0].matchLabelExpressions[0].values[1]: Duplicate value: "v""#],
            ),
            (
                json!({ "allowedTopologies": [term("k", &[])] }),
                vec!["allowedTopologies[0].matchLabelExpressions[0].values: Required value"],
            ),
        ];
        for (change, expected) in cases {
            assert_eq!(found(change.clone()), expected, "{change}");
        }
        let warned = warn_of_class(
            &class(json!({ "allowedTopologies": [term("beta.kubernetes.io/os", &["linux"])] })),
            None,
        );
        assert!(
            warned[0]
                .starts_with("allowedTopologies[0].matchLabelExpressions[0].key: deprecated since v1.14"),
            "{warned:?}"
        );
    }
}
