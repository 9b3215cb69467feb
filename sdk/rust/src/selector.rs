//! Label selectors: the `LabelSelector` of objects, matched here or written in kubectl's syntax.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::Error;
use serde_json::{Map, Value};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
    /// Node affinity only: integers.
    Gt,
    Lt,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
pub struct Requirement {
    pub key: String,
    pub operator: Operator,
    #[serde(default, deserialize_with = "crate::node::or_default")]
    pub values: Vec<String>,
}

impl Requirement {
    /// The label has this value.
    pub fn equal(key: &str, value: &str) -> Self {
        Requirement { key: key.into(), operator: Operator::In, values: vec![value.into()] }
    }

    /// What a label selector may not ask for, and why.
    fn refused(&self) -> Option<String> {
        let fault = match (self.operator, self.values.is_empty()) {
            (Operator::In | Operator::NotIn, true) => "In and NotIn need values",
            (Operator::Exists | Operator::DoesNotExist, false) => "Exists and DoesNotExist take no values",
            (Operator::Gt | Operator::Lt, _) => "Gt and Lt are for node affinity alone",
            (Operator::In | Operator::NotIn, false) | (Operator::Exists | Operator::DoesNotExist, true) => {
                return None;
            }
        };
        Some(format!("matchExpressions: key {}: {fault}", self.key))
    }

    /// `value` is the label's, when there is one.
    pub fn matches(&self, value: Option<&str>) -> bool {
        match (self.operator, value) {
            (Operator::In, Some(value)) => self.values.iter().any(|known| known == value),
            (Operator::NotIn, Some(value)) => !self.values.iter().any(|known| known == value),
            (Operator::Exists, found) => found.is_some(),
            (Operator::DoesNotExist, found) => found.is_none(),
            (Operator::NotIn, None) => true,
            (Operator::Gt, Some(value)) => self.compare(value, |label, bound| label > bound),
            (Operator::Lt, Some(value)) => self.compare(value, |label, bound| label < bound),
            (Operator::In | Operator::Gt | Operator::Lt, None) => false,
        }
    }

    fn compare(&self, value: &str, holds: fn(i64, i64) -> bool) -> bool {
        match (value.parse(), self.values.first().and_then(|bound| bound.parse().ok())) {
            (Ok(label), Some(bound)) => holds(label, bound),
            _ => false,
        }
    }
}

/// `metav1.LabelSelector`; the empty one matches everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Selector {
    requirements: Vec<Requirement>,
}

impl Selector {
    /// From `{"matchLabels": …, "matchExpressions": […]}`.
    pub fn from_label_selector(selector: &Value) -> Result<Self, String> {
        let mut parsed = Selector::from_labels(selector.get("matchLabels").unwrap_or(&Value::Null));
        if let Some(expressions) = selector.get("matchExpressions").filter(|list| !list.is_null()) {
            let expressions = Vec::<Requirement>::deserialize(expressions)
                .map_err(|error| format!("matchExpressions: {error}"))?;
            parsed.requirements.extend(expressions);
        }
        Ok(parsed)
    }

    /// From a plain map of labels, as a Service's `spec.selector`.
    pub fn from_labels(labels: &Value) -> Self {
        let empty = Map::new();
        let requirements = labels.as_object().unwrap_or(&empty).iter().map(|(key, value)| Requirement {
            key: key.clone(),
            operator: Operator::In,
            values: vec![value.as_str().unwrap_or_default().into()],
        });
        Selector { requirements: requirements.collect() }
    }

    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// All must hold.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// Asks for this, too.
    pub fn require(&mut self, requirement: Requirement) {
        self.requirements.push(requirement);
    }

    /// Written in one way, so that selectors that say the same are equal.
    pub fn canonical(mut self) -> Self {
        for requirement in &mut self.requirements {
            requirement.values.sort_unstable();
            requirement.values.dedup();
        }
        self.requirements.sort_unstable();
        self.requirements.dedup();
        self
    }

    /// As [`Selector::matches`], on labels that are already read.
    pub fn matches_labels(&self, labels: &BTreeMap<String, String>) -> bool {
        self.requirements
            .iter()
            .all(|requirement| requirement.matches(labels.get(&requirement.key).map(String::as_str)))
    }

    /// `labels`: the map `metadata.labels`, or `Null`.
    pub fn matches(&self, labels: &Value) -> bool {
        self.requirements
            .iter()
            .all(|requirement| requirement.matches(labels.get(&requirement.key).and_then(Value::as_str)))
    }
}

