//! An object cut down to the fields a component declared.

use serde_json::{Map, Value};

/// Identity (`apiVersion`, `kind`, `metadata.name`, `.namespace`, `.uid`) and the declared paths;
/// no paths: the whole object.
pub fn project(object: &Value, fields: &[String]) -> Value {
    if fields.is_empty() {
        return object.clone();
    }
    let mut kept = Value::Object(Map::new());
    for path in ["apiVersion", "kind", "metadata.name", "metadata.namespace", "metadata.uid"] {
        copy(object, &mut kept, &steps(path));
    }
    for field in fields {
        copy(object, &mut kept, &steps(field));
    }
    kept
}

/// `spec.containers[*].image` → `spec`, `containers`, `[*]`, `image`.
fn steps(path: &str) -> Vec<&str> {
    path.split('.')
        .flat_map(|step| match step.strip_suffix("[*]") {
            Some(name) => vec![name, "[*]"],
            None => vec![step],
        })
        .collect()
}

fn copy(from: &Value, to: &mut Value, steps: &[&str]) {
    let Some((step, rest)) = steps.split_first() else {
        *to = from.clone();
        return;
    };
    match (*step, from) {
        ("[*]", Value::Array(items)) => copy_items(items, to, rest),
        (name, Value::Object(map)) => {
            let Some(child) = map.get(name) else { return };
            if !to.is_object() {
                *to = Value::Object(Map::new());
            }
            copy(child, &mut to[name], rest);
        }
        _ => {}
    }
}

/// Lists keep their length, so that indexes mean the same before and after.
fn copy_items(items: &[Value], to: &mut Value, rest: &[&str]) {
    if !to.is_array() {
        *to = Value::Array(vec![Value::Object(Map::new()); items.len()]);
    }
    if let Value::Array(kept) = to {
        for (from, to) in items.iter().zip(kept) {
            copy(from, to, rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn identity_and_declared_paths_are_kept() {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "a", "labels": {"x": "y"}, "resourceVersion": "7"},
            "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "i", "tty": true}, {"image": "j"}]},
        });
        let fields = ["spec.containers[*].image".to_string(), "spec.missing.path".into()];
        assert_eq!(
            project(&pod, &fields),
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"},
                "spec": {"containers": [{"image": "i"}, {"image": "j"}]}})
        );
    }

    #[test]
    fn two_paths_into_one_list_meet() {
        let object = json!({"a": [{"x": 1, "y": 2, "z": 3}]});
        let fields = ["a[*].x".to_string(), "a[*].z".into()];
        assert_eq!(project(&object, &fields), json!({"a": [{"x": 1, "z": 3}]}));
    }

    #[test]
    fn no_paths_keep_everything() {
        let object = json!({"spec": {"a": 1}});
        assert_eq!(project(&object, &[]), object);
    }
}
