//! Nobody gives permissions they do not have (`pkg/registry/rbac`): unless they may `escalate` the role,
//! or `bind` it.

use std::collections::BTreeMap;

use orch_client::Identity;
use orch_object::{Grants, Kind, Status};
use serde_json::Value;

use super::policy::{Policy, Rule, rule};
use super::{Attributes, Authorizer, Decision};

const GROUP: &str = "rbac.authorization.k8s.io";

/// What would be given to whom the new object names.
pub struct Grant<'a> {
    pub kind: &'a Kind,
    pub grants: Grants,
    /// Empty for cluster-wide objects.
    pub namespace: &'a str,
    pub new: &'a Value,
    pub old: Option<&'a Value>,
}

impl Authorizer {
    /// Refuses a role or binding that gives more than its writer has.
    pub fn check_grant(&self, identity: &Identity, grant: &Grant<'_>) -> Result<(), Status> {
        let name = grant.new["metadata"]["name"].as_str().unwrap_or_default();
        let only_ends = grant.old.is_some_and(|old| changes_only_ownership(grant.new, old));
        if is_master(identity) || only_ends || self.may_grant(identity, grant, name) {
            return Ok(());
        }
        // What was just granted counts.
        self.rbac().refresh();
        let policy = self.rbac().policy();
        let held = policy.rules_for(identity, grant.namespace);
        let refused = |why: &str| Err(Status::forbidden(grant.kind, name, why));
        let missing = missing(&held, &wanted(&policy, grant)?);
        if !missing.is_empty() {
            return refused(&describe(identity, missing));
        }
        let aggregates = |role: &Value| {
            role["aggregationRule"]["clusterRoleSelectors"]
                .as_array()
                .is_some_and(|selectors| !selectors.is_empty())
        };
        if (aggregates(grant.new) || grant.old.is_some_and(aggregates)) && !has_everything(&held) {
            return refused("must have cluster-admin privileges to use the aggregationRule");
        }
        Ok(())
    }

    fn may_grant(&self, identity: &Identity, grant: &Grant<'_>, name: &str) -> bool {
        let role = &grant.new["roleRef"];
        let (verb, resource, name) = match (grant.grants, role["kind"].as_str()) {
            (Grants::Rules, _) => ("escalate", grant.kind.plural.as_str(), name),
            (Grants::Role, Some("ClusterRole")) => {
                ("bind", "clusterroles", role["name"].as_str().unwrap_or_default())
            }
            (Grants::Role, _) => ("bind", "roles", role["name"].as_str().unwrap_or_default()),
        };
        let attributes = Attributes {
            verb: verb.into(),
            namespace: grant.namespace.into(),
            group: GROUP.into(),
            resource: resource.into(),
            name: name.into(),
            ..Attributes::default()
        };
        self.decide(identity, &attributes) != Decision::NoOpinion
    }
}

fn is_master(identity: &Identity) -> bool {
    identity.groups.iter().any(|group| group == "system:masters")
}

/// What the garbage collector writes (`IsOnlyMutatingGCFields`).
fn changes_only_ownership(new: &Value, old: &Value) -> bool {
    let without = |object: &Value| {
        let mut object = object.clone();
        if let Some(metadata) = object["metadata"].as_object_mut() {
            for field in ["ownerReferences", "finalizers", "managedFields", "resourceVersion"] {
                metadata.remove(field);
            }
        }
        object
    };
    without(new) == without(old)
}

fn wanted(policy: &Policy, grant: &Grant<'_>) -> Result<Vec<Rule>, Status> {
    match grant.grants {
        Grants::Rules => Ok(grant.new["rules"].as_array().into_iter().flatten().map(rule).collect()),
        Grants::Role => {
            let role = &grant.new["roleRef"];
            let text = |field: &str| role[field].as_str().unwrap_or_default();
            policy.role(role, grant.namespace).map(<[Rule]>::to_vec).ok_or_else(|| {
                let plural = if text("kind") == "ClusterRole" { "clusterroles" } else { "roles" };
                Status::new(404, "NotFound", format!("{plural}.{GROUP} {:?} not found", text("name")))
            })
        }
    }
}

