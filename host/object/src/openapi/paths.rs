//! `paths`: which URLs there are and what can be done there.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::operations::{self, Action};
use super::schemas::{list_definition, part_definition};
use crate::Kind;
use crate::kind::Subresource;

pub(super) fn paths(kinds: &[&Arc<Kind>]) -> Value {
    let mut paths = Map::new();
    for kind in kinds {
        add_collection(kind, &mut paths);
        add_item(kind, &mut paths);
        for part in &kind.subresources {
            add_part(kind, part, &mut paths);
        }
    }
    Value::Object(paths)
}

fn root(kind: &Kind) -> String {
    match kind.group.as_str() {
        "" => format!("/api/{}", kind.version),
        group => format!("/apis/{group}/{}", kind.version),
    }
}

fn collection(kind: &Kind) -> String {
    let place = if kind.namespaced() { "/namespaces/{namespace}" } else { "" };
    format!("{}{place}/{}", root(kind), kind.plural)
}

fn add_collection(kind: &Kind, paths: &mut Map<String, Value>) {
    let mut item = parameters(kind.namespaced(), false);
    let list = list_definition(kind);
    for (verb, method, action) in [
        ("list", "get", Action::List),
        ("create", "post", Action::Post),
        ("deletecollection", "delete", Action::DeleteCollection),
    ] {
        if !kind.verbs.iter().any(|known| known == verb) {
            continue;
        }
        let answer = if verb == "list" { &list } else { &kind.schema };
        item[method] = operations::operation(kind, action, answer, "");
    }
    paths.insert(collection(kind), item);
    if kind.namespaced() && kind.verbs.iter().any(|verb| verb == "list") {
        let everywhere =
            json!({ "get": operations::operation(kind, Action::List, &list, "ForAllNamespaces") });
        paths.insert(format!("{}/{}", root(kind), kind.plural), everywhere);
    }
}

fn add_item(kind: &Kind, paths: &mut Map<String, Value>) {
    let mut item = parameters(kind.namespaced(), true);
    let mut any = false;
    for (verb, method, action) in [
        ("get", "get", Action::Get),
        ("update", "put", Action::Put),
        ("patch", "patch", Action::Patch),
        ("delete", "delete", Action::Delete),
    ] {
        if kind.verbs.iter().any(|known| known == verb) {
            item[method] = operations::operation(kind, action, &kind.schema, "");
            any = true;
        }
    }
    if any {
        paths.insert(format!("{}/{{name}}", collection(kind)), item);
    }
}

/// Sub-resources with objects; streams and proxies have no schema to describe.
fn add_part(kind: &Kind, part: &Subresource, paths: &mut Map<String, Value>) {
    let Some(definition) = part_definition(kind, &part.kind) else { return };
    let mut item = parameters(kind.namespaced(), true);
    for verb in &part.verbs {
        let (method, action) = match verb.as_str() {
            "get" => ("get", Action::Get),
            "update" => ("put", Action::Put),
            "patch" => ("patch", Action::Patch),
            "create" => ("post", Action::Post),
            _ => continue,
        };
        item[method] = operations::part_operation(kind, part, action, &definition);
    }
    paths.insert(format!("{}/{{name}}/{}", collection(kind), part.name), item);
}

/// What the path itself names.
fn parameters(namespaced: bool, named: bool) -> Value {
    let parameter = |name: &str, description: &str| {
        json!({
            "name": name, "in": "path", "required": true, "description": description,
            "schema": { "type": "string", "uniqueItems": true },
        })
    };
    let mut list = Vec::new();
    if named {
        list.push(parameter("name", "name of the object"));
    }
    if namespaced {
        list.push(parameter("namespace", "object name and auth scope, such as for teams and projects"));
    }
    json!({ "parameters": list })
}
