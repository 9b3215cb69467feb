//! Values against the schema, in the words of upstream's OpenAPI validator.

use serde_json::{Map, Value};

use super::format;
use super::schema::{Additional, Kind, List, Schema};
use crate::status::{FieldError, FieldErrorKind};

/// Everything that is wrong with the value at a path.
pub(crate) fn validate(schema: &Schema, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    if value.is_null() && schema.nullable {
        return;
    }
    check_type(schema, value, path, errors);
    compositions(schema, value, path, errors);
    match value {
        Value::String(text) => string(schema, text, path, errors),
        Value::Number(number) => numeric(schema, number.as_f64().unwrap_or(0.0), value, path, errors),
        Value::Array(items) => array(schema, items, path, errors),
        Value::Object(fields) => object(schema, fields, path, errors),
        Value::Null | Value::Bool(_) => {}
    }
    choices(schema, value, path, errors);
}

fn invalid(path: &str, value: impl Into<Value>, detail: String) -> FieldError {
    FieldError::invalid(path, value, detail)
}

fn type_invalid(path: &str, shown: &str, wanted: &str) -> FieldError {
    let place = if path.is_empty() { "" } else { path };
    FieldError {
        field: path.into(),
        kind: FieldErrorKind::TypeInvalid,
        value: Some(shown.into()),
        detail: format!("{place} in body must be of type {wanted}: {shown:?}"),
    }
}

/// A value that is not of the type wanted.
pub(crate) fn of_type(path: &str, value: &Value, wanted: &str) -> FieldError {
    type_invalid(path, type_name(value), wanted)
}

fn check_type(schema: &Schema, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let wanted = match (schema.kind, schema.int_or_string) {
        (Some(kind), _) if is(kind, value) => return,
        (None, true) if is(Kind::Integer, value) || value.is_string() => return,
        (Some(kind), _) => kind.name(),
        (None, true) => "integer,string",
        (None, false) => return,
    };
    errors.push(type_invalid(path, type_name(value), wanted));
}

