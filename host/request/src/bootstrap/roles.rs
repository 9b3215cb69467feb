//! The default roles and bindings: `roles.txt`, as objects.

use orch_client::{Resource, Target};
use orch_object::Status;
use serde_json::{Value, json};

use super::{ensure, ensure_fields};
use crate::verbs::{Api, Call};

const TABLE: &str = include_str!("roles.txt");
const GROUP: &str = "rbac.authorization.k8s.io";
const AUTOUPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";

/// At the same time, so that they share commits.
pub async fn create(api: &Api, call: &Call) -> Result<(), Status> {
    futures::future::try_join_all(objects(TABLE).into_iter().map(|object| create_one(api, call, object)))
        .await
        .map(drop)
}

async fn create_one(api: &Api, call: &Call, object: Value) -> Result<(), Status> {
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    let resource = Resource::new(GROUP, "v1", plural(&kind));
    let target = match object["metadata"]["namespace"].as_str() {
        Some(namespace) => Target::within(&resource, namespace),
        None => Target::all(&resource),
    };
    // A role of ours grows with the release; a role somebody marked otherwise is left alone.
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    if kind.ends_with("Binding") || !autoupdates(api, &target, name) {
        return ensure(api, call, target, object).await;
    }
    let mut fields = json!({ "rules": object["rules"] });
    if !object["aggregationRule"].is_null() {
        // Its rules are those of the roles it selects.
        fields = json!({ "aggregationRule": object["aggregationRule"] });
    }
    ensure_fields(api, call, target, object, fields).await
}

fn plural(kind: &str) -> &'static str {
    match kind {
        "ClusterRole" => "clusterroles",
        "ClusterRoleBinding" => "clusterrolebindings",
        "Role" => "roles",
        _ => "rolebindings",
    }
}

fn autoupdates(api: &Api, target: &Target, name: &str) -> bool {
    let namespace = target.namespace.as_deref().unwrap_or_default();
    let key = crate::key::object(GROUP, &target.resource.plural, namespace, name);
    api.cache().get(&key).is_none_or(|role| role.value()["metadata"]["annotations"][AUTOUPDATE] == "true")
}

/// The table's objects. It is part of the binary: a line that cannot be read is a defect of the release.
fn objects(table: &str) -> Vec<Value> {
    let mut objects: Vec<Value> = Vec::new();
    for line in table.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        match line.strip_prefix("    ") {
            None => objects.push(head(line)),
            Some(rule) => {
                let rules = objects.last_mut().and_then(|object| object["rules"].as_array_mut());
                rules.expect("a rule follows its role").push(policy_rule(rule));
            }
        }
    }
    objects
}

fn head(line: &str) -> Value {
    let mut words = line.split(' ');
    let (kind, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut object =
        json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata(name) });
    if kind.ends_with("Binding") {
        let (role_kind, role) =
            words.next().and_then(|role| role.split_once('/')).expect("a binding names its role");
        object["roleRef"] = json!({ "apiGroup": GROUP, "kind": role_kind, "name": role });
        let subjects: Vec<Value> = words.map(subject).collect();
        if !subjects.is_empty() {
            object["subjects"] = subjects.into();
        }
        return object;
    }
    object["rules"] = json!([]);
    for word in words {
        match word.split_once('=') {
            Some(("aggregate-to", role)) => object["metadata"]["labels"][label(role)] = "true".into(),
            Some(("aggregates", role)) => {
                object["aggregationRule"] =
                    json!({ "clusterRoleSelectors": [{ "matchLabels": { label(role): "true" } }] });
            }
            _ => unreachable!("a role has no {word}"),
        }
    }
    object
}

fn metadata(name: &str) -> Value {
    let mut metadata = json!({
        "labels": { "kubernetes.io/bootstrapping": "rbac-defaults" },
        "annotations": { AUTOUPDATE: "true" },
    });
    let (namespace, name) =
        name.split_once('/').map_or((None, name), |(namespace, name)| (Some(namespace), name));
    metadata["name"] = name.into();
    if let Some(namespace) = namespace {
        metadata["namespace"] = namespace.into();
    }
    metadata
}

