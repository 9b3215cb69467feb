//! What a definition is called, and by whose leave.

use serde_json::Value;

use crate::names;
use crate::validation::{Errors, Path, items, text};

/// The annotation by which groups of Kubernetes itself are guarded.
const APPROVED: &str = "api-approved.kubernetes.io";

pub(super) fn validate_group(spec: &Value, errors: &mut Errors) {
    let at = Path::new("spec").child("group");
    let group = text(&spec["group"]);
    let found = names::dns1123_subdomain(group);
    if group.is_empty() {
        errors.required(&at, "");
    } else if !found.is_empty() {
        errors.invalid(&at, &group.into(), found.join(","));
    } else if !group.contains('.') {
        errors.invalid(&at, &group.into(), "should be a domain with at least one dot");
    }
}

/// Groups of Kubernetes itself are guarded; what was let pass once may stay as it is.
pub(super) fn validate_approval(definition: &Value, old: Option<&Value>, errors: &mut Errors) {
    let group = text(&definition["spec"]["group"]);
    let guarded =
        ["k8s.io", "kubernetes.io"].iter().any(|own| group == *own || group.ends_with(&format!(".{own}")));
    let approval = |definition: &Value| Approval::of(text(&definition["metadata"]["annotations"][APPROVED]));
    let given = approval(definition);
    if !guarded || old.is_some_and(|old| approval(old) == given) {
        return;
    }
    let at = Path::new("metadata").child("annotations").key(APPROVED);
    match given {
        Approval::Given => {}
        Approval::Missing => {
            let detail = "protected groups must have approval annotation \"api-approved.kubernetes.io\", see https://github.com/kubernetes/enhancements/pull/1111";
            errors.required(&at, detail);
        }
        Approval::Unknown => {
            let detail = "protected groups must have approval annotation \"api-approved.kubernetes.io\" with either a URL or a reason starting with \"unapproved\", see https://github.com/kubernetes/enhancements/pull/1111";
            errors.invalid(&at, &definition["metadata"]["annotations"][APPROVED], detail);
        }
    }
}

/// What the annotation of a guarded group says.
#[derive(PartialEq)]
enum Approval {
    Missing,
    /// A link to the approval, or the word that there is none.
    Given,
    Unknown,
}

impl Approval {
    fn of(annotation: &str) -> Approval {
        let link =
            annotation.split_once("://").is_some_and(|(scheme, host)| !scheme.is_empty() && !host.is_empty());
        match annotation {
            "" => Approval::Missing,
            given if given.starts_with("unapproved") || link => Approval::Given,
            _ => Approval::Unknown,
        }
    }
}

pub(super) fn validate_names(given: &Value, path: &Path, errors: &mut Errors) {
    errors.require_all(given, &["plural", "singular", "kind", "listKind"], path);
    validate_forms(given, path, errors);
}

/// Of names that are there.
pub(super) fn validate_forms(given: &Value, path: &Path, errors: &mut Errors) {
    let label = |field: &str, errors: &mut Errors| {
        let name = text(&given[field]);
        let mixed = matches!(field, "kind" | "listKind");
        let found = names::dns1035_label(&if mixed { name.to_lowercase() } else { name.to_owned() });
        if !name.is_empty() && !found.is_empty() {
            let prefix = if mixed { "may have mixed case, but should otherwise match: " } else { "" };
            errors.invalid(&path.child(field), &given[field], format!("{prefix}{}", found.join(",")));
        }
    };
    let labels = |field: &str, errors: &mut Errors| {
        for (index, name) in items(&given[field]).iter().enumerate() {
            let found = names::dns1035_label(text(name));
            if !found.is_empty() {
                errors.invalid(&path.child(field).index(index), name, found.join(","));
            }
        }
    };
    for field in ["plural", "singular", "kind", "listKind"] {
        label(field, errors);
    }
    labels("shortNames", errors);
    if !text(&given["kind"]).is_empty() && given["kind"] == given["listKind"] {
        errors.invalid(&path.child("listKind"), &given["listKind"], "kind and listKind may not be the same");
    }
    labels("categories", errors);
}
