//! What can be said in a URL, path or query, and of what type it is.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::schemas::META;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Parameter {
    name: String,
    place: &'static str,
    value_type: String,
    description: String,
}

/// Name, type and our own words about it.
type Entry = (&'static str, &'static str, &'static str);

pub(super) const PRETTY: Entry = ("pretty", "string", "If 'true', then the output is pretty printed.");
const WATCHING: [Entry; 2] = [
    ("allowWatchBookmarks", "boolean", "Send watch events of type BOOKMARK."),
    ("watch", "boolean", "Return a stream of changes instead of a list."),
];
const LISTING: [Entry; 9] = [
    ("continue", "string", "The continue option from the server's previous answer."),
    ("fieldSelector", "string", "Restricts the objects by their fields. Defaults to everything."),
    ("labelSelector", "string", "Restricts the objects by their labels. Defaults to everything."),
    ("limit", "integer", "The maximum number of objects in one answer."),
    ("resourceVersion", "string", "A constraint on which resource versions may be served."),
    ("resourceVersionMatch", "string", "How resourceVersion is applied to list calls."),
    ("sendInitialEvents", "boolean", "Begin a watch with events for the objects that exist."),
    ("shardSelector", "string", "Restricts the objects to a range of hashes of a field."),
    ("timeoutSeconds", "integer", "Timeout of the list or watch call."),
];
const VERSION: [Entry; 1] = [LISTING[4]];
const WRITING: [Entry; 2] = [
    ("fieldManager", "string", "The name of the actor or entity that is making these changes."),
    ("fieldValidation", "string", "What to do about unknown or duplicate fields: Ignore, Warn or Strict."),
];
const FORCE: Entry =
    ("force", "boolean", "Take over fields that conflict with those of other managers; apply requests only.");
const STREAMS: [Entry; 5] = [
    ("container", "string", "The container; the pod's only one where it is not named."),
    ("stderr", "boolean", "Whether the container's standard error is sent."),
    ("stdin", "boolean", "Whether the container's standard input is fed."),
    ("stdout", "boolean", "Whether the container's standard output is sent."),
    ("tty", "boolean", "Whether a terminal stands between."),
];
const COMMAND: Entry = ("command", "string", "The command and its arguments, each in a parameter.");
const PORTS: [Entry; 1] = [("ports", "integer", "The ports to forward, for websockets.")];
const PATH: [Entry; 1] = [("path", "string", "The path of the request that is handed on.")];
const LOG: [Entry; 9] = [
    STREAMS[0],
    ("follow", "boolean", "Send what is written from now on, too."),
    ("insecureSkipTLSVerifyBackend", "boolean", "Trust whatever the node's agent says it is."),
    ("limitBytes", "integer", "Send no more bytes than this."),
    ("previous", "boolean", "Of the container that ran before."),
    ("sinceSeconds", "integer", "Send what is not older than this."),
    ("stream", "string", "All, Stdout or Stderr."),
    ("tailLines", "integer", "Send this many lines from the end."),
    ("timestamps", "boolean", "Begin each line with its time."),
];

impl Parameter {
    fn query((name, value_type, description): Entry) -> Parameter {
        Parameter {
            name: name.into(),
            place: "query",
            value_type: value_type.into(),
            description: description.into(),
        }
    }

    pub fn path(name: &str, description: impl Into<String>) -> Parameter {
        Parameter {
            name: name.into(),
            place: "path",
            value_type: "string".into(),
            description: description.into(),
        }
    }

    pub fn json(&self) -> Value {
        let mut parameter = json!({
            "name": self.name, "in": self.place,
            "schema": { "type": self.value_type, "uniqueItems": true },
        });
        if !self.description.is_empty() {
            parameter["description"] = self.description.clone().into();
        }
        if self.place == "path" {
            parameter["required"] = true.into();
        }
        parameter
    }
}

/// The options of each verb as query parameters.
pub(super) struct Options {
    /// Read from DeleteOptions, as upstream does.
    delete: Vec<Parameter>,
}

impl Options {
    pub fn new(definitions: &BTreeMap<String, String>) -> Options {
        let text = definitions.get(&format!("{META}.DeleteOptions"));
        let schema: Value = text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let fields = schema["properties"].as_object().into_iter().flatten();
        let delete = fields.filter_map(|(name, field)| option(name, field)).collect();
        Options { delete }
    }

    pub fn pretty() -> Vec<Parameter> {
        vec![Parameter::query(PRETTY)]
    }

    pub fn get() -> Vec<Parameter> {
        queries(&VERSION)
    }

    pub fn list() -> Vec<Parameter> {
        [queries(&LISTING), queries(&WATCHING)].concat()
    }

    pub fn write(&self) -> Vec<Parameter> {
        let dry_run = self.delete.iter().filter(|parameter| parameter.name == "dryRun").cloned();
        queries(&WRITING).into_iter().chain(dry_run).collect()
    }

    pub fn patch(&self) -> Vec<Parameter> {
        [self.write(), queries(&[FORCE])].concat()
    }

    pub fn delete(&self) -> Vec<Parameter> {
        self.delete.clone()
    }

    pub fn delete_collection(&self) -> Vec<Parameter> {
        [self.delete(), queries(&LISTING)].concat()
    }

    /// Of what a connection's options are called.
    pub fn connect(kind: &str) -> Vec<Parameter> {
        match kind {
            "PodAttachOptions" => queries(&STREAMS),
            "PodExecOptions" => [queries(&STREAMS), queries(&[COMMAND])].concat(),
            "PodPortForwardOptions" => queries(&PORTS),
            "NodeProxyOptions" | "PodProxyOptions" | "ServiceProxyOptions" => queries(&PATH),
            _ => Vec::new(),
        }
    }

    pub fn log() -> Vec<Parameter> {
        queries(&LOG)
    }
}

fn queries(entries: &[Entry]) -> Vec<Parameter> {
    entries.iter().copied().map(Parameter::query).collect()
}

/// A field as a parameter, where it is no object; a list is given by its items.
fn option(name: &str, field: &Value) -> Option<Parameter> {
    let value_type = match field["type"].as_str()? {
        "array" => field["items"]["type"].as_str()?,
        plain => plain,
    };
    let ours = !matches!(name, "apiVersion" | "kind");
    ours.then(|| Parameter {
        name: name.into(),
        place: "query",
        value_type: value_type.into(),
        description: field["description"].as_str().unwrap_or_default().into(),
    })
}
