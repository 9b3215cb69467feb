//! One operation: its id and description, parameters, body, answers, and the markers that clients look
//! for, put together as upstream's installer does.

use serde_json::{Map, Value, json};

use super::parameters::{Options, Parameter};
use super::schemas::{META, list_definition, part_definition};
use super::{group_version_kind, reference};
use crate::Kind;
use crate::kind::Subresource;
use crate::protobuf::Form;

const PATCH_TYPES: [&str; 4] = [
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];
const STREAM: &str = ";stream=watch";
pub(super) const JSON: &str = "application/json";
pub(super) const YAML: &str = "application/yaml";
pub(super) const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// What is done; `name` is its `x-kubernetes-action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Get,
    List,
    Post,
    Put,
    Patch,
    Delete,
    DeleteCollection,
    Watch,
    WatchList,
    Connect(&'static str),
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Action::Get => "get",
            Action::List => "list",
            Action::Post => "post",
            Action::Put => "put",
            Action::Patch => "patch",
            Action::Delete => "delete",
            Action::DeleteCollection => "deletecollection",
            Action::Watch => "watch",
            Action::WatchList => "watchlist",
            Action::Connect(_) => "connect",
        }
    }

    pub fn method(self) -> &'static str {
        match self {
            Action::Get | Action::List | Action::Watch | Action::WatchList => "get",
            Action::Post => "post",
            Action::Put => "put",
            Action::Patch => "patch",
            Action::Delete | Action::DeleteCollection => "delete",
            Action::Connect(method) => method,
        }
    }

    /// What the operation's id begins with, and what stands between group and kind.
    fn id(self) -> (&'static str, String) {
        let verb = match self {
            Action::Get => "read",
            Action::List => "list",
            Action::Post => "create",
            Action::Put => "replace",
            Action::Patch => "patch",
            Action::Delete => "delete",
            Action::DeleteCollection => return ("delete", "Collection".into()),
            Action::Watch | Action::WatchList => "watch",
            Action::Connect(method) => return ("connect", capitalized(method)),
        };
        (verb, String::new())
    }
}

/// An operation on a kind's objects or on a part of them.
#[derive(Clone, Copy)]
pub(super) struct Operation<'k> {
    pub kind: &'k Kind,
    pub part: Option<&'k Subresource>,
    pub action: Action,
    /// `ForAllNamespaces`, `WithPath` or nothing.
    pub suffix: &'static str,
}

