//! `replay`: a recorded trace against another version of a plugin, without a host.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use orch_plugin::lifecycle::PluginSpec;
use orch_plugin::{PluginEngine, Source, World};
use orch_scheduler::replay::{Installed, Outcome, compare, simulate};
use orch_scheduler::trace::Entry;
use orch_scheduler::{FailurePolicy, Settings};
use serde_json::Value;

use super::read_component;

pub struct Trial {
    pub plugin: PathBuf,
    pub name: Option<String>,
    pub config: Option<String>,
    pub against: Option<PathBuf>,
    pub show: usize,
}

pub fn replay(path: &Path, trial: &Trial) -> anyhow::Result<()> {
    let trace = read(path)?;
    let name = trial.name.clone().unwrap_or_else(|| stem(&trial.plugin));
    let declared: Vec<&Value> = trace
        .iter()
        .filter_map(|entry| if let Entry::Plugin(plugin) = entry { Some(plugin) } else { None })
        .collect();
    if !declared.iter().any(|plugin| plugin["metadata"]["name"] == name) {
        let known: Vec<&str> =
            declared.iter().filter_map(|plugin| plugin["metadata"]["name"].as_str()).collect();
        eprintln!(
            "note: no plugin {name} was recorded, it joins the others (--name to stand in for one of {})",
            known.join(", ")
        );
    }
    let engine = Arc::new(PluginEngine::new(None, orch_builtin::BUILTINS)?);
    let config: Option<Value> =
        trial.config.as_deref().map(serde_json::from_str).transpose().context("--config is not JSON")?;
    let components = trace.iter().filter_map(|entry| match entry {
        Entry::Component { digest, wasm } => Some((digest.as_str(), wasm.as_str())),
        _ => None,
    });
    let bench = Bench { engine, declared, components: components.collect(), name };
    let new = || bench.plugins(Some(&trial.plugin), config.as_ref());
    let old = || bench.plugins(trial.against.as_deref(), None);

    if trial.against.is_none() {
        let (decisions, differing) = compare(&trace, new()?)?;
        println!("{} of {decisions} decisions differ, the cluster being as it was", differing.len());
        for difference in differing.iter().take(trial.show) {
            println!("  {}: {} -> {}", difference.pod, difference.was, difference.would_be);
        }
        if differing.len() > trial.show {
            println!("  … and {} more (--show)", differing.len() - trial.show);
        }
    }
    let (old, new) = (simulate(&trace, old()?), simulate(&trace, new()?));
    println!("\nleft to themselves:");
    table(&old, &new);
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Vec<Entry>> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut trace = Vec::new();
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let entry = serde_json::from_str(&line?)
            .with_context(|| format!("{}: line {} is no entry of a trace", path.display(), number + 1))?;
        trace.push(entry);
    }
    if !trace.iter().any(|entry| matches!(entry, Entry::Asked(_))) {
        bail!("{} holds no decision: record while pods are being scheduled", path.display());
    }
    Ok(trace)
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

struct Bench<'a> {
    engine: Arc<PluginEngine>,
    declared: Vec<&'a Value>,
    /// Those in the trace, in base64, by digest.
    components: HashMap<&'a str, &'a str>,
    /// The one that is exchanged.
    name: String,
}

