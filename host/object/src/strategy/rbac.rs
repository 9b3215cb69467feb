//! Roles and their bindings.

use serde_json::Value;

use super::{PLAIN, each, ensure};
use crate::kind::{Grants, Strategy};
use crate::validation;

const GROUP: &str = "rbac.authorization.k8s.io";

pub(crate) const ROLE: Strategy =
    Strategy { validate: validation::rbac::validate_role, grants: Some(Grants::Rules), ..PLAIN };

pub(crate) const CLUSTER_ROLE: Strategy =
    Strategy { validate: validation::rbac::validate_cluster_role, grants: Some(Grants::Rules), ..PLAIN };

pub(crate) const BINDING: Strategy = Strategy {
    default: default_groups,
    validate: validation::rbac::validate_binding,
    grants: Some(Grants::Role),
    ..PLAIN
};

fn default_groups(binding: &mut Value) {
    if let Some(role) = ensure(binding, "roleRef") {
        default_group(role);
    }
    for subject in each(binding, "subjects") {
        if matches!(subject["kind"].as_str(), Some("User" | "Group")) {
            default_group(subject);
        }
    }
}

/// An empty group is none.
fn default_group(reference: &mut Value) {
    if reference["apiGroup"].as_str().is_none_or(str::is_empty) {
        reference["apiGroup"] = GROUP.into();
    }
}
