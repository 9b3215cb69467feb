//! JSON Schema to the compact form.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::{FieldData, Form, ListKind, NONE, NameId, NodeData, NodeId, PatchStrategies, Schemas, ValueType};

/// Builds a `Schemas`; `finish` answers references to definitions that never came with "anything goes".
#[derive(Default)]
pub(super) struct Loader {
    schemas: Schemas,
    name_ids: HashMap<Box<str>, NameId>,
    /// Equal nodes are stored once: most fields are plain strings.
    known: HashMap<NodeData, NodeId>,
    key_ids: HashMap<Vec<String>, u32>,
}

impl Loader {
    pub fn define(&mut self, name: &str, schema: &Value) {
        let id = self.reserve(name);
        let mut data = self.node(schema);
        data.definition = self.name(name);
        data.value_type = special_type(name).unwrap_or(data.value_type);
        self.schemas.nodes[id as usize] = data;
    }

    pub fn finish(self) -> Schemas {
        let mut schemas = self.schemas;
        schemas.names.shrink_to_fit();
        schemas.nodes.shrink_to_fit();
        schemas.fields.shrink_to_fit();
        schemas
    }

    /// The place of a definition that may come later; until then it is `Any`.
    fn reserve(&mut self, name: &str) -> NodeId {
        if let Some(&id) = self.schemas.definitions.get(name) {
            return id;
        }
        let id = self.push(NodeData { preserves_unknown: true, ..blank(ValueType::Any) });
        self.schemas.definitions.insert(name.into(), id);
        id
    }

    fn push(&mut self, data: NodeData) -> NodeId {
        self.schemas.nodes.push(data);
        self.schemas.nodes.len() as NodeId - 1
    }

    fn name(&mut self, name: &str) -> NameId {
        if let Some(&id) = self.name_ids.get(name) {
            return id;
        }
        let id = self.schemas.names.len() as NameId;
        self.schemas.names.push(name.into());
        self.name_ids.insert(name.into(), id);
        id
    }

    /// A node for a schema in place; a bare reference is the definition itself.
    fn place(&mut self, schema: &Value) -> NodeId {
        let data = self.node(schema);
        if data == (NodeData { target: data.target, ..blank(ValueType::Any) }) && data.target != NONE {
            return data.target;
        }
        if let Some(&id) = self.known.get(&data) {
            return id;
        }
        let id = self.push(data.clone());
        self.known.insert(data, id);
        id
    }

    fn node(&mut self, schema: &Value) -> NodeData {
        let mut data = blank(value_type(schema));
        self.markers(schema, &mut data);
        if let Some(target) = reference(schema) {
            data.value_type = ValueType::Any;
            data.preserves_unknown = flag(schema, "x-kubernetes-preserve-unknown-fields");
            data.target = self.reserve(target);
            return data;
        }
        self.structure(schema, &mut data);
        data
    }

    fn markers(&mut self, schema: &Value, data: &mut NodeData) {
        data.list = list_kind(schema);
        if let Some(keys) = strings(schema, "x-kubernetes-list-map-keys") {
            data.keys = self.keys(keys);
        }
        if let Some(key) = text(schema, "x-kubernetes-patch-merge-key") {
            data.merge_key = self.name(key);
        }
        data.strategies = strategies(text(schema, "x-kubernetes-patch-strategy").unwrap_or(""));
        data.atomic = text(schema, "x-kubernetes-map-type").map(|kind| kind == "atomic");
        if let Some(default) = schema.get("default") {
            data.default = self.schemas.defaults.len() as u32;
            self.schemas.defaults.push(default.clone());
        }
    }

    fn keys(&mut self, keys: Vec<String>) -> u32 {
        let next = self.schemas.keys.len() as u32;
        *self.key_ids.entry(keys.clone()).or_insert_with(|| {
            self.schemas.keys.push(keys);
            next
        })
    }

    fn structure(&mut self, schema: &Value, data: &mut NodeData) {
        data.preserves_unknown =
            data.value_type == ValueType::Any || flag(schema, "x-kubernetes-preserve-unknown-fields");
        data.embedded = flag(schema, "x-kubernetes-embedded-resource");
        if let Some(format) = text(schema, "format") {
            data.format = self.name(format);
        }
        let child = match data.value_type {
            ValueType::Array => schema.get("items"),
            _ => schema.get("additionalProperties").filter(|values| values.is_object()),
        };
        if let Some(child) = child {
            data.child = self.place(child);
        }
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            data.fields = self.properties(properties.iter());
        }
        if let Some(required) = strings(schema, "required") {
            let start = self.schemas.required.len() as u32;
            for name in required {
                let id = self.name(&name);
                self.schemas.required.push(id);
            }
            data.required = (start, self.schemas.required.len() as u32);
        }
    }

    /// Children are placed first, so that one object's fields lie side by side, sorted by name.
    fn properties<'v>(&mut self, properties: impl Iterator<Item = (&'v String, &'v Value)>) -> (u32, u32) {
        let sorted: BTreeMap<&String, &Value> = properties.collect();
        let placed: Vec<FieldData> = sorted
            .into_iter()
            .map(|(name, schema)| FieldData {
                name: self.name(name),
                node: self.place(schema),
                form: form(schema),
                go: text(schema, "x-go").map_or(NONE, |called| self.name(called)),
            })
            .collect();
        let start = self.schemas.fields.len() as u32;
        self.schemas.fields.extend(placed);
        (start, self.schemas.fields.len() as u32)
    }
}

