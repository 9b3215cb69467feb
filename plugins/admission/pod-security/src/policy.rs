//! Which level of the Pod Security Standards a namespace asks for, in which mode.
//! <https://kubernetes.io/docs/concepts/security/pod-security-admission/>

use std::fmt;

use orch_sdk::Value;
use orch_sdk::object::Object;

pub const PREFIX: &str = "pod-security.kubernetes.io/";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Level {
    #[default]
    Privileged,
    Baseline,
    Restricted,
}

/// The minor version of Kubernetes 1 whose standards count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Version {
    Minor(u32),
    /// Newer than all.
    #[default]
    Latest,
}

/// `baseline:v1.30`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standard {
    pub level: Level,
    pub version: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Policy {
    pub enforce: Standard,
    pub audit: Standard,
    pub warn: Standard,
}

/// What is wrong with labels: a `FieldError` in words, one for each.
pub type Errors = Vec<String>;

impl Level {
    pub fn parse(text: &str) -> Result<Level, &'static str> {
        match text {
            "privileged" => Ok(Level::Privileged),
            "baseline" => Ok(Level::Baseline),
            "restricted" => Ok(Level::Restricted),
            _ => Err("must be one of privileged, baseline, restricted"),
        }
    }
}

impl Version {
    pub fn parse(text: &str) -> Result<Version, &'static str> {
        if text == "latest" {
            return Ok(Version::Latest);
        }
        let minor = text.strip_prefix("v1.").filter(|minor| *minor == "0" || !minor.starts_with('0'));
        let digits = minor.filter(|minor| minor.bytes().all(|byte| byte.is_ascii_digit()));
        let minor = digits.and_then(|minor| minor.parse().ok());
        minor.map(Version::Minor).ok_or("must be \"latest\" or \"v1.x\"")
    }
}

impl Policy {
    pub fn is_privileged(&self) -> bool {
        [self.enforce, self.audit, self.warn].iter().all(|standard| standard.level == Level::Privileged)
    }

    /// Of a namespace's labels; what they do not say is as in `defaults`. Of labels that cannot be
    /// read the strictest counts for `enforce`, and the laxest for the others.
    pub fn of(namespace: &Value, defaults: Policy) -> (Policy, Errors) {
        let (mut policy, mut errors) = (defaults, Errors::new());
        let mut levels = |mode: &str| read(namespace, mode, Level::parse, &mut errors);
        let (enforce, audit, warn) = (levels("enforce"), levels("audit"), levels("warn"));
        let mut versions = |mode: &str| read(namespace, mode, Version::parse, &mut errors);
        let (enforced, audited, warned) =
            (versions("enforce-version"), versions("audit-version"), versions("warn-version"));
        policy.enforce.level = enforce.or(policy.enforce.level, Level::Restricted);
        policy.audit.level = audit.or(policy.audit.level, Level::Privileged);
        policy.warn.level = warn.or(policy.warn.level, Level::Privileged);
        policy.enforce.version = enforced.or(policy.enforce.version, Version::Latest);
        policy.audit.version = audited.or(policy.audit.version, Version::Latest);
        policy.warn.version = warned.or(policy.warn.version, Version::Latest);
        // Who enforces more than is warned of by default is warned of as much.
        let enforces = matches!(enforce, Read::As(_)) && policy.enforce.level > policy.warn.level;
        if enforces && matches!(warn, Read::Absent) {
            policy.warn.level = policy.enforce.level;
            if matches!(warned, Read::Absent) {
                policy.warn.version = policy.enforce.version;
            }
        }
        (policy, errors)
    }

    /// The modes that the namespace's own labels set to more than privileged.
    pub fn labelled(&self, namespace: &Value) -> String {
        let modes = [("enforce", self.enforce), ("audit", self.audit), ("warn", self.warn)];
        let set = |mode: &str| {
            ["", "-version"].iter().any(|part| namespace.label(&format!("{PREFIX}{mode}{part}")).is_some())
        };
        let set = modes.iter().filter(|(mode, standard)| standard.level != Level::Privileged && set(mode));
        set.map(|(mode, standard)| format!("{mode}={standard}")).collect::<Vec<_>>().join(", ")
    }
}

#[derive(Debug, Clone, Copy)]
enum Read<T> {
    Absent,
    As(T),
    Wrong,
}

fn read<T>(
    namespace: &Value,
    mode: &str,
    parse: fn(&str) -> Result<T, &'static str>,
    errors: &mut Errors,
) -> Read<T> {
    let name = format!("{PREFIX}{mode}");
    let Some(text) = namespace.label(&name) else { return Read::Absent };
    match parse(text) {
        Ok(value) => Read::As(value),
        Err(why) => {
            errors.push(format!("metadata.labels[{name}]: Invalid value: {text:?}: {why}"));
            Read::Wrong
        }
    }
}

impl<T> Read<T> {
    fn or(self, absent: T, wrong: T) -> T {
        match self {
            Read::Absent => absent,
            Read::As(value) => value,
            Read::Wrong => wrong,
        }
    }
}

impl fmt::Display for Standard {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Privileged => "privileged",
            Level::Baseline => "baseline",
            Level::Restricted => "restricted",
        };
        match self.version {
            Version::Latest => write!(out, "{level}:latest"),
            Version::Minor(minor) => write!(out, "{level}:v1.{minor}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::json;

    fn of(labels: Value) -> (String, Errors) {
        let (policy, errors) = Policy::of(&json!({"metadata": {"labels": labels}}), Policy::default());
        (format!("{} {} {}", policy.enforce, policy.audit, policy.warn), errors)
    }

    #[test]
    fn labels_set_modes() {
        let label = |name: &str| format!("{PREFIX}{name}");
        for (labels, expected) in [
            (json!({}), "privileged:latest privileged:latest privileged:latest"),
            (json!({label("enforce"): "baseline"}), "baseline:latest privileged:latest baseline:latest"),
            (
                json!({label("enforce"): "restricted", label("enforce-version"): "v1.30", label("warn"): "baseline"}),
                "restricted:v1.30 privileged:latest baseline:latest",
            ),
            (
                json!({label("enforce"): "baseline", label("enforce-version"): "v1.0"}),
                "baseline:v1.0 privileged:latest baseline:v1.0",
            ),
            (
                json!({label("audit"): "restricted", label("audit-version"): "latest"}),
                "privileged:latest restricted:latest privileged:latest",
            ),
        ] {
            assert_eq!(of(labels.clone()), (expected.to_string(), Errors::new()), "{labels}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let label = |name: &str| format!("{PREFIX}{name}");
        let (policy, errors) = of(json!({label("enforce"): "strict", label("warn-version"): "v1.07"}));
        assert_eq!(policy, "restricted:latest privileged:latest privileged:latest");
        assert_eq!(
            errors,
            [
                "metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: \"strict\": must be one of privileged, baseline, restricted",
                "metadata.labels[pod-security.kubernetes.io/warn-version]: Invalid value: \"v1.07\": must be \"latest\" or \"v1.x\"",
            ]
        );
    }
}
