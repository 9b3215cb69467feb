//! Requests in Kubernetes' protobuf (`application/vnd.kubernetes.protobuf`), turned into the JSON
//! form that everything else works on. Go clients send it by default.
//!
//! The wire says field numbers; `fields.txt` gives their names, and the schema their types. The
//! envelope is `k8s\0` and a `runtime.Unknown` (`k8s.io/apimachinery/pkg/runtime/generated.proto`).

mod fields;
mod wire;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::schema::{Node, Schemas, ValueType};
use fields::{Fields, Target};
use wire::{Reader, Scalar};

const MAGIC: &[u8] = b"k8s\0";
/// As deep as JSON bodies may be.
const MOST_DEPTH: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtobufError {
    #[error("the body does not begin as Kubernetes protobuf does")]
    NotKubernetes,
    #[error("the protobuf body is cut short or malformed")]
    Malformed,
    #[error("the protobuf body is nested more than {MOST_DEPTH} levels deep")]
    TooDeep,
    #[error("no protobuf form of kind {kind} in {api_version} is known: send JSON")]
    UnknownKind { api_version: String, kind: String },
}

/// The object in JSON, with `apiVersion` and `kind`.
pub fn decode(bytes: &[u8]) -> Result<Value, ProtobufError> {
    let envelope = Envelope::read(bytes.strip_prefix(MAGIC).ok_or(ProtobufError::NotKubernetes)?)?;
    let Envelope { api_version, kind, raw } = envelope;
    let Some((node, fields)) = definition(&api_version, &kind) else {
        return Err(ProtobufError::UnknownKind { api_version, kind });
    };
    let mut object = Map::new();
    message(&mut object, raw, node, fields, 0)?;
    object.insert("apiVersion".into(), api_version.into());
    object.insert("kind".into(), kind.into());
    Ok(Value::Object(object))
}

/// The schema and numbers of a kind. Go's packages are named by a group's first label; options
/// (`DeleteOptions`) are meta's, whatever group they are sent in.
fn definition(api_version: &str, kind: &str) -> Option<(Node<'static>, &'static Fields)> {
    let (group, version) = api_version.split_once('/').unwrap_or(("core", api_version));
    let package = group.split('.').next().unwrap_or_default();
    let names = [
        format!("io.k8s.api.{package}.{version}.{kind}"),
        format!("io.k8s.{package}-apiserver.pkg.apis.{package}.{version}.{kind}"),
        format!("io.k8s.apimachinery.pkg.apis.meta.v1.{kind}"),
    ];
    names.iter().find_map(|name| Some((Schemas::builtin().root(name)?, Fields::of(name)?)))
}

/// `runtime.Unknown`.
struct Envelope<'b> {
    api_version: String,
    kind: String,
    raw: &'b [u8],
}

impl<'b> Envelope<'b> {
    fn read(bytes: &'b [u8]) -> Result<Self, ProtobufError> {
        let mut envelope = Envelope { api_version: String::new(), kind: String::new(), raw: &[] };
        let mut reader = Reader::new(bytes);
        while let Some((number, value)) = reader.next()? {
            match (number, value) {
                (1, Scalar::Bytes(type_meta)) => {
                    let mut inner = Reader::new(type_meta);
                    while let Some((number, value)) = inner.next()? {
                        match number {
                            1 => envelope.api_version = value.text()?,
                            2 => envelope.kind = value.text()?,
                            _ => {}
                        }
                    }
                }
                (2, Scalar::Bytes(raw)) => envelope.raw = raw,
                _ => {}
            }
        }
        Ok(envelope)
    }
}

/// Reads a message's fields into an object. Numbers that no table knows are skipped, as protobuf does.
fn message(
    object: &mut Map<String, Value>,
    bytes: &[u8],
    node: Node<'_>,
    fields: &Fields,
    depth: usize,
) -> Result<(), ProtobufError> {
    if depth > MOST_DEPTH {
        return Err(ProtobufError::TooDeep);
    }
    let mut reader = Reader::new(bytes);
    while let Some((number, value)) = reader.next()? {
        match fields.get(number) {
            Some(Target::Field(name)) => {
                let Some(child) = node.field(name) else { continue };
                field(object, name, value, child, depth)?;
            }
            Some(Target::Inline(definition)) => {
                if let Some(fields) = Fields::of(definition) {
                    message(object, value.bytes()?, node, fields, depth + 1)?;
                }
            }
            None => {}
        }
    }
    Ok(())
}