fn is(kind: Kind, value: &Value) -> bool {
    match kind {
        Kind::Object => value.is_object(),
        Kind::Array => value.is_array(),
        Kind::String => value.is_string(),
        Kind::Integer => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0),
        Kind::Number => value.is_number(),
        Kind::Boolean => value.is_boolean(),
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The first thing that is wrong with the text, and its format.
fn string(schema: &Schema, text: &str, path: &str, errors: &mut Vec<FieldError>) {
    let limits = &schema.limits;
    let length = text.chars().count();
    let pattern = || limits.pattern.as_ref().filter(|pattern| !pattern.is_match(text));
    if let Some(most) = limits.max_length.filter(|most| length > *most) {
        errors.push(FieldError::too_long(path, most));
    } else if let Some(least) = limits.min_length.filter(|least| length < *least) {
        errors.push(invalid(path, text, format!("{path} in body should be at least {least} chars long")));
    } else if let Some(pattern) = pattern() {
        errors.push(invalid(path, text, format!("{path} in body should match '{pattern}'")));
    }
    if let Some(format) = limits.format.as_deref().filter(|name| !format::matches(name, text)) {
        errors.push(type_invalid(path, text, format));
    }
}

fn numeric(schema: &Schema, number: f64, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let limits = &schema.limits;
    errors.extend(beyond_range(schema, number, value, path));
    let mut say =
        |detail: String| errors.push(invalid(path, value.clone(), format!("{path} in body {detail}")));
    if let Some(step) = limits.multiple_of.filter(|step| (number / step).fract() != 0.0) {
        say(format!("should be a multiple of {step}"));
    }
    if let Some(least) = &limits.minimum {
        match (least.exclusive, number < least.at, number <= least.at) {
            (false, true, _) => say(format!("should be greater than or equal to {}", least.at)),
            (true, _, true) => say(format!("should be greater than {}", least.at)),
            (false, false, _) | (true, _, false) => {}
        }
    }
    if let Some(most) = &limits.maximum {
        match (most.exclusive, number > most.at, number >= most.at) {
            (false, true, _) => say(format!("should be less than or equal to {}", most.at)),
            (true, _, true) => say(format!("should be less than {}", most.at)),
            (false, false, _) | (true, _, false) => {}
        }
    }
}

/// A number that its type and format cannot hold; upstream attaches this to no field.
fn beyond_range(schema: &Schema, number: f64, value: &Value, path: &str) -> Option<FieldError> {
    let format = schema.limits.format.as_deref();
    let (kind, format, fits) = match (schema.kind?, format) {
        (Kind::Integer, Some("int32")) => {
            let range = f64::from(i32::MIN)..=f64::from(i32::MAX);
            ("integer", Some("int32"), number.fract() == 0.0 && range.contains(&number))
        }
        (Kind::Integer, format) => {
            let whole = value.is_i64() || (value.is_f64() && number.fract() == 0.0);
            ("integer", format.filter(|name| *name == "int64"), whole)
        }
        (Kind::Number, Some("float")) => ("number", Some("float"), number.abs() <= f64::from(f32::MAX)),
        (Kind::Number | Kind::Object | Kind::Array | Kind::String | Kind::Boolean, _) => return None,
    };
    let format = format.map_or("(default format)".to_owned(), |name| format!("with format {name}"));
    let detail = format!("Checked value must be of type {kind} {format} in {path}");
    (!fits).then(|| FieldError::invalid("<nil>", "", detail))
}

fn array(schema: &Schema, items: &[Value], path: &str, errors: &mut Vec<FieldError>) {
    let limits = &schema.limits;
    if let Some(most) = limits.max_items.filter(|most| items.len() > *most) {
        errors.push(FieldError::too_many(path, items.len(), most));
    }
    if let Some(least) = limits.min_items.filter(|least| items.len() < *least) {
        let detail = format!("{path} in body should have at least {least} items");
        errors.push(invalid(path, items.len(), detail));
    }
    if let Some(item) = &schema.items {
        for (index, value) in items.iter().enumerate() {
            validate(item, value, &format!("{path}[{index}]"), errors);
        }
    }
    match &schema.list {
        List::Atomic => {}
        List::Set => unique(items.iter().cloned(), path, errors),
        List::Map(keys) => unique(items.iter().map(|item| identity(schema, keys, item)), path, errors),
    }
}

/// The item's keys; an absent one counts as its default.
fn identity(schema: &Schema, keys: &[String], item: &Value) -> Value {
    let default = |key: &str| schema.items.as_ref()?.properties.get(key)?.default.clone();
    let pairs = keys.iter().filter_map(|key| {
        let value = item.get(key).cloned().or_else(|| default(key))?;
        Some((key.clone(), value))
    });
    Value::Object(pairs.collect())
}

fn unique(values: impl Iterator<Item = Value>, path: &str, errors: &mut Vec<FieldError>) {
    let mut seen = std::collections::HashSet::new();
    for (index, value) in values.enumerate() {
        if !seen.insert(value.to_string()) {
            errors.push(FieldError::duplicate(&format!("{path}[{index}]"), value));
        }
    }
}

fn object(schema: &Schema, fields: &Map<String, Value>, path: &str, errors: &mut Vec<FieldError>) {
    let limits = &schema.limits;
    let at = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    if let Some(least) = limits.min_properties.filter(|least| fields.len() < *least) {
        let detail = format!("{path} in body should have at least {least} properties");
        errors.push(invalid(path, fields.len(), detail));
    }
    if let Some(most) = limits.max_properties.filter(|most| fields.len() > *most) {
        errors.push(FieldError::too_many(path, fields.len(), most));
    }
    if schema.embedded {
        embedded(fields, path, errors);
    }
    for (name, value) in fields {
        match (schema.properties.get(name), &schema.additional) {
            (Some(field), _) => validate(field, value, &at(name), errors),
            (None, Additional::Each(each)) => validate(each, value, &at(name), errors),
            (None, Additional::None) => {
                let detail = format!("{} in body is a forbidden property", at(name));
                errors.push(invalid(&at(name), "", detail));
            }
            (None, Additional::Any | Additional::Unspecified) => {}
        }
    }
    for name in limits.required.iter().filter(|name| !fields.contains_key(*name)) {
        errors.push(FieldError::required(&at(name), ""));
    }
}

/// A resource within a resource tells what it is.
fn embedded(fields: &Map<String, Value>, path: &str, errors: &mut Vec<FieldError>) {
    for name in ["apiVersion", "kind"] {
        if fields.get(name).and_then(Value::as_str).is_none_or(str::is_empty) {
            errors.push(FieldError::required(&format!("{path}.{name}"), "must not be empty"));
        }
    }
}

fn choices(schema: &Schema, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let Some(choices) = schema.limits.choices.as_ref().filter(|choices| !choices.contains(value)) else {
        return;
    };
    let shown = choices.iter().map(|choice| match choice.as_str() {
        Some(text) => format!("{text:?}"),
        None => format!("{:?}", choice.to_string()),
    });
    // In the schema's order.
    let detail = format!("supported values: {}", shown.collect::<Vec<_>>().join(", "));
    errors.push(FieldError { detail, ..FieldError::not_supported(path, shown_value(value), &[]) });
}

/// A null shows as a word.
pub(super) fn shown_value(value: &Value) -> Value {
    if value.is_null() { "null".into() } else { value.clone() }
}

fn compositions(schema: &Schema, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let findings = |schemas: &[Schema]| -> Vec<Vec<FieldError>> {
        let each = schemas.iter().map(|schema| {
            let mut found = Vec::new();
            validate(schema, value, path, &mut found);
            found
        });
        each.collect()
    };
    // Upstream attaches what it says of the whole to no field.
    let whole = |detail: String| FieldError::invalid("<nil>", "", format!("{path:?} {detail}"));
    if !schema.any_of.is_empty() {
        let found = findings(&schema.any_of);
        if !found.iter().any(Vec::is_empty) {
            errors.push(whole("must validate at least one schema (anyOf)".into()));
            errors.extend(closest(found));
        }
    }
    if !schema.one_of.is_empty() {
        let found = findings(&schema.one_of);
        match found.iter().filter(|found| found.is_empty()).count() {
            1 => {}
            0 => {
                errors.push(whole("must validate one and only one schema (oneOf). Found none valid".into()));
                errors.extend(closest(found));
            }
            several => errors.push(whole(format!(
                "must validate one and only one schema (oneOf). Found {several} valid alternatives"
            ))),
        }
    }
    if !schema.all_of.is_empty() {
        let found = findings(&schema.all_of);
        let failed = found.iter().filter(|found| !found.is_empty()).count();
        errors.extend(found.into_iter().flatten());
        if failed > 0 {
            let none = if failed == schema.all_of.len() { ". None validated" } else { "" };
            errors.push(whole(format!("must validate all the schemas (allOf){none}")));
        }
    }
    if let Some(not) = &schema.not {
        let mut found = Vec::new();
        validate(not, value, path, &mut found);
        if found.is_empty() {
            errors.push(whole("must not validate the schema (not)".into()));
        }
    }
}

/// What is wrong by the schema that nearly fits.
fn closest(found: Vec<Vec<FieldError>>) -> Vec<FieldError> {
    found.into_iter().min_by_key(Vec::len).unwrap_or_default()
}
