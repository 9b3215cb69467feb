//! `install` and `swap`.

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::arguments::{SettingsArguments, SourceArguments};
use super::{PLUGINS, keys, read_component, upload, wait};
use crate::commands::resources::text;
use crate::commands::{JSON, Session};

pub async fn install(
    session: &Session,
    name: &str,
    world: &str,
    source: &SourceArguments,
    settings: &SettingsArguments,
) -> anyhow::Result<()> {
    if exists(session, name).await? {
        bail!(
            "plugin {name} exists: replace what it runs with `orch plugin swap {name} …`, or delete it first"
        );
    }
    let settings = read_settings(settings)?;
    let Some(source) = to_source(session, source).await? else {
        bail!("say where the component comes from: --oci, --file, --upload, --digest or --builtin");
    };
    let mut plugin = json!({
        "apiVersion": "plugins.orch.dev/v1alpha1", "kind": "Plugin", "metadata": { "name": name },
        "spec": { "world": world, "source": source },
    });
    for (field, value) in settings {
        plugin["spec"][field] = value;
    }
    let created = session.request("POST", PLUGINS, JSON, serde_json::to_vec(&plugin)?).await?;
    let plugin = wait::until_taken_up(session, name, generation(&created)).await?;
    match wait::refusal(&plugin) {
        None => println!("plugin {name} installed: {} serves", text(&plugin["status"]["digest"])),
        Some(why) => bail!(
            "plugin {name} is declared but does not serve: {why}\n\
             What can heal by itself is tried again; mend it with `orch plugin swap {name} …`, or take it back \
             with `orch delete plugin {name}`"
        ),
    }
    Ok(())
}

/// Writes the new source or configuration and waits until the host has taken it, or says why not.
pub async fn swap(
    session: &Session,
    name: &str,
    source: &SourceArguments,
    config: Option<&str>,
) -> anyhow::Result<()> {
    let config = config.map(read_config).transpose()?;
    let source = to_source(session, source).await?;
    if source.is_none() && config.is_none() {
        bail!("nothing to swap: give --oci, --file, --upload, --digest, --builtin or --config");
    }
    let mut spec = json!({});
    if let Some(source) = source {
        // A merge patch removes the other sources by naming them null.
        spec["source"] = json!({
            "builtin": null, "digest": null, "file": null, "oci": null, "pullSecret": null, "signature": null,
        });
        for (key, value) in source.as_object().into_iter().flatten() {
            spec["source"][key] = value.clone();
        }
    }
    if let Some(config) = config {
        spec["config"] = config;
    }
    let path = format!("{PLUGINS}/{name}");
    let body = serde_json::to_vec(&json!({ "spec": spec }))?;
    let patched = session.send("PATCH", &path, JSON, "application/merge-patch+json", body).await?;
    let plugin = wait::until_taken_up(session, name, generation(&patched)).await?;
    report(name, "swapped", &plugin)
}

pub fn report(name: &str, done: &str, plugin: &Value) -> anyhow::Result<()> {
    if let Some(why) = wait::refusal(plugin) {
        let what = match plugin["status"]["digest"].as_str() {
            Some(digest) => format!("the old one serves on ({digest})"),
            None => "nothing serves".to_owned(),
        };
        bail!("plugin {name} was not {done}, {what}: {why}");
    }
    println!("plugin {name} {done}: {} serves now", text(&plugin["status"]["digest"]));
    Ok(())
}

pub fn generation(plugin: &Value) -> i64 {
    plugin["metadata"]["generation"].as_i64().unwrap_or(0)
}

async fn exists(session: &Session, name: &str) -> anyhow::Result<bool> {
    let all = session.request("GET", PLUGINS, JSON, Vec::new()).await?;
    Ok(crate::commands::resources::list(&all["items"]).iter().any(|p| p["metadata"]["name"] == name))
}

/// `spec.source` for what the command line says; an upload is sent on the way.
async fn to_source(session: &Session, arguments: &SourceArguments) -> anyhow::Result<Option<Value>> {
    let SourceArguments { oci, file, upload, digest, builtin, pull_secret, signature, sign } = arguments;
    let signed = |wasm: &[u8]| -> anyhow::Result<Option<String>> {
        let Some(key) = sign else { return Ok(signature.clone()) };
        Ok(Some(orch_source::signature::sign_bytes(&keys::read(key)?, wasm)))
    };
    let mut source = json!({});
    if let Some(reference) = oci {
        source["oci"] = orch_source::oci::Place::parse(reference)?.name().into();
        if let Some(secret) = pull_secret {
            source["pullSecret"] = secret.clone().into();
        }
    } else if let Some(file) = file {
        let path = std::path::absolute(file)?;
        if !path.exists() {
            bail!(
                "--file {}: no such file on this machine; the host reads it, use --upload to send it",
                file.display()
            );
        }
        source["file"] = json!(path);
        if let Some(signature) = signed(&std::fs::read(&path)?)? {
            source["signature"] = signature.into();
        }
    } else if let Some(file) = upload {
        let wasm = read_component(file)?;
        source["digest"] = upload::send(session, &wasm).await?.into();
        if let Some(signature) = signed(&wasm)? {
            source["signature"] = signature.into();
        }
    } else if let Some(digest) = digest {
        source["digest"] = digest.clone().into();
        if let Some(signature) = signature {
            source["signature"] = signature.clone().into();
        }
    } else if let Some(builtin) = builtin {
        source["builtin"] = builtin.clone().into();
    } else {
        return Ok(None);
    }
    Ok(Some(source))
}

fn read_settings(arguments: &SettingsArguments) -> anyhow::Result<Vec<(&'static str, Value)>> {
    let SettingsArguments { config, order, weight, failure_policy, permissions } = arguments;
    let config = config.as_deref().map(read_config).transpose()?;
    let permissions: Option<Value> = permissions
        .as_deref()
        .map(serde_json::from_str)
        .transpose()
        .context("--permissions is not JSON: give RBAC rules such as [{\"apiGroups\":[\"\"],\"resources\":[\"pods\"],\"verbs\":[\"get\"]}]")?;
    let all = [
        ("config", config),
        ("order", order.map(Value::from)),
        ("weight", weight.map(Value::from)),
        ("failurePolicy", failure_policy.clone().map(Value::from)),
        ("permissions", permissions),
    ];
    Ok(all.into_iter().filter_map(|(field, value)| Some((field, value?))).collect())
}

fn read_config(text: &str) -> anyhow::Result<Value> {
    serde_json::from_str(text).context("--config is not JSON")
}
