//! RBAC compiled: for each subject, the rules it was granted and where.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use orch_client::Identity;
use serde_json::Value;

use super::{Attributes, Decision};

/// The objects RBAC is made of, as the cache holds them.
#[derive(Default)]
pub struct RbacObjects {
    pub roles: Vec<Arc<Value>>,
    pub cluster_roles: Vec<Arc<Value>>,
    pub role_bindings: Vec<Arc<Value>>,
    pub cluster_role_bindings: Vec<Arc<Value>>,
}

/// A `PolicyRule`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    pub verbs: Vec<String>,
    pub api_groups: Vec<String>,
    pub resources: Vec<String>,
    pub resource_names: Vec<String>,
    pub non_resource_urls: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Subject {
    User(String),
    Group(String),
}

#[derive(Debug, Clone)]
struct Grant {
    /// `None`: everywhere.
    namespace: Option<String>,
    rules: Arc<Vec<Rule>>,
    /// For `SubjectAccessReview.status.reason`.
    binding: String,
}

/// Every grant, by subject.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    grants: HashMap<Subject, Vec<Grant>>,
    cluster_roles: HashMap<String, Arc<Vec<Rule>>>,
    /// By namespace and name.
    roles: HashMap<(String, String), Arc<Vec<Rule>>>,
}

impl Policy {
    pub fn compile(objects: &RbacObjects) -> Self {
        let cluster_roles = resolve_cluster_roles(&objects.cluster_roles);
        let roles: HashMap<(String, String), Arc<Vec<Rule>>> = objects
            .roles
            .iter()
            .map(|role| {
                let key = (text(role, "/metadata/namespace"), text(role, "/metadata/name"));
                (key, Arc::new(rules(role)))
            })
            .collect();
        let mut policy = Policy::default();
        for binding in &objects.cluster_role_bindings {
            let granted = cluster_roles.get(&text(binding, "/roleRef/name"));
            policy.grant(binding, None, granted, "ClusterRoleBinding");
        }
        for binding in &objects.role_bindings {
            let namespace = text(binding, "/metadata/namespace");
            let name = text(binding, "/roleRef/name");
            let granted = match text(binding, "/roleRef/kind").as_str() {
                "ClusterRole" => cluster_roles.get(&name),
                _ => roles.get(&(namespace.clone(), name)),
            };
            policy.grant(binding, Some(namespace), granted, "RoleBinding");
        }
        Policy { cluster_roles, roles, ..policy }
    }

    fn grant(
        &mut self,
        binding: &Value,
        namespace: Option<String>,
        rules: Option<&Arc<Vec<Rule>>>,
        kind: &str,
    ) {
        let Some(rules) = rules else { return };
        let name = match &namespace {
            Some(namespace) => format!("{}/{namespace}", text(binding, "/metadata/name")),
            None => text(binding, "/metadata/name"),
        };
        let role = format!("{} {:?}", text(binding, "/roleRef/kind"), text(binding, "/roleRef/name"));
        for subject in binding["subjects"].as_array().into_iter().flatten() {
            let (described, subject) = match subject_of(subject, namespace.as_deref()) {
                Some(found) => found,
                None => continue,
            };
            let reason = format!("RBAC: allowed by {kind} {name:?} of {role} to {described}");
            self.grants.entry(subject).or_default().push(Grant {
                namespace: namespace.clone(),
                rules: rules.clone(),
                binding: reason,
            });
        }
    }

    pub fn decide(&self, identity: &Identity, attributes: &Attributes) -> Decision {
        self.grants_of(identity)
            .filter(|grant| grant.applies(attributes))
            .find(|grant| grant.rules.iter().any(|rule| rule.allows(attributes)))
            .map_or(Decision::NoOpinion, |grant| Decision::Allow(grant.binding.clone()))
    }

