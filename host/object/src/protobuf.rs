//! Kubernetes' protobuf (`application/vnd.kubernetes.protobuf`), which Go clients prefer, turned into
//! the JSON form that everything else works on, and back.
//!
//! The wire says field numbers; `fields.txt` gives their names, and the schema their types. The
//! envelope is `k8s\0` and a `runtime.Unknown` (`k8s.io/apimachinery/pkg/runtime/generated.proto`).

pub(crate) mod encode;
mod fields;
mod union;
mod wire;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::DeserializeSeed;
use serde_json::{Map, Value};

use crate::Kind;
use crate::schema::{Node, Schemas, ValueType};
use encode::{Message, TypeMeta, head, held, text};
use fields::{Entry, Fields, Target};
use union::Union;
use wire::{Reader, Scalar};

const MAGIC: &[u8] = b"k8s\0";
const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.";
/// Its `metadata` is that of every object.
const ANY_OBJECT: &str = "io.k8s.api.core.v1.ConfigMap";
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
    #[error("the object does not fit its protobuf form: {0}")]
    Unwritable(String),
}

impl From<serde_json::Error> for ProtobufError {
    fn from(error: serde_json::Error) -> Self {
        ProtobufError::Unwritable(error.to_string())
    }
}

/// How the objects of a kind are written as messages.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    node: Node<'static>,
    fields: &'static Fields,
}

impl Form {
    /// `None`: the kind has JSON alone, as custom resources and orch's own kinds have.
    pub fn of(kind: &Kind) -> Option<Form> {
        if kind.custom.is_some() {
            return None;
        }
        Form::defined(&kind.schema, &kind.schema)
    }

    fn defined(schema: &str, message: &str) -> Option<Form> {
        Some(Form { node: Schemas::builtin().root(schema)?, fields: Fields::of(message)? })
    }

    /// The kind's name in requests and answers. Go's packages are named by a group's first label; options
    /// (`DeleteOptions`) are meta's, whatever group they are sent in.
    fn named(api_version: &str, kind: &str) -> Option<Form> {
        let (group, version) = api_version.split_once('/').unwrap_or(("core", api_version));
        let package = group.split('.').next().unwrap_or_default();
        if (api_version, kind) == ("meta.k8s.io/v1", "PartialObjectMetadata") {
            return Form::defined(ANY_OBJECT, &format!("{META}{kind}"));
        }
        let names = [
            format!("io.k8s.api.{package}.{version}.{kind}"),
            format!("io.k8s.{package}-apiserver.pkg.apis.{package}.{version}.{kind}"),
            format!("io.k8s.kube-aggregator.pkg.apis.{package}.{version}.{kind}"),
            format!("{META}{kind}"),
        ];
        names.iter().find_map(|name| Form::defined(name, name))
    }

    /// The object's message, without envelope.
    pub fn message(self, json: &[u8]) -> Result<Vec<u8>, ProtobufError> {
        let mut out = Vec::with_capacity(json.len());
        let Form { node, fields } = self;
        let message = Message { out: &mut out, node, fields };
        message.deserialize(&mut serde_json::Deserializer::from_slice(json))?;
        out.shrink_to_fit();
        Ok(out)
    }
}

/// An object or `PartialObjectMetadataList` in JSON, as the whole body of an answer.
pub fn encode(json: &[u8]) -> Result<Vec<u8>, ProtobufError> {
    let TypeMeta { mut api_version, kind } = serde_json::from_slice(json)?;
    // Legacy discovery documents do not say it.
    if api_version.is_empty() {
        api_version = "v1".into();
    }
    if kind == "PartialObjectMetadataList" {
        return encode_partial_list(json);
    }
    match Form::named(&api_version, &kind) {
        Some(form) => Ok(enveloped(&api_version, &kind, &form.message(json)?)),
        None => Err(ProtobufError::UnknownKind { api_version, kind }),
    }
}

fn encode_partial_list(json: &[u8]) -> Result<Vec<u8>, ProtobufError> {
    #[derive(serde::Deserialize)]
    struct PartialList {
        metadata: Value,
        items: Vec<Box<serde_json::value::RawValue>>,
    }
    let list: PartialList = serde_json::from_slice(json)?;
    let form = Form::named("meta.k8s.io/v1", "PartialObjectMetadata").ok_or(ProtobufError::NotKubernetes)?;
    let items: Result<Vec<Bytes>, ProtobufError> =
        list.items.iter().map(|item| Ok(form.message(item.get().as_bytes())?.into())).collect();
    let pieces = List::new("meta.k8s.io/v1", "PartialObjectMetadataList", &list.metadata, items?)?;
    Ok(pieces.into_pieces().collect::<Vec<Bytes>>().concat())
}

/// A message in its envelope.
pub fn enveloped(api_version: &str, kind: &str, message: &[u8]) -> Vec<u8> {
    let mut out = envelope_head(api_version, kind, message.len());
    out.reserve_exact(message.len());
    out.extend_from_slice(message);
    out
}

/// Everything of an envelope that stands before its message of so many bytes.
fn envelope_head(api_version: &str, kind: &str, length: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(api_version.len() + kind.len() + 24);
    out.extend_from_slice(MAGIC);
    held(&mut out, 1, |out| {
        text(out, 1, api_version);
        text(out, 2, kind);
    });
    head(&mut out, 2, length);
    out
}

