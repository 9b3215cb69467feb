//! Roles and their bindings.

use serde_json::Value;

use super::{Errors, Path, is_empty, items, metadata, selector, text};
use crate::names;
use crate::status::FieldError;

const GROUP: &str = "rbac.authorization.k8s.io";

pub(crate) fn validate_role(role: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(role, old, names::path_segment, &mut errors);
    validate_rules(&role["rules"], true, &mut errors);
    errors.into_vec()
}

pub(crate) fn validate_cluster_role(role: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(role, old, names::path_segment, &mut errors);
    validate_rules(&role["rules"], false, &mut errors);
    let aggregation = &role["aggregationRule"];
    if aggregation.is_object() {
        let path = Path::new("aggregationRule").child("clusterRoleSelectors");
        if is_empty(&aggregation["clusterRoleSelectors"]) {
            errors.required(&path, "at least one clusterRoleSelector required if aggregationRule is non-nil");
        }
        for (index, term) in items(&aggregation["clusterRoleSelectors"]).iter().enumerate() {
            let (at, before) = (path.index(index), errors.len());
            selector::validate(term, &at, &mut errors);
            if errors.len() > before {
                errors.push(FieldError::invalid(at.as_str(), Value::Null, "invalid label selector."));
            }
        }
    }
    errors.into_vec()
}

fn validate_rules(rules: &Value, namespaced: bool, errors: &mut Errors) {
    for (index, rule) in items(rules).iter().enumerate() {
        let path = Path::new("rules").index(index);
        if is_empty(&rule["verbs"]) {
            errors.required(&path.child("verbs"), "verbs must contain at least one value");
        }
        if is_empty(&rule["nonResourceURLs"]) {
            validate_resource_rule(rule, &path, errors);
        } else {
            validate_url_rule(rule, &path, namespaced, errors);
        }
    }
}

fn validate_resource_rule(rule: &Value, path: &Path, errors: &mut Errors) {
    if is_empty(&rule["apiGroups"]) {
        errors.required(&path.child("apiGroups"), "resource rules must supply at least one api group");
    }
    if is_empty(&rule["resources"]) {
        errors.required(&path.child("resources"), "resource rules must supply at least one resource");
    }
}

fn validate_url_rule(rule: &Value, path: &Path, namespaced: bool, errors: &mut Errors) {
    let at = path.child("nonResourceURLs");
    if namespaced {
        errors.invalid(&at, &rule["nonResourceURLs"], "namespaced rules cannot apply to non-resource URLs");
    }
    let resources = ["apiGroups", "resources", "resourceNames"];
    if resources.iter().any(|field| !is_empty(&rule[*field])) {
        let detail = "rules cannot apply to both regular resources and non-resource URLs";
        errors.invalid(&at, &rule["nonResourceURLs"], detail);
    }
}

pub(crate) fn validate_binding(binding: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(binding, old, names::path_segment, &mut errors);
    let path = Path::new("roleRef");
    let role = &binding["roleRef"];
    errors.one_of(&path.child("apiGroup"), &role["apiGroup"], &[GROUP]);
    // A cluster role binding has no namespace, and can grant cluster roles only.
    let namespaced = binding["kind"] == "RoleBinding";
    let kinds: &[&str] = if namespaced { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    errors.listed(&path.child("kind"), &role["kind"], kinds);
    match text(&role["name"]) {
        "" => errors.required(&path.child("name"), ""),
        name => errors.rule(&path.child("name"), name, names::path_segment),
    }
    for (index, subject) in items(&binding["subjects"]).iter().enumerate() {
        validate_subject(subject, namespaced, &Path::new("subjects").index(index), &mut errors);
    }
    if let Some(old) = old {
        errors.immutable(&path, role, &old["roleRef"]);
    }
    errors.into_vec()
}

fn validate_subject(subject: &Value, namespaced: bool, path: &Path, errors: &mut Errors) {
    let name = text(&subject["name"]);
    if name.is_empty() {
        errors.required(&path.child("name"), "");
    }
    match text(&subject["kind"]) {
        "ServiceAccount" => {
            if !name.is_empty() {
                errors.rule(&path.child("name"), name, names::dns1123_subdomain);
            }
            errors.one_of(&path.child("apiGroup"), &subject["apiGroup"], &[""]);
            if !namespaced && text(&subject["namespace"]).is_empty() {
                errors.required(&path.child("namespace"), "");
            }
        }
        "User" | "Group" => errors.one_of(&path.child("apiGroup"), &subject["apiGroup"], &[GROUP]),
        _ => errors.listed(&path.child("kind"), &subject["kind"], &["ServiceAccount", "User", "Group"]),
    }
}
