//! Selection by fields.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde_json::Value;

use super::SelectorError;
use crate::field_path::{lookup, text};
use crate::schema::{Node, ValueType};

/// All requirements must hold; none: everything matches.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct FieldSelector {
    requirements: Vec<FieldRequirement>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldRequirement {
    /// `metadata.name`, `spec.nodeName`, …
    pub field: String,
    /// False for `!=`.
    pub equal: bool,
    pub value: String,
}

impl FieldSelector {
    pub fn everything() -> Self {
        FieldSelector::default()
    }
    pub fn new(mut requirements: Vec<FieldRequirement>) -> Self {
        requirements.sort();
        FieldSelector { requirements }
    }
    pub fn requirements(&self) -> &[FieldRequirement] {
        &self.requirements
    }
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// The value a field must have, when the selector names one (`metadata.name=web-0`).
    pub fn exact(&self, field: &str) -> Option<&str> {
        let found = self.requirements.iter().find(|r| r.equal && r.field == field);
        found.map(|r| r.value.as_str())
    }

    /// A field outside `metadata.name`, `metadata.namespace` and the kind's own is refused in
    /// upstream's words. `selectable`: `Kind::selectable_fields`; `kind`: `Pod`.
    pub fn check(&self, selectable: &[String], kind: &str) -> Result<(), SelectorError> {
        let known = |field: &str| {
            matches!(field, "metadata.name" | "metadata.namespace") || selectable.iter().any(|s| s == field)
        };
        match self.requirements.iter().find(|r| !known(&r.field)) {
            None => Ok(()),
            // Kinds without fields of their own answer with the generic conversion's message.
            Some(r) if selectable.is_empty() => Err(SelectorError(format!(
                "{:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
                r.field
            ))),
            Some(r) if kind == "Job" => {
                Err(SelectorError(format!("field label {:?} not supported for Job", r.field)))
            }
            Some(r) if kind == "ResourceSlice" => Err(SelectorError(format!(
                "field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: {}",
                r.field
            ))),
            Some(r) => Err(SelectorError(format!("field label not supported: {}", r.field))),
        }
    }

    /// The paths that [`FieldSelector::matches`] looks at.
    pub fn reads(&self) -> impl Iterator<Item = &str> {
        let fields = self.requirements.iter().map(|requirement| requirement.field.as_str());
        fields.chain(STANDS_ELSEWHERE)
    }

    /// A missing field counts as its type's zero: empty, `false` or `0`, as `node` says.
    pub fn matches(&self, object: &Value, node: Option<Node<'_>>) -> bool {
        self.requirements.iter().all(|r| (field_text(object, &r.field, node) == r.value) == r.equal)
    }
}

/// The field as its selector sees it.
pub fn field_text<'a>(object: &'a Value, field: &str, node: Option<Node<'_>>) -> Cow<'a, str> {
    let path = json_path(object, field);
    match lookup(object, path) {
        None | Some(Value::Null) => Cow::Borrowed(zero(path, node)),
        found => text(found),
    }
}

/// What else [`json_path`] reads and names.
const STANDS_ELSEWHERE: [&str; 5] =
    ["kind", "metadata.name", "status.succeeded", "source.component", "reportingComponent"];

/// Where a selectable name of an older day, or of upstream's internal types, stands in the object.
fn json_path<'f>(object: &Value, field: &'f str) -> &'f str {
    let filled = |path| lookup(object, path).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    match (object.get("kind").and_then(Value::as_str), field) {
        (Some("Namespace"), "name") => "metadata.name",
        (Some("Job"), "status.successful") => "status.succeeded",
        (Some("Event"), "source") if filled("source.component") => "source.component",
        (Some("Event"), "source") => "reportingComponent",
        _ => field,
    }
}

fn zero(path: &str, node: Option<Node<'_>>) -> &'static str {
    let leaf = path.split('.').try_fold(node, |node, name| Some(node?.field(name)));
    match leaf.flatten().map(|node| node.value_type()) {
        Some(ValueType::Boolean) => "false",
        Some(ValueType::Integer | ValueType::Number) => "0",
        Some(
            ValueType::Object
            | ValueType::Map
            | ValueType::Array
            | ValueType::String
            | ValueType::IntOrString
            | ValueType::Quantity
            | ValueType::Time
            | ValueType::MicroTime
            | ValueType::Bytes
            | ValueType::Any,
        )
        | None => "",
    }
}

impl FromStr for FieldSelector {
    type Err = SelectorError;

    /// `a=b,c==d,e!=f`; in values `\`, `,` and `=` stand behind a backslash.
    fn from_str(selector: &str) -> Result<Self, SelectorError> {
        let mut terms = split_terms(selector);
        terms.sort_unstable();
        let mut requirements = Vec::new();
        for term in terms.into_iter().filter(|term| !term.is_empty()) {
            let (field, equal, value) = split_term(term).ok_or_else(|| {
                SelectorError(format!("invalid selector: '{selector}'; can't understand '{term}'"))
            })?;
            requirements.push(FieldRequirement { field: field.to_owned(), equal, value: unescape(value)? });
        }
        Ok(FieldSelector { requirements })
    }
}

fn split_terms(selector: &str) -> Vec<&str> {
    let mut escaped = false;
    let at_comma = move |c: char| {
        let splits = c == ',' && !escaped;
        escaped = c == '\\' && !escaped;
        splits
    };
    selector.split(at_comma).collect()
}

fn split_term(term: &str) -> Option<(&str, bool, &str)> {
    let at = term.find('=')?;
    // A `!` before the first `=` is part of the operator only when it touches it.
    match term[..at].strip_suffix('!') {
        Some(field) => Some((field, false, &term[at + 1..])),
        None => {
            let value = &term[at + 1..];
            Some((&term[..at], true, value.strip_prefix('=').unwrap_or(value)))
        }
    }
}

fn unescape(value: &str) -> Result<String, SelectorError> {
    let mut plain = String::with_capacity(value.len());
    let mut rest = value.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some(escaped @ ('\\' | ',' | '=')) => plain.push(escaped),
                Some(other) => return Err(invalid_escape(&format!("\\{other}"))),
                None => return Err(invalid_escape("\\")),
            },
            // Upstream prints the character's number.
            ',' | '=' => {
                return Err(SelectorError(format!(
                    "invalid field selector: unescaped character in value: {}",
                    c as u32
                )));
            }
            other => plain.push(other),
        }
    }
    Ok(plain)
}

fn invalid_escape(sequence: &str) -> SelectorError {
    SelectorError(format!("invalid field selector: invalid escape sequence: {sequence}"))
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, requirement) in self.requirements.iter().enumerate() {
            let separator = if position > 0 { "," } else { "" };
            let operator = if requirement.equal { "=" } else { "!=" };
            write!(f, "{separator}{}{operator}", requirement.field)?;
            for c in requirement.value.chars() {
                if matches!(c, '\\' | ',' | '=') {
                    f.write_str("\\")?;
                }
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}
