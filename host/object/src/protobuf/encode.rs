//! JSON to protobuf in one pass over the text, without a tree in between: the schema says what each
//! value is, the table its number.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::Value;

use super::fields::{Fields, Place};
use super::union::Union;
use crate::schema::{Node, ValueType};

/// A JSON object as the body of a message.
pub struct Message<'o> {
    pub out: &'o mut Vec<u8>,
    pub node: Node<'static>,
    pub fields: &'static Fields,
}

impl<'de> DeserializeSeed<'de> for Message<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Message<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(name) = entries.next_key_seed(Name(self.fields, self.node))? {
            match name {
                // `apiVersion` and `kind` of the object stand in the envelope; other names no client knows.
                None => drop(entries.next_value::<IgnoredAny>()?),
                Some((place, node)) => {
                    let value = Field { out: self.out, node, number: place.number };
                    within(&place.around, value, |value| entries.next_value_seed(value))?;
                }
            }
        }
        Ok(())
    }
}

/// Writes a field inside the messages around it; each field of an inlined message is a message of
/// its own on the wire, which every reader of protobuf merges.
fn within<E>(
    around: &[u32],
    field: Field<'_>,
    write: impl FnOnce(Field<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let Some((outer, rest)) = around.split_first() else { return write(field) };
    let Field { out, node, number } = field;
    delimited(out, *outer, |out| within(rest, Field { out, node, number }, write))
}

/// A key, looked up without being copied.
struct Name(&'static Fields, Node<'static>);

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<(&'static Place, Node<'static>)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Option<(&'static Place, Node<'static>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.place(name).and_then(|place| Some((place, self.1.named_field(name)?.1))))
    }
}

/// A value and its number. Null is nothing.
pub struct Field<'o> {
    pub out: &'o mut Vec<u8>,
    pub node: Node<'static>,
    pub number: u32,
}

impl Field<'_> {
    fn unexpected<E: Error>(&self, given: &str) -> E {
        let name = self.node.definition().unwrap_or("");
        E::custom(format_args!("{given} where protobuf has {:?} {name}", self.node.value_type()))
    }

    /// `RawExtension` and its like: JSON text in field 1.
    fn raw<E: Error>(self, value: &Value) -> Result<(), E> {
        let json = value.to_string();
        held(self.out, self.number, |out| bytes(out, 1, json.as_bytes()));
        Ok(())
    }

    fn union(&self) -> Option<Union> {
        Union::of(self.node)
    }

    fn integer<E: Error>(self, number: i64) -> Result<(), E> {
        match self.node.value_type() {
            ValueType::Integer => varint(self.out, self.number, number as u64),
            ValueType::Number => fixed64(self.out, self.number, number as f64),
            ValueType::IntOrString => {
                held(self.out, self.number, |out| varint(out, 2, number as u64));
            }
            ValueType::Quantity => held(self.out, self.number, |out| text(out, 1, &number.to_string())),
            ValueType::Any => return self.raw(&number.into()),
            _ => return Err(self.unexpected("a number")),
        }
        Ok(())
    }

    fn time<E: Error>(self, given: &str) -> Result<(), E> {
        let at: jiff::Timestamp = given.parse().map_err(|_| self.unexpected::<E>("no time"))?;
        held(self.out, self.number, |out| {
            varint(out, 1, at.as_second() as u64);
            varint(out, 2, at.subsec_nanosecond() as u64);
        });
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Field<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Field<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value of type {:?}", self.node.value_type())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        match (self.node.value_type(), self.union()) {
            (ValueType::Boolean, _) => varint(self.out, self.number, value.into()),
            (_, Some(Union::Boolean)) => held(self.out, self.number, |out| varint(out, 1, value.into())),
            (ValueType::Any, None) => return self.raw(&value.into()),
            _ => return Err(self.unexpected("a boolean")),
        }
        Ok(())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.integer(number)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        match i64::try_from(number) {
            Ok(number) => self.integer(number),
            Err(_) => self.visit_f64(number as f64),
        }
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        match self.node.value_type() {
            ValueType::Number => fixed64(self.out, self.number, number),
            ValueType::Quantity => held(self.out, self.number, |out| text(out, 1, &number.to_string())),
            ValueType::Any => return self.raw(&number.into()),
            _ => return Err(self.unexpected("a fraction")),
        }
        Ok(())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        match self.node.value_type() {
            ValueType::String => text(self.out, self.number, value),
            ValueType::Bytes => {
                let decoded = STANDARD.decode(value).map_err(|_| self.unexpected::<E>("no base64"))?;
                bytes(self.out, self.number, &decoded);
            }
            ValueType::Quantity => held(self.out, self.number, |out| text(out, 1, value)),
            ValueType::IntOrString => held(self.out, self.number, |out| {
                varint(out, 1, 1);
                text(out, 3, value);
            }),
            ValueType::Time | ValueType::MicroTime => return self.time(value),
            ValueType::Any => return self.raw(&value.into()),
            _ => return Err(self.unexpected("a text")),
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        if let Some(union) = self.union() {
            return delimited(self.out, self.number, |out| union.encode_list(out, items));
        }
        let Some(node) = self.node.items() else {
            if self.node.value_type() != ValueType::Any {
                return Err(self.unexpected("a list"));
            }
            let value = Value::deserialize(SeqAccessDeserializer::new(items))?;
            return self.raw(&value);
        };
        while items.next_element_seed(Item(Field { out: self.out, node, number: self.number }))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        if let Some(union) = self.union() {
            return delimited(self.out, self.number, |out| union.encode_object(out, entries));
        }
        let node = self.node;
        if let Some(fields) = node.definition().and_then(Fields::of) {
            return delimited(self.out, self.number, |out| Message { out, node, fields }.visit_map(entries));
        }
        match (node.value_type(), node.values()) {
            (ValueType::Map, Some(node)) => {
                while let Some(key) = entries.next_key::<String>()? {
                    delimited(self.out, self.number, |out| {
                        text(out, 1, &key);
                        entries.next_value_seed(Item(Field { out, node, number: 2 }))
                    })?;
                }
                Ok(())
            }
            _ => {
                let value = Value::deserialize(MapAccessDeserializer::new(entries))?;
                self.raw(&value)
            }
        }
    }
}

