//! Waiting until the host has taken up what was declared.

use std::time::Duration;

use anyhow::bail;
use serde_json::Value;

use super::PLUGINS;
use crate::commands::resources::{list, text};
use crate::commands::{JSON, Session};

/// A registry that does not answer is given up within.
const PATIENCE: Duration = Duration::from_secs(60);

/// The plugin as it is once its status answers this generation.
pub async fn until_taken_up(session: &Session, name: &str, generation: i64) -> anyhow::Result<Value> {
    let path = format!("{PLUGINS}/{name}");
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let plugin = session.request("GET", &path, JSON, Vec::new()).await?;
        if plugin["status"]["observedGeneration"].as_i64() >= Some(generation) {
            return Ok(plugin);
        }
        if tokio::time::Instant::now() > deadline {
            bail!(
                "plugin {name} has not been taken up within {} s; see `orch plugin logs {name}`",
                PATIENCE.as_secs()
            );
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub fn condition<'p>(plugin: &'p Value, kind: &str) -> Option<&'p Value> {
    list(&plugin["status"]["conditions"]).iter().find(|c| c["type"] == kind)
}

/// Why what is declared does not serve, if it does not.
pub fn refusal(plugin: &Value) -> Option<String> {
    condition(plugin, "Loaded").filter(|c| c["status"] == "False").map(|c| text(&c["message"]))
}
