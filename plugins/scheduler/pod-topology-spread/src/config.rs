//! `spec.config`: upstream's `PodTopologySpreadArgs`.

use orch_sdk::Value;
use orch_sdk::serde::Deserialize;

use crate::constraint::{Action, Written};

pub const HOSTNAME: &str = "kubernetes.io/hostname";
const ZONE: &str = "topology.kubernetes.io/zone";

/// What applies to pods without constraints of their own.
#[derive(Debug, Clone, PartialEq)]
pub struct Defaults {
    pub constraints: Vec<Written>,
    /// Upstream's own: a node without a zone is still spread by its hostname.
    pub are_system: bool,
}

impl Default for Defaults {
    fn default() -> Self {
        let soft = |key: &str, max_skew| Written::new(key, max_skew, Action::ScheduleAnyway);
        Defaults { constraints: vec![soft(HOSTNAME, 3), soft(ZONE, 5)], are_system: true }
    }
}

#[derive(Deserialize, Default)]
#[serde(crate = "orch_sdk::serde", default, rename_all = "camelCase", deny_unknown_fields)]
struct Arguments {
    defaulting_type: Option<String>,
    default_constraints: Option<Vec<Value>>,
    // As every kind of upstream's configuration may have them.
    #[serde(rename = "apiVersion")]
    _api_version: Option<String>,
    #[serde(rename = "kind")]
    _kind: Option<String>,
}

impl Defaults {
    pub fn read(config: &Value) -> Result<Self, String> {
        let arguments = match config {
            Value::Null => Arguments::default(),
            config => Arguments::deserialize(config).map_err(|error| error.to_string())?,
        };
        let list = arguments.default_constraints.unwrap_or_default();
        match arguments.defaulting_type.as_deref().unwrap_or("System") {
            "System" if list.is_empty() => Ok(Defaults::default()),
            "System" => Err("defaultingType: must be List when defaultConstraints are given".into()),
            "List" => Ok(Defaults { constraints: constraints(&list)?, are_system: false }),
            other => Err(format!("defaultingType: {other:?} is not supported: use System or List")),
        }
    }
}

fn constraints(list: &[Value]) -> Result<Vec<Written>, String> {
    let mut read: Vec<Written> = Vec::new();
    for (index, item) in list.iter().enumerate() {
        let named = |fault: String| format!("defaultConstraints[{index}].{fault}");
        let constraint = constraint(item).map_err(named)?;
        let same = |other: &Written| {
            other.topology_key == constraint.topology_key && other.action == constraint.action
        };
        if read.iter().any(same) {
            return Err(named(format!("topologyKey: {} is given twice", constraint.topology_key)));
        }
        read.push(constraint);
    }
    Ok(read)
}

fn constraint(item: &Value) -> Result<Written, String> {
    if item.get("labelSelector").is_some_and(|selector| !selector.is_null()) {
        return Err("labelSelector: may not be given, it is found for each pod".into());
    }
    let constraint = Written::deserialize(item).map_err(|error| error.to_string())?;
    if constraint.max_skew <= 0 {
        return Err(format!("maxSkew: {} is not in the valid range (0, inf)", constraint.max_skew));
    }
    if constraint.topology_key.is_empty() {
        return Err("topologyKey: can not be empty".into());
    }
    Ok(constraint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::json;

    #[test]
    fn nothing_means_upstreams_defaults() {
        for config in [Value::Null, json!({}), json!({"defaultingType": "System", "defaultConstraints": []})]
        {
            assert_eq!(Defaults::read(&config).unwrap(), Defaults::default());
        }
        let none = Defaults::read(&json!({"defaultingType": "List"})).unwrap();
        assert_eq!(none, Defaults { constraints: Vec::new(), are_system: false });
    }

    #[test]
    fn lists_are_taken_and_faults_named() {
        let list = |constraints: Value| json!({"defaultingType": "List", "defaultConstraints": constraints});
        let good = json!({"maxSkew": 1, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"});
        let read = Defaults::read(&list(json!([good]))).unwrap();
        assert_eq!(read.constraints, [Written::new("rack", 1, Action::DoNotSchedule)]);
        let fault = |config: Value| Defaults::read(&config).unwrap_err();
        let changed = |field: &str, value: Value| {
            let mut constraint = good.clone();
            constraint[field] = value;
            fault(list(json!([constraint])))
        };
        assert_eq!(
            changed("maxSkew", json!(0)),
            "defaultConstraints[0].maxSkew: 0 is not in the valid range (0, inf)"
        );
        assert_eq!(changed("topologyKey", json!("")), "defaultConstraints[0].topologyKey: can not be empty");
        assert!(
            changed("labelSelector", json!({})).starts_with("defaultConstraints[0].labelSelector: may not")
        );
        assert!(changed("whenUnsatisfiable", json!("Never")).contains("unknown variant `Never`"));
        assert_eq!(
            fault(list(json!([good, good]))),
            "defaultConstraints[1].topologyKey: rack is given twice"
        );
        assert!(fault(json!({"defaultConstraints": [good]})).starts_with("defaultingType: must be List"));
        assert!(fault(json!({"defaultingType": "Some"})).contains("use System or List"));
        assert!(fault(json!({"defaultsConstraints": []})).contains("unknown field `defaultsConstraints`"));
    }
}
