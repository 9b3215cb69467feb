//! `additionalPrinterColumns`: JSONPath in Kubernetes' dialect.

use std::sync::Arc;

use serde_json::Value;
use serde_json_path::JsonPath;

use super::schema::list;
use super::text;
use crate::kind::{Cell, Column, ColumnType};
use crate::print;

/// The name, then the definition's own columns, or the age where it has none.
pub(super) fn columns(json: &Value) -> Vec<Column> {
    let mut columns = vec![print::name()];
    match list(json) {
        [] => columns.push(Column { column_type: ColumnType::Date, cell: age(), ..print::age() }),
        own => columns.extend(own.iter().map(column)),
    }
    columns
}

fn age() -> Cell {
    json_path(".metadata.creationTimestamp")
        .map_or(Cell::Path("metadata.creationTimestamp".into()), Cell::JsonPath)
}

fn column(json: &Value) -> Column {
    let path = text(&json["jsonPath"]);
    Column {
        name: text(&json["name"]).into(),
        column_type: match text(&json["type"]) {
            "integer" => ColumnType::Integer,
            "number" => ColumnType::Number,
            "boolean" => ColumnType::Boolean,
            "date" => ColumnType::Date,
            _ => ColumnType::String,
        },
        format: text(&json["format"]).into(),
        description: match text(&json["description"]) {
            "" => format!("Custom resource definition column (in JSONPath format): {path}"),
            description => description.into(),
        },
        priority: json["priority"].as_i64().and_then(|p| i32::try_from(p).ok()).unwrap_or(0),
        // A path that does not parse was refused with its definition.
        cell: json_path(path).map_or(Cell::Path(String::new()), Cell::JsonPath),
    }
}

/// `.spec.my-field`, `.metadata.annotations['a.b/c']`, `.status.conditions[?(@.type=="Ready")].status`
pub(crate) fn json_path(path: &str) -> Option<Arc<JsonPath>> {
    JsonPath::parse(&standard(path)).ok().map(Arc::new)
}

/// RFC 9535 of it: names in brackets, so that they may hold anything, and a `$` in front.
fn standard(path: &str) -> String {
    let mut out = String::from("$");
    let mut rest = path.trim().trim_start_matches('{').trim_end_matches('}').trim_start_matches('$');
    while !rest.is_empty() {
        if let Some(deep) = rest.strip_prefix("..") {
            out.push_str("..");
            rest = deep;
            let (name, after) = take_name(rest);
            out.push_str(if name.is_empty() { "*" } else { &name });
            rest = after;
        } else if let Some(field) = rest.strip_prefix('.') {
            let (name, after) = take_name(field);
            match name.as_str() {
                "" => {}
                "*" => out.push_str("[*]"),
                name => out.push_str(&format!("[{}]", quoted(name))),
            }
            rest = after;
        } else if rest.starts_with('[') {
            let end = closing(rest);
            // Upstream's filters write a backslash before a dot in a quoted name.
            out.push_str(&rest[..end].replace("\\.", "."));
            rest = &rest[end..];
        } else {
            let (name, after) = take_name(rest);
            if name.is_empty() {
                break;
            }
            out.push_str(&format!("[{}]", quoted(&name)));
            rest = after;
        }
    }
    out
}

fn quoted(name: &str) -> String {
    format!("'{}'", name.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// A name up to the next dot or bracket; `\.` is a dot in it.
fn take_name(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '.' | '[' => return (name, &text[at..]),
            '\\' => name.extend(characters.next().map(|(_, next)| next)),
            other => name.push(other),
        }
    }
    (name, "")
}

/// The end of what the first bracket opens, quotes observed.
fn closing(text: &str) -> usize {
    let (mut depth, mut quote) = (0, None);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '[') => depth += 1,
            (None, ']') => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            (None, _) => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn upstreams_paths_are_understood() {
        let object = json!({
            "metadata": { "annotations": { "a.b/c": "note" } },
            "spec": { "my-field": 3, "list": [{ "n": "x" }, { "n": "y" }] },
            "status": { "conditions": [{ "type": "Ready", "status": "True" }, { "type": "Other", "status": "?" }] },
        });
        let cases = [
            (".spec.my-field", json!([3])),
            (".metadata.annotations.a\\.b/c", json!(["note"])),
            (".metadata.annotations['a\\.b/c']", json!(["note"])),
            (".status.conditions[?(@.type==\"Ready\")].status", json!(["True"])),
            (".status.conditions[?(@.type=='Other')].status", json!(["?"])),
            (".spec.list[*].n", json!(["x", "y"])),
            (".spec.list[1].n", json!(["y"])),
            (".spec.none", json!([])),
        ];
        for (path, expected) in cases {
            let found = json_path(path).unwrap_or_else(|| panic!("{path}: {}", standard(path)));
            let found: Vec<&Value> = found.query(&object).all();
            assert_eq!(json!(found), expected, "{path}");
        }
        assert!(json_path(".spec.list[").is_none());
    }
}
