//! Structural decode: what Go's decoder does to a request body, by schema instead of by type.
//!
//! Unknown fields are pruned and reported, nulls vanish, wrong types are errors in the words of Go's
//! JSON package, quantities take their canonical form. Nothing is defaulted here.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Node, ValueType};
use crate::quantity::Quantity;

/// What was found on the way.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// `unknown field "spec.foo"`, for strict requests an error, for others a warning.
    pub unknown: Vec<String>,
    /// `json: cannot unmarshal string into Go struct field …`; with any, the object is unusable.
    pub errors: Vec<String>,
}

/// Brings `value` into the schema's shape.
pub fn decode(node: Node<'_>, value: &mut Value) -> Decoded {
    let mut decoder = Decoder { found: Decoded::default(), path: Vec::new(), owner: None };
    decoder.value(node, value);
    decoder.found
}

enum Step<'a> {
    Field(Field<'a>),
    Key(String),
    Index(usize),
}

/// A named field, as messages call it.
struct Field<'a> {
    name: &'a str,
    /// The struct embedded that has it, or nothing.
    embedded: &'a str,
    /// Its Go type, or nothing where its schema tells it.
    go_type: &'a str,
}

struct Decoder<'a> {
    found: Decoded,
    path: Vec<Step<'a>>,
    /// The Go type whose field is being read.
    owner: Option<&'a str>,
}

impl<'a> Decoder<'a> {
    fn value(&mut self, node: Node<'a>, value: &mut Value) {
        match (node.value_type(), &mut *value) {
            // Free-form values are kept, nulls too: they may mean something to their reader.
            (ValueType::Any, _) => {}
            (ValueType::Object, Value::Object(fields)) => self.object(node, fields),
            (ValueType::Map, Value::Object(entries)) => self.map(node, entries),
            (ValueType::Array, Value::Array(items)) => self.array(node, items),
            (ValueType::String, Value::String(_)) | (ValueType::Boolean, Value::Bool(_)) => {}
            (ValueType::Integer, Value::Number(_)) => self.integer(node, value),
            (ValueType::Number, Value::Number(_)) => {}
            (ValueType::IntOrString, Value::String(_)) => {}
            (ValueType::IntOrString, Value::Number(number)) if number.is_i64() => {}
            (ValueType::Quantity, Value::String(_) | Value::Number(_)) => self.quantity(value),
            (ValueType::Time, Value::String(text)) => self.time(text, "2006-01-02T15:04:05Z07:00"),
            (ValueType::MicroTime, Value::String(text)) => {
                self.time(text, "2006-01-02T15:04:05.000000Z07:00")
            }
            (ValueType::Bytes, Value::String(text)) => self.bytes(text),
            (_, value) => self.mismatch(node, value),
        }
    }

    fn object(&mut self, node: Node<'a>, fields: &mut Map<String, Value>) {
        let owner = std::mem::replace(&mut self.owner, node.type_name());
        let keep = node.preserves_unknown();
        fields.retain(|name, value| {
            let Some((name, field)) = node.named_field(name) else {
                if !keep {
                    self.unknown(name);
                }
                return keep;
            };
            // Go takes null for "absent".
            if value.is_null() {
                return false;
            }
            let (embedded, go_type) = node.called(name);
            self.path.push(Step::Field(Field { name, embedded, go_type }));
            self.value(field, value);
            self.path.pop();
            true
        });
        self.owner = owner;
    }

    fn map(&mut self, node: Node<'a>, entries: &mut Map<String, Value>) {
        let Some(values) = node.values() else { return };
        for (key, value) in entries.iter_mut() {
            if value.is_null() {
                *value = zero(values);
            }
            self.path.push(Step::Key(key.clone()));
            self.value(values, value);
            self.path.pop();
        }
    }

    fn array(&mut self, node: Node<'a>, items: &mut [Value]) {
        let Some(item) = node.items() else { return };
        for (index, value) in items.iter_mut().enumerate() {
            if value.is_null() {
                *value = zero(item);
            }
            self.path.push(Step::Index(index));
            self.value(item, value);
            self.path.pop();
        }
    }

    fn integer(&mut self, node: Node<'a>, value: &Value) {
        let fits = match node.format() {
            Some("int32") => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
            _ => value.is_i64(),
        };
        if !fits {
            self.mismatch(node, value);
        }
    }

    fn quantity(&mut self, value: &mut Value) {
        match Quantity::from_json(value) {
            Ok(quantity) => *value = quantity.to_string().into(),
            Err(error) => self.found.errors.push(error.to_string()),
        }
    }

    /// `layout`: what Go reads times by.
    fn time(&mut self, text: &str, layout: &str) {
        if text.parse::<Timestamp>().is_err() {
            let error = format!("parsing time {text:?} as {layout:?}: cannot parse {text:?} as \"2006\"");
            self.found.errors.push(error);
        }
    }