impl Operation<'_> {
    pub fn json(&self) -> Value {
        let mut operation = json!({
            "operationId": self.id(),
            "description": self.description(),
            "tags": [tag(&self.kind.group, &self.kind.version)],
            "responses": self.responses(),
            "x-kubernetes-action": self.action.name(),
            "x-kubernetes-group-version-kind": self.own(),
        });
        if let Some(body) = self.body() {
            operation["requestBody"] = body;
        }
        operation
    }

    fn is_custom(&self) -> bool {
        self.kind.custom.is_some()
    }

    fn part_name(&self) -> &str {
        self.part.map_or("", |part| &part.name)
    }

    /// Which kind the operation is about: the part's own.
    fn own(&self) -> Value {
        let kind = self.kind;
        match self.part {
            Some(part) if !self.is_custom() => {
                let (group, version) = match part.version.as_str() {
                    "" => (&kind.group, &kind.version),
                    version => (&part.group, &version.to_owned()),
                };
                group_version_kind(group, version, &part.kind)
            }
            _ => group_version_kind(&kind.group, &kind.version, &kind.kind),
        }
    }

    fn id(&self) -> String {
        let (verb, between) = self.action.id();
        let tag = capitalized(&tag(&self.kind.group, &self.kind.version).replace("_v", "V"));
        let scope = if self.kind.namespaced() && self.suffix != EVERYWHERE { "Namespaced" } else { "" };
        let part = capitalized(self.part_name());
        let list = if self.action == Action::WatchList { "List" } else { "" };
        format!("{verb}{tag}{between}{scope}{}{part}{list}{}", self.kind.kind, self.suffix)
    }

    fn description(&self) -> String {
        let kind = &self.kind.kind;
        let of = |preposition: &str| match self.part {
            Some(part) => format!(" {} of{preposition}{kind}", part.name),
            None => format!("{preposition}{kind}"),
        };
        let watches = self.kind.verbs.iter().any(|verb| verb == "watch") && !self.is_custom();
        match self.action {
            Action::Get => format!("read{}", of(" the specified ")),
            Action::Put => format!("replace{}", of(" the specified ")),
            Action::Patch => format!("partially update{}", of(" the specified ")),
            Action::Post => format!("create{}", of(article(kind))),
            Action::Delete => format!("delete{}", of(article(kind))),
            Action::DeleteCollection => format!("delete collection of {kind}"),
            Action::List if watches => format!("list or watch objects of kind {kind}"),
            Action::List => format!("list objects of kind {kind}"),
            Action::Watch => format!(
                "watch changes to an object of kind {kind}. {DEPRECATED}, filtered to a single item with the \
                 'fieldSelector' parameter."
            ),
            Action::WatchList => format!("watch individual changes to a list of {kind}. {DEPRECATED}."),
            Action::Connect(method) => {
                format!("connect {} requests to{}", method.to_uppercase(), of(" "))
            }
        }
    }

    /// All but those of the path.
    pub fn parameters(&self, options: &Options) -> Vec<Parameter> {
        let custom = self.is_custom();
        let own = match self.action {
            Action::Connect(_) => return Options::connect(self.part.map_or("", |part| &part.kind)),
            Action::Get if self.is_log() => Options::log(),
            Action::Get if custom => Options::get(),
            Action::Get => Vec::new(),
            Action::List | Action::Watch | Action::WatchList => Options::list(),
            Action::DeleteCollection if custom => Options::list(),
            Action::Post | Action::Put => options.write(),
            Action::Patch => options.patch(),
            Action::Delete => options.delete(),
            Action::DeleteCollection => options.delete_collection(),
        };
        [Options::pretty(), own].concat()
    }

    fn is_log(&self) -> bool {
        self.part_name() == "log"
    }

    /// What the object sent and answered is.
    fn definition(&self) -> Option<String> {
        match self.part {
            Some(part) => part_definition(self.kind, part),
            None => Some(self.kind.schema.clone()),
        }
    }

    fn body(&self) -> Option<Value> {
        let any: &[&str] = if self.is_custom() { &[JSON, YAML] } else { &["*/*"] };
        let (definition, media, required) = match self.action {
            Action::Post | Action::Put => (self.definition()?, any, true),
            Action::Patch if self.is_custom() => (format!("{META}.Patch"), &PATCH_TYPES[..3], true),
            Action::Patch => (format!("{META}.Patch"), &PATCH_TYPES[..], true),
            Action::DeleteCollection if self.is_custom() => return None,
            Action::Delete | Action::DeleteCollection => (format!("{META}.DeleteOptions"), any, false),
            Action::Get | Action::List | Action::Watch | Action::WatchList | Action::Connect(_) => {
                return None;
            }
        };
        let mut body = json!({ "content": content(&reference(&definition), media.iter().copied()) });
        if required {
            body["required"] = true.into();
        }
        Some(body)
    }

    fn responses(&self) -> Value {
        let content = content(&self.answer(), self.media());
        let also: &[(&str, &str)] = match self.action {
            Action::Post => &[("201", "Created"), ("202", "Accepted")],
            Action::Patch if self.is_custom() => &[],
            Action::Put | Action::Patch => &[("201", "Created")],
            Action::Delete => &[("202", "Accepted")],
            Action::Get
            | Action::List
            | Action::DeleteCollection
            | Action::Watch
            | Action::WatchList
            | Action::Connect(_) => &[],
        };
        let codes = [("200", "OK")].iter().chain(also);
        let mut responses: Map<String, Value> = codes
            .map(|(code, says)| ((*code).into(), json!({ "description": says, "content": content })))
            .collect();
        responses.insert("401".into(), json!({ "description": "Unauthorized" }));
        responses.into()
    }

    /// The schema of the answer.
    fn answer(&self) -> Value {
        let text = || json!({ "type": "string" });
        match self.action {
            Action::List => reference(&list_definition(self.kind)),
            Action::Watch | Action::WatchList => reference(&format!("{META}.WatchEvent")),
            Action::Delete if self.kind.delete_answers_with_object() => reference(&self.kind.schema),
            Action::Delete | Action::DeleteCollection => reference(&format!("{META}.Status")),
            Action::Connect(_) => text(),
            Action::Get if self.is_log() => text(),
            Action::Get | Action::Post | Action::Put | Action::Patch => {
                self.definition().map_or_else(text, |definition| reference(&definition))
            }
        }
    }

    fn media(&self) -> Vec<String> {
        if let Action::Connect(_) = self.action {
            return vec!["*/*".into()];
        }
        let mut media = vec![JSON.to_owned(), YAML.into()];
        let protobuf = Form::of(self.kind).is_some();
        if protobuf {
            media.push(PROTOBUF.into());
        }
        match self.action {
            Action::List | Action::Watch | Action::WatchList if !self.is_custom() => {
                media.push(format!("{JSON}{STREAM}"));
                media.extend(protobuf.then(|| format!("{PROTOBUF}{STREAM}")));
            }
            Action::Get if self.is_log() => media.push("text/plain".into()),
            _ => {}
        }
        media
    }
}

pub(super) const EVERYWHERE: &str = "ForAllNamespaces";
const DEPRECATED: &str = "deprecated: use the 'watch' parameter with a list operation instead";

pub(super) fn content<M: Into<String>>(schema: &Value, media: impl IntoIterator<Item = M>) -> Value {
    media.into_iter().map(|media| (media.into(), json!({ "schema": schema }))).collect::<Map<_, _>>().into()
}

/// `core_v1`, `apps_v1`, `rbacAuthorization_v1`; of a group alone `core`, `apps`.
pub(super) fn tag(group: &str, version: &str) -> String {
    let group = match group {
        "" => "core".to_owned(),
        group => {
            let mut parts = group.trim_end_matches(".k8s.io").split('.');
            let first = parts.next().unwrap_or(group).to_owned();
            parts.fold(first, |name, part| name + &capitalized(part))
        }
    };
    if version.is_empty() { group } else { format!("{group}_{version}") }
}

pub(super) fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// None before a plural.
fn article(kind: &str) -> &'static str {
    let plural = kind.ends_with('s') && !kind.ends_with("ss");
    match kind.chars().next() {
        _ if plural => " ",
        Some('A' | 'E' | 'I' | 'O' | 'U') => " an ",
        _ => " a ",
    }
}
