//! Paths into an object: `spec.containers[*].image`, `metadata.labels['app.kubernetes.io/name']`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde_json::Value;

/// A path, parsed once and used often. `.` separates fields; a name with dots stands in `['…']`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct FieldPath(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    Field(String),
    Index(usize),
    /// `[*]`: every element of a list, or every value of a map.
    Each,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field path {path:?}: {why}")]
pub struct InvalidPath {
    path: String,
    why: &'static str,
}

impl FieldPath {
    pub fn new(steps: Vec<Step>) -> Self {
        FieldPath(steps)
    }
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The first value the path leads to.
    pub fn get<'a>(&self, object: &'a Value) -> Option<&'a Value> {
        first(object, &self.0)
    }

    /// Every value the path leads to, in the order of the object.
    pub fn all<'a>(&self, object: &'a Value) -> Vec<&'a Value> {
        let mut found = Vec::new();
        collect(object, &self.0, &mut found);
        found
    }
}

fn first<'a>(value: &'a Value, steps: &[Step]) -> Option<&'a Value> {
    let Some((step, rest)) = steps.split_first() else { return Some(value) };
    match step {
        Step::Field(name) => first(value.get(name)?, rest),
        Step::Index(index) => first(value.get(index)?, rest),
        Step::Each => children(value).find_map(|child| first(child, rest)),
    }
}

fn collect<'a>(value: &'a Value, steps: &[Step], found: &mut Vec<&'a Value>) {
    let Some((step, rest)) = steps.split_first() else { return found.push(value) };
    match step {
        Step::Field(name) => value.get(name).into_iter().for_each(|v| collect(v, rest, found)),
        Step::Index(index) => value.get(index).into_iter().for_each(|v| collect(v, rest, found)),
        Step::Each => children(value).for_each(|v| collect(v, rest, found)),
    }
}

fn children(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(items) => Box::new(items.iter()),
        Value::Object(fields) => Box::new(fields.values()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Box::new(std::iter::empty()),
    }
}

impl FromStr for FieldPath {
    type Err = InvalidPath;

    fn from_str(path: &str) -> Result<Self, InvalidPath> {
        let invalid = |why| InvalidPath { path: path.to_owned(), why };
        let mut rest = path.strip_prefix('.').unwrap_or(path);
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(bracket) = rest.strip_prefix('[') {
                let (step, after) = bracketed(bracket).map_err(invalid)?;
                steps.push(step);
                rest = match after.strip_prefix('.') {
                    Some("") => return Err(invalid("it ends in a dot")),
                    Some(after) => after,
                    None if after.is_empty() || after.starts_with('[') => after,
                    None => return Err(invalid("a dot or bracket must follow ]")),
                };
            } else {
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                if end == 0 {
                    return Err(invalid("a field name is empty"));
                }
                steps.push(Step::Field(rest[..end].to_owned()));
                rest = &rest[end..];
                if let Some(after) = rest.strip_prefix('.') {
                    if after.is_empty() || after.starts_with('[') {
                        return Err(invalid("a field name must follow the dot"));
                    }
                    rest = after;
                }
            }
        }
        Ok(FieldPath(steps))
    }
}

/// What stands behind `[`: `*]`, `0]`, `'key']`.
fn bracketed(rest: &str) -> Result<(Step, &str), &'static str> {
    if let Some(quote) = rest.chars().next().filter(|c| matches!(c, '\'' | '"')) {
        let end = rest[1..].find(quote).ok_or("a quote is not closed")? + 1;
        let after = rest[end + 1..].strip_prefix(']').ok_or("a bracket is not closed")?;
        return Ok((Step::Field(rest[1..end].to_owned()), after));
    }
    let (inside, after) = rest.split_once(']').ok_or("a bracket is not closed")?;
    if inside == "*" {
        return Ok((Step::Each, after));
    }
    let index = inside.parse().map_err(|_| "a bracket holds neither *, a number nor a quoted name")?;
    Ok((Step::Index(index), after))
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Field(name) if name.is_empty() || name.contains(['.', '[', ']', '\'', '"']) => {
                    let quote = if name.contains('\'') { '"' } else { '\'' };
                    write!(f, "[{quote}{name}{quote}]")?;
                }
                Step::Field(name) if position == 0 => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Each => f.write_str("[*]")?,
            }
        }
        Ok(())
    }
}

/// The value at a plain dotted path (`status.podIP`), without parsing it first.
pub fn lookup<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').filter(|name| !name.is_empty()).try_fold(object, |value, name| value.get(name))
}

/// A value as Go prints it: what is missing or null is empty, text stands without quotes.
pub fn text(value: Option<&Value>) -> Cow<'_, str> {
    match value {
        None | Some(Value::Null) => Cow::Borrowed(""),
        Some(Value::String(text)) => Cow::Borrowed(text),
        Some(Value::Bool(flag)) => Cow::Borrowed(if *flag { "true" } else { "false" }),
        Some(other @ (Value::Number(_) | Value::Array(_) | Value::Object(_))) => {
            Cow::Owned(other.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn path(text: &str) -> FieldPath {
        text.parse().unwrap()
    }

    #[test]
    fn leads_to_fields_elements_and_quoted_names() {
        let pod = json!({
            "metadata": {"labels": {"app.kubernetes.io/name": "web"}},
            "spec": {"containers": [{"image": "a"}, {"image": "b"}]},
        });
        assert_eq!(path("spec.containers[1].image").get(&pod), Some(&json!("b")));
        assert_eq!(path(".spec.containers[*].image").all(&pod), [&json!("a"), &json!("b")]);
        assert_eq!(path("metadata.labels['app.kubernetes.io/name']").get(&pod), Some(&json!("web")));
        assert_eq!(path("spec.nodeName").get(&pod), None);
        assert_eq!(lookup(&pod, ".metadata.labels"), Some(&json!({"app.kubernetes.io/name": "web"})));
    }

    #[test]
    fn prints_as_it_parses() {
        for text in ["spec.containers[*].image", "metadata.labels['a.b/c'].x", "status.conditions[0]", ""] {
            assert_eq!(path(text).to_string(), text);
        }
    }

    #[test]
    fn names_what_is_wrong() {
        for text in ["spec..x", "spec.", "spec[", "spec['x]", "spec[x]", "spec[0]x", "spec.[0]", "spec[0]."] {
            let error = text.parse::<FieldPath>().unwrap_err();
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
    }

    #[test]
    fn missing_is_empty() {
        assert_eq!(text(None), "");
        assert_eq!(text(Some(&json!(null))), "");
        assert_eq!(text(Some(&json!(3))), "3");
        assert_eq!(text(Some(&json!(false))), "false");
    }
}
