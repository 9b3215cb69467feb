//! Taints of nodes and the tolerations of pods.

use serde::Deserialize;

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Taint {
    pub key: String,
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule`, `NoExecute`.
    pub effect: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Toleration {
    /// Empty with `Exists`: every taint.
    pub key: String,
    /// `Exists`, or `Equal` when empty; `Lt` and `Gt` compare integers.
    pub operator: String,
    pub value: String,
    /// Empty: every effect.
    pub effect: String,
    pub toleration_seconds: Option<i64>,
}

impl Toleration {
    pub fn tolerates(&self, taint: &Taint) -> bool {
        let effect = self.effect.is_empty() || self.effect == taint.effect;
        let key = self.key.is_empty() || self.key == taint.key;
        effect && key && self.matches_value(&taint.value)
    }

    fn matches_value(&self, value: &str) -> bool {
        match self.operator.as_str() {
            "" | "Equal" => self.value == value,
            "Exists" => true,
            "Gt" => compare(value, &self.value, |taint, bound| taint > bound),
            "Lt" => compare(value, &self.value, |taint, bound| taint < bound),
            _ => false,
        }
    }
}

fn compare(taint: &str, bound: &str, holds: fn(i64, i64) -> bool) -> bool {
    matches!((taint.parse(), bound.parse()), (Ok(taint), Ok(bound)) if holds(taint, bound))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerations_match_as_in_kubernetes() {
        let taint = Taint { key: "k".into(), value: "v".into(), effect: "NoSchedule".into() };
        let toleration = |key: &str, operator: &str, value: &str, effect: &str| Toleration {
            key: key.into(),
            operator: operator.into(),
            value: value.into(),
            effect: effect.into(),
            toleration_seconds: None,
        };
        assert!(toleration("k", "Equal", "v", "NoSchedule").tolerates(&taint));
        assert!(toleration("k", "", "v", "").tolerates(&taint));
        assert!(!toleration("k", "Equal", "w", "").tolerates(&taint));
        assert!(toleration("k", "Exists", "", "").tolerates(&taint));
        assert!(toleration("", "Exists", "", "").tolerates(&taint));
        assert!(!toleration("k", "Exists", "", "NoExecute").tolerates(&taint));
        assert!(!toleration("other", "Exists", "", "").tolerates(&taint));
        let numbered = Taint { value: "5".into(), ..taint };
        assert!(toleration("k", "Gt", "4", "").tolerates(&numbered));
        assert!(!toleration("k", "Lt", "4", "").tolerates(&numbered));
    }
}
