//! A structural schema as it is worked with: parsed once, expressions compiled.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::{Map, Value};

use super::rules::{self, Rule};

/// One place of an object.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    pub kind: Option<Kind>,
    pub nullable: bool,
    pub int_or_string: bool,
    pub preserves_unknown: bool,
    /// A whole object with `apiVersion`, `kind` and `metadata`.
    pub embedded: bool,
    pub properties: BTreeMap<String, Schema>,
    pub additional: Additional,
    pub items: Option<Box<Schema>>,
    pub default: Option<Value>,
    pub list: List,
    pub limits: Limits,
    pub all_of: Vec<Schema>,
    pub any_of: Vec<Schema>,
    pub one_of: Vec<Schema>,
    pub not: Option<Box<Schema>>,
    /// `x-kubernetes-validations`
    pub rules: Vec<Rule>,
    /// A rule stands here or below.
    pub has_rules: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
}

/// Fields that `properties` does not name.
#[derive(Debug, Default)]
pub(crate) enum Additional {
    #[default]
    Unspecified,
    Any,
    None,
    Each(Box<Schema>),
}

/// What makes the items of a list differ.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum List {
    #[default]
    Atomic,
    Set,
    Map(Vec<String>),
}

/// What a value must satisfy beside its type.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    pub format: Option<String>,
    pub maximum: Option<Bound>,
    pub minimum: Option<Bound>,
    pub multiple_of: Option<f64>,
    pub max_length: Option<usize>,
    pub min_length: Option<usize>,
    pub pattern: Option<Regex>,
    pub max_items: Option<usize>,
    pub min_items: Option<usize>,
    pub max_properties: Option<usize>,
    pub min_properties: Option<usize>,
    pub required: Vec<String>,
    pub choices: Option<Vec<Value>>,
}

#[derive(Debug, Clone)]
pub(crate) struct Bound {
    pub at: f64,
    pub exclusive: bool,
}

impl Kind {
    pub fn parse(name: &str) -> Option<Kind> {
        match name {
            "object" => Some(Kind::Object),
            "array" => Some(Kind::Array),
            "string" => Some(Kind::String),
            "integer" => Some(Kind::Integer),
            "number" => Some(Kind::Number),
            "boolean" => Some(Kind::Boolean),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Kind::Object => "object",
            Kind::Array => "array",
            Kind::String => "string",
            Kind::Integer => "integer",
            Kind::Number => "number",
            Kind::Boolean => "boolean",
        }
    }
}

impl Schema {
    /// Reads `openAPIV3Schema`. What is no schema at all permits anything; validation of the definition
    /// has said so before.
    pub fn parse(json: &Value) -> Schema {
        let flag = |name: &str| json[name] == true;
        let schemas = |name: &str| list(&json[name]).iter().map(Schema::parse).collect();
        let mut schema = Schema {
            kind: json["type"].as_str().and_then(Kind::parse),
            nullable: flag("nullable"),
            int_or_string: flag("x-kubernetes-int-or-string"),
            preserves_unknown: flag("x-kubernetes-preserve-unknown-fields"),
            embedded: flag("x-kubernetes-embedded-resource"),
            properties: fields(&json["properties"])
                .map(|(name, s)| (name.clone(), Schema::parse(s)))
                .collect(),
            additional: additional(&json["additionalProperties"]),
            items: json["items"].is_object().then(|| Box::new(Schema::parse(&json["items"]))),
            default: json.get("default").cloned(),
            list: list_type(json),
            limits: Limits::parse(json),
            all_of: schemas("allOf"),
            any_of: schemas("anyOf"),
            one_of: schemas("oneOf"),
            not: json["not"].is_object().then(|| Box::new(Schema::parse(&json["not"]))),
            rules: list(&json["x-kubernetes-validations"]).iter().map(Rule::parse).collect(),
            has_rules: false,
        };
        schema.has_rules = rules::any(&schema);
        schema
    }

    /// The schema of a field, named or not.
    pub fn field(&self, name: &str) -> Option<&Schema> {
        self.properties.get(name).or(match &self.additional {
            Additional::Each(schema) => Some(schema),
            Additional::Unspecified | Additional::Any | Additional::None => None,
        })
    }
}

impl Limits {
    fn parse(json: &Value) -> Limits {
        let size = |name: &str| json[name].as_u64().and_then(|size| usize::try_from(size).ok());
        let bound = |name: &str, exclusive: &str| {
            json[name].as_f64().map(|at| Bound { at, exclusive: json[exclusive] == true })
        };
        let texts = |name: &str| list(&json[name]).iter().filter_map(|v| v.as_str().map(String::from));
        Limits {
            format: json["format"].as_str().map(String::from),
            maximum: bound("maximum", "exclusiveMaximum"),
            minimum: bound("minimum", "exclusiveMinimum"),
            multiple_of: json["multipleOf"].as_f64().filter(|step| *step > 0.0),
            max_length: size("maxLength"),
            min_length: size("minLength"),
            pattern: json["pattern"].as_str().and_then(|pattern| Regex::new(pattern).ok()),
            max_items: size("maxItems"),
            min_items: size("minItems"),
            max_properties: size("maxProperties"),
            min_properties: size("minProperties"),
            required: texts("required").collect(),
            choices: json["enum"].as_array().cloned(),
        }
    }
}

fn additional(json: &Value) -> Additional {
    match json {
        Value::Bool(true) => Additional::Any,
        Value::Bool(false) => Additional::None,
        Value::Object(_) => Additional::Each(Box::new(Schema::parse(json))),
        Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) => Additional::Unspecified,
    }
}

fn list_type(json: &Value) -> List {
    let keys = || list(&json["x-kubernetes-list-map-keys"]).iter().filter_map(|key| key.as_str());
    match json["x-kubernetes-list-type"].as_str() {
        Some("set") => List::Set,
        Some("map") => List::Map(keys().map(String::from).collect()),
        Some(_) | None => List::Atomic,
    }
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub(crate) fn fields(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}
