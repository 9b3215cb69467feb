//! Defaults and exemptions.

use orch_sdk::Value;
use orch_sdk::admission::Request;
use orch_sdk::object::Object;

use crate::pod::Pod;
use crate::policy::{Level, Policy, Standard, Version};

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    pub defaults: Policy,
    usernames: Vec<String>,
    namespaces: Vec<String>,
    runtime_classes: Vec<String>,
}

impl Config {
    pub fn read(config: &Value) -> Result<Config, String> {
        let defaults = &config["defaults"];
        let exempt = |field: &str| names(&config["exemptions"][field], field);
        Ok(Config {
            defaults: Policy {
                enforce: standard(defaults, "enforce")?,
                audit: standard(defaults, "audit")?,
                warn: standard(defaults, "warn")?,
            },
            usernames: exempt("usernames")?,
            namespaces: exempt("namespaces")?,
            runtime_classes: exempt("runtimeClasses")?,
        })
    }

    pub fn exempts_namespace(&self, namespace: &str) -> bool {
        self.namespaces.iter().any(|name| name == namespace)
    }

    pub fn exempts(&self, request: &Request) -> bool {
        self.exempts_namespace(&request.namespace) || self.usernames.contains(&request.user_info.username)
    }

    pub fn exempts_runtime(&self, pod: &Pod) -> bool {
        let class = pod.spec.at(&["runtimeClassName"]).as_str().unwrap_or_default();
        self.runtime_classes.iter().any(|name| name == class)
    }
}

fn standard(defaults: &Value, mode: &str) -> Result<Standard, String> {
    let field = |name: &str| match &defaults[name] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        other => Err(format!("defaults.{name}: {other} is no text")),
    };
    let version = format!("{mode}-version");
    let told = |field: &str, why: &str| format!("defaults.{field}: {why}");
    let level = match field(mode)? {
        Some(text) => Level::parse(&text).map_err(|why| told(mode, why))?,
        None => Level::default(),
    };
    let version = match field(&version)? {
        Some(text) => Version::parse(&text).map_err(|why| told(&version, why))?,
        None => Version::default(),
    };
    Ok(Standard { level, version })
}

fn names(list: &Value, field: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("exemptions.{field}: must be a list of names");
    match list {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => {
            items.iter().map(|item| item.as_str().map(String::from).ok_or_else(wrong)).collect()
        }
        _ => Err(wrong()),
    }
}
