use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Placement, RolloutStage};
use crate::{Limits, LoadError, World};

/// `spec` of a Plugin.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginSpec {
    pub world: World,
    pub source: SourceSpec,
    #[serde(default = "empty")]
    pub config: Value,
    /// Absent: what the component says of itself.
    pub order: Option<i64>,
    pub weight: Option<i64>,
    /// Scheduler names that a scheduling policy works under; empty: all.
    #[serde(default)]
    pub profiles: Vec<String>,
    /// The plugin that stays out of these profiles for it.
    pub replaces: Option<String>,
    #[serde(default)]
    pub limits: LimitsSpec,
    #[serde(default)]
    pub permissions: Vec<Value>,
    #[serde(default)]
    pub failure_policy: FailurePolicy,
    #[serde(default)]
    pub rollout: Rollout,
}

fn empty() -> Value {
    json!({})
}

/// Exactly one of builtin, file, oci and digest is set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SourceSpec {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub builtin: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oci: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Name of the Secret with the credentials for `oci`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_secret: Option<String>,
    /// Detached, in base64, of a file or an upload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LimitsSpec {
    /// A quantity: `64Mi`.
    pub memory: Option<Value>,
    pub deadline_milliseconds: Option<u64>,
}

/// What a failed call means to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum FailurePolicy {
    #[default]
    Fail,
    Ignore,
}

/// How a new version takes over.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    #[serde(default)]
    pub strategy: Strategy,
    #[serde(default)]
    pub canary: CanarySpec,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Strategy {
    #[default]
    Immediate,
    /// Decides about some pods or requests; the version before about the others.
    Canary,
    /// Decides nothing; where it differs is reported.
    Shadow,
}

/// What a canary decides about: those in the selected namespaces, and of them this share.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CanarySpec {
    /// 0 to 100; absent: all of them when there is a selector, else 10.
    pub percent: Option<u64>,
    /// A label selector.
    pub namespace_selector: Option<Value>,
}

impl CanarySpec {
    pub fn percent(&self) -> u64 {
        self.percent.unwrap_or(if self.namespace_selector.is_some() { 100 } else { 10 })
    }
}

impl PluginSpec {
    /// Reads and checks a spec; the error names the field.
    pub fn read(spec: &Value) -> Result<Self, LoadError> {
        let world = spec["world"].as_str().unwrap_or_default();
        world.parse::<World>()?;
        let read = PluginSpec::deserialize(spec);
        let spec = read.map_err(|error| LoadError::Spec { field: "", message: error.to_string() })?;
        spec.check()?;
        Ok(spec)
    }

    fn check(&self) -> Result<(), LoadError> {
        self.source.check()?;
        self.limits.to_limits(self.world)?;
        if !self.config.is_object() {
            return refuse("config", "must be an object".into());
        }
        if let Some(weight) = self.weight.filter(|weight| !(0..=1_000_000).contains(weight)) {
            return refuse("weight", format!("{weight} is not between 0 and 1000000"));
        }
        if self.world != World::Scheduler && !(self.profiles.is_empty() && self.replaces.is_none()) {
            return refuse(
                "profiles",
                format!("{} plugins have none: profiles are the scheduler's", self.world),
            );
        }
        self.check_rollout()
    }

    fn check_rollout(&self) -> Result<(), LoadError> {
        let Rollout { strategy, canary } = &self.rollout;
        if canary.percent() > 100 {
            return refuse(
                "rollout.canary.percent",
                format!("{} is not between 0 and 100", canary.percent()),
            );
        }
        match (strategy, self.world) {
            (Strategy::Immediate, _) => Ok(()),
            (
                Strategy::Canary | Strategy::Shadow,
                World::Scheduler | World::Admission | World::Controller,
            ) => Ok(()),
            (Strategy::Canary | Strategy::Shadow, World::Cni | World::Csi) => refuse(
                "rollout.strategy",
                format!(
                    "what one version of a driver attached the other could not detach, and attaching twice to \
                     compare is no trial, so {} plugins have none: use Immediate",
                    self.world
                ),
            ),
        }
    }

    pub(super) fn placement(&self, name: &str, rollout: RolloutStage) -> Placement {
        Placement {
            name: name.into(),
            world: self.world,
            order: self.order,
            weight: self.weight,
            profiles: self.profiles.clone(),
            replaces: self.replaces.clone(),
            failure_policy: self.failure_policy,
            config: self.config.clone(),
            permissions: self.permissions.clone(),
            rollout,
        }
    }

    /// The same instance serves both: they differ in the plugin's place among others at most. A file
    /// may hold another component by now.
    pub(super) fn runs_as(&self, other: &PluginSpec) -> bool {
        self.world == other.world
            && self.source == other.source
            && self.source.file.is_none()
            && self.config == other.config
            && self.limits == other.limits
            && self.permissions == other.permissions
    }
}

fn refuse<T>(field: &'static str, message: String) -> Result<T, LoadError> {
    Err(LoadError::Spec { field, message })
}

