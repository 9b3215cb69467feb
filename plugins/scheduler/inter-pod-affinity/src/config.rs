//! `spec.config`: upstream's `InterPodAffinityArgs`.

use orch_sdk::Value;
use orch_sdk::serde::Deserialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// What a pod's required affinity is worth to those it is for; 0 to 100.
    pub hard_pod_affinity_weight: i32,
    /// Pods without preferences of their own do not hear of those of placed pods.
    pub ignore_preferred_terms_of_existing_pods: bool,
}

impl Default for Config {
    fn default() -> Self {
        Config { hard_pod_affinity_weight: 1, ignore_preferred_terms_of_existing_pods: false }
    }
}

#[derive(Deserialize, Default)]
#[serde(crate = "orch_sdk::serde", default, rename_all = "camelCase", deny_unknown_fields)]
struct Arguments {
    hard_pod_affinity_weight: Option<i32>,
    ignore_preferred_terms_of_existing_pods: bool,
    // As every kind of upstream's configuration may have them.
    #[serde(rename = "apiVersion")]
    _api_version: Option<String>,
    #[serde(rename = "kind")]
    _kind: Option<String>,
}

impl Config {
    pub fn read(config: &Value) -> Result<Self, String> {
        let arguments = match config {
            Value::Null => Arguments::default(),
            config => Arguments::deserialize(config).map_err(|error| error.to_string())?,
        };
        let weight = arguments.hard_pod_affinity_weight.unwrap_or(1);
        if !(0..=100).contains(&weight) {
            return Err(format!("hardPodAffinityWeight: {weight} is not in the valid range [0, 100]"));
        }
        let ignore = arguments.ignore_preferred_terms_of_existing_pods;
        Ok(Config { hard_pod_affinity_weight: weight, ignore_preferred_terms_of_existing_pods: ignore })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::json;

    #[test]
    fn configurations_are_taken_and_faults_named() {
        assert_eq!(Config::read(&Value::Null).unwrap(), Config::default());
        assert_eq!(Config::read(&json!({})).unwrap(), Config::default());
        let read =
            Config::read(&json!({"hardPodAffinityWeight": 0, "ignorePreferredTermsOfExistingPods": true}));
        let expected = Config { hard_pod_affinity_weight: 0, ignore_preferred_terms_of_existing_pods: true };
        assert_eq!(read, Ok(expected));
        for weight in [-1, 101] {
            let fault = Config::read(&json!({"hardPodAffinityWeight": weight})).unwrap_err();
            assert_eq!(fault, format!("hardPodAffinityWeight: {weight} is not in the valid range [0, 100]"));
        }
        assert!(Config::read(&json!({"hardWeight": 1})).unwrap_err().contains("unknown field `hardWeight`"));
    }
}