fn label(role: &str) -> String {
    format!("rbac.authorization.k8s.io/aggregate-to-{role}")
}

fn subject(word: &str) -> Value {
    match word.split_once('=').expect("a subject has a kind") {
        ("user", name) => json!({ "kind": "User", "apiGroup": GROUP, "name": name }),
        ("group", name) => json!({ "kind": "Group", "apiGroup": GROUP, "name": name }),
        (_, account) => {
            let (namespace, name) = account.split_once('/').expect("an account has a namespace");
            json!({ "kind": "ServiceAccount", "namespace": namespace, "name": name })
        }
    }
}

fn policy_rule(text: &str) -> Value {
    let text = text
        .replace("READ", "get list watch")
        .replace("WRITE", "create delete deletecollection patch update");
    let parts: Vec<Vec<&str>> = text.split(": ").map(|part| part.split(' ').collect()).collect();
    match parts.as_slice() {
        [paths, urls, verbs] if paths == &["paths"] => {
            json!({ "nonResourceURLs": urls, "verbs": sorted(verbs) })
        }
        [groups, resources, verbs, names @ ..] => {
            let groups: Vec<&str> =
                groups.iter().map(|group| if *group == "core" { "" } else { group }).collect();
            let mut rule = json!({ "apiGroups": groups, "resources": resources, "verbs": sorted(verbs) });
            if let [names] = names {
                rule["resourceNames"] = json!(names);
            }
            rule
        }
        _ => unreachable!("a rule has groups, resources and verbs: {text}"),
    }
}

fn sorted(verbs: &[&str]) -> Vec<String> {
    let mut verbs: Vec<String> = verbs.iter().map(|verb| (*verb).to_owned()).collect();
    verbs.sort_unstable();
    verbs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_as_written() {
        let read = objects(
            "Role n/r\n    core apps: pods pods/log: READ: x\nClusterRole v aggregate-to=edit aggregates=view\n    \
             paths: /a /b: get\nRoleBinding n/b Role/r user=u account=n/a\n",
        );
        assert_eq!(read[0]["metadata"]["namespace"], "n");
        assert_eq!(
            read[0]["rules"][0],
            json!({ "apiGroups": ["", "apps"], "resources": ["pods", "pods/log"],
            "verbs": ["get", "list", "watch"], "resourceNames": ["x"] })
        );
        assert_eq!(read[1]["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-edit"], "true");
        assert_eq!(read[1]["rules"][0], json!({ "nonResourceURLs": ["/a", "/b"], "verbs": ["get"] }));
        assert_eq!(
            read[2]["subjects"][1],
            json!({ "kind": "ServiceAccount", "namespace": "n", "name": "a" })
        );
    }

    #[test]
    fn every_binding_names_a_role_of_the_table() {
        let all = objects(TABLE);
        let is_role = |binding: &Value| {
            all.iter().any(|role| {
                role["kind"] == binding["roleRef"]["kind"]
                    && role["metadata"]["name"] == binding["roleRef"]["name"]
                    && (role["kind"] == "ClusterRole"
                        || role["metadata"]["namespace"] == binding["metadata"]["namespace"])
            })
        };
        let bindings: Vec<&Value> = all.iter().filter(|o| o["roleRef"].is_object()).collect();
        assert!(bindings.len() > 60, "{}", bindings.len());
        for binding in bindings {
            assert!(is_role(binding), "{binding}");
        }
    }

    #[test]
    fn no_part_of_a_rule_is_empty() {
        for role in objects(TABLE) {
            for rule in role["rules"].as_array().into_iter().flatten() {
                for field in rule.as_object().unwrap().values() {
                    let field = field.as_array().unwrap();
                    assert!(!field.is_empty() && field.iter().all(|v| *v != " "), "{role}");
                }
            }
        }
    }
}