    fn bytes(&mut self, text: &mut String) {
        text.retain(|c| c != '\n' && c != '\r');
        if let Err(error) = STANDARD.decode(text.as_bytes()) {
            let position = base64_fault(&error, text);
            self.found.errors.push(format!("illegal base64 data at input byte {position}"));
        }
    }

    fn mismatch(&mut self, node: Node<'a>, value: &Value) {
        let wanted = self.go_type(node);
        let given = match value {
            Value::Number(number) if node.value_type() == ValueType::Integer => format!("number {number}"),
            Value::Null => "null".into(),
            Value::Bool(_) => "bool".into(),
            Value::Number(_) => "number".into(),
            Value::String(_) => "string".into(),
            Value::Array(_) => "array".into(),
            Value::Object(_) => "object".into(),
        };
        let fields = self.field_names();
        self.found.errors.push(match self.owner {
            Some(owner) if !fields.is_empty() => {
                format!(
                    "json: cannot unmarshal {given} into Go struct field {owner}.{fields} of type {wanted}"
                )
            }
            _ => format!("json: cannot unmarshal {given} into Go value of type {wanted}"),
        });
    }

    fn unknown(&mut self, name: &str) {
        let mut path = String::new();
        for step in &self.path {
            match step {
                Step::Field(field) if path.is_empty() => path.push_str(field.name),
                Step::Field(field) => path.push_str(&format!(".{}", field.name)),
                Step::Key(key) => path.push_str(&format!(".{key}")),
                Step::Index(index) => path.push_str(&format!("[{index}]")),
            }
        }
        let dot = if path.is_empty() { "" } else { "." };
        self.found.unknown.push(format!("unknown field \"{path}{dot}{name}\""));
    }

    /// The named fields on the way, as Go's type errors list them.
    fn field_names(&self) -> String {
        let fields = self.path.iter().filter_map(|step| match step {
            Step::Field(field) => Some([field.embedded, field.name]),
            Step::Key(_) | Step::Index(_) => None,
        });
        fields.flatten().filter(|name| !name.is_empty()).collect::<Vec<_>>().join(".")
    }

    /// What Go would have read: the type of the field, or of the items or values of it.
    fn go_type(&self, node: Node<'a>) -> String {
        let within = self.path.iter().rev().take_while(|step| !matches!(step, Step::Field(_))).count();
        let field = self.path.iter().rev().nth(within);
        match (field, node.value_type()) {
            // Its own decoder reads a string first.
            (_, ValueType::Time | ValueType::MicroTime) => "string".into(),
            (_, ValueType::IntOrString) => "int32".into(),
            (Some(Step::Field(Field { go_type, .. })), _) if !go_type.is_empty() => {
                let inner = |go_type: &'a str| {
                    go_type.strip_prefix("[]").or_else(|| Some(go_type.split_once(']')?.1))
                };
                let inner = (0..within).try_fold(*go_type, |go_type, _| inner(go_type));
                inner.map_or_else(|| go_type_of(node), str::to_owned)
            }
            _ => go_type_of(node),
        }
    }
}

/// The byte at which Go's decoder finds fault with a base64 text.
pub fn base64_fault(error: &base64::DecodeError, text: &str) -> usize {
    match error {
        base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => *at,
        // Where the last, incomplete group of four begins.
        base64::DecodeError::InvalidLength(_) | base64::DecodeError::InvalidPadding => {
            text.len() - text.len() % 4
        }
    }
}

/// What Go makes of a null in a list or map.
fn zero(node: Node<'_>) -> Value {
    match node.value_type() {
        ValueType::Object | ValueType::Map => Value::Object(Map::new()),
        ValueType::Array => Value::Array(Vec::new()),
        ValueType::Integer | ValueType::Number | ValueType::IntOrString => 0.into(),
        ValueType::Boolean => false.into(),
        ValueType::Quantity => "0".into(),
        ValueType::String | ValueType::Bytes => "".into(),
        ValueType::Time | ValueType::MicroTime | ValueType::Any => Value::Null,
    }
}

fn go_type_of(node: Node<'_>) -> String {
    match node.value_type() {
        ValueType::Object => go_struct(node),
        ValueType::Map => format!("map[string]{}", node.values().map_or("interface {}".into(), go_type_of)),
        ValueType::Array => format!("[]{}", node.items().map_or("interface {}".into(), go_type_of)),
        ValueType::String => "string".into(),
        ValueType::Integer => node.format().unwrap_or("int64").into(),
        ValueType::Number => "float64".into(),
        ValueType::Boolean => "bool".into(),
        ValueType::IntOrString => "intstr.IntOrString".into(),
        ValueType::Quantity => "resource.Quantity".into(),
        ValueType::Time => "v1.Time".into(),
        ValueType::MicroTime => "v1.MicroTime".into(),
        ValueType::Bytes => "[]uint8".into(),
        ValueType::Any if node.definition().is_some() => go_struct(node),
        ValueType::Any => "interface {}".into(),
    }
}

