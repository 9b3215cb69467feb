//! v3: the messages of gnostic's `openapiv3/OpenAPIv3.proto`.

use serde_json::Value;

use super::{any, booleans, extensions, held, list, named, strings, texts};
use crate::protobuf::encode::{self, held as message, text, varint};

/// A document that [`crate::openapi::v3`] made.
pub fn encode(document: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    texts(&mut out, document, &[(1, "openapi")]);
    held(&mut out, 2, &document["info"], |out, info| texts(out, info, &[(1, "title"), (6, "version")]));
    held(&mut out, 4, &document["paths"], |out, paths| named(out, 1, paths, path_item));
    held(&mut out, 5, &document["components"], |out, components| {
        held(out, 1, &components["schemas"], |out, all| named(out, 1, all, schema_or_reference));
        held(out, 7, &components["securitySchemes"], |out, all| {
            named(out, 1, all, |out, scheme| {
                let fields = [(1, "type"), (2, "description"), (3, "name"), (4, "in")];
                message(out, 1, |out| texts(out, scheme, &fields));
            });
        });
    });
    out
}

fn path_item(out: &mut Vec<u8>, item: &Value) {
    let methods =
        [(4, "get"), (5, "put"), (6, "post"), (7, "delete"), (8, "options"), (9, "head"), (10, "patch")];
    for (number, method) in methods {
        held(out, number, &item[method], operation);
    }
    parameters(out, 13, item);
}

fn operation(out: &mut Vec<u8>, operation: &Value) {
    strings(out, 1, &operation["tags"]);
    texts(out, operation, &[(3, "description"), (5, "operationId")]);
    parameters(out, 6, operation);
    held(out, 7, &operation["requestBody"], |out, body| {
        message(out, 1, |out| {
            content(out, 2, body);
            booleans(out, body, &[(3, "required")]);
        });
    });
    held(out, 8, &operation["responses"], |out, all| {
        named(out, 2, all, |out, response| {
            message(out, 1, |out| {
                texts(out, response, &[(1, "description")]);
                content(out, 3, response);
            });
        });
    });
    extensions(out, 13, operation);
}

fn parameters(out: &mut Vec<u8>, number: u32, holder: &Value) {
    for parameter in list(&holder["parameters"]) {
        message(out, number, |out| {
            message(out, 1, |out| {
                texts(out, parameter, &[(1, "name"), (2, "in"), (3, "description")]);
                booleans(out, parameter, &[(4, "required")]);
                held(out, 10, &parameter["schema"], schema_or_reference);
            });
        });
    }
}

fn content(out: &mut Vec<u8>, number: u32, holder: &Value) {
    held(out, number, &holder["content"], |out, media| {
        named(out, 1, media, |out, media| held(out, 1, &media["schema"], schema_or_reference));
    });
}

fn schema_or_reference(out: &mut Vec<u8>, value: &Value) {
    match value["$ref"].as_str() {
        Some(target) => message(out, 2, |out| text(out, 1, target)),
        None => message(out, 1, |out| schema(out, value)),
    }
}

fn schema(out: &mut Vec<u8>, schema: &Value) {
    booleans(
        out,
        schema,
        &[(1, "nullable"), (12, "exclusiveMaximum"), (14, "exclusiveMinimum"), (20, "uniqueItems")],
    );
    numbers(out, schema);
    strings(out, 23, &schema["required"]);
    for value in list(&schema["enum"]) {
        message(out, 24, |out| any(out, value));
    }
    let texts_of = [(9, "title"), (17, "pattern"), (25, "type"), (34, "description"), (35, "format")];
    texts(out, schema, &texts_of);
    for (number, name) in [(26, "allOf"), (27, "oneOf"), (28, "anyOf")] {
        for alternative in list(&schema[name]) {
            message(out, number, |out| schema_or_reference(out, alternative));
        }
    }
    held(out, 29, &schema["not"], self::schema);
    held(out, 30, &schema["items"], |out, items| message(out, 1, |out| schema_or_reference(out, items)));
    held(out, 31, &schema["properties"], |out, all| named(out, 1, all, schema_or_reference));
    match &schema["additionalProperties"] {
        Value::Bool(value) => message(out, 32, |out| varint(out, 2, (*value).into())),
        other => held(out, 32, other, |out, own| message(out, 1, |out| schema_or_reference(out, own))),
    }
    default(out, schema);
    extensions(out, 36, schema);
}

fn numbers(out: &mut Vec<u8>, schema: &Value) {
    for (number, name) in [(10, "multipleOf"), (11, "maximum"), (13, "minimum")] {
        if let Some(value) = schema[name].as_f64() {
            encode::fixed64(out, number, value);
        }
    }
    let counts = [
        (15, "maxLength"),
        (16, "minLength"),
        (18, "maxItems"),
        (19, "minItems"),
        (21, "maxProperties"),
        (22, "minProperties"),
    ];
    for (number, name) in counts {
        if let Some(value) = schema[name].as_i64() {
            varint(out, number, value as u64);
        }
    }
}

/// Only scalars have a form here; of anything else no more is said than that it is there.
fn default(out: &mut Vec<u8>, schema: &Value) {
    match &schema["default"] {
        Value::Number(value) => {
            message(out, 33, |out| encode::fixed64(out, 1, value.as_f64().unwrap_or_default()));
        }
        Value::Bool(value) => message(out, 33, |out| varint(out, 2, (*value).into())),
        Value::String(value) => message(out, 33, |out| text(out, 3, value)),
        Value::Array(_) | Value::Object(_) => message(out, 33, |_| ()),
        Value::Null => {}
    }
}