/// A list, made of its items' messages.
pub struct List {
    head: Bytes,
    items: Vec<Bytes>,
    length: usize,
}

impl List {
    pub fn new(
        api_version: &str,
        kind: &str,
        metadata: &Value,
        items: Vec<Bytes>,
    ) -> Result<List, ProtobufError> {
        let list_meta = Form::named("v1", "ListMeta").ok_or(ProtobufError::NotKubernetes)?;
        let metadata = list_meta.message(metadata.to_string().as_bytes())?;
        let mut start = Vec::new();
        encode::bytes(&mut start, 1, &metadata);
        let length = items.iter().map(|item| item_head(item).len() + item.len()).sum::<usize>();
        let mut head = envelope_head(api_version, kind, start.len() + length);
        head.extend_from_slice(&start);
        Ok(List { length: head.len() + length, head: head.into(), items })
    }

    /// Of the whole body, in bytes.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The body, to be sent piece by piece; the items are not copied.
    pub fn into_pieces(self) -> impl Iterator<Item = Bytes> + Send {
        let items = self.items.into_iter().flat_map(|item| [Bytes::from(item_head(&item)), item]);
        std::iter::once(self.head).chain(items)
    }
}

fn item_head(item: &Bytes) -> Vec<u8> {
    let mut out = Vec::with_capacity(6);
    head(&mut out, 2, item.len());
    out
}

/// A watch event: a length of four bytes and a `WatchEvent` that holds an object in its envelope.
pub fn watch_frame(event: &str, object: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(object.len() + event.len() + 24);
    out.extend_from_slice(&[0; 4]);
    text(&mut out, 1, event);
    let mut raw = Vec::with_capacity(6);
    head(&mut raw, 1, object.len());
    head(&mut out, 2, raw.len() + object.len());
    out.extend_from_slice(&raw);
    out.extend_from_slice(object);
    let length = (out.len() - 4) as u32;
    out[..4].copy_from_slice(&length.to_be_bytes());
    out
}

/// The object in JSON, with `apiVersion` and `kind`.
pub fn decode(bytes: &[u8]) -> Result<Value, ProtobufError> {
    let envelope = Envelope::read(bytes.strip_prefix(MAGIC).ok_or(ProtobufError::NotKubernetes)?)?;
    let Envelope { api_version, kind, raw } = envelope;
    let Some(Form { node, fields }) = Form::named(&api_version, &kind) else {
        return Err(ProtobufError::UnknownKind { api_version, kind });
    };
    let mut object = Map::new();
    message(&mut object, raw, node, fields, 0)?;
    object.insert("apiVersion".into(), api_version.into());
    object.insert("kind".into(), kind.into());
    Ok(Value::Object(object))
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
        let Some(Entry { target, omits_zero, .. }) = fields.get(number) else { continue };
        match target {
            Target::Field(name) => {
                let Some((name, child)) = node.named_field(name) else { continue };
                field(object, name, value, child, *omits_zero, depth)?;
            }
            Target::Inline(definition) => {
                if let Some(fields) = Fields::of(definition) {
                    message(object, value.bytes()?, node, fields, depth + 1)?;
                }
            }
        }
    }
    Ok(())
}

fn field(
    object: &mut Map<String, Value>,
    name: &str,
    value: Scalar<'_>,
    node: Node<'_>,
    omits_zero: bool,
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
            let zero = || match values.value_type() {
                ValueType::Object => Value::Object(Map::new()),
                _ => Value::String(String::new()),
            };
            map.insert(key, found.unwrap_or_else(zero));
        }
        _ => {
            if let Some(value) = single(value, node, depth)? {
                // Go writes every field that is not a pointer, set or not; its JSON has the set ones only.
                if !(omits_zero && is_zero(&value)) {
                    object.insert(name.into(), value);
                }
            }
        }
    }
    Ok(())
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

/// One value; `None` for a time that is not set.
fn single(value: Scalar<'_>, node: Node<'_>, depth: usize) -> Result<Option<Value>, ProtobufError> {
    Ok(Some(match node.value_type() {
        ValueType::String => value.text()?.into(),
        ValueType::Bytes => STANDARD.encode(value.bytes()?).into(),
        ValueType::Boolean => (value.number()? != 0).into(),
        ValueType::Integer => (value.number()? as i64).into(),
        ValueType::Number => number(value.float()?),
        ValueType::Quantity => inner(value.bytes()?, 1)?.map_or(Ok("0".into()), |v| v.text())?.into(),
        ValueType::IntOrString => int_or_string(value.bytes()?)?,
        kind @ (ValueType::Time | ValueType::MicroTime) => return time(value.bytes()?, kind),
        ValueType::Any | ValueType::Object => {
            if let Some(union) = Union::of(node) {
                return union.decode(value.bytes()?, depth).map(Some);
            }
            let mut object = Map::new();
            match node.definition().and_then(Fields::of) {
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
                field(&mut object, "items", item, node, false, depth + 1)?;
            }
            object.remove("items").unwrap_or_else(|| Value::Array(Vec::new()))
        }
    }))
}

/// Whole numbers without a fraction, as Go writes them.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        return (value as i64).into();
    }
    serde_json::Number::from_f64(value).map_or(Value::Null, Value::Number)
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
pub(crate) mod tests;