/// `v1.PodSpec`
fn go_struct(node: Node<'_>) -> String {
    let Some(definition) = node.definition() else { return "map[string]interface {}".into() };
    let mut parts = definition.rsplit('.');
    let (name, package) = (parts.next().unwrap_or(definition), parts.next().unwrap_or("v1"));
    format!("{package}.{name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Schemas;
    use serde_json::json;

    fn decoded(definition: &str, mut value: Value) -> (Value, Decoded) {
        let node = Schemas::builtin().root(definition).expect(definition);
        let found = decode(node, &mut value);
        (value, found)
    }

    #[test]
    fn prunes_unknown_fields_and_nulls() {
        let (value, found) = decoded(
            "io.k8s.api.core.v1.Pod",
            json!({
                "apiVersion": "v1", "kind": "Pod", "extra": 1,
                "metadata": { "name": "a", "creationTimestamp": null, "labels": { "free": "key" } },
                "spec": { "foo": 1, "containers": [{ "name": "c", "imagee": "x", "image": null }, null] },
            }),
        );
        assert_eq!(
            found.unknown,
            [
                r#"unknown field "extra""#,
                r#"unknown field "spec.containers[0].imagee""#,
                r#"unknown field "spec.foo""#,
            ]
        );
        assert!(found.errors.is_empty());
        assert_eq!(
            value,
            json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a", "labels": { "free": "key" } },
                "spec": { "containers": [{ "name": "c" }, {}] },
            })
        );
    }

    #[test]
    fn names_wrong_types_as_go_does() {
        let deployment = "io.k8s.api.apps.v1.Deployment";
        let secret = "io.k8s.api.core.v1.Secret";
        let cases = [
            (
                deployment,
                json!({ "spec": { "replicas": "3" } }),
                "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
            ),
            (
                deployment,
                json!({ "spec": { "replicas": 1.5 } }),
                "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
            ),
            (
                deployment,
                json!({ "spec": { "replicas": 3_000_000_000_i64 } }),
                "json: cannot unmarshal number 3000000000 into Go struct field DeploymentSpec.spec.replicas of type int32",
            ),
            (
                deployment,
                json!({ "metadata": { "labels": { "a": 1 } } }),
                "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
            ),
            (
                deployment,
                json!({ "spec": { "template": { "spec": { "containers": {} } } } }),
                "json: cannot unmarshal object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container",
            ),
            (
                deployment,
                json!({ "spec": { "template": { "spec": { "restartPolicy": 7 } } } }),
                "json: cannot unmarshal number into Go struct field PodSpec.spec.template.spec.restartPolicy of type v1.RestartPolicy",
            ),
            (
                deployment,
                json!({ "spec": { "template": { "spec": { "volumes": [{ "emptyDir": "word" }] } } } }),
                "json: cannot unmarshal string into Go struct field Volume.spec.template.spec.volumes.VolumeSource.emptyDir of type v1.EmptyDirVolumeSource",
            ),
            (
                deployment,
                json!({ "spec": { "template": { "spec": { "containers": [{ "securityContext": { "capabilities": { "add": [7] } } }] } } } }),
                "json: cannot unmarshal number into Go struct field Capabilities.spec.template.spec.containers.securityContext.capabilities.add of type v1.Capability",
            ),
            (deployment, json!([]), "json: cannot unmarshal array into Go value of type v1.Deployment"),
            (secret, json!({ "data": { "a": "*" } }), "illegal base64 data at input byte 0"),
            (
                "io.k8s.api.coordination.v1.Lease",
                json!({ "spec": { "renewTime": "soon" } }),
                "parsing time \"soon\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot parse \"soon\" as \"2006\"",
            ),
        ];
        for (definition, value, expected) in cases {
            assert_eq!(decoded(definition, value).1.errors, [expected]);
        }
    }

    #[test]
    fn quantities_become_canonical() {
        let (value, found) = decoded(
            "io.k8s.api.core.v1.Container",
            json!({ "resources": { "limits": { "cpu": 0.5, "memory": "1024Mi" }, "requests": { "cpu": "x" } } }),
        );
        assert_eq!(value["resources"]["limits"], json!({ "cpu": "500m", "memory": "1Gi" }));
        assert_eq!(found.errors.len(), 1);
        assert!(found.errors[0].starts_with("quantities must match"), "{:?}", found.errors);
    }
}
