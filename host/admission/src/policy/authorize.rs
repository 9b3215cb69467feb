//! Whoever writes a policy or binding lends it their eyes: they must be allowed to read its params
//! (`pkg/registry/admissionregistration/*/authz.go`).

use std::sync::Arc;

use orch_object::cel::Question;
use orch_object::{FieldError, Status};
use serde_json::Value;

use crate::{Cluster, Review};

/// # Errors
/// Invalid, as upstream has it: the field that asks for params is forbidden.
pub(super) fn check(review: &Review<'_>, object: &Value, cluster: &Arc<dyn Cluster>) -> Result<(), Status> {
    // Who may do anything may read anything.
    if object.is_null() || review.identity.groups.iter().any(|group| group == "system:masters") {
        return Ok(());
    }
    let refused = match review.kind.kind.as_str() {
        "ValidatingAdmissionPolicy" | "MutatingAdmissionPolicy" => policy(review, object, cluster),
        "ValidatingAdmissionPolicyBinding" => binding(review, object, cluster, "ValidatingAdmissionPolicy"),
        "MutatingAdmissionPolicyBinding" => binding(review, object, cluster, "MutatingAdmissionPolicy"),
        _ => None,
    };
    match refused {
        None => Ok(()),
        Some((field, why)) => {
            Err(Status::invalid(review.kind, review.name, &[FieldError::forbidden(field, why)]))
        }
    }
}

/// What was asked for before need not be asked again.
fn unchanged(review: &Review<'_>, object: &Value, fields: &[&str]) -> bool {
    review.old.is_some_and(|old| fields.iter().all(|field| old["spec"][*field] == object["spec"][*field]))
}

fn policy(review: &Review<'_>, object: &Value, cluster: &Arc<dyn Cluster>) -> Option<(&'static str, String)> {
    let kind = &object["spec"]["paramKind"];
    if kind.is_null() || unchanged(review, object, &["paramKind"]) {
        return None;
    }
    let (group, resource) = resource_of(kind, cluster);
    let question =
        Question { group: &group, resource: &resource, namespace: "*", name: "*", ..Question::of("get") };
    let allowed = cluster.authorize(review.identity, &question).allowed;
    let text = |field: &str| kind[field].as_str().unwrap_or_default();
    let why = format!(
        "user {} must have \"get\" permission on all objects of the referenced paramKind (kind={}, apiVersion={})",
        shown(review),
        text("kind"),
        text("apiVersion")
    );
    (!allowed).then_some(("spec.paramKind", why))
}

fn binding(
    review: &Review<'_>,
    object: &Value,
    cluster: &Arc<dyn Cluster>,
    policy_kind: &str,
) -> Option<(&'static str, String)> {
    let reference = &object["spec"]["paramRef"];
    if reference.is_null() || unchanged(review, object, &["paramRef", "policyName"]) {
        return None;
    }
    let text = |field: &str| reference[field].as_str().unwrap_or_default();
    let verb = if text("name").is_empty() { "list" } else { "get" };
    let policy_name = object["spec"]["policyName"].as_str().unwrap_or_default();
    let kinds = cluster.kinds();
    let row = kinds.by_kind("admissionregistration.k8s.io/v1", policy_kind);
    let policy = row.and_then(|row| cluster.get(row, "", policy_name));
    let of_policy = policy.as_ref().map(|policy| &policy["spec"]["paramKind"]).filter(|kind| !kind.is_null());
    let (group, resource) = of_policy.map_or(("*".into(), "*".into()), |kind| resource_of(kind, cluster));
    let question = Question {
        group: &group,
        resource: &resource,
        namespace: text("namespace"),
        name: text("name"),
        ..Question::of(verb)
    };
    if cluster.authorize(review.identity, &question).allowed {
        return None;
    }
    let user = shown(review);
    let why = match policy {
        Some(_) => {
            format!("user {user} does not have \"{verb}\" permission on the object referenced by paramRef")
        }
        None => format!(
            "unable to get policy {policy_name} to determine minimum required permissions and user {user} does not \
             have \"{verb}\" permission for all groups, versions and resources"
        ),
    };
    Some(("spec.paramRef", why))
}

/// Group and resource of a kind; of one that is not served, every resource of its group.
fn resource_of(kind: &Value, cluster: &Arc<dyn Cluster>) -> (String, String) {
    let api_version = kind["apiVersion"].as_str().unwrap_or_default();
    let group = api_version.split_once('/').map_or("", |(group, _)| group).to_owned();
    let kinds = cluster.kinds();
    let known = kinds.by_kind(api_version, kind["kind"].as_str().unwrap_or_default());
    (group, known.map_or("*", |known| &known.plural).to_owned())
}

/// A person, as Go prints one.
fn shown(review: &Review<'_>) -> String {
    let identity = review.identity;
    format!("&{{{} {} [{}] map[]}}", identity.name, identity.uid, identity.groups.join(" "))
}
