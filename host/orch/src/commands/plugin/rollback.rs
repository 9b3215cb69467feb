//! `rollback`: the source and the configuration of an earlier version, declared again.

use anyhow::bail;
use serde_json::{Value, json};

use super::{PLUGINS, declare, wait};
use crate::commands::get::aligned;
use crate::commands::resources::{list as items, text};
use crate::commands::{JSON, Session};

pub async fn list(session: &Session, name: &str) -> anyhow::Result<()> {
    let plugin = session.request("GET", &format!("{PLUGINS}/{name}"), JSON, Vec::new()).await?;
    let mut rows = vec![["DIGEST", "SOURCE", "CONFIG"].map(String::from).to_vec()];
    for version in targets(&plugin) {
        rows.push(vec![text(&version["digest"]), source(&version["source"]), version["config"].to_string()]);
    }
    print!("{}", aligned(&rows));
    Ok(())
}

pub async fn rollback(session: &Session, name: &str, to: Option<&str>) -> anyhow::Result<()> {
    let path = format!("{PLUGINS}/{name}");
    let plugin = session.request("GET", &path, JSON, Vec::new()).await?;
    let version = choose(&plugin, name, to)?;
    let body = serde_json::to_vec(&patch(&plugin, &version))?;
    let patched = session.send("PATCH", &path, JSON, "application/json-patch+json", body).await?;
    let plugin = wait::until_taken_up(session, name, declare::generation(&patched)).await?;
    declare::report(name, "rolled back", &plugin)
}

/// Where one can go back to, the likeliest first: when what is declared does not serve, or is on trial,
/// that is what serves in its place.
fn targets(plugin: &Value) -> Vec<Value> {
    let status = &plugin["status"];
    let serving =
        json!({ "digest": status["digest"], "source": status["source"], "config": status["config"] });
    let not_declared = wait::refusal(plugin).is_some() || status["trial"].is_object();
    let stands_in = not_declared && status["source"].is_object();
    let serving = Some(serving).filter(|_| stands_in);
    serving.into_iter().chain(items(&status["previousVersions"]).iter().cloned()).collect()
}

fn choose(plugin: &Value, name: &str, to: Option<&str>) -> anyhow::Result<Value> {
    let targets = targets(plugin);
    let Some(first) = targets.first() else {
        bail!("plugin {name} has no earlier version to go back to: it has run one component only");
    };
    let Some(wanted) = to else { return Ok(first.clone()) };
    let digest = if wanted.starts_with("sha256:") { wanted.to_owned() } else { format!("sha256:{wanted}") };
    let found: Vec<&Value> = targets.iter().filter(|v| text(&v["digest"]).starts_with(&digest)).collect();
    match found[..] {
        [version] => Ok(version.clone()),
        [] => bail!(
            "plugin {name} has not run {wanted}; `orch plugin rollback {name} --list` shows what it ran"
        ),
        _ => bail!("{wanted} is the beginning of several digests: give more of it"),
    }
}

/// Replaces source and configuration as a whole: a merge would keep fields of what is declared now.
fn patch(plugin: &Value, version: &Value) -> Value {
    let mut patch = vec![json!({ "op": "add", "path": "/spec/source", "value": version["source"] })];
    if version["config"].is_object() {
        patch.push(json!({ "op": "add", "path": "/spec/config", "value": version["config"] }));
    } else if !plugin["spec"]["config"].is_null() {
        patch.push(json!({ "op": "remove", "path": "/spec/config" }));
    }
    let strategy = &plugin["spec"]["rollout"]["strategy"];
    if strategy.is_string() && strategy != "Immediate" {
        // The way back is no trial.
        patch.push(json!({ "op": "add", "path": "/spec/rollout", "value": { "strategy": "Immediate" } }));
    }
    // Not over a change that came in between.
    patch.insert(
        0,
        json!({ "op": "test", "path": "/metadata/generation", "value": plugin["metadata"]["generation"] }),
    );
    patch.into()
}

fn source(source: &Value) -> String {
    let of = |field: &str| source[field].as_str().map(|place| format!("{field}:{place}"));
    ["oci", "file", "digest", "builtin"].into_iter().find_map(of).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plugin(loaded: &str) -> Value {
        json!({
            "metadata": { "generation": 3 },
            "spec": { "config": { "new": 1 } },
            "status": {
                "digest": "sha256:cc", "source": { "oci": "r/p@sha256:1" }, "config": {},
                "conditions": [{ "type": "Loaded", "status": loaded, "message": "no" }],
                "previousVersions": [
                    { "digest": "sha256:ab", "source": { "builtin": "x" }, "config": { "old": 1 } },
                    { "digest": "sha256:ad", "source": { "digest": "sha256:ad" }, "config": null },
                ],
            },
        })
    }

    #[test]
    fn the_version_before_is_chosen_unless_another_is_named() {
        let chosen = |loaded: &str, to: Option<&str>| {
            choose(&plugin(loaded), "p", to).map(|v| text(&v["digest"])).map_err(|e| e.to_string())
        };
        assert_eq!(chosen("True", None).unwrap(), "sha256:ab");
        assert_eq!(chosen("True", Some("ad")).unwrap(), "sha256:ad");
        assert!(chosen("True", Some("sha256:a")).unwrap_err().contains("several digests"));
        assert!(chosen("True", Some("ff")).unwrap_err().contains("--list"));
        // What is declared failed: what serves in its place.
        assert_eq!(chosen("False", None).unwrap(), "sha256:cc");
        let none = choose(&json!({ "status": {} }), "p", None).unwrap_err().to_string();
        assert!(none.contains("no earlier version"), "{none}");
    }

    #[test]
    fn source_and_configuration_are_replaced() {
        let plugin = plugin("True");
        let versions = targets(&plugin);
        let with_config = patch(&plugin, &versions[0]);
        assert_eq!(with_config[2], json!({ "op": "add", "path": "/spec/config", "value": { "old": 1 } }));
        assert_eq!(patch(&plugin, &versions[1])[2], json!({ "op": "remove", "path": "/spec/config" }));
        let mut on_trial = plugin;
        on_trial["spec"]["rollout"] = json!({ "strategy": "Canary" });
        assert_eq!(patch(&on_trial, &versions[0])[3]["value"], json!({ "strategy": "Immediate" }));
    }
}
