//! `components.schemas`: the definitions that a document's paths reach.

use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{group_version_kind, reference};
use crate::kind::Subresource;
use crate::schema::definitions_digest;
use crate::{Kind, Kinds};

pub(super) const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
const ANY_OBJECT: &str = "io.k8s.api.core.v1.ConfigMap";
const INT_OR_STRING: &str = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";

/// Kinds of `meta/v1` that belong to the core group, and those that belong to every group.
const CORE: [&str; 5] = ["APIGroup", "APIGroupList", "APIResourceList", "APIVersions", "Status"];
const EVERYWHERE: [&str; 2] = ["DeleteOptions", "WatchEvent"];

/// The definition of a kind's list.
pub(super) fn list_definition(kind: &Kind) -> String {
    let package = kind.schema.rsplit_once('.').map_or("", |(package, _)| package);
    format!("{package}.{}", kind.list_kind)
}

/// What a sub-resource's body is, for those that have one.
pub(super) fn part_definition(kind: &Kind, part: &Subresource) -> Option<String> {
    match part.kind.as_str() {
        "Scale" => Some("io.k8s.api.autoscaling.v1.Scale".into()),
        "Eviction" => Some("io.k8s.api.policy.v1.Eviction".into()),
        "Binding" => Some("io.k8s.api.core.v1.Binding".into()),
        "TokenRequest" => Some("io.k8s.api.authentication.v1.TokenRequest".into()),
        own if own == kind.kind => Some(kind.schema.clone()),
        _ => None,
    }
}

/// `groups` are the versions of groups that the document is about.
pub(super) fn schemas(
    paths: &Value,
    kinds: &Kinds,
    groups: Vec<(&str, &str)>,
    definitions: &BTreeMap<String, String>,
) -> Value {
    let mut gathering = Gathering::new(kinds, definitions);
    gathering.reach(paths);
    let markers = markers(kinds, groups);
    gathering
        .reached
        .into_iter()
        .map(|(name, schema)| marked(name, schema, &markers))
        .collect::<Map<_, _>>()
        .into()
}

/// For the index's fingerprint.
pub(super) fn hash_definitions(hasher: &mut impl Hasher) {
    definitions_digest().hash(hasher);
}

/// Which kind a definition is, as `x-kubernetes-group-version-kind` tells it.
type Markers = HashMap<String, Value>;

fn markers(kinds: &Kinds, groups: Vec<(&str, &str)>) -> Markers {
    let mut markers = Markers::new();
    for kind in kinds.rows() {
        let Kind { group, version, .. } = &**kind;
        markers.insert(kind.schema.clone(), json!([group_version_kind(group, version, &kind.kind)]));
        if kind.verbs.iter().any(|verb| verb == "list") {
            let list = json!([group_version_kind(group, version, &kind.list_kind)]);
            markers.insert(list_definition(kind), list);
        }
        for part in kind.subresources.iter().filter(|part| !part.version.is_empty() && part.kind != kind.kind)
        {
            if let Some(definition) = part_definition(kind, part) {
                let own = group_version_kind(&part.group, &part.version, &part.kind);
                markers.insert(definition, json!([own]));
            }
        }
    }
    let core = CORE.iter().map(|kind| (kind, vec![("", "v1")]));
    let mut every = vec![("", "v1")];
    every.extend(groups.into_iter().filter(|group| *group != ("", "v1")));
    for (kind, groups) in core.chain(EVERYWHERE.iter().map(|kind| (kind, every.clone()))) {
        let own = groups.iter().map(|(group, version)| group_version_kind(group, version, kind));
        markers.insert(format!("{META}.{kind}"), own.collect());
    }
    markers
}

fn marked(name: String, mut schema: Value, markers: &Markers) -> (String, Value) {
    if let Some(own) = markers.get(&name) {
        schema["x-kubernetes-group-version-kind"] = own.clone();
    }
    (name, schema)
}

/// Follows references from what is there to what they name.
struct Gathering<'d> {
    definitions: &'d BTreeMap<String, String>,
    lists: HashMap<String, &'d Arc<Kind>>,
    custom: HashMap<&'d str, &'d Arc<Kind>>,
    fields: Map<String, Value>,
    reached: BTreeMap<String, Value>,
}

