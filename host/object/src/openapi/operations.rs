//! One operation: parameters, body, answers, and the markers that clients look for.

use serde_json::{Value, json};

use super::schemas::META;
use super::{group_version_kind, reference};
use crate::Kind;
use crate::kind::Subresource;

const PATCH_TYPES: [&str; 4] = [
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];

/// `x-kubernetes-action`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Get,
    List,
    Post,
    Put,
    Patch,
    Delete,
    DeleteCollection,
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Action::Get => "get",
            Action::List => "list",
            Action::Post => "post",
            Action::Put => "put",
            Action::Patch => "patch",
            Action::Delete => "delete",
            Action::DeleteCollection => "deletecollection",
        }
    }

    /// What the operation's id begins with.
    fn id(self) -> &'static str {
        match self {
            Action::Get => "read",
            Action::List => "list",
            Action::Post => "create",
            Action::Put => "replace",
            Action::Patch => "patch",
            Action::Delete => "delete",
            Action::DeleteCollection => "deleteCollection",
        }
    }
}

pub(super) fn operation(kind: &Kind, action: Action, answer: &str, suffix: &str) -> Value {
    let own = group_version_kind(&kind.group, &kind.version, &kind.kind);
    build(kind, action, own, &kind.schema, answer, suffix)
}

pub(super) fn part_operation(kind: &Kind, part: &Subresource, action: Action, definition: &str) -> Value {
    let (group, version) = match part.version.as_str() {
        "" => (kind.group.as_str(), kind.version.as_str()),
        version => (part.group.as_str(), version),
    };
    let own = group_version_kind(group, version, &part.kind);
    build(kind, action, own, definition, definition, &capitalized(&part.name))
}

fn build(kind: &Kind, action: Action, own: Value, body: &str, answer: &str, suffix: &str) -> Value {
    let scope = if kind.namespaced() && suffix != "ForAllNamespaces" { "Namespaced" } else { "" };
    let tag = tag(kind);
    let mut operation = json!({
        "operationId": format!("{}{}{scope}{}{suffix}", action.id(), capitalized(&tag), kind.kind),
        "description": format!("{} {}", action.id(), kind.plural),
        "tags": [tag],
        "parameters": parameters(action),
        "responses": responses(action, answer),
        "x-kubernetes-action": action.name(),
        "x-kubernetes-group-version-kind": own,
    });
    if let Some(content) = request_body(kind, action, body) {
        operation["requestBody"] = json!({ "content": content });
    }
    operation
}

/// `core_v1`, `apps_v1`, `rbacAuthorization_v1`
fn tag(kind: &Kind) -> String {
    let group = match kind.group.as_str() {
        "" => "core".to_owned(),
        group => {
            let mut parts = group.trim_end_matches(".k8s.io").split('.');
            let first = parts.next().unwrap_or(group).to_owned();
            parts.fold(first, |name, part| name + &capitalized(part))
        }
    };
    format!("{group}_{}", kind.version)
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn request_body(kind: &Kind, action: Action, body: &str) -> Option<Value> {
    match action {
        Action::Post | Action::Put => Some(json!({ "*/*": { "schema": reference(body) } })),
        Action::Delete | Action::DeleteCollection => {
            Some(json!({ "*/*": { "schema": reference(&format!("{META}.DeleteOptions")) } }))
        }
        Action::Patch => {
            let schema = json!({ "schema": reference(&format!("{META}.Patch")) });
            // kubectl chooses by this list; custom resources have no strategic merge.
            let types =
                PATCH_TYPES.iter().filter(|media| kind.custom.is_none() || !media.contains("strategic"));
            Some(types.map(|media| ((*media).to_owned(), schema.clone())).collect())
        }
        Action::Get | Action::List => None,
    }
}

fn responses(action: Action, answer: &str) -> Value {
    let definition = match action {
        Action::Delete | Action::DeleteCollection => format!("{META}.Status"),
        _ => answer.to_owned(),
    };
    let ok = json!({
        "description": "OK",
        "content": { "application/json": { "schema": reference(&definition) } },
    });
    let mut responses = json!({ "200": ok, "401": { "description": "Unauthorized" } });
    if matches!(action, Action::Post | Action::Put | Action::Patch) {
        responses["201"] = ok.clone();
        responses["201"]["description"] = "Created".into();
    }
    if matches!(action, Action::Post | Action::Delete) {
        responses["202"] = ok;
        responses["202"]["description"] = "Accepted".into();
    }
    responses
}

fn parameters(action: Action) -> Value {
    let mut parameters = vec![query("pretty", "string", "If 'true', then the output is pretty printed.")];
    match action {
        Action::Get => {}
        Action::List => parameters.extend(list_parameters()),
        Action::Post | Action::Put => parameters.extend(write_parameters()),
        Action::Patch => {
            parameters.extend(write_parameters());
            let force = "Take over fields that conflict with those of other managers; apply requests only.";
            parameters.push(query("force", "boolean", force));
        }
        Action::Delete => parameters.extend(delete_parameters()),
        Action::DeleteCollection => {
            parameters.extend(list_parameters());
            parameters.extend(delete_parameters());
        }
    }
    parameters.into()
}

fn write_parameters() -> [Value; 3] {
    [
        dry_run(),
        query("fieldManager", "string", "The name of the actor or entity that is making these changes."),
        query(
            "fieldValidation",
            "string",
            "What to do about unknown or duplicate fields: Ignore, Warn or Strict.",
        ),
    ]
}

fn delete_parameters() -> [Value; 3] {
    [
        dry_run(),
        query("gracePeriodSeconds", "integer", "Seconds before the object is deleted; zero means at once."),
        query(
            "propagationPolicy",
            "string",
            "Whether and how dependents are deleted: Orphan, Background or Foreground.",
        ),
    ]
}

fn list_parameters() -> [Value; 10] {
    [
        query("allowWatchBookmarks", "boolean", "Send watch events of type BOOKMARK."),
        query("continue", "string", "The continue option from the server's previous answer."),
        query("fieldSelector", "string", "Restricts the objects by their fields. Defaults to everything."),
        query("labelSelector", "string", "Restricts the objects by their labels. Defaults to everything."),
        query("limit", "integer", "The maximum number of objects in one answer."),
        query("resourceVersion", "string", "A constraint on which resource versions may be served."),
        query("resourceVersionMatch", "string", "How resourceVersion is applied to list calls."),
        query("sendInitialEvents", "boolean", "Begin a watch with events for the objects that exist."),
        query("timeoutSeconds", "integer", "Timeout of the list or watch call."),
        query("watch", "boolean", "Return a stream of changes instead of a list."),
    ]
}

fn dry_run() -> Value {
    query("dryRun", "string", "Do not store the change: All.")
}

fn query(name: &str, value_type: &str, description: &str) -> Value {
    json!({
        "name": name, "in": "query", "description": description,
        "schema": { "type": value_type, "uniqueItems": true },
    })
}
