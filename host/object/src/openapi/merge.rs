//! Documents of v2 put together: an extension server's part into the whole
//! (`kube-openapi/pkg/aggregator`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// Where what paths share is kept.
const SHARED: [&str; 2] = ["definitions", "parameters"];

/// A definition or parameter: its section, its name.
type Name = (String, String);

/// Adds the paths below `prefix` of an extension server's document, with what they refer to. What is
/// called as something else of the whole document gets a name of its own.
pub fn merge_v2(document: &mut Value, extension: &Value, prefix: &str) {
    let listed = extension["paths"].as_object().into_iter().flatten();
    let paths: Map<String, Value> = listed
        .filter(|(path, _)| path.starts_with(prefix) && document["paths"].get(path.as_str()).is_none())
        .map(|(path, item)| (path.clone(), item.clone()))
        .collect();
    let mut paths = Value::Object(paths);
    let used = reachable(&paths, extension);
    let names = renamed(&used, document, extension);
    rename(&mut paths, &names);
    add(document, "paths", paths);
    for (section, name) in used {
        let mut shared = extension[&section][&name].clone();
        rename(&mut shared, &names);
        let name = names.get(&(section.clone(), name.clone())).unwrap_or(&name).clone();
        add(document, &section, Value::Object([(name, shared)].into_iter().collect()));
    }
}

/// What is there already stays.
fn add(document: &mut Value, section: &str, more: Value) {
    if !document[section].is_object() {
        document[section] = Map::new().into();
    }
    if let (Value::Object(whole), Value::Object(more)) = (&mut document[section], more) {
        for (name, value) in more {
            whole.entry(name).or_insert(value);
        }
    }
}

/// All that a value refers to, directly or not, and that is there.
fn reachable(value: &Value, document: &Value) -> BTreeSet<Name> {
    let mut found = BTreeSet::new();
    let mut open: Vec<Name> = references(value);
    while let Some(name) = open.pop() {
        let Some(shared) = document[&name.0].get(&name.1) else { continue };
        if found.insert(name) {
            open.extend(references(shared));
        }
    }
    found
}

/// New names for what differs from its namesake, and for what refers to that.
fn renamed(used: &BTreeSet<Name>, document: &Value, extension: &Value) -> BTreeMap<Name, String> {
    let mut names = BTreeMap::new();
    loop {
        let before = names.len();
        for name in used.iter() {
            let (own, theirs) = (&document[&name.0][&name.1], &extension[&name.0][&name.1]);
            let changes = || references(theirs).iter().any(|reference| names.contains_key(reference));
            if !names.contains_key(name) && !own.is_null() && (own != theirs || changes()) {
                let free = (2..).map(|number| format!("{}_v{number}", name.1));
                let mut free = free.filter(|free| document[&name.0][free].is_null());
                names.insert(name.clone(), free.next().unwrap_or_default());
            }
        }
        if names.len() == before {
            return names;
        }
    }
}

fn references(value: &Value) -> Vec<Name> {
    match value {
        Value::Object(fields) => {
            let own = fields.get("$ref").and_then(Value::as_str).and_then(reference);
            own.into_iter().chain(fields.values().flat_map(references)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

/// `#/definitions/NAME`
fn reference(text: &str) -> Option<Name> {
    let (section, name) = text.strip_prefix("#/")?.split_once('/')?;
    SHARED.contains(&section).then(|| (section.to_owned(), name.to_owned()))
}

fn rename(value: &mut Value, names: &BTreeMap<Name, String>) {
    match value {
        Value::Object(fields) => {
            let own = fields.get("$ref").and_then(Value::as_str).and_then(reference);
            if let Some((name, new)) = own.and_then(|name| names.get_key_value(&name)) {
                fields.insert("$ref".into(), format!("#/{}/{new}", name.0).into());
            }
            fields.values_mut().for_each(|field| rename(field, names));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, names)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refers(name: &str) -> Value {
        json!({ "$ref": format!("#/definitions/{name}") })
    }

    #[test]
    fn an_extension_brings_its_paths_and_what_they_need() {
        let mut whole = json!({
            "paths": { "/api/v1/pods": {} },
            "definitions": { "Meta": { "type": "object" }, "Same": { "items": refers("Meta") }, "Plain": {} },
        });
        let extension = json!({
            "paths": {
                "/apis/a.example/v1/flunders": { "get": { "schema": refers("Flunder"), "parameters": [
                    { "$ref": "#/parameters/pretty" }] } },
                "/apis/b.example/v1/others": { "get": refers("Other") },
                "/version/": {},
            },
            "definitions": {
                "Flunder": { "properties": { "metadata": refers("Meta"), "list": refers("Same"), "plain": refers("Plain") } },
                "Meta": { "type": "string" }, "Same": { "items": refers("Meta") }, "Plain": {}, "Other": {},
            },
            "parameters": { "pretty": { "in": "query" } },
        });
        merge_v2(&mut whole, &extension, "/apis/a.example/v1/");
        let names = |section: &str| whole[section].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names("paths"), ["/api/v1/pods", "/apis/a.example/v1/flunders"]);
        assert_eq!(names("definitions"), ["Flunder", "Meta", "Meta_v2", "Plain", "Same", "Same_v2"]);
        let fields = &whole["definitions"]["Flunder"]["properties"];
        assert_eq!(
            *fields,
            json!({ "metadata": refers("Meta_v2"), "list": refers("Same_v2"), "plain": refers("Plain") })
        );
        assert_eq!(whole["definitions"]["Same_v2"]["items"], refers("Meta_v2"));
        assert_eq!(whole["definitions"]["Meta"]["type"], "object");
        assert_eq!(whole["parameters"]["pretty"], json!({ "in": "query" }));
        let once = whole.clone();
        merge_v2(&mut whole, &extension, "/apis/a.example/v1/");
        assert_eq!(whole, once);
    }
}