/// An item of a list or a value of a map. A list there is a message whose field 1 repeats (`ExtraValue`).
struct Item<'o>(Field<'o>);

impl<'de> DeserializeSeed<'de> for Item<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Field { out, node, number } = self.0;
        match node.value_type() {
            ValueType::Array => {
                delimited(out, number, |out| Field { out, node, number: 1 }.deserialize(deserializer))
            }
            _ => Field { out, node, number }.deserialize(deserializer),
        }
    }
}

/// `apiVersion` and `kind` of an object, the rest skipped.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TypeMeta {
    #[serde(default)]
    pub api_version: String,
    #[serde(default)]
    pub kind: String,
}

pub fn varint(out: &mut Vec<u8>, number: u32, value: u64) {
    plain_varint(out, u64::from(number) << 3);
    plain_varint(out, value);
}

pub fn fixed64(out: &mut Vec<u8>, number: u32, value: f64) {
    plain_varint(out, u64::from(number) << 3 | 1);
    out.extend_from_slice(&value.to_bits().to_le_bytes());
}

pub fn text(out: &mut Vec<u8>, number: u32, value: &str) {
    bytes(out, number, value.as_bytes());
}

pub fn bytes(out: &mut Vec<u8>, number: u32, value: &[u8]) {
    head(out, number, value.len());
    out.extend_from_slice(value);
}

/// The tag and length of a field of so many bytes.
pub fn head(out: &mut Vec<u8>, number: u32, length: usize) {
    plain_varint(out, u64::from(number) << 3 | 2);
    plain_varint(out, length as u64);
}

fn plain_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A field whose length is known once it is written: most fit the one byte that is kept free.
pub fn delimited<E>(
    out: &mut Vec<u8>,
    number: u32,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    plain_varint(out, u64::from(number) << 3 | 2);
    let at = out.len();
    out.push(0);
    write(out)?;
    let length = out.len() - at - 1;
    if length < 0x80 {
        out[at] = length as u8;
        return Ok(());
    }
    let mut varint = Vec::with_capacity(5);
    plain_varint(&mut varint, length as u64);
    out.splice(at..=at, varint);
    Ok(())
}

/// [`delimited`], for what cannot fail.
pub fn held(out: &mut Vec<u8>, number: u32, write: impl FnOnce(&mut Vec<u8>)) {
    let written: Result<(), std::convert::Infallible> = delimited(out, number, |out| {
        write(out);
        Ok(())
    });
    let Ok(()) = written;
}