    /// The rules of the role that a binding of this namespace names; `None`: there is no such role.
    pub fn role(&self, role: &Value, namespace: &str) -> Option<&[Rule]> {
        let name = text(role, "/name");
        let rules = match text(role, "/kind").as_str() {
            "ClusterRole" => self.cluster_roles.get(&name),
            _ => self.roles.get(&(namespace.to_string(), name)),
        };
        rules.map(|rules| rules.as_slice())
    }

    /// The rules in force for an identity in a namespace (`SelfSubjectRulesReview`).
    pub fn rules_for(&self, identity: &Identity, namespace: &str) -> Vec<Rule> {
        self.grants_of(identity)
            .filter(|grant| grant.namespace.as_deref().is_none_or(|n| n == namespace))
            .flat_map(|grant| grant.rules.iter().cloned())
            .collect()
    }

    fn grants_of<'a>(&'a self, identity: &'a Identity) -> impl Iterator<Item = &'a Grant> {
        let user = Subject::User(identity.name.clone());
        let groups = identity.groups.iter().cloned().map(Subject::Group);
        std::iter::once(user).chain(groups).filter_map(|s| self.grants.get(&s)).flatten()
    }
}

impl Grant {
    fn applies(&self, attributes: &Attributes) -> bool {
        self.namespace.as_ref().is_none_or(|n| attributes.path.is_none() && *n == attributes.namespace)
    }
}

impl Rule {
    fn allows(&self, attributes: &Attributes) -> bool {
        let verb = self.verbs.iter().any(|v| v == "*" || *v == attributes.verb);
        match &attributes.path {
            Some(path) => verb && self.non_resource_urls.iter().any(|url| url_matches(url, path)),
            None => verb && self.allows_resource(attributes),
        }
    }

    /// One rule for each verb, resource and name.
    pub fn parts(&self) -> Vec<Rule> {
        let mut parts = Vec::new();
        let names: Vec<Vec<String>> = match self.resource_names.is_empty() {
            true => vec![Vec::new()],
            false => self.resource_names.iter().map(|name| vec![name.clone()]).collect(),
        };
        for group in &self.api_groups {
            for resource in &self.resources {
                for verb in &self.verbs {
                    parts.extend(names.iter().map(|names| Rule {
                        verbs: vec![verb.clone()],
                        api_groups: vec![group.clone()],
                        resources: vec![resource.clone()],
                        resource_names: names.clone(),
                        non_resource_urls: Vec::new(),
                    }));
                }
            }
        }
        for url in &self.non_resource_urls {
            parts.extend(self.verbs.iter().map(|verb| Rule {
                verbs: vec![verb.clone()],
                non_resource_urls: vec![url.clone()],
                ..Rule::default()
            }));
        }
        parts
    }

    /// Whether whoever has this rule has the other, a single part, as well.
    pub fn covers(&self, part: &Rule) -> bool {
        let has = |mine: &[String], wanted: &[String]| {
            mine.iter().any(|m| m == "*") || wanted.iter().all(|w| mine.contains(w))
        };
        let resources = part.resources.iter().all(|wanted| {
            let any = wanted.split_once('/').map(|(_, subresource)| format!("*/{subresource}"));
            self.resources.iter().any(|mine| mine == "*" || mine == wanted || Some(mine) == any.as_ref())
        });
        let names = self.resource_names.is_empty()
            || (!part.resource_names.is_empty()
                && part.resource_names.iter().all(|n| self.resource_names.contains(n)));
        let urls = part.non_resource_urls.iter().all(|wanted| {
            let under =
                |mine: &String| mine.strip_suffix('*').is_some_and(|prefix| wanted.starts_with(prefix));
            self.non_resource_urls.iter().any(|mine| mine == wanted || under(mine))
        });
        let either = part.non_resource_urls.is_empty() || !self.non_resource_urls.is_empty();
        has(&self.verbs, &part.verbs)
            && has(&self.api_groups, &part.api_groups)
            && resources
            && names
            && urls
            && either
    }

    fn allows_resource(&self, attributes: &Attributes) -> bool {
        self.api_groups.iter().any(|g| g == "*" || *g == attributes.group)
            && self.resources.iter().any(|r| resource_matches(r, attributes))
            && (self.resource_names.is_empty() || self.resource_names.contains(&attributes.name))
    }
}