fn has_everything(held: &[Rule]) -> bool {
    let all = || vec!["*".to_string()];
    let resources = Rule { verbs: all(), api_groups: all(), resources: all(), ..Rule::default() };
    let paths = Rule { verbs: all(), non_resource_urls: all(), ..Rule::default() };
    missing(held, &[resources, paths]).is_empty()
}

/// The parts of the wanted rules that nobody holds.
fn missing(held: &[Rule], wanted: &[Rule]) -> Vec<Rule> {
    let parts = wanted.iter().flat_map(Rule::parts);
    parts.filter(|part| !held.iter().any(|rule| rule.covers(part))).collect()
}

fn describe(identity: &Identity, missing: Vec<Rule>) -> String {
    // By everything but the verbs.
    let mut compact: BTreeMap<Rule, Vec<String>> = BTreeMap::new();
    for mut part in missing {
        let verbs = std::mem::take(&mut part.verbs);
        compact.entry(part).or_default().extend(verbs);
    }
    let mut lines: Vec<String> = compact
        .iter()
        .map(|(rule, verbs)| {
            let parts = [
                ("APIGroups", &rule.api_groups),
                ("Resources", &rule.resources),
                ("NonResourceURLs", &rule.non_resource_urls),
                ("ResourceNames", &rule.resource_names),
                ("Verbs", verbs),
            ];
            let shown = parts.iter().filter(|(_, values)| !values.is_empty());
            let shown: Vec<String> =
                shown.map(|(name, values)| format!("{name}:{}", quoted(values))).collect();
            format!("{{{}}}", shown.join(", "))
        })
        .collect();
    lines.sort_unstable();
    format!(
        "user {:?} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
        identity.name,
        quoted(&identity.groups),
        lines.join("\n")
    )
}

/// Go's `%q` of a list: `["a" "b"]`.
fn quoted(values: &[String]) -> String {
    let values: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
    format!("[{}]", values.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rules(list: Value) -> Vec<Rule> {
        list.as_array().unwrap().iter().map(rule).collect()
    }

    #[test]
    fn what_is_held_covers_its_parts_and_no_more() {
        let held = rules(json!([
            { "apiGroups": [""], "resources": ["pods", "*/status"], "verbs": ["get", "list"] },
            { "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["mine"], "verbs": ["*"] },
            { "nonResourceURLs": ["/healthz*"], "verbs": ["get"] },
        ]));
        let covered = |wanted: Value| missing(&held, &rules(json!([wanted]))).is_empty();
        assert!(covered(json!({ "apiGroups": [""], "resources": ["pods"], "verbs": ["list"] })));
        assert!(covered(json!({ "apiGroups": [""], "resources": ["nodes/status"], "verbs": ["get"] })));
        assert!(covered(
            json!({ "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["mine"], "verbs": ["delete"] })
        ));
        assert!(covered(json!({ "nonResourceURLs": ["/healthz/x"], "verbs": ["get"] })));
        assert!(!covered(json!({ "apiGroups": [""], "resources": ["secrets"], "verbs": ["get"] })));
        assert!(!covered(json!({ "apiGroups": ["apps"], "resources": ["pods"], "verbs": ["get"] })));
        assert!(!covered(json!({ "apiGroups": [""], "resources": ["pods"], "verbs": ["*"] })));
        assert!(!covered(json!({ "nonResourceURLs": ["/metrics"], "verbs": ["get"] })));
    }

    #[test]
    fn a_refusal_names_what_is_missing() {
        let identity = Identity::new("jane", &["dev", "system:authenticated"]);
        let wanted = rules(
            json!([{ "apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "create"] }]),
        );
        assert_eq!(
            describe(&identity, missing(&[], &wanted)),
            "user \"jane\" (groups=[\"dev\" \"system:authenticated\"]) is attempting to grant RBAC permissions not \
             currently held:\n{APIGroups:[\"apps\"], Resources:[\"deployments\"], Verbs:[\"get\" \"create\"]}"
        );
    }
}