/// From a `LabelSelector`, refusing what Kubernetes refuses.
impl<'de> Deserialize<'de> for Selector {
    fn deserialize<D: serde::Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct LabelSelector {
            match_labels: Option<BTreeMap<String, String>>,
            match_expressions: Option<Vec<Requirement>>,
        }
        let written = LabelSelector::deserialize(source)?;
        let labels = written.match_labels.unwrap_or_default();
        let mut requirements: Vec<_> =
            labels.iter().map(|(key, value)| Requirement::equal(key, value)).collect();
        requirements.extend(written.match_expressions.unwrap_or_default());
        match requirements.iter().find_map(Requirement::refused) {
            Some(fault) => Err(D::Error::custom(fault)),
            None => Ok(Selector { requirements }),
        }
    }
}

/// kubectl's syntax: `app=web,tier in (a,b),!legacy`.
impl fmt::Display for Selector {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Requirement { key, operator, values }) in self.requirements.iter().enumerate() {
            if index > 0 {
                out.write_str(",")?;
            }
            match (operator, values.as_slice()) {
                (Operator::In, [value]) => write!(out, "{key}={value}")?,
                (Operator::In, values) => write!(out, "{key} in ({})", values.join(","))?,
                (Operator::NotIn, values) => write!(out, "{key} notin ({})", values.join(","))?,
                (Operator::Exists, _) => write!(out, "{key}")?,
                (Operator::DoesNotExist, _) => write!(out, "!{key}")?,
                (Operator::Gt, values) => write!(out, "{key}>{}", values.join(","))?,
                (Operator::Lt, values) => write!(out, "{key}<{}", values.join(","))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selectors_match_as_in_kubernetes() {
        let selector = Selector::from_label_selector(&json!({
            "matchLabels": {"app": "web"},
            "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["a", "b"]},
                {"key": "legacy", "operator": "DoesNotExist"},
                {"key": "zone", "operator": "NotIn", "values": ["z"]},
            ]
        }))
        .unwrap();
        assert!(selector.matches(&json!({"app": "web", "tier": "a"})));
        assert!(!selector.matches(&json!({"app": "web", "tier": "c"})));
        assert!(!selector.matches(&json!({"app": "web", "tier": "a", "legacy": ""})));
        assert!(!selector.matches(&json!({"app": "web", "tier": "a", "zone": "z"})));
        assert!(!selector.matches(&Value::Null));
        assert_eq!(selector.to_string(), "app=web,tier in (a,b),!legacy,zone notin (z)");
        assert!(Selector::from_label_selector(&json!({})).unwrap().matches(&Value::Null));
        assert!(Selector::from_label_selector(&json!({"matchExpressions": [{"key": "x"}]})).is_err());
    }

    #[test]
    fn selectors_that_say_the_same_are_equal() {
        let read = |selector: Value| serde_json::from_value::<Selector>(selector);
        let first = read(json!({"matchLabels": {"b": "1", "a": "2"}})).unwrap().canonical();
        let second = read(json!({"matchLabels": {"a": "2"}, "matchExpressions": [
            {"key": "b", "operator": "In", "values": ["1", "1"]},
            {"key": "a", "operator": "In", "values": ["2"]},
        ]}));
        assert_eq!(first, second.unwrap().canonical());
        assert!(first.matches_labels(&[("a".into(), "2".into()), ("b".into(), "1".into())].into()));
        assert!(!first.matches_labels(&[("a".into(), "2".into())].into()));
        assert!(read(json!({"matchLabels": null, "matchExpressions": null})).unwrap().is_empty());
    }

    #[test]
    fn what_a_label_selector_may_not_say_is_refused() {
        let refusal = |operator: &str, values: Value| {
            let selector =
                json!({"matchExpressions": [{"key": "k", "operator": operator, "values": values}]});
            serde_json::from_value::<Selector>(selector).unwrap_err().to_string()
        };
        assert_eq!(refusal("In", json!([])), "matchExpressions: key k: In and NotIn need values");
        assert_eq!(
            refusal("Exists", json!(["v"])),
            "matchExpressions: key k: Exists and DoesNotExist take no values"
        );
        assert_eq!(
            refusal("Gt", json!(["1"])),
            "matchExpressions: key k: Gt and Lt are for node affinity alone"
        );
    }

    #[test]
    fn node_operators_compare_integers() {
        let gt = Requirement { key: "cores".into(), operator: Operator::Gt, values: vec!["4".into()] };
        assert!(gt.matches(Some("5")));
        assert!(!gt.matches(Some("4")));
        assert!(!gt.matches(Some("many")));
        assert!(!gt.matches(None));
    }
}