fn blank(value_type: ValueType) -> NodeData {
    NodeData {
        value_type,
        target: NONE,
        fields: (0, 0),
        required: (0, 0),
        child: NONE,
        list: ListKind::Unset,
        keys: NONE,
        merge_key: NONE,
        strategies: PatchStrategies::default(),
        atomic: None,
        preserves_unknown: false,
        embedded: false,
        default: NONE,
        format: NONE,
        definition: NONE,
    }
}

/// Types whose JSON form the schema's `type` does not tell.
fn special_type(definition: &str) -> Option<ValueType> {
    match definition {
        "io.k8s.apimachinery.pkg.api.resource.Quantity" => Some(ValueType::Quantity),
        "io.k8s.apimachinery.pkg.util.intstr.IntOrString" => Some(ValueType::IntOrString),
        "io.k8s.apimachinery.pkg.apis.meta.v1.Time" => Some(ValueType::Time),
        "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime" => Some(ValueType::MicroTime),
        _ => None,
    }
}

fn value_type(schema: &Value) -> ValueType {
    if flag(schema, "x-kubernetes-int-or-string") {
        return ValueType::IntOrString;
    }
    match (text(schema, "type"), text(schema, "format")) {
        (Some("object"), _) => object_type(schema),
        (Some("array"), _) => ValueType::Array,
        (Some("string"), Some("byte")) => ValueType::Bytes,
        (Some("string"), Some("date-time")) => ValueType::Time,
        (Some("string"), _) => ValueType::String,
        (Some("integer"), _) => ValueType::Integer,
        (Some("number"), _) => ValueType::Number,
        (Some("boolean"), _) => ValueType::Boolean,
        _ if schema.get("properties").is_some() => ValueType::Object,
        _ => ValueType::Any,
    }
}

fn object_type(schema: &Value) -> ValueType {
    if schema.get("properties").is_some() {
        return ValueType::Object;
    }
    match schema.get("additionalProperties") {
        Some(Value::Object(_)) => ValueType::Map,
        Some(Value::Bool(true)) => ValueType::Any,
        _ if flag(schema, "x-kubernetes-preserve-unknown-fields") => ValueType::Any,
        _ => ValueType::Object,
    }
}

fn form(schema: &Value) -> Form {
    match text(schema, "x-form") {
        Some("z") => Form::NotZero,
        Some("a") => Form::Always,
        Some("n") => Form::Nullable,
        _ => Form::Optional,
    }
}

fn list_kind(schema: &Value) -> ListKind {
    match text(schema, "x-kubernetes-list-type") {
        Some("map") => ListKind::Map,
        Some("set") => ListKind::Set,
        Some(_) => ListKind::Atomic,
        None => ListKind::Unset,
    }
}

fn strategies(text: &str) -> PatchStrategies {
    let mut strategies = PatchStrategies::default();
    for strategy in text.split(',') {
        match strategy.trim() {
            "merge" => strategies.merge = true,
            "replace" => strategies.replace = true,
            "retainKeys" => strategies.retain_keys = true,
            _ => {}
        }
    }
    strategies
}

/// The definition a schema refers to; OpenAPI v3 wraps references that carry siblings in `allOf`.
fn reference(schema: &Value) -> Option<&str> {
    let wrapped = || schema.get("allOf")?.as_array()?.first()?.get("$ref")?.as_str();
    let path = text(schema, "$ref").or_else(wrapped)?;
    path.rsplit('/').next()
}

fn text<'v>(schema: &'v Value, key: &str) -> Option<&'v str> {
    schema.get(key)?.as_str()
}

fn flag(schema: &Value, key: &str) -> bool {
    schema.get(key).and_then(Value::as_bool).unwrap_or(false)
}

fn strings(schema: &Value, key: &str) -> Option<Vec<String>> {
    let list = schema.get(key)?.as_array()?;
    Some(list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}
