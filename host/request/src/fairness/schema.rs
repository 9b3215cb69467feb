//! Which schema a request belongs to, and which of its flows.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use orch_client::Identity;
use serde_json::{Value, json};

use crate::authz::Attributes;

const MANDATORY: [(&str, &str, i64); 2] = [("exempt", "exempt", 1), ("catch-all", "catch-all", 10_000)];

/// A FlowSchema, compiled.
pub struct Schema {
    pub uid: String,
    pub level: String,
    pub name: String,
    precedence: i64,
    distinguisher: Distinguisher,
    rules: Vec<Rule>,
}

#[derive(Clone, Copy)]
enum Distinguisher {
    Nothing,
    User,
    Namespace,
}

struct Rule {
    subjects: Vec<Subject>,
    resources: Vec<ResourceRule>,
    paths: Vec<PathRule>,
}

/// `None`: whoever.
enum Subject {
    User(Option<String>),
    Group(Option<String>),
    Account { namespace: String, name: Option<String> },
}

struct ResourceRule {
    verbs: Vec<String>,
    groups: Vec<String>,
    resources: Vec<String>,
    namespaces: Vec<String>,
    cluster: bool,
}

struct PathRule {
    verbs: Vec<String>,
    paths: Vec<String>,
}

/// The schemas whose level exists, the first to be asked first.
pub fn compile(schemas: &[Arc<Value>], levels: &[Arc<Value>]) -> Vec<Schema> {
    let exists = |level: &str| {
        MANDATORY.iter().any(|(_, mandatory, _)| *mandatory == level)
            || levels.iter().any(|object| object["metadata"]["name"] == level)
    };
    let mut compiled: Vec<Schema> = schemas.iter().map(|object| Schema::read(object)).collect();
    compiled.retain(|schema| exists(&schema.level));
    for (name, level, precedence) in MANDATORY {
        if !compiled.iter().any(|schema| schema.name == name) {
            compiled.push(Schema::read(&mandatory(name, level, precedence)));
        }
    }
    compiled.sort_by(|a, b| (a.precedence, &a.name).cmp(&(b.precedence, &b.name)));
    compiled
}

fn mandatory(name: &str, level: &str, precedence: i64) -> Value {
    let groups: &[&str] = if name == "exempt" {
        &["system:masters"]
    } else {
        &["system:unauthenticated", "system:authenticated"]
    };
    let subjects: Vec<Value> =
        groups.iter().map(|group| json!({ "kind": "Group", "group": { "name": group } })).collect();
    json!({ "metadata": { "name": name }, "spec": {
        "priorityLevelConfiguration": { "name": level }, "matchingPrecedence": precedence,
        "rules": [{ "subjects": subjects,
            "nonResourceRules": [{ "nonResourceURLs": ["*"], "verbs": ["*"] }],
            "resourceRules": [{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"],
                "namespaces": ["*"], "clusterScope": true }] }] } })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_string()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}

fn each<'v, T>(value: &'v Value, read: impl Fn(&'v Value) -> T) -> Vec<T> {
    value.as_array().into_iter().flatten().map(read).collect()
}

/// `*` is everything.
fn name(value: &Value) -> Option<String> {
    Some(text(value)).filter(|name| name != "*")
}

impl Schema {
    fn read(object: &Value) -> Schema {
        let spec = &object["spec"];
        Schema {
            uid: text(&object["metadata"]["uid"]),
            name: text(&object["metadata"]["name"]),
            level: text(&spec["priorityLevelConfiguration"]["name"]),
            precedence: spec["matchingPrecedence"].as_i64().unwrap_or(1000),
            distinguisher: match spec["distinguisherMethod"]["type"].as_str() {
                Some("ByUser") => Distinguisher::User,
                Some("ByNamespace") => Distinguisher::Namespace,
                _ => Distinguisher::Nothing,
            },
            rules: each(&spec["rules"], Rule::read),
        }
    }

    pub fn matches(&self, identity: &Identity, attributes: &Attributes) -> bool {
        self.rules.iter().any(|rule| rule.matches(identity, attributes))
    }

    /// A number for the request's flow: equal for requests that wait in each other's queues.
    pub fn flow(&self, identity: &Identity, attributes: &Attributes) -> u64 {
        let distinguisher = match self.distinguisher {
            Distinguisher::Nothing => "",
            Distinguisher::User => &identity.name,
            Distinguisher::Namespace => &attributes.namespace,
        };
        let mut hasher = DefaultHasher::new();
        (&self.name, distinguisher).hash(&mut hasher);
        hasher.finish()
    }
}

impl Rule {
    fn read(rule: &Value) -> Rule {
        Rule {
            subjects: each(&rule["subjects"], Subject::read).into_iter().flatten().collect(),
            resources: each(&rule["resourceRules"], |rule| ResourceRule {
                verbs: texts(&rule["verbs"]),
                groups: texts(&rule["apiGroups"]),
                resources: texts(&rule["resources"]),
                namespaces: texts(&rule["namespaces"]),
                cluster: rule["clusterScope"] == true,
            }),
            paths: each(&rule["nonResourceRules"], |rule| PathRule {
                verbs: texts(&rule["verbs"]),
                paths: texts(&rule["nonResourceURLs"]),
            }),
        }
    }

    fn matches(&self, identity: &Identity, attributes: &Attributes) -> bool {
        if !self.subjects.iter().any(|subject| subject.is(identity)) {
            return false;
        }
        match &attributes.path {
            Some(path) => self.paths.iter().any(|rule| rule.matches(&attributes.verb, path)),
            None => self.resources.iter().any(|rule| rule.matches(attributes)),
        }
    }
}

