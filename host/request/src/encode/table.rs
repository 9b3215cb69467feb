//! `meta.k8s.io/v1` Table, by the kind's columns.

use std::sync::Arc;

use orch_object::kind::Cell;
use orch_object::{ColumnType, Kind};
use serde_json::{Value, json};

/// Rows carry `PartialObjectMetadata`, as `includeObject=Metadata` (the default) asks.
pub fn render(kind: &Kind, values: &[Arc<Value>], metadata: Value, columns: bool) -> Value {
    let definitions: Vec<Value> = kind
        .columns
        .iter()
        .filter(|_| columns)
        .map(|column| {
            json!({
                "name": column.name, "type": type_name(column.column_type), "format": column.format,
                "description": column.description, "priority": column.priority,
            })
        })
        .collect();
    let rows: Vec<Value> = values.iter().map(|value| row(kind, value)).collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": if columns { Value::from(definitions) } else { Value::Null },
        "rows": rows,
    })
}

fn row(kind: &Kind, value: &Value) -> Value {
    let cells: Vec<Value> = kind
        .columns
        .iter()
        .map(|column| match &column.cell {
            Cell::Path(path) => at(value, path),
            Cell::Compute(compute) => compute(value),
        })
        .collect();
    json!({
        "cells": cells,
        "object": { "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": value["metadata"] },
    })
}

fn at(value: &Value, path: &str) -> Value {
    path.split('.').fold(value, |value, step| &value[step]).clone()
}

fn type_name(column_type: ColumnType) -> &'static str {
    match column_type {
        ColumnType::String => "string",
        ColumnType::Integer => "integer",
        ColumnType::Boolean => "boolean",
        ColumnType::Date => "date",
    }
}
