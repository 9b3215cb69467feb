//! `meta.k8s.io/v1`: Tables for `kubectl get`, and objects reduced to their metadata.

use std::borrow::Borrow;

use serde_json::{Value, json};

use crate::kind::{Cell, Column, ColumnType, Kind};
use crate::print;

/// What a row carries beside its cells (`includeObject`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IncludeObject {
    None,
    #[default]
    Metadata,
    Object,
}

impl IncludeObject {
    /// The query parameter; empty means the default.
    pub fn parse(text: &str) -> Option<IncludeObject> {
        match text {
            "" | "Metadata" => Some(IncludeObject::Metadata),
            "None" => Some(IncludeObject::None),
            "Object" => Some(IncludeObject::Object),
            _ => None,
        }
    }
}

/// A Table of the items. `list_meta` becomes its metadata; without `headers` the column definitions are
/// left out, as watches do after their first event.
pub fn table<V: Borrow<Value>>(
    kind: &Kind,
    items: impl IntoIterator<Item = V>,
    include: IncludeObject,
    list_meta: Value,
    headers: bool,
) -> Value {
    let definitions: Vec<Value> = kind.columns.iter().map(definition).collect();
    let rows: Vec<Value> = items.into_iter().map(|item| row(kind, item.borrow(), include)).collect();
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": list_meta,
        "columnDefinitions": if headers { Value::from(definitions) } else { Value::Null },
        "rows": rows,
    })
}

/// `PartialObjectMetadata` of one object.
pub fn partial_metadata(object: &Value) -> Value {
    json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"] })
}

/// `PartialObjectMetadataList`
pub fn partial_metadata_list<V: Borrow<Value>>(
    items: impl IntoIterator<Item = V>,
    list_meta: Value,
) -> Value {
    let items: Vec<Value> = items.into_iter().map(|item| partial_metadata(item.borrow())).collect();
    json!({
        "kind": "PartialObjectMetadataList",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": list_meta,
        "items": items,
    })
}

fn definition(column: &Column) -> Value {
    json!({
        "name": column.name,
        "type": type_name(column.column_type),
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    })
}

fn type_name(column_type: ColumnType) -> &'static str {
    match column_type {
        ColumnType::String => "string",
        ColumnType::Integer => "integer",
        ColumnType::Number => "number",
        ColumnType::Boolean => "boolean",
        ColumnType::Date => "date",
    }
}

fn row(kind: &Kind, item: &Value, include: IncludeObject) -> Value {
    // Printers know the stored form.
    let stored = kind.conversion.as_ref().map(|conversion| (conversion.store)(item));
    let printed = stored.as_ref().unwrap_or(item);
    let cells: Vec<Value> = kind.columns.iter().map(|column| cell(column, printed)).collect();
    let object = match include {
        IncludeObject::None => Value::Null,
        IncludeObject::Metadata => partial_metadata(item),
        IncludeObject::Object => item.clone(),
    };
    let mut row = json!({ "cells": cells, "object": object });
    let pod = kind.group.is_empty() && kind.kind == "Pod";
    if let Some((reason, message)) = print::pod::completed(item).filter(|_| pod) {
        row["conditions"] =
            json!([{ "type": "Completed", "status": "True", "reason": reason, "message": message }]);
    }
    row
}

fn cell(column: &Column, item: &Value) -> Value {
    let value = match &column.cell {
        Cell::Path(path) => path.split('.').fold(item, |value, step| &value[step]).clone(),
        Cell::JsonPath(path) => return custom_cell(column.column_type, path.query(item).first()),
        Cell::Compute(compute) => compute(item),
    };
    // An absent text is an empty cell, not the word null.
    if value.is_null() && column.column_type == ColumnType::String { "".into() } else { value }
}

/// The cell of a column whose author is a definition's: of the wrong type it is empty.
fn custom_cell(column_type: ColumnType, value: Option<&Value>) -> Value {
    let Some(value) = value else { return Value::Null };
    match column_type {
        ColumnType::Integer if value.is_f64() => value.as_f64().map_or(Value::Null, |n| (n as i64).into()),
        ColumnType::Integer | ColumnType::Number if value.is_number() => value.clone(),
        ColumnType::Boolean if value.is_boolean() => value.clone(),
        ColumnType::Date if value.is_string() => crate::duration::since(value).into(),
        ColumnType::String => match value {
            Value::String(text) => text.as_str().into(),
            other => other.to_string().into(),
        },
        ColumnType::Integer | ColumnType::Number | ColumnType::Boolean | ColumnType::Date => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kinds;

    #[test]
    fn rows_follow_the_columns() {
        let kinds = Kinds::builtin();
        let kind = kinds.by_kind("v1", "Pod").expect("built in");
        let pod = json!({
            "metadata": { "name": "a" }, "spec": { "containers": [{}] }, "status": { "phase": "Succeeded" },
        });
        let list_meta = json!({ "resourceVersion": "7" });
        let table = table(kind, [&pod], IncludeObject::default(), list_meta, true);
        assert_eq!(table["metadata"]["resourceVersion"], "7");
        assert_eq!(table["columnDefinitions"][0]["format"], "name");
        let row = &table["rows"][0];
        assert_eq!(row["cells"][0], "a");
        assert_eq!(row["cells"].as_array().map(Vec::len), Some(kind.columns.len()));
        assert_eq!(row["object"]["kind"], "PartialObjectMetadata");
        assert_eq!(row["conditions"][0]["reason"], "Succeeded");
    }

    #[test]
    fn clients_choose_what_rows_carry() {
        let kinds = Kinds::builtin();
        let kind = kinds.by_kind("v1", "ConfigMap").expect("built in");
        let map = json!({ "metadata": { "name": "a" }, "data": {} });
        let whole = table(kind, [&map], IncludeObject::Object, json!({}), false);
        assert_eq!(whole["rows"][0]["object"], map);
        assert_eq!(whole["columnDefinitions"], Value::Null);
        let bare = table(kind, [&map], IncludeObject::None, json!({}), true);
        assert_eq!(bare["rows"][0]["object"], Value::Null);
        assert_eq!(IncludeObject::parse("All"), None);
    }
}
