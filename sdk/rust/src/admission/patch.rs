use serde_json::{Value, json};

/// The RFC 6902 operations that make `after` of `before`. Lists that grew at the end are appended
/// to; lists that changed otherwise are replaced item by item, or whole when their length shrank.
pub fn diff(before: &Value, after: &Value) -> Vec<Value> {
    let mut operations = Vec::new();
    walk(before, after, &mut String::new(), &mut operations);
    operations
}

fn walk(before: &Value, after: &Value, path: &mut String, operations: &mut Vec<Value>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in new {
                within(path, key, |path| match old.get(key) {
                    Some(known) => walk(known, value, path, operations),
                    None => operations.push(json!({"op": "add", "path": path, "value": value})),
                });
            }
            for key in old.keys().filter(|key| !new.contains_key(*key)) {
                within(path, key, |path| operations.push(json!({"op": "remove", "path": path})));
            }
        }
        (Value::Array(old), Value::Array(new)) if new.len() >= old.len() => {
            for (index, (known, value)) in old.iter().zip(new).enumerate() {
                within(path, &index.to_string(), |path| walk(known, value, path, operations));
            }
            for value in &new[old.len()..] {
                operations.push(json!({"op": "add", "path": format!("{path}/-"), "value": value}));
            }
        }
        _ if before == after => {}
        _ => operations.push(json!({"op": "replace", "path": path, "value": after})),
    }
}

fn within(path: &mut String, step: &str, inside: impl FnOnce(&mut String)) {
    let length = path.len();
    path.push('/');
    path.push_str(&step.replace('~', "~0").replace('/', "~1"));
    inside(path);
    path.truncate(length);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_name_only_what_changed() {
        let before = json!({"spec": {"a": 1, "gone": 0, "list": [{"n": 1}]}, "kept": [1]});
        let after =
            json!({"spec": {"a": 2, "list": [{"n": 1, "m/x": 2}, {"n": 2}]}, "kept": [1], "new": {"x": 1}});
        assert_eq!(
            Value::Array(diff(&before, &after)),
            json!([
                {"op": "add", "path": "/new", "value": {"x": 1}},
                {"op": "replace", "path": "/spec/a", "value": 2},
                {"op": "add", "path": "/spec/list/0/m~1x", "value": 2},
                {"op": "add", "path": "/spec/list/-", "value": {"n": 2}},
                {"op": "remove", "path": "/spec/gone"},
            ])
        );
        assert!(diff(&after, &after).is_empty());
        assert_eq!(diff(&json!([1, 2]), &json!([2])), [json!({"op": "replace", "path": "", "value": [2]})]);
    }
}
