//! Good objects spoilt, a field at a time.

use serde_json::{Value, json};

use crate::script::Edit;

/// A change, and what it is called.
pub struct Spoilt {
    pub name: String,
    pub edit: Edit,
}

/// What it is called, and the value in the field's place; `None` takes the field out.
pub type Change = (&'static str, Option<Value>);

/// Every change of every field below `pointer`.
pub fn each(object: &Value, with: fn(&Value) -> Vec<Change>) -> Vec<Spoilt> {
    let mut found = Vec::new();
    for (name, value) in object.as_object().into_iter().flatten() {
        if !["apiVersion", "kind", "metadata"].contains(&name.as_str()) {
            walk(&format!("/{}", escape(name)), value, with, &mut found);
        }
    }
    found
}

fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn walk(pointer: &str, value: &Value, with: fn(&Value) -> Vec<Change>, found: &mut Vec<Spoilt>) {
    for (what, value) in with(value) {
        found.push(Spoilt { name: format!("{pointer} {what}"), edit: Edit { at: pointer.into(), value } });
    }
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                walk(&format!("{pointer}/{}", escape(name)), field, with, found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(&format!("{pointer}/{index}"), item, with, found);
            }
        }
        Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => {}
    }
}

/// For creates: values that are wrong in kind or in type.
pub fn for_create(value: &Value) -> Vec<Change> {
    let mut changes = vec![("removed", None), ("null", Some(Value::Null))];
    changes.extend(match value {
        Value::String(_) => vec![
            ("empty", Some(json!(""))),
            ("not a name", Some(json!("Not Valid!"))),
            ("long", Some("x".repeat(300).into())),
            ("a number", Some(json!(7))),
        ],
        Value::Number(_) => vec![
            ("negative", Some(json!(-1))),
            ("zero", Some(json!(0))),
            ("big", Some(json!(100_000))),
            ("a word", Some(json!("seven"))),
        ],
        Value::Bool(on) => vec![("turned", Some(json!(!on))), ("a word", Some(json!("yes")))],
        Value::Object(_) => vec![("emptied", Some(json!({}))), ("a word", Some(json!("word")))],
        Value::Array(items) => {
            let mut twice = items.clone();
            twice.extend(items.last().cloned());
            vec![
                ("emptied", Some(json!([]))),
                ("last twice", Some(twice.into())),
                ("an object", Some(json!({}))),
            ]
        }
        Value::Null => vec![],
    });
    changes
}

/// For updates: other values that are good in type.
pub fn for_update(value: &Value) -> Vec<Change> {
    let mut changes = vec![("removed", None)];
    changes.extend(match value {
        Value::String(_) => {
            vec![("changed", Some(json!("changed"))), ("not a name", Some(json!("Not Valid!")))]
        }
        Value::Number(number) => vec![("more", Some(json!(number.as_i64().unwrap_or(0) + 1)))],
        Value::Bool(on) => vec![("turned", Some(json!(!on)))],
        Value::Object(_) => vec![("emptied", Some(json!({})))],
        Value::Array(_) => vec![("emptied", Some(json!([])))],
        Value::Null => vec![],
    });
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_spoilt() {
        let object = json!({"kind": "K", "spec": {"a/b": [{"c": 1}]}});
        let names: Vec<String> = each(&object, for_update).into_iter().map(|s| s.name).collect();
        let expected = [
            "/spec removed",
            "/spec emptied",
            "/spec/a~1b removed",
            "/spec/a~1b emptied",
            "/spec/a~1b/0 removed",
            "/spec/a~1b/0 emptied",
            "/spec/a~1b/0/c removed",
            "/spec/a~1b/0/c more",
        ];
        assert_eq!(names, expected);
    }
}