impl Bench<'_> {
    /// The recorded plugins, with `file` in the place of the one on trial.
    fn plugins(&self, file: Option<&Path>, config: Option<&Value>) -> anyhow::Result<Vec<Installed>> {
        let mut plugins = Vec::new();
        let mut placed = false;
        for plugin in &self.declared {
            let name = plugin["metadata"]["name"].as_str().unwrap_or_default();
            let spec =
                PluginSpec::read(&plugin["spec"]).with_context(|| format!("the recorded plugin {name}"))?;
            let own = file.filter(|_| name == self.name);
            placed |= own.is_some();
            let source = match (own, &spec.source.builtin, &spec.source.file) {
                (Some(file), _, _) => Source::Bytes(read_component(file)?),
                (None, Some(builtin), _) => Source::Builtin(builtin.clone()),
                (None, None, Some(path)) => Source::File(path.clone()),
                (None, None, None) => match self.recorded(plugin)? {
                    Some(wasm) => Source::Bytes(wasm),
                    None => {
                        eprintln!("note: the component of {name} is not in the trace, it is left out");
                        continue;
                    }
                },
            };
            let config = config.filter(|_| own.is_some()).unwrap_or(&spec.config).clone();
            plugins.push(self.load(name, &source, &config, &spec)?);
        }
        if let Some(file) = file.filter(|_| !placed) {
            let config = config.cloned().unwrap_or_else(|| serde_json::json!({}));
            let spec = serde_json::json!({ "world": World::Scheduler, "source": { "file": file }, "config": config });
            let source = Source::Bytes(read_component(file)?);
            plugins.push(self.load(&self.name, &source, &config, &PluginSpec::read(&spec)?)?);
        }
        Ok(plugins)
    }

    /// The component that served when the trace was recorded.
    fn recorded(&self, plugin: &Value) -> anyhow::Result<Option<Vec<u8>>> {
        let digest = plugin["status"]["digest"].as_str().unwrap_or_default();
        let Some(encoded) = self.components.get(digest) else { return Ok(None) };
        let wasm = BASE64_STANDARD.decode(encoded).with_context(|| format!("the component {digest}"))?;
        Ok(Some(wasm))
    }

    fn load(
        &self,
        name: &str,
        source: &Source,
        config: &Value,
        spec: &PluginSpec,
    ) -> anyhow::Result<Installed> {
        let artifact = self.engine.artifact(source).with_context(|| name.to_string())?;
        let limits = spec.limits.to_limits(World::Scheduler)?;
        let plugin =
            self.engine.load_scheduler(name, &artifact, config, limits).with_context(|| name.to_string())?;
        let settings = Settings {
            weight: spec.weight,
            order: spec.order,
            failure_policy: match spec.failure_policy {
                orch_plugin::lifecycle::FailurePolicy::Fail => FailurePolicy::Fail,
                orch_plugin::lifecycle::FailurePolicy::Ignore => FailurePolicy::Ignore,
            },
            profiles: spec.profiles.clone(),
            replaces: spec.replaces.clone(),
            ..Settings::default()
        };
        Ok((name.into(), plugin, settings))
    }
}

fn table(old: &Outcome, new: &Outcome) {
    let share = |outcome: &Outcome, resource: &str| {
        outcome.utilisation.get(resource).map_or("-".into(), |share| format!("{:.1} %", share * 100.0))
    };
    let time = |outcome: &Outcome, percent| format!("{:?}", outcome.time(percent));
    let rows = [
        ["".into(), "before".into(), "after".into()],
        ["placed".into(), old.placed.to_string(), new.placed.to_string()],
        ["pods that wait at the end".into(), old.waiting.to_string(), new.waiting.to_string()],
        ["pods evicted for others".into(), old.evicted.to_string(), new.evicted.to_string()],
        ["unschedulable attempts".into(), old.unschedulable.to_string(), new.unschedulable.to_string()],
        ["failed attempts".into(), old.failed.to_string(), new.failed.to_string()],
        ["cpu asked for".into(), share(old, "cpu"), share(new, "cpu")],
        ["memory asked for".into(), share(old, "memory"), share(new, "memory")],
        ["nodes without a pod".into(), old.empty_nodes.to_string(), new.empty_nodes.to_string()],
        ["time per pod, p50".into(), time(old, 50), time(new, 50)],
        ["time per pod, p99".into(), time(old, 99), time(new, 99)],
    ];
    for [what, before, after] in rows {
        println!("{what:<26} {before:>14} {after:>14}");
    }
}
