//! What is played: requests in a row, the same at both sides.

use serde::Deserialize;
use serde_json::{Map, Value};

/// Requests in a row about one thing. Scripts know nothing of each other.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    pub name: String,
    /// It sees everything that the servers have: played before the others make something.
    #[serde(default)]
    pub first: bool,
    pub steps: Vec<Step>,
}

/// One request. In `path` and in the body `$uid`, `$resourceVersion`, `$continue` and `$first` stand for what
/// the side itself answered last (`$first`: the first resourceVersion of the script).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What is tried.
    #[serde(rename = "try")]
    pub name: String,
    #[serde(default = "get")]
    pub method: String,
    pub path: String,
    #[serde(default)]
    pub headers: Map<String, Value>,
    #[serde(default)]
    pub body: Body,
    /// Not compared: it only prepares.
    #[serde(default)]
    pub quiet: bool,
    /// Asked again for a while, until it is so.
    #[serde(default)]
    pub until: Option<Until>,
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Until {
    /// A value at a JSON pointer of the answer.
    Has { at: String, value: Value },
    /// A 404.
    Gone,
    /// Nothing: time is all it needs.
    Anyway,
}

fn get() -> String {
    "GET".into()
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Body {
    #[default]
    None,
    Json(Value),
    Text(String),
    /// The object that the side answered last, changed.
    Last(Vec<Edit>),
}

/// One change of an object.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// A JSON pointer.
    pub at: String,
    /// None takes the field out.
    #[serde(default)]
    pub value: Option<Value>,
}

impl Until {
    pub fn holds(&self, code: u16, body: &Value) -> bool {
        match self {
            Until::Has { at, value } => body.pointer(at) == Some(value),
            Until::Gone => code == 404,
            Until::Anyway => true,
        }
    }
}

impl Step {
    pub fn new(name: impl Into<String>, method: &str, path: impl Into<String>) -> Step {
        Step {
            name: name.into(),
            method: method.into(),
            path: path.into(),
            headers: Map::new(),
            body: Body::None,
            quiet: false,
            until: None,
        }
    }

    pub fn get(name: impl Into<String>, path: impl Into<String>) -> Step {
        Step::new(name, "GET", path)
    }

    pub fn header(mut self, name: &str, value: &str) -> Step {
        self.headers.insert(name.into(), value.into());
        self
    }

    pub fn accept(self, media: &str) -> Step {
        self.header("accept", media)
    }

    pub fn json(mut self, body: Value) -> Step {
        self.body = Body::Json(body);
        self.content("application/json")
    }

    pub fn text(mut self, media: &str, body: impl Into<String>) -> Step {
        self.body = Body::Text(body.into());
        self.content(media)
    }

    /// Its last answer, changed.
    pub fn last(mut self, edits: Vec<Edit>) -> Step {
        self.body = Body::Last(edits);
        self.content("application/json")
    }

    pub fn content(mut self, media: &str) -> Step {
        self.headers.entry("content-type").or_insert_with(|| media.into());
        self
    }

    pub fn path_query(mut self, query: &str) -> Step {
        let separator = if self.path.contains('?') { '&' } else { '?' };
        self.path = format!("{}{separator}{query}", self.path);
        self
    }

    pub fn is_dry(&self) -> bool {
        self.path.contains("dryRun=All")
    }

    pub fn quiet(mut self) -> Step {
        self.quiet = true;
        self
    }

    pub fn until(mut self, until: Until) -> Step {
        self.until = Some(until);
        self
    }
}

impl Edit {
    pub fn set(at: impl Into<String>, value: Value) -> Edit {
        Edit { at: at.into(), value: Some(value) }
    }

    pub fn remove(at: impl Into<String>) -> Edit {
        Edit { at: at.into(), value: None }
    }

    /// Where the parent is missing or of another shape, nothing changes.
    pub fn apply(&self, object: &mut Value) {
        let Some((parent, name)) = self.at.rsplit_once('/') else { return };
        let name = name.replace("~1", "/").replace("~0", "~");
        match (object.pointer_mut(parent), &self.value) {
            (Some(Value::Object(fields)), Some(value)) => drop(fields.insert(name, value.clone())),
            (Some(Value::Object(fields)), None) => drop(fields.remove(&name)),
            (Some(Value::Array(items)), value) => replace_item(items, &name, value.as_ref()),
            _ => {}
        }
    }
}

fn replace_item(items: &mut Vec<Value>, index: &str, value: Option<&Value>) {
    let Ok(index) = index.parse::<usize>() else { return };
    match value {
        Some(value) if index < items.len() => items[index] = value.clone(),
        Some(value) => items.push(value.clone()),
        None if index < items.len() => drop(items.remove(index)),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn edits_set_and_remove_fields_and_items() {
        let mut object = json!({"a": {"b/c": 1}, "l": [1, 2]});
        Edit::set("/a/b~1c", json!(2)).apply(&mut object);
        Edit::remove("/l/0").apply(&mut object);
        Edit::set("/l/9", json!(3)).apply(&mut object);
        Edit::set("/missing/x", json!(3)).apply(&mut object);
        assert_eq!(object, json!({"a": {"b/c": 2}, "l": [2, 3]}));
    }
}
