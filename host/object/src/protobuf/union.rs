//! The three types of `apiextensions.k8s.io` whose JSON form is one thing or another.

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::encode::{Message, delimited, text, varint};
use super::fields::Fields;
use super::wire::{Reader, Scalar};
use super::{ProtobufError, message};
use crate::schema::{Node, Schemas};

const PACKAGE: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.";

/// What a schema may be instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Union {
    /// `{ schema: 1, jSONSchemas: 2 }`
    Array,
    /// `{ allows: 1, schema: 2 }`
    Boolean,
    /// `{ schema: 1, property: 2 }`
    StringArray,
}

impl Union {
    pub fn of(node: Node<'_>) -> Option<Union> {
        match node.definition()?.strip_prefix(PACKAGE)? {
            "JSONSchemaPropsOrArray" => Some(Union::Array),
            "JSONSchemaPropsOrBool" => Some(Union::Boolean),
            "JSONSchemaPropsOrStringArray" => Some(Union::StringArray),
            _ => None,
        }
    }

    /// The number of the schema when it is one.
    fn schema_number(self) -> u32 {
        match self {
            Union::Array | Union::StringArray => 1,
            Union::Boolean => 2,
        }
    }

    pub fn encode_object<'de, A: MapAccess<'de>>(
        self,
        out: &mut Vec<u8>,
        entries: A,
    ) -> Result<(), A::Error> {
        let (node, fields) = schema().ok_or_else(|| A::Error::custom("no schema of schemas"))?;
        if self == Union::Boolean {
            varint(out, 1, 1);
        }
        delimited(out, self.schema_number(), |out| Message { out, node, fields }.visit_map(entries))
    }

    pub fn encode_list<'de, A: SeqAccess<'de>>(
        self,
        out: &mut Vec<u8>,
        mut items: A,
    ) -> Result<(), A::Error> {
        match self {
            Union::Array => {
                let (node, fields) = schema().ok_or_else(|| A::Error::custom("no schema of schemas"))?;
                while items.next_element_seed(Schema { out, node, fields })?.is_some() {}
            }
            Union::StringArray => {
                while let Some(property) = items.next_element::<String>()? {
                    text(out, 2, &property);
                }
            }
            Union::Boolean => {
                return Err(A::Error::custom("a list where protobuf has a schema or a boolean"));
            }
        }
        Ok(())
    }

    pub fn decode(self, bytes: &[u8], depth: usize) -> Result<Value, ProtobufError> {
        let (mut reader, mut schema, mut list, mut allows) = (Reader::new(bytes), None, Vec::new(), false);
        while let Some((number, value)) = reader.next()? {
            match (self, number) {
                (Union::Boolean, 1) => allows = value.number()? != 0,
                (Union::Array, 2) => list.push(decode_schema(value, depth)?),
                (Union::StringArray, 2) => list.push(value.text()?.into()),
                (_, number) if number == self.schema_number() => schema = Some(decode_schema(value, depth)?),
                (Union::Array | Union::Boolean | Union::StringArray, _) => {}
            }
        }
        Ok(match (schema, self) {
            (Some(schema), _) => schema,
            (None, Union::Boolean) => allows.into(),
            (None, Union::Array | Union::StringArray) => list.into(),
        })
    }
}

/// One schema of a list of them.
struct Schema<'o> {
    out: &'o mut Vec<u8>,
    node: Node<'static>,
    fields: &'static Fields,
}

impl<'de> DeserializeSeed<'de> for Schema<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Schema { out, node, fields } = self;
        delimited(out, 2, |out| Message { out, node, fields }.deserialize(deserializer))
    }
}

fn decode_schema(value: Scalar<'_>, depth: usize) -> Result<Value, ProtobufError> {
    let mut object = serde_json::Map::new();
    if let Some((node, fields)) = schema() {
        message(&mut object, value.bytes()?, node, fields, depth + 1)?;
    }
    Ok(Value::Object(object))
}

fn schema() -> Option<(Node<'static>, &'static Fields)> {
    let name = format!("{PACKAGE}JSONSchemaProps");
    Some((Schemas::builtin().root(&name)?, Fields::of(&name)?))
}
