//! Objects cut down to paths, as the host does it.

use serde_json::{Map, Value};

/// Always kept of resident objects.
pub const IDENTITY: [&str; 5] = ["apiVersion", "kind", "metadata.name", "metadata.namespace", "metadata.uid"];

/// No path at all keeps the whole object.
pub fn cut(object: &Value, paths: &[&str]) -> Value {
    if paths.is_empty() {
        return object.clone();
    }
    let mut kept = Value::Object(Map::new());
    paths.iter().for_each(|path| copy(object, &steps(path), &mut kept));
    kept
}

/// The names along a path; `*` for a step into list items, `[a.b]` for a name with dots in it.
fn steps(path: &str) -> Vec<&str> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let (step, after) = match rest.strip_prefix('[') {
            Some(inside) => inside.split_once(']').unwrap_or((inside, "")),
            None => rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len())),
        };
        if !step.is_empty() {
            steps.push(step);
        }
        rest = after.strip_prefix('.').unwrap_or(after);
    }
    steps
}

fn copy(from: &Value, steps: &[&str], to: &mut Value) {
    match (steps, from) {
        (["*", rest @ ..], Value::Array(items)) => {
            if !to.is_array() {
                *to = vec![Value::Object(Map::new()); items.len()].into();
            }
            items.iter().enumerate().for_each(|(index, item)| copy(item, rest, &mut to[index]));
        }
        ([step, rest @ ..], Value::Object(members)) => {
            let Some(member) = members.get(*step) else { return };
            if to.get(step).is_none() {
                to[*step] = Value::Object(Map::new());
            }
            copy(member, rest, &mut to[*step]);
        }
        // The end of the path, or not of the declared shape: the policy sees it as it is.
        (_, value) => *to = value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn paths_keep_what_they_name() {
        let object = json!({"metadata": {"name": "a", "labels": {"x.y/z": "1", "b": "2"}},
            "spec": {"list": [{"a": 1, "b": 2}, {"a": 3}], "none": null}});
        let cut = |paths: &[&str]| super::cut(&object, paths);
        assert_eq!(cut(&["spec.list[*].a"]), json!({"spec": {"list": [{"a": 1}, {"a": 3}]}}));
        assert_eq!(
            cut(&["spec.list[*].b", "spec.none.x"]),
            json!({"spec": {"list": [{"b": 2}, {}], "none": null}})
        );
        assert_eq!(cut(&["metadata.labels[x.y/z]", "gone"]), json!({"metadata": {"labels": {"x.y/z": "1"}}}));
        assert_eq!(cut(&[]), object);
    }
}