/// `pods`, `pods/log`, `*`, `*/scale`.
fn resource_matches(pattern: &str, attributes: &Attributes) -> bool {
    match (pattern.split_once('/'), attributes.subresource.as_str()) {
        _ if pattern == "*" => true,
        (None, "") => pattern == attributes.resource,
        (None, _) | (Some(_), "") => false,
        (Some((resource, subresource)), asked) => {
            subresource == asked && (resource == "*" || resource == attributes.resource)
        }
    }
}

fn url_matches(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => pattern == path,
    }
}

fn subject_of(subject: &Value, binding_namespace: Option<&str>) -> Option<(String, Subject)> {
    let name = subject["name"].as_str()?;
    Some(match subject["kind"].as_str()? {
        "User" => (format!("User {name:?}"), Subject::User(name.into())),
        "Group" => (format!("Group {name:?}"), Subject::Group(name.into())),
        "ServiceAccount" => {
            let namespace = subject["namespace"].as_str().filter(|n| !n.is_empty()).or(binding_namespace)?;
            let user = format!("system:serviceaccount:{namespace}:{name}");
            (format!("ServiceAccount {:?}", format!("{name}/{namespace}")), Subject::User(user))
        }
        _ => return None,
    })
}

/// The rules of each ClusterRole; an aggregated role has those of the roles its selectors find.
fn resolve_cluster_roles(roles: &[Arc<Value>]) -> HashMap<String, Arc<Vec<Rule>>> {
    let by_name: BTreeMap<String, &Arc<Value>> =
        roles.iter().map(|role| (text(role, "/metadata/name"), role)).collect();
    by_name
        .keys()
        .map(|name| {
            let mut found = Vec::new();
            collect_rules(name, &by_name, &mut Vec::new(), &mut found);
            (name.clone(), Arc::new(found))
        })
        .collect()
}

/// Aggregation may nest (admin ← edit ← view) and, by mistake, loop: each role counts once.
fn collect_rules(
    name: &str,
    roles: &BTreeMap<String, &Arc<Value>>,
    seen: &mut Vec<String>,
    found: &mut Vec<Rule>,
) {
    if seen.iter().any(|s| s == name) {
        return;
    }
    seen.push(name.to_string());
    let role = roles[name];
    let Some(selectors) = role.pointer("/aggregationRule/clusterRoleSelectors").and_then(Value::as_array)
    else {
        found.extend(rules(role));
        return;
    };
    for (other, candidate) in roles {
        if selectors.iter().any(|selector| selects(selector, &candidate["metadata"]["labels"])) {
            collect_rules(other, roles, seen, found);
        }
    }
}

fn selects(selector: &Value, labels: &Value) -> bool {
    let matches = selector["matchLabels"].as_object().into_iter().flatten().all(|(k, v)| labels[k] == *v);
    let expressions = selector["matchExpressions"].as_array().into_iter().flatten();
    matches && expressions.into_iter().all(|e| expression_holds(e, labels))
}

fn expression_holds(expression: &Value, labels: &Value) -> bool {
    let value = expression["key"].as_str().and_then(|key| labels.get(key));
    let listed =
        || value.is_some_and(|v| expression["values"].as_array().is_some_and(|values| values.contains(v)));
    match expression["operator"].as_str() {
        Some("In") => listed(),
        Some("NotIn") => !listed(),
        Some("Exists") => value.is_some(),
        Some("DoesNotExist") => value.is_none(),
        _ => false,
    }
}

fn rules(role: &Value) -> Vec<Rule> {
    role["rules"].as_array().into_iter().flatten().map(rule).collect()
}

