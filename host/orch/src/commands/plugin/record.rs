//! `record`: a trace of the scheduler's decisions, to a file.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use futures::{AsyncBufReadExt, TryStreamExt};
use orch_scheduler::trace::Entry;
use serde_json::Value;

use super::arguments::RegistryArguments;
use super::{PLUGINS, registry, upload};
use crate::commands::resources::list;
use crate::commands::{JSON, Session, plain};

pub struct Options {
    pub seconds: u64,
    pub max_bytes: u64,
    pub redact: bool,
    pub registry: RegistryArguments,
}

pub async fn record(session: &Session, output: &Path, options: &Options) -> anyhow::Result<()> {
    let file = File::create(output).with_context(|| format!("cannot write {}", output.display()))?;
    let mut out =
        Writer { file: BufWriter::new(file), written: 0, decisions: 0, redact: Redact::new(options) };
    let plugins = session.request("GET", PLUGINS, JSON, Vec::new()).await?;
    for plugin in list(&plugins["items"]).iter().filter(|plugin| plugin["spec"]["world"] == "orch:scheduler")
    {
        out.line(&serde_json::to_string(&Entry::Plugin(plugin))?, None)?;
        if let Some(component) = component(session, plugin, &options.registry).await {
            out.line(&serde_json::to_string(&component)?, None)?;
        }
    }
    let request = http::Request::get("/debug/scheduler/trace").body(Vec::new())?;
    let stream = session.client.request_stream(request).await.map_err(plain)?;
    let stream = std::pin::pin!(stream);
    let mut lines = stream.lines();
    let end = tokio::time::Instant::now() + Duration::from_secs(options.seconds);
    let ended = loop {
        tokio::select! {
            line = lines.try_next() => match line.context("the recording broke off")? {
                Some(line) => out.line(&line, Some(&line))?,
                None => break "the host ended it: this machine reads more slowly than it decides",
            },
            () = tokio::time::sleep_until(end) => break "its time is over",
            _ = tokio::signal::ctrl_c() => break "interrupted",
        }
        if out.written > options.max_bytes {
            break "it has its greatest size (--max-mib)";
        }
    };
    out.file.flush()?;
    println!("{}: {} decisions, {} KiB; {ended}", output.display(), out.decisions, out.written >> 10);
    println!("next:       orch plugin replay {} --plugin NEW.wasm", output.display());
    Ok(())
}

/// The component itself, of a plugin that whoever replays could not have otherwise.
async fn component(session: &Session, plugin: &Value, registry: &RegistryArguments) -> Option<Entry> {
    // As it serves: pinned.
    let (source, digest) = (&plugin["status"]["source"], plugin["status"]["digest"].as_str()?);
    let wasm = match (source["oci"].as_str(), source["digest"].as_str()) {
        (Some(reference), _) => registry::pull(reference, registry).await,
        (None, Some(uploaded)) => upload::get(session, uploaded).await,
        (None, None) => return None,
    };
    match wasm {
        Ok(wasm) => Some(Entry::Component { digest: digest.into(), wasm: BASE64_STANDARD.encode(wasm) }),
        Err(error) => {
            let name = plugin["metadata"]["name"].as_str().unwrap_or_default();
            eprintln!("note: {name} is not in the trace, a replay leaves it out: {error:#}");
            None
        }
    }
}

struct Writer {
    file: BufWriter<File>,
    written: u64,
    decisions: u64,
    redact: Option<Redact>,
}

impl Writer {
    /// `entry`: what may have to be redacted.
    fn line(&mut self, line: &str, entry: Option<&str>) -> anyhow::Result<()> {
        let redacted = match (&self.redact, entry) {
            (Some(redact), Some(entry)) => Some(redact.line(entry)?),
            (Some(_), None) | (None, _) => None,
        };
        let line = redacted.as_deref().unwrap_or(line);
        self.decisions += u64::from(line.starts_with("{\"asked\""));
        self.written += line.len() as u64 + 1;
        writeln!(self.file, "{line}")?;
        Ok(())
    }
}

/// Replaces what tells who and what by hashes that are equal within one trace.
struct Redact(RandomState);

impl Redact {
    fn new(options: &Options) -> Option<Self> {
        options.redact.then(|| Redact(RandomState::new()))
    }

    fn line(&self, line: &str) -> anyhow::Result<String> {
        let mut entry: Value = serde_json::from_str(line)?;
        self.value("", &mut entry);
        Ok(entry.to_string())
    }

    fn value(&self, key: &str, value: &mut Value) {
        /// Under these every text is somebody's.
        const OWN: [&str; 14] = [
            "name",
            "namespace",
            "uid",
            "image",
            "names",
            "node",
            "nodeName",
            "value",
            "values",
            "podGone",
            "nodeGone",
            "claimName",
            "volumeName",
            "ip",
        ];
        /// Under these the values are, the keys are not.
        const MAPS: [&str; 4] = ["labels", "annotations", "matchLabels", "nodeSelector"];
        match value {
            Value::String(text) if OWN.contains(&key) => *text = self.hash(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(key, item)),
            Value::Object(map) if MAPS.contains(&key) => {
                map.values_mut().for_each(|value| self.value("value", value));
            }
            Value::Object(map) => {
                // What the message of a rejected pod says of others stays with the host.
                map.remove("message");
                map.iter_mut().for_each(|(key, value)| self.value(key, value));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn hash(&self, text: &str) -> String {
        match text {
            "" => String::new(),
            text => format!("x{:016x}", self.0.hash_one(text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn redaction_hides_names_and_keeps_what_matches() {
        let redact = Redact(RandomState::new());
        let line = json!({"asked": {
            "pod": {
                "metadata": {"name": "web", "labels": {"app": "secret"}},
                "spec": {
                    "containers": [{"image": "corp/web", "resources": {"requests": {"cpu": "1"}}}],
                    "affinity": {"matchLabels": {"app": "secret"}, "topologyKey": "zone"},
                },
            },
            "message": "1 node(s) of secret",
            "nanoseconds": 5,
        }});
        let hidden = redact.line(&line.to_string()).unwrap();
        assert!(!hidden.contains("secret") && !hidden.contains("web"), "{hidden}");
        let hidden: Value = serde_json::from_str(&hidden).unwrap();
        let pod = &hidden["asked"]["pod"];
        assert_eq!(pod["metadata"]["labels"]["app"], pod["spec"]["affinity"]["matchLabels"]["app"]);
        assert_eq!(pod["spec"]["containers"][0]["resources"]["requests"]["cpu"], "1");
        assert_eq!(pod["spec"]["affinity"]["topologyKey"], "zone");
    }
}