impl Subject {
    fn read(subject: &Value) -> Option<Subject> {
        Some(match subject["kind"].as_str()? {
            "User" => Subject::User(name(&subject["user"]["name"])),
            "Group" => Subject::Group(name(&subject["group"]["name"])),
            "ServiceAccount" => {
                let account = &subject["serviceAccount"];
                Subject::Account { namespace: text(&account["namespace"]), name: name(&account["name"]) }
            }
            _ => return None,
        })
    }

    fn is(&self, identity: &Identity) -> bool {
        match self {
            Subject::User(name) => name.as_ref().is_none_or(|name| *name == identity.name),
            Subject::Group(name) => name.as_ref().is_none_or(|name| identity.groups.contains(name)),
            Subject::Account { namespace, name } => {
                let account =
                    identity.name.strip_prefix("system:serviceaccount:").and_then(|id| id.split_once(':'));
                account.is_some_and(|(of, account)| {
                    of == namespace && name.as_ref().is_none_or(|name| name == account)
                })
            }
        }
    }
}

fn has(list: &[String], wanted: &str) -> bool {
    list.iter().any(|item| item == "*" || item == wanted)
}

impl ResourceRule {
    fn matches(&self, attributes: &Attributes) -> bool {
        let place = match attributes.namespace.as_str() {
            "" => self.cluster,
            namespace => has(&self.namespaces, namespace),
        };
        let resource = match attributes.subresource.as_str() {
            "" => has(&self.resources, &attributes.resource),
            subresource => has(&self.resources, &format!("{}/{subresource}", attributes.resource)),
        };
        place && resource && has(&self.verbs, &attributes.verb) && has(&self.groups, &attributes.group)
    }
}

impl PathRule {
    fn matches(&self, verb: &str, path: &str) -> bool {
        let under = |pattern: &String| match pattern.strip_suffix("/*") {
            Some(prefix) => path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/')),
            None => pattern == "*" || pattern == path,
        };
        has(&self.verbs, verb) && self.paths.iter().any(under)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(spec: Value) -> Schema {
        Schema::read(&json!({ "metadata": { "name": "s" }, "spec": spec }))
    }

    fn attributes(verb: &str, namespace: &str, resource: &str) -> Attributes {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        Attributes {
            verb: verb.into(),
            namespace: namespace.into(),
            resource: resource.into(),
            subresource: subresource.into(),
            ..Attributes::default()
        }
    }

    #[test]
    fn rules_tell_subjects_verbs_places_and_paths() {
        let schema = schema(json!({ "rules": [
            { "subjects": [{ "kind": "ServiceAccount", "serviceAccount": { "namespace": "n", "name": "*" } }],
              "resourceRules": [{ "verbs": ["get"], "apiGroups": [""], "resources": ["pods", "pods/log"], "namespaces": ["a"] }] },
            { "subjects": [{ "kind": "Group", "group": { "name": "g" } }],
              "nonResourceRules": [{ "verbs": ["get"], "nonResourceURLs": ["/healthz", "/apis/*"] }] },
        ] }));
        let account = Identity::service_account("n", "x");
        assert!(schema.matches(&account, &attributes("get", "a", "pods")));
        assert!(schema.matches(&account, &attributes("get", "a", "pods/log")));
        assert!(!schema.matches(&account, &attributes("get", "b", "pods")));
        assert!(!schema.matches(&account, &attributes("get", "", "pods")));
        assert!(!schema.matches(&account, &attributes("list", "a", "pods")));
        assert!(!schema.matches(&Identity::service_account("m", "x"), &attributes("get", "a", "pods")));
        let path =
            |path: &str| Attributes { verb: "get".into(), path: Some(path.into()), ..Attributes::default() };
        let member = Identity::new("jane", &["g"]);
        assert!(schema.matches(&member, &path("/healthz")) && schema.matches(&member, &path("/apis/apps")));
        assert!(
            !schema.matches(&member, &path("/healthz/x")) && !schema.matches(&account, &path("/healthz"))
        );
    }

    #[test]
    fn flows_are_told_apart_as_the_schema_says() {
        let (jane, joe) = (Identity::new("jane", &[]), Identity::new("joe", &[]));
        let by = |method: &str| schema(json!({ "distinguisherMethod": { "type": method } }));
        let flow = |schema: &Schema, who: &Identity, namespace: &str| {
            schema.flow(who, &attributes("get", namespace, "pods"))
        };
        assert_ne!(flow(&by("ByUser"), &jane, "a"), flow(&by("ByUser"), &joe, "a"));
        assert_eq!(flow(&by("ByUser"), &jane, "a"), flow(&by("ByUser"), &jane, "b"));
        assert_ne!(flow(&by("ByNamespace"), &jane, "a"), flow(&by("ByNamespace"), &jane, "b"));
        assert_eq!(flow(&by(""), &jane, "a"), flow(&by(""), &joe, "b"));
    }

    #[test]
    fn schemas_are_asked_by_precedence_and_those_without_level_not_at_all() {
        let object = |name: &str, level: &str, precedence: i64| {
            Arc::new(json!({ "metadata": { "name": name }, "spec": {
                "priorityLevelConfiguration": { "name": level }, "matchingPrecedence": precedence } }))
        };
        let level = Arc::new(json!({ "metadata": { "name": "l" } }));
        let schemas =
            [object("b", "l", 7), object("a", "l", 7), object("first", "l", 2), object("dangling", "x", 1)];
        let order: Vec<String> = compile(&schemas, &[level]).into_iter().map(|schema| schema.name).collect();
        assert_eq!(order, ["exempt", "first", "a", "b", "catch-all"]);
    }
}