impl SourceSpec {
    fn check(&self) -> Result<(), LoadError> {
        let set = [self.builtin.is_some(), self.file.is_some(), self.oci.is_some(), self.digest.is_some()];
        match set.iter().filter(|set| **set).count() {
            1 => self.check_file(),
            0 => refuse("source", "one of builtin, file, oci and digest must be set".into()),
            _ => refuse("source", "only one of builtin, file, oci and digest may be set".into()),
        }
    }

    fn check_file(&self) -> Result<(), LoadError> {
        match &self.file {
            Some(path) if !path.is_absolute() => {
                refuse("source.file", format!("{} is not an absolute path", path.display()))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// What was fetched by digest must have it.
    pub(super) fn check_digest(&self, found: &str) -> Result<(), LoadError> {
        match &self.digest {
            Some(wanted) if wanted != found => {
                refuse("source.digest", format!("what is stored as {wanted} is {found}"))
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl LimitsSpec {
    /// The defaults fit the world: a filter is asked thousands of times a second, a controller works.
    pub fn to_limits(&self, world: World) -> Result<Limits, LoadError> {
        let mut limits = Limits::default();
        if matches!(world, World::Controller | World::Cni | World::Csi) {
            limits.deadline = Duration::from_secs(5);
        }
        if let Some(millis) = self.deadline_milliseconds {
            if !(1..=60_000).contains(&millis) {
                return refuse("limits.deadlineMilliseconds", format!("{millis} is not between 1 and 60000"));
            }
            limits.deadline = Duration::from_millis(millis);
        }
        if let Some(memory) = &self.memory {
            limits.memory = read_memory(memory)?;
        }
        Ok(limits)
    }
}

/// A whole number of bytes, with or without a suffix.
fn read_memory(memory: &Value) -> Result<usize, LoadError> {
    let text = memory.as_str().map_or_else(|| memory.to_string(), String::from);
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let factor = match &text[digits..] {
        "" => 1,
        "k" => 1000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        _ => return refuse("limits.memory", format!("{text} is not a quantity such as 64Mi")),
    };
    let bytes = text[..digits].parse::<usize>().ok().and_then(|number| number.checked_mul(factor));
    match bytes {
        Some(bytes) if (1 << 20..=Limits::MAX_MEMORY).contains(&bytes) => Ok(bytes),
        Some(_) => refuse("limits.memory", format!("{text} is not between 1Mi and 1Gi")),
        None => refuse("limits.memory", format!("{text} is not a quantity such as 64Mi")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(spec: Value) -> Result<PluginSpec, String> {
        PluginSpec::read(&spec).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_are_filled_in() {
        let spec = read(json!({"world": "orch:scheduler", "source": {"builtin": "x"}})).unwrap();
        assert_eq!((spec.weight, spec.order, spec.config.clone()), (None, None, json!({})));
        assert_eq!(spec.rollout.canary.percent(), 10);
        assert_eq!(spec.failure_policy, FailurePolicy::Fail);
        let limits = spec.limits.to_limits(spec.world).unwrap();
        assert_eq!(limits, Limits::default());
    }

    #[test]
    fn wrong_specs_name_the_field() {
        let with = |field: &str, value: Value| {
            let mut spec = json!({"world": "orch:scheduler", "source": {"builtin": "x"}});
            spec[field] = value;
            read(spec).unwrap_err()
        };
        assert!(with("world", json!("orch:gpu")).starts_with("spec.world: there is no world \"orch:gpu\""));
        assert!(with("source", json!({})).starts_with("spec.source: one of builtin"));
        assert!(with("source", json!({"builtin": "x", "oci": "y"})).contains("only one of"));
        assert!(with("limits", json!({"memory": "lots"})).contains("spec.limits.memory: lots"));
        assert!(with("limits", json!({"memory": "2Gi"})).contains("between 1Mi and 1Gi"));
        assert!(with("limits", json!({"deadlineMilliseconds": 0})).contains("limits.deadlineMilliseconds"));
        assert!(with("rollout", json!({"strategy": "Slow"})).contains("Slow"));
        let canary = json!({"strategy": "Canary", "canary": {"percent": 101}});
        assert!(with("rollout", canary).contains("spec.rollout.canary.percent: 101"));
        let on_trial = |world: &str| {
            let spec = json!({"world": world, "source": {"builtin": "x"}, "rollout": {"strategy": "Shadow"}});
            read(spec).map(|_| ())
        };
        assert_eq!(on_trial("orch:controller"), Ok(()));
        for driver in ["orch:cni", "orch:csi"] {
            assert!(on_trial(driver).unwrap_err().contains("use Immediate"));
        }
        let profiles = json!({"world": "orch:cni", "source": {"builtin": "x"}, "profiles": ["p"]});
        assert!(read(profiles).unwrap_err().contains("spec.profiles"));
        assert!(with("failurePolicy", json!("Maybe")).contains("Maybe"));
        assert!(with("weight", json!(-1)).contains("spec.weight"));
    }
}
