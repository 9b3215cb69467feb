//! Webhooks as their configurations describe them.

use std::sync::Arc;
use std::time::Duration;

use orch_object::client_config::ClientConfig;
use serde_json::Value;

use super::exchange::ReviewVersion;
use crate::matching::Matcher;
use crate::policy::MatchConditions;

/// Every configured webhook, in the order they are asked in.
#[derive(Debug, Default)]
pub struct Hooks {
    pub mutating: Vec<Arc<Webhook>>,
    pub validating: Vec<Arc<Webhook>>,
}

/// One webhook of a configuration that passed validation.
#[derive(Debug)]
pub struct Webhook {
    pub name: String,
    /// The name of its configuration.
    pub configuration: String,
    /// Tells it from all others.
    pub id: String,
    /// Whom it concerns; the error is that of a selector that cannot be read.
    pub matcher: Result<Matcher, String>,
    pub conditions: MatchConditions,
    /// A call that fails is as good as an admission.
    pub ignores_failures: bool,
    pub timeout: Duration,
    /// `None`, `NoneOnDryRun`, …
    pub side_effects: String,
    /// Wishes to see what those after it changed.
    pub reinvoked: bool,
    /// The first that both sides speak.
    pub version: Option<ReviewVersion>,
    pub client: ClientConfig,
}

impl Hooks {
    /// Reads the configurations of both kinds.
    pub fn parse(mutating: &[Arc<Value>], validating: &[Arc<Value>]) -> Hooks {
        Hooks { mutating: webhooks(mutating), validating: webhooks(validating) }
    }
}

/// By the configurations' names, then as they stand there.
fn webhooks(configurations: &[Arc<Value>]) -> Vec<Arc<Webhook>> {
    let mut sorted: Vec<&Arc<Value>> = configurations.iter().collect();
    sorted.sort_by_key(|configuration| text(&configuration["metadata"]["name"]));
    let hooks = sorted.into_iter().flat_map(|configuration| {
        let name = text(&configuration["metadata"]["name"]);
        list(&configuration["webhooks"]).iter().map(move |hook| Arc::new(Webhook::parse(name, hook)))
    });
    hooks.collect()
}

impl Webhook {
    pub fn parse(configuration: &str, hook: &Value) -> Webhook {
        let name = text(&hook["name"]).to_owned();
        Webhook {
            id: format!("{configuration}/{name}"),
            name,
            configuration: configuration.to_owned(),
            matcher: Matcher::of_webhook(hook).map_err(|error| error.to_string()),
            conditions: MatchConditions::compile(&hook["matchConditions"], false),
            ignores_failures: hook["failurePolicy"] == "Ignore",
            timeout: Duration::from_secs(hook["timeoutSeconds"].as_u64().unwrap_or(10)),
            side_effects: text(&hook["sideEffects"]).to_owned(),
            reinvoked: hook["reinvocationPolicy"] == "IfNeeded",
            version: list(&hook["admissionReviewVersions"]).iter().find_map(ReviewVersion::of),
            client: ClientConfig::parse(&hook["clientConfig"]),
        }
    }

    pub fn supports_dry_run(&self) -> bool {
        ["None", "NoneOnDryRun"].contains(&self.side_effects.as_str())
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
