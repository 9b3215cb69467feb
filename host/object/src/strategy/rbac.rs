//! Roles and their bindings.

use serde_json::Value;

use super::{PLAIN, default_to, each, part};
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
    if let Some(role) = part(binding, "roleRef") {
        default_to(role, "apiGroup", GROUP);
    }
    for subject in each(binding, "subjects") {
        if matches!(subject["kind"].as_str(), Some("User" | "Group")) {
            default_to(subject, "apiGroup", GROUP);
        }
    }
}