impl<'d> Gathering<'d> {
    fn new(kinds: &'d Kinds, definitions: &'d BTreeMap<String, String>) -> Gathering<'d> {
        let rows = kinds.rows().iter();
        Gathering {
            definitions,
            lists: rows.clone().map(|kind| (list_definition(kind), kind)).collect(),
            custom: rows
                .filter(|kind| kind.custom.is_some())
                .map(|kind| (kind.schema.as_str(), kind))
                .collect(),
            fields: object_fields(definitions),
            reached: BTreeMap::new(),
        }
    }

    /// Whatever the value refers to is gathered, and what that refers to.
    fn reach(&mut self, value: &Value) {
        let mut names = Vec::new();
        references(value, &mut names);
        for name in names {
            if self.reached.contains_key(&name) {
                continue;
            }
            let Some(mut schema) = self.schema(&name) else { continue };
            shape(&mut schema);
            special(&name, &mut schema);
            // Entered before its references: definitions may be recursive.
            self.reached.insert(name, schema.clone());
            self.reach(&schema);
        }
    }

    fn schema(&self, name: &str) -> Option<Value> {
        if let Some((kind, custom)) =
            self.custom.get(name).and_then(|kind| Some((kind, kind.custom.as_ref()?)))
        {
            let mut schema = custom.openapi().clone();
            complete(&mut schema, &self.fields, true);
            unfold(&mut schema);
            mark_selectable(&mut schema, kind);
            return Some(schema);
        }
        match (self.definitions.get(name), self.lists.get(name)) {
            (Some(text), _) => serde_json::from_str(text).ok(),
            (None, Some(kind)) => Some(self.list(kind)),
            (None, None) => None,
        }
    }

    /// k8s-openapi has one type for all lists.
    fn list(&self, kind: &Kind) -> Value {
        let metadata = match kind.custom {
            Some(_) => json!({ "$ref": reference(&format!("{META}.ListMeta"))["$ref"] }),
            None => json!({ "$ref": reference(&format!("{META}.ListMeta"))["$ref"], "default": {} }),
        };
        let end = if kind.custom.is_some() { "" } else { "." };
        let mut list = json!({
            "description": format!("{} is a list of {}{end}", kind.list_kind, kind.kind),
            "type": "object",
            "required": ["items"],
            "properties": {
                "apiVersion": self.fields["apiVersion"],
                "kind": self.fields["kind"],
                "metadata": metadata,
                "items": {
                    "type": "array",
                    "description": format!("List of {}.", kind.plural),
                    "items": reference(&kind.schema),
                },
            },
        });
        list["properties"]["metadata"]["description"] = "Standard list metadata.".into();
        if kind.custom.is_some() {
            mark_selectable(&mut list, kind);
        }
        list
    }
}

fn references(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let own = fields.get("$ref").and_then(Value::as_str).and_then(|target| target.rsplit('/').next());
            names.extend(own.map(str::to_owned));
            fields.values().for_each(|value| references(value, names));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, names)),
        Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => {}
    }
}

/// `apiVersion`, `kind` and `metadata` as every kind has them, with their descriptions.
fn object_fields(definitions: &BTreeMap<String, String>) -> Map<String, Value> {
    let known = definitions.get(ANY_OBJECT).and_then(|text| serde_json::from_str::<Value>(text).ok());
    let properties = known.map(|schema| schema["properties"].clone()).unwrap_or_default();
    let mut fields: Map<String, Value> = ["apiVersion", "kind", "metadata"]
        .map(|name| (name.to_owned(), properties[name].clone()))
        .into_iter()
        .collect();
    // Custom resources are not Go's structs, of which one that is not written has no fields.
    fields["metadata"].as_object_mut().map(|metadata| metadata.remove("default"));
    fields
}

/// Writes those fields into a custom resource's schema, and wherever one is embedded.
fn complete(schema: &mut Value, fields: &Map<String, Value>, is_object: bool) {
    let Value::Object(map) = schema else { return };
    if is_object || map.get("x-kubernetes-embedded-resource") == Some(&true.into()) {
        let properties = map.entry("properties").or_insert_with(|| json!({}));
        properties.as_object_mut().into_iter().for_each(|own| own.extend(fields.clone()));
    }
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        properties.values_mut().for_each(|property| complete(property, fields, false));
    }
    for key in ["items", "additionalProperties"] {
        if let Some(child) = map.get_mut(key) {
            complete(child, fields, false);
        }
    }
}

/// What a marker says, in the words of JSON Schema too.
fn unfold(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    let either = map.get("x-kubernetes-int-or-string") == Some(&true.into());
    if either && !map.contains_key("anyOf") && !map.contains_key("allOf") {
        map.insert("anyOf".into(), json!([{ "type": "integer" }, { "type": "string" }]));
    }
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        properties.values_mut().for_each(unfold);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(child) = map.get_mut(key) {
            unfold(child);
        }
    }
}

fn mark_selectable(schema: &mut Value, kind: &Kind) {
    let fields = kind.selectable_fields.iter().map(|path| json!({ "fieldPath": path }));
    if fields.len() > 0 {
        schema["x-kubernetes-selectable-fields"] = fields.collect();
    }
}

/// OpenAPI 3.0 ignores what stands beside a `$ref`, so such a reference moves into `allOf`.
fn shape(schema: &mut Value) {
    let Value::Object(map) = schema else { return };
    if map.contains_key("$ref") && map.len() > 1 {
        let target = map.remove("$ref");
        map.insert("allOf".into(), json!([{ "$ref": target }]));
    }
    if let Some(Value::Object(properties)) = map.get_mut("properties") {
        properties.values_mut().for_each(shape);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(child) = map.get_mut(key) {
            shape(child);
        }
    }
}

/// Types that are one of two on the wire.
fn special(name: &str, schema: &mut Value) {
    let types = match name {
        INT_OR_STRING => json!([{ "type": "integer" }, { "type": "string" }]),
        QUANTITY => json!([{ "type": "string" }, { "type": "number" }]),
        _ => return,
    };
    schema["oneOf"] = types;
    if let Value::Object(map) = schema {
        map.remove("x-kubernetes-int-or-string");
        map.remove("type");
    }
    if name == INT_OR_STRING {
        schema["format"] = "int-or-string".into();
    }
}
