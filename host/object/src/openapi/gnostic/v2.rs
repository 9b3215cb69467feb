//! v2: the messages of gnostic's `openapiv2/OpenAPIv2.proto`.

use serde_json::Value;

use super::{any, booleans, extensions, held, list, named, strings, texts};
use crate::protobuf::encode::{self, held as message, text, varint};

/// A document that [`crate::openapi::v2`] made.
pub fn encode(document: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    texts(&mut out, document, &[(1, "swagger")]);
    held(&mut out, 2, &document["info"], |out, info| texts(out, info, &[(1, "title"), (2, "version")]));
    held(&mut out, 8, &document["paths"], |out, paths| named(out, 2, paths, path_item));
    held(&mut out, 9, &document["definitions"], |out, all| named(out, 1, all, schema));
    held(&mut out, 10, &document["parameters"], |out, all| named(out, 1, all, parameter));
    for requirement in list(&document["security"]) {
        message(&mut out, 12, |out| named(out, 1, requirement, |out, scopes| strings(out, 1, scopes)));
    }
    held(&mut out, 13, &document["securityDefinitions"], |out, all| {
        named(out, 1, all, |out, key| {
            let fields = [(1, "type"), (2, "name"), (3, "in"), (4, "description")];
            message(out, 2, |out| texts(out, key, &fields));
        });
    });
    out
}

fn path_item(out: &mut Vec<u8>, item: &Value) {
    let methods =
        [(2, "get"), (3, "put"), (4, "post"), (5, "delete"), (6, "options"), (7, "head"), (8, "patch")];
    for (number, method) in methods {
        held(out, number, &item[method], operation);
    }
    parameters(out, 9, item);
}

fn operation(out: &mut Vec<u8>, operation: &Value) {
    strings(out, 1, &operation["tags"]);
    texts(out, operation, &[(3, "description"), (5, "operationId")]);
    strings(out, 6, &operation["produces"]);
    strings(out, 7, &operation["consumes"]);
    parameters(out, 8, operation);
    held(out, 9, &operation["responses"], |out, all| {
        named(out, 1, all, |out, response| {
            message(out, 1, |out| {
                texts(out, response, &[(1, "description")]);
                held(out, 2, &response["schema"], |out, own| message(out, 1, |out| schema(out, own)));
            });
        });
    });
    strings(out, 10, &operation["schemes"]);
    extensions(out, 13, operation);
}

fn parameters(out: &mut Vec<u8>, number: u32, holder: &Value) {
    for parameter in list(&holder["parameters"]) {
        message(out, number, |out| match parameter["$ref"].as_str() {
            Some(shared) => message(out, 2, |out| text(out, 1, shared)),
            None => message(out, 1, |out| self::parameter(out, parameter)),
        });
    }
}

fn parameter(out: &mut Vec<u8>, parameter: &Value) {
    match parameter["in"].as_str() {
        Some("body") => message(out, 1, |out| {
            texts(out, parameter, &[(1, "description"), (2, "name"), (3, "in")]);
            booleans(out, parameter, &[(4, "required")]);
            held(out, 5, &parameter["schema"], schema);
        }),
        Some("path") => message(out, 2, |out| {
            message(out, 4, |out| {
                booleans(out, parameter, &[(1, "required"), (19, "uniqueItems")]);
                texts(out, parameter, &[(2, "in"), (3, "description"), (4, "name"), (5, "type")]);
            });
        }),
        Some(_) | None => message(out, 2, |out| {
            message(out, 3, |out| {
                booleans(out, parameter, &[(1, "required"), (20, "uniqueItems")]);
                texts(out, parameter, &[(2, "in"), (3, "description"), (4, "name"), (6, "type")]);
            });
        }),
    }
}

fn schema(out: &mut Vec<u8>, schema: &Value) {
    texts(out, schema, &[(1, "$ref"), (2, "format"), (3, "title"), (4, "description"), (13, "pattern")]);
    for (number, name) in [(6, "multipleOf"), (7, "maximum"), (9, "minimum")] {
        if let Some(value) = schema[name].as_f64() {
            encode::fixed64(out, number, value);
        }
    }
    booleans(out, schema, &[(8, "exclusiveMaximum"), (10, "exclusiveMinimum"), (16, "uniqueItems")]);
    let counts = [
        (11, "maxLength"),
        (12, "minLength"),
        (14, "maxItems"),
        (15, "minItems"),
        (17, "maxProperties"),
        (18, "minProperties"),
    ];
    for (number, name) in counts {
        if let Some(value) = schema[name].as_i64() {
            varint(out, number, value as u64);
        }
    }
    strings(out, 19, &schema["required"]);
    for value in list(&schema["enum"]) {
        message(out, 20, |out| any(out, value));
    }
    match &schema["additionalProperties"] {
        Value::Bool(value) => message(out, 21, |out| varint(out, 2, (*value).into())),
        other => held(out, 21, other, |out, own| message(out, 1, |out| self::schema(out, own))),
    }
    if let Some(value_type) = schema["type"].as_str() {
        message(out, 22, |out| text(out, 1, value_type));
    }
    held(out, 23, &schema["items"], |out, items| message(out, 1, |out| self::schema(out, items)));
    held(out, 25, &schema["properties"], |out, all| named(out, 1, all, self::schema));
    if let Some(example) = schema.get("example") {
        message(out, 30, |out| any(out, example));
    }
    extensions(out, 31, schema);
}