/// Reads a `PolicyRule`.
pub fn rule(value: &Value) -> Rule {
    let list = |field: &str| -> Vec<String> {
        let items = value[field].as_array().into_iter().flatten();
        items.filter_map(|v| v.as_str().map(String::from)).collect()
    };
    Rule {
        verbs: list("verbs"),
        api_groups: list("apiGroups"),
        resources: list("resources"),
        resource_names: list("resourceNames"),
        non_resource_urls: list("nonResourceURLs"),
    }
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn compile(
        roles: Vec<Value>,
        cluster_roles: Vec<Value>,
        role_bindings: Vec<Value>,
        cluster_role_bindings: Vec<Value>,
    ) -> Policy {
        let share = |objects: Vec<Value>| objects.into_iter().map(Arc::new).collect();
        Policy::compile(&RbacObjects {
            roles: share(roles),
            cluster_roles: share(cluster_roles),
            role_bindings: share(role_bindings),
            cluster_role_bindings: share(cluster_role_bindings),
        })
    }

    fn allows(policy: &Policy, user: &str, verb: &str, namespace: &str, resource: &str, name: &str) -> bool {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let attributes = Attributes {
            verb: verb.into(),
            namespace: namespace.into(),
            resource: resource.into(),
            subresource: subresource.into(),
            name: name.into(),
            ..Default::default()
        };
        policy.decide(&Identity::new(user, &["g"]), &attributes) != Decision::NoOpinion
    }

    #[test]
    fn a_role_counts_in_its_namespace_only() {
        let policy = compile(
            vec![json!({"metadata": {"name": "reader", "namespace": "a"},
                "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]})],
            vec![],
            vec![json!({"metadata": {"name": "b", "namespace": "a"},
                "roleRef": {"kind": "Role", "name": "reader"},
                "subjects": [{"kind": "User", "name": "jane"}]})],
            vec![],
        );
        assert!(allows(&policy, "jane", "get", "a", "pods", "x"));
        assert!(!allows(&policy, "jane", "get", "b", "pods", "x"));
        assert!(!allows(&policy, "jane", "delete", "a", "pods", "x"));
        assert!(!allows(&policy, "jane", "get", "a", "pods/log", "x"));
        assert!(!allows(&policy, "joe", "get", "a", "pods", "x"));
    }

    #[test]
    fn resource_names_and_wildcards() {
        let policy = compile(
            vec![],
            vec![json!({"metadata": {"name": "r"}, "rules": [
                {"apiGroups": ["*"], "resources": ["*/status"], "verbs": ["patch"]},
                {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["mine"], "verbs": ["*"]}]})],
            vec![],
            vec![json!({"metadata": {"name": "b"}, "roleRef": {"kind": "ClusterRole", "name": "r"},
                "subjects": [{"kind": "Group", "name": "g"}]})],
        );
        assert!(allows(&policy, "any", "patch", "", "nodes/status", "n"));
        assert!(!allows(&policy, "any", "patch", "", "nodes", "n"));
        assert!(allows(&policy, "any", "get", "x", "secrets", "mine"));
        assert!(!allows(&policy, "any", "get", "x", "secrets", "yours"));
        assert!(!allows(&policy, "any", "list", "x", "secrets", ""));
    }

    #[test]
    fn aggregation_nests_and_survives_a_loop() {
        let aggregated = |name: &str, label: &str, wants: &str| {
            json!({"metadata": {"name": name, "labels": {label: "true"}}, "rules": null,
                "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {wants: "true"}}]}})
        };
        let policy = compile(
            vec![],
            vec![
                aggregated("admin", "to-view", "to-admin"),
                aggregated("edit", "to-admin", "to-edit"),
                json!({"metadata": {"name": "leaf", "labels": {"to-edit": "true"}},
                    "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}),
                aggregated("loop", "to-edit", "to-admin"),
            ],
            vec![],
            vec![json!({"metadata": {"name": "b"}, "roleRef": {"kind": "ClusterRole", "name": "admin"},
                "subjects": [{"kind": "ServiceAccount", "name": "bot", "namespace": "ci"}]})],
        );
        assert!(allows(&policy, "system:serviceaccount:ci:bot", "get", "x", "pods", "p"));
    }
}
