//! Selection by labels.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

use super::SelectorError;
use super::parser::parse;
use crate::names;

/// All requirements must hold; none: everything matches.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct LabelSelector {
    /// Sorted by key.
    requirements: Vec<Requirement>,
    /// A missing `LabelSelector` in an object selects nothing, an empty one everything.
    nothing: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    In,
    NotIn,
    Equals,
    DoubleEquals,
    NotEquals,
    Exists,
    DoesNotExist,
    GreaterThan,
    LessThan,
}

impl LabelSelector {
    pub fn everything() -> Self {
        LabelSelector::default()
    }
    pub fn nothing() -> Self {
        LabelSelector { nothing: true, ..LabelSelector::default() }
    }
    pub fn new(mut requirements: Vec<Requirement>) -> Self {
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        LabelSelector { requirements, nothing: false }
    }

    /// `metav1.LabelSelector`: `{matchLabels, matchExpressions}`. Missing or null selects nothing.
    pub fn from_json(selector: Option<&Value>) -> Result<Self, SelectorError> {
        let Some(selector) = selector.filter(|s| !s.is_null()) else { return Ok(LabelSelector::nothing()) };
        let mut requirements = Vec::new();
        for (key, value) in selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten() {
            let value = value.as_str().unwrap_or_default().to_owned();
            requirements.push(Requirement::new(key.clone(), Operator::Equals, vec![value])?);
        }
        for expression in selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
            requirements.push(Requirement::from_json(expression)?);
        }
        Ok(LabelSelector::new(requirements))
    }

    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }
    /// True when it restricts nothing.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty() && !self.nothing
    }

    /// `labels`: `metadata.labels` of the object.
    pub fn matches(&self, labels: Option<&Map<String, Value>>) -> bool {
        !self.nothing && self.requirements.iter().all(|r| r.matches(labels))
    }
    pub fn matches_object(&self, object: &Value) -> bool {
        self.matches(object.pointer("/metadata/labels").and_then(Value::as_object))
    }
}

impl Requirement {
    /// Checked as upstream's `NewRequirement` does.
    pub fn new(key: String, operator: Operator, values: Vec<String>) -> Result<Self, SelectorError> {
        let mut errors: Vec<String> = check_key(&key, "key").into_iter().collect();
        errors.extend(check_count(operator, &values));
        for (index, value) in values.iter().enumerate() {
            let wrong = names::label_value(value);
            if !wrong.is_empty() {
                errors
                    .push(format!("values[{index}][{key}]: Invalid value: {value:?}: {}", wrong.join("; ")));
            }
        }
        match &errors[..] {
            [] => Ok(Requirement { key, operator, values }),
            [one] => Err(SelectorError(one.clone())),
            many => Err(SelectorError(format!("[{}]", many.join(", ")))),
        }
    }

    fn from_json(expression: &Value) -> Result<Self, SelectorError> {
        let text = |name: &str| expression.get(name).and_then(Value::as_str).unwrap_or_default();
        let operator = match text("operator") {
            "In" => Operator::In,
            "NotIn" => Operator::NotIn,
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            other => {
                return Err(SelectorError(format!("{other:?} is not a valid label selector operator")));
            }
        };
        let values = expression.get("values").and_then(Value::as_array).into_iter().flatten();
        let values = values.map(|v| v.as_str().unwrap_or_default().to_owned()).collect();
        Requirement::new(text("key").to_owned(), operator, values)
    }

    pub fn key(&self) -> &str {
        &self.key
    }
    pub fn operator(&self) -> Operator {
        self.operator
    }
    pub fn values(&self) -> &[String] {
        &self.values
    }

    pub fn matches(&self, labels: Option<&Map<String, Value>>) -> bool {
        let label = labels.and_then(|l| l.get(&self.key)).and_then(Value::as_str);
        let listed = |label: &str| self.values.iter().any(|value| value == label);
        match self.operator {
            Operator::In | Operator::Equals | Operator::DoubleEquals => label.is_some_and(listed),
            Operator::NotIn | Operator::NotEquals => !label.is_some_and(listed),
            Operator::Exists => label.is_some(),
            Operator::DoesNotExist => label.is_none(),
            Operator::GreaterThan => self.compare(label).is_some_and(|(label, bound)| label > bound),
            Operator::LessThan => self.compare(label).is_some_and(|(label, bound)| label < bound),
        }
    }

    fn compare(&self, label: Option<&str>) -> Option<(i64, i64)> {
        Some((label?.parse().ok()?, self.values.first()?.parse().ok()?))
    }
}

/// The message for a key that cannot be one; `field` is empty where upstream has no path (`<nil>`).
pub(super) fn check_key(key: &str, field: &str) -> Option<String> {
    let errors = names::qualified_name(key);
    let field = if field.is_empty() { "<nil>" } else { field };
    (!errors.is_empty()).then(|| format!("{field}: Invalid value: {key:?}: {}", errors.join("; ")))
}

fn check_count(operator: Operator, values: &[String]) -> Vec<String> {
    let wrong = match operator {
        Operator::In | Operator::NotIn => {
            values.is_empty().then_some("for 'in', 'notin' operators, values set can't be empty")
        }
        Operator::Equals | Operator::DoubleEquals | Operator::NotEquals => {
            (values.len() != 1).then_some("exact-match compatibility requires one single value")
        }
        Operator::Exists | Operator::DoesNotExist => {
            (!values.is_empty()).then_some("values set must be empty for exists and does not exist")
        }
        Operator::GreaterThan | Operator::LessThan => {
            (values.len() != 1).then_some("for 'Gt', 'Lt' operators, exactly one value is required")
        }
    };
    let shown = Value::from(values.to_vec());
    let mut errors: Vec<String> =
        wrong.map(|why| format!("values: Invalid value: {shown}: {why}")).into_iter().collect();
    if matches!(operator, Operator::GreaterThan | Operator::LessThan) {
        for (index, value) in values.iter().enumerate().filter(|(_, v)| v.parse::<i64>().is_err()) {
            errors.push(format!(
                "values[{index}]: Invalid value: {value:?}: for 'Gt', 'Lt' operators, the value must be an integer"
            ));
        }
    }
    errors
}

impl FromStr for LabelSelector {
    type Err = SelectorError;

    /// kubectl's syntax: `a=b,c!=d,e in (x,y),f notin (z),g,!h,i>1`.
    fn from_str(selector: &str) -> Result<Self, SelectorError> {
        parse(selector).map(LabelSelector::new)
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, requirement) in self.requirements.iter().enumerate() {
            if position > 0 {
                f.write_str(",")?;
            }
            requirement.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        let mut sorted = self.values.clone();
        sorted.sort();
        let values = sorted.join(",");
        match self.operator {
            Operator::In => write!(f, "{key} in ({values})"),
            Operator::NotIn => write!(f, "{key} notin ({values})"),
            Operator::Equals => write!(f, "{key}={values}"),
            Operator::DoubleEquals => write!(f, "{key}=={values}"),
            Operator::NotEquals => write!(f, "{key}!={values}"),
            Operator::Exists => f.write_str(key),
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::GreaterThan => write!(f, "{key}>{values}"),
            Operator::LessThan => write!(f, "{key}<{values}"),
        }
    }
}