fn field(
    object: &mut Map<String, Value>,
    name: &str,
    value: Scalar<'_>,
    node: Node<'_>,
    depth: usize,
) -> Result<(), ProtobufError> {
    match node.value_type() {
        ValueType::Array => {
            let list = object.entry(name).or_insert_with(|| Value::Array(Vec::new()));
            let (Some(list), Some(item)) = (list.as_array_mut(), node.items()) else { return Ok(()) };
            if matches!(item.value_type(), ValueType::Integer)
                && let Scalar::Bytes(packed) = value
            {
                let mut reader = Reader::new(packed);
                while !reader.is_empty() {
                    list.push((reader.varint()? as i64).into());
                }
                return Ok(());
            }
            list.extend(single(value, item, depth)?);
        }
        ValueType::Map => {
            let map = object.entry(name).or_insert_with(|| Value::Object(Map::new()));
            let (Some(map), Some(values)) = (map.as_object_mut(), node.values()) else { return Ok(()) };
            let (mut key, mut found) = (String::new(), None);
            let mut entry = Reader::new(value.bytes()?);
            while let Some((number, part)) = entry.next()? {
                match number {
                    1 => key = part.text()?,
                    2 => found = single(part, values, depth)?,
                    _ => {}
                }
            }
            // An absent value is its type's zero; only texts and bytes are maps' values here.
            map.insert(key, found.unwrap_or_else(|| Value::String(String::new())));
        }
        _ => {
            if let Some(value) = single(value, node, depth)? {
                // Go writes every text that is not a pointer, set or not; JSON has the set ones only.
                // Where the empty text means something, Go's field is a pointer.
                if value != "" || name == "storageClassName" {
                    object.insert(name.into(), value);
                }
            }
        }
    }
    Ok(())
}

/// One value; `None` for a time that is not set.
fn single(value: Scalar<'_>, node: Node<'_>, depth: usize) -> Result<Option<Value>, ProtobufError> {
    Ok(Some(match node.value_type() {
        ValueType::String => value.text()?.into(),
        ValueType::Bytes => STANDARD.encode(value.bytes()?).into(),
        ValueType::Boolean => (value.number()? != 0).into(),
        ValueType::Integer => (value.number()? as i64).into(),
        ValueType::Number => serde_json::Number::from_f64(value.float()?).map_or(Value::Null, Value::Number),
        ValueType::Quantity => inner(value.bytes()?, 1)?.map_or(Ok(String::new()), |v| v.text())?.into(),
        ValueType::IntOrString => int_or_string(value.bytes()?)?,
        kind @ (ValueType::Time | ValueType::MicroTime) => return time(value.bytes()?, kind),
        ValueType::Any => return raw(value.bytes()?),
        ValueType::Object => {
            let mut object = Map::new();
            let fields = node.definition().and_then(Fields::of);
            match fields {
                Some(fields) => message(&mut object, value.bytes()?, node, fields, depth + 1)?,
                // FieldsV1 and its like: JSON inside.
                None => return raw(value.bytes()?),
            }
            Value::Object(object)
        }
        // Lists of lists and maps of lists (`ExtraValue`): a message whose field 1 repeats.
        ValueType::Array | ValueType::Map => {
            let mut object = Map::new();
            let mut reader = Reader::new(value.bytes()?);
            while let Some((_, item)) = reader.next()? {
                field(&mut object, "items", item, node, depth + 1)?;
            }
            object.remove("items").unwrap_or_else(|| Value::Array(Vec::new()))
        }
    }))
}

/// The last value of one field of a message.
fn inner(bytes: &[u8], wanted: u32) -> Result<Option<Scalar<'_>>, ProtobufError> {
    let (mut reader, mut found) = (Reader::new(bytes), None);
    while let Some((number, value)) = reader.next()? {
        if number == wanted {
            found = Some(value);
        }
    }
    Ok(found)
}

/// `IntOrString { type: 1, intVal: 2, strVal: 3 }`
fn int_or_string(bytes: &[u8]) -> Result<Value, ProtobufError> {
    let is_text = match inner(bytes, 1)? {
        Some(kind) => kind.number()? == 1,
        None => false,
    };
    Ok(match (is_text, inner(bytes, 2)?, inner(bytes, 3)?) {
        (true, _, Some(text)) => text.text()?.into(),
        (true, _, None) => "".into(),
        (false, Some(number), _) => i64::from(number.number()? as i32).into(),
        (false, None, _) => 0.into(),
    })
}

fn time(bytes: &[u8], kind: ValueType) -> Result<Option<Value>, ProtobufError> {
    let Some(seconds) = inner(bytes, 1)? else { return Ok(None) };
    let nanos = inner(bytes, 2)?.map_or(Ok(0), |n| n.number())? as i32;
    let at = jiff::Timestamp::new(seconds.number()? as i64, nanos).map_err(|_| ProtobufError::Malformed)?;
    let format = if kind == ValueType::MicroTime { "%Y-%m-%dT%H:%M:%S.%6fZ" } else { "%Y-%m-%dT%H:%M:%SZ" };
    Ok(Some(at.strftime(format).to_string().into()))
}

/// `RawExtension` and `FieldsV1`: JSON bytes in field 1.
fn raw(bytes: &[u8]) -> Result<Option<Value>, ProtobufError> {
    let Some(json) = inner(bytes, 1)? else { return Ok(None) };
    serde_json::from_slice(json.bytes()?).map(Some).map_err(|_| ProtobufError::Malformed)
}

#[cfg(test)]
mod tests;
