use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::get::aligned;
use super::resources::{list, text};
use super::{JSON, Session};
use crate::arguments::PluginCommand;

const PLUGINS: &str = "/apis/plugins.orch.dev/v1alpha1/plugins";

pub async fn run(session: &Session, command: PluginCommand) -> anyhow::Result<()> {
    match command {
        PluginCommand::Author(command) => Ok(orch_author::run(command)?),
        PluginCommand::Ls => ls(session).await,
        PluginCommand::Swap { name, file, builtin, config } => {
            let source = match (file, builtin) {
                (Some(file), None) => {
                    let path = std::path::absolute(&file)?;
                    if !path.exists() {
                        bail!("--file {}: no such file", file.display());
                    }
                    Some(json!({ "file": path }))
                }
                (None, Some(builtin)) => Some(json!({ "builtin": builtin })),
                _ => None,
            };
            let config: Option<Value> =
                config.map(|c| serde_json::from_str(&c)).transpose().context("--config is not JSON")?;
            swap(session, &name, source, config).await
        }
    }
}

async fn ls(session: &Session) -> anyhow::Result<()> {
    let plugins = session.request("GET", PLUGINS, JSON, Vec::new()).await?;
    let mut rows =
        vec![["NAME", "WORLD", "READY", "CALLS", "TRAPS", "DIGEST", "MESSAGE"].map(String::from).to_vec()];
    for plugin in list(&plugins["items"]) {
        let status = &plugin["status"];
        let ready = list(&status["conditions"]).iter().find(|c| c["type"] == "Ready");
        rows.push(vec![
            text(&plugin["metadata"]["name"]),
            text(&plugin["spec"]["world"]),
            ready.map(|c| text(&c["status"])).unwrap_or_else(|| "Unknown".into()),
            status["calls"].as_u64().unwrap_or(0).to_string(),
            status["traps"].as_u64().unwrap_or(0).to_string(),
            text(&status["digest"]).chars().take(19).collect(),
            ready.filter(|c| c["status"] != "True").map(|c| text(&c["message"])).unwrap_or_default(),
        ]);
    }
    print!("{}", aligned(&rows));
    Ok(())
}

/// Writes the new source or configuration and waits until the host has taken it, or says why not.
async fn swap(
    session: &Session,
    name: &str,
    source: Option<Value>,
    config: Option<Value>,
) -> anyhow::Result<()> {
    if source.is_none() && config.is_none() {
        bail!("nothing to swap: give --file, --builtin or --config");
    }
    let path = format!("{PLUGINS}/{name}");
    let mut spec = json!({});
    if let Some(source) = source {
        // A merge patch removes the other sources by naming them null.
        spec["source"] = json!({ "file": null, "builtin": null, "oci": null, "digest": null });
        for (key, value) in source.as_object().into_iter().flatten() {
            spec["source"][key] = value.clone();
        }
    }
    if let Some(config) = config {
        spec["config"] = config;
    }
    let body = serde_json::to_vec(&json!({ "spec": spec }))?;
    let patched = session.send("PATCH", &path, JSON, "application/merge-patch+json", body).await?;
    let generation = patched["metadata"]["generation"].as_i64().unwrap_or(0);
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let plugin = session.request("GET", &path, JSON, Vec::new()).await?;
        if plugin["status"]["observedGeneration"].as_i64() >= Some(generation) {
            return report(name, &plugin);
        }
        if tokio::time::Instant::now() > deadline {
            bail!("plugin {name} has not been taken up within 30 s; see `orch describe plugin {name}`");
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

fn report(name: &str, plugin: &Value) -> anyhow::Result<()> {
    let condition = |kind: &str| list(&plugin["status"]["conditions"]).iter().find(|c| c["type"] == kind);
    if let Some(failed) = condition("Loaded").filter(|c| c["status"] == "False") {
        bail!("plugin {name} was not swapped, the old one serves on: {}", text(&failed["message"]));
    }
    println!("plugin {name} swapped: {} serves now", text(&plugin["status"]["digest"]));
    Ok(())
}
