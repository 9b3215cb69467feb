//! What `kubectl get` shows of each kind: columns, and pure functions from the object to a cell.
//! The cells are those of Kubernetes' own printers.

pub(crate) mod admission;
pub(crate) mod autoscaler;
pub(crate) mod batch;
pub(crate) mod certificates;
pub(crate) mod component;
pub(crate) mod config;
pub(crate) mod definition;
pub(crate) mod devices;
pub(crate) mod endpoints;
pub(crate) mod event;
pub(crate) mod flow;
pub(crate) mod migration;
pub(crate) mod namespace;
pub(crate) mod networking;
pub(crate) mod node;
pub(crate) mod plugin;
pub(crate) mod pod;
pub(crate) mod policy;
pub(crate) mod quota;
pub(crate) mod registration;
pub(crate) mod service;
pub(crate) mod storage;
pub(crate) mod workload;

use serde_json::{Map, Value};

use crate::duration;
use crate::kind::{Cell, Column, ColumnType};

/// What a cell shows where there is nothing.
const NONE: &str = "<none>";

/// The object's name; clients recognise the column by its format.
pub(crate) fn name() -> Column {
    Column { format: "name".into(), ..path("Name", "Unique within its namespace.", "metadata.name") }
}

pub(crate) fn age() -> Column {
    text("Age", "Time since the object was created.", |object| {
        duration::since(&object["metadata"]["creationTimestamp"]).into()
    })
}

/// Kinds that print the moment of creation instead of an age.
fn created_at() -> Column {
    let column = path("Created At", "When the object was created.", "metadata.creationTimestamp");
    Column { column_type: ColumnType::Date, ..column }
}

fn text(name: &str, description: &str, cell: fn(&Value) -> Value) -> Column {
    column(name, description, ColumnType::String, Cell::Compute(cell))
}

fn integer(name: &str, description: &str, cell: fn(&Value) -> Value) -> Column {
    column(name, description, ColumnType::Integer, Cell::Compute(cell))
}

fn boolean(name: &str, description: &str, cell: fn(&Value) -> Value) -> Column {
    column(name, description, ColumnType::Boolean, Cell::Compute(cell))
}

fn path(name: &str, description: &str, path: &str) -> Column {
    column(name, description, ColumnType::String, Cell::Path(path.into()))
}

/// Shown with `-o wide` only.
fn wide(column: Column) -> Column {
    Column { priority: 1, ..column }
}

fn column(name: &str, description: &str, column_type: ColumnType, cell: Cell) -> Column {
    Column {
        name: name.into(),
        column_type,
        format: String::new(),
        description: description.into(),
        priority: 0,
        cell,
    }
}

/// The items' texts, joined by commas.
fn joined(items: &Value, placeholder: &str) -> Value {
    let texts: Vec<&str> = list(items).iter().map(str_of).collect();
    if texts.is_empty() { placeholder.into() } else { texts.join(",").into() }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn str_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The text, or a placeholder where it is empty.
fn or(value: &Value, placeholder: &str) -> Value {
    match str_of(value) {
        "" => placeholder.into(),
        text => text.into(),
    }
}

fn int_of(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

/// `a=1,b=2`, or `<none>`.
fn labels(value: &Value) -> Value {
    let empty = Map::new();
    let pairs: Vec<String> = value
        .as_object()
        .unwrap_or(&empty)
        .iter()
        .map(|(key, value)| format!("{key}={}", str_of(value)))
        .collect();
    if pairs.is_empty() { NONE.into() } else { pairs.join(",").into() }
}

/// A list cut at three: `a,b,c + 2 more...`.
fn shortened(items: &[String], total: usize, empty: &str) -> Value {
    const SHOWN: usize = 3;
    let shown = items.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(",");
    if total > SHOWN {
        return format!("{shown} + {} more...", total - SHOWN).into();
    }
    if shown.is_empty() { empty.into() } else { shown.into() }
}

#[cfg(test)]
mod tests;
