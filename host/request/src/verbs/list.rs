//! List: consistent, in pages, filtered; items are the cache's own bytes.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use orch_client::{ListOptions, Target};
use orch_object::partial::Fields;
use orch_object::schema::base64_fault;
use orch_object::{FieldError, FieldSelector, Kind, LabelSelector, Source, Status};
use orch_watch::{Object, Revision};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::api::{Api, Call, namespace};
use crate::conversion::Converter;
use crate::{causes, key};

/// How long a request waits for a revision that is still to come.
const PATIENCE: Duration = Duration::from_secs(3);
/// Objects looked at in one go while a selector is at work.
const CHUNK: usize = 500;

/// A list's answer.
#[derive(Debug, Clone)]
pub struct Listed {
    pub kind: Arc<Kind>,
    /// 0: what is listed is not stored.
    pub revision: Revision,
    pub items: Vec<Arc<Object>>,
    pub continue_token: Option<String>,
    /// How many follow, when that is known.
    pub remaining: Option<usize>,
}

/// What a list or watch selects.
#[derive(Clone)]
pub struct Selection {
    labels: LabelSelector,
    fields: FieldSelector,
    /// What both read of an object.
    read: Arc<Fields>,
    kind: Arc<Kind>,
    converter: Arc<Converter>,
    /// The one name that `metadata.name=` allows.
    pub name: Option<String>,
}

impl Selection {
    pub fn parse(
        kind: &Arc<Kind>,
        options: &ListOptions,
        converter: &Arc<Converter>,
    ) -> Result<Self, Status> {
        let labels: LabelSelector = options.label_selector.parse().map_err(|e| {
            Status::bad_request(format!("unable to parse requirement: {e}").replacen(
                "unable to parse requirement: unable to parse requirement: ",
                "unable to parse requirement: ",
                1,
            ))
        })?;
        let fields: FieldSelector = options
            .field_selector
            .parse()
            .map_err(|e: orch_object::selector::SelectorError| Status::from(e))?;
        fields
            .check(&kind.selectable_fields, &kind.kind)
            .map_err(|error| Status::bad_request(error.to_string()))?;
        let name = fields.exact("metadata.name").map(String::from);
        let read = Arc::new(Fields::new(["metadata.labels"].into_iter().chain(fields.reads())));
        Ok(Selection { labels, fields, read, kind: kind.clone(), converter: converter.clone(), name })
    }

    pub fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// The object as the selection's kind shows it.
    pub async fn present(&self, stored: Arc<Object>) -> Result<Arc<Object>, Status> {
        self.converter.present(&self.kind, stored).await
    }

    pub async fn present_all(&self, stored: Vec<Arc<Object>>) -> Result<Vec<Arc<Object>>, Status> {
        self.converter.present_all(&self.kind, stored).await
    }

    pub fn matches(&self, object: &Object) -> bool {
        self.is_everything() || self.selects(&object.value())
    }

    /// As [`Selection::matches`], for one look at many objects: only the fields that count are read.
    pub fn matches_at_a_glance(&self, object: &Object) -> bool {
        if self.is_everything() {
            return true;
        }
        if let Some(value) = object.known_value() {
            return self.selects(&value);
        }
        match self.read.read(&object.bytes) {
            Ok(value) => self.selects(&value),
            Err(_) => self.selects(&object.value()),
        }
    }

    fn selects(&self, value: &Value) -> bool {
        self.labels.matches_object(value)
            && (self.fields.is_empty() || self.fields.matches(value, self.kind.node()))
    }
}

/// `continue`: opaque to clients.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct ContinueToken {
    #[serde(rename = "v")]
    version: String,
    /// The list's; `None` goes on at the present one.
    #[serde(rename = "rv")]
    revision: Option<Revision>,
    /// The last key already sent.
    pub start: String,
}

impl ContinueToken {
    fn encode(revision: Option<Revision>, start: &str) -> String {
        let token = ContinueToken { version: "orch/v1".into(), revision, start: start.into() };
        URL_SAFE_NO_PAD.encode(serde_json::json!(token).to_string())
    }

    pub fn decode(token: &str, prefix: &str) -> Result<Self, Status> {
        let invalid = |why: &str| {
            Status::bad_request(format!("invalid continue token: continue key is not valid: {why}"))
        };
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|error| {
            invalid(&format!("illegal base64 data at input byte {}", base64_fault(&error, token)))
        })?;
        let token: ContinueToken =
            serde_json::from_slice(&bytes).map_err(|error| invalid(&error.to_string()))?;
        if token.version != "orch/v1" || !token.start.starts_with(prefix) {
            return Err(invalid("it is not this list's"));
        }
        Ok(token)
    }
}

impl Api {
    pub async fn list(&self, call: &Call, target: &Target, options: &ListOptions) -> Result<Listed, Status> {
        let kind = self.kind(&target.resource).await?;
        let selection = Selection::parse(&kind, options, &self.converter)?;
        // A field selector by name is authorized as access to that object.
        let named = Target { name: selection.name.clone().unwrap_or_default(), ..target.clone() };
        self.authorize(call, "list", &named)?;
        match kind.strategy.source {
            Source::Components => Ok(self.all_components(&kind, &selection).await),
            Source::Store => self.list_authorized(&kind, target, options, &selection).await,
        }
    }

    pub(crate) async fn list_authorized(
        &self,
        kind: &Arc<Kind>,
        target: &Target,
        options: &ListOptions,
        selection: &Selection,
    ) -> Result<Listed, Status> {
        let prefix = key::kind_prefix(kind, target.namespace.as_deref());
        let continued = options.continue_token.as_deref().filter(|t| !t.is_empty());
        let continued = continued.map(|token| ContinueToken::decode(token, &prefix)).transpose()?;
        if continued.is_some() && version_of(options).is_some_and(|v| v != "0") {
            return Err(Status::bad_request(
                "specifying resource version is not allowed when using continue",
            ));
        }
        let (at, after) = match continued {
            Some(token) => {
                // Another host may have begun the list; a revision that never was does not come.
                if let Some(revision) = token.revision {
                    self.not_older_than(revision).await?;
                }
                (token.revision, Some(token.start))
            }
            None => (self.list_revision(options).await?, None),
        };
        let paging = Paging { prefix: &prefix, at, after, limit: options.limit };
        let page = self.select_page(paging, selection, target).await?;
        Ok(Listed { kind: kind.clone(), ..page.into_listed(kind.clone(), options.limit) })
    }

    /// The revision the list must be true at; `None`: the present, which is then fresh enough.
    async fn list_revision(&self, options: &ListOptions) -> Result<Option<Revision>, Status> {
        let exact = options.resource_version_match.as_deref() == Some("Exact");
        match version_of(options) {
            None if options.resource_version_match.as_deref().is_some_and(|m| !m.is_empty()) => {
                Err(forbidden_match("resourceVersionMatch is forbidden unless resourceVersion is provided"))
            }
            None => self.fresh().await.map(|()| None),
            Some("0") if exact => {
                Err(forbidden_match("resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""))
            }
            Some("0") => Ok(None),
            Some(version) => {
                let wanted = revision(version)?;
                self.not_older_than(wanted).await?;
                // A limited list without a match was exact before matches existed.
                let legacy = options.resource_version_match.is_none() && options.limit > 0;
                Ok((exact || legacy).then_some(wanted))
            }
        }
    }

    /// Waits a little for the revision; upstream's 504 when it does not come.
    pub(crate) async fn not_older_than(&self, wanted: Revision) -> Result<(), Status> {
        let waited = tokio::time::timeout(PATIENCE, self.cache.wait_for(wanted)).await;
        waited.map_err(|_| causes::too_large(wanted, self.cache.revision()))
    }

    async fn select_page(
        &self,
        paging: Paging<'_>,
        selection: &Selection,
        target: &Target,
    ) -> Result<Selected, Status> {
        let Paging { prefix, at, mut after, limit } = paging;
        let start = after.clone();
        let mut selected =
            Selected { revision: at.unwrap_or(0), items: Vec::new(), remaining: 0, filtered: false };
        selected.filtered = !selection.is_everything();
        let mut at = at;
        loop {
            let wanted = match (limit, selected.filtered) {
                (0, _) => 0,
                (limit, false) => limit,
                (limit, true) => CHUNK.max(limit),
            };
            let revision = at.unwrap_or_else(|| self.cache.revision());
            let page =
                self.cache.page(prefix, revision, after.as_deref(), wanted).map_err(|e| match &start {
                    Some(start) => continue_expired(start),
                    None => causes::expired(&e),
                })?;
            at = Some(page.revision);
            selected.revision = page.revision;
            after = page.items.last().map(|o| o.key.to_string());
            let total = page.items.len();
            let items = selection.present_all(page.items).await?;
            for (index, object) in items.into_iter().enumerate() {
                if selection.matches_at_a_glance(&object) && in_namespace(&object, target) {
                    selected.items.push(object);
                }
                if limit > 0 && selected.items.len() == limit {
                    selected.remaining = page.remaining + total - index - 1;
                    return Ok(selected);
                }
            }
            if page.remaining == 0 {
                return Ok(selected);
            }
        }
    }
}

struct Paging<'a> {
    prefix: &'a str,
    at: Option<Revision>,
    after: Option<String>,
    limit: usize,
}

struct Selected {
    revision: Revision,
    items: Vec<Arc<Object>>,
    /// Objects after the last item, whether they are selected or not.
    remaining: usize,
    filtered: bool,
}

impl Selected {
    fn into_listed(self, kind: Arc<Kind>, limit: usize) -> Listed {
        let more = limit > 0 && self.remaining > 0;
        let last = self.items.last().filter(|_| more);
        let continue_token = last.map(|object| ContinueToken::encode(Some(self.revision), &object.key));
        let remaining = (more && !self.filtered).then_some(self.remaining);
        Listed { kind, revision: self.revision, items: self.items, continue_token, remaining }
    }
}

/// A list over all namespaces has a prefix of its own; this holds for the others by construction.
fn in_namespace(object: &Object, target: &Target) -> bool {
    debug_assert!(namespace(target).is_empty() || object.key.contains(namespace(target)));
    true
}

fn version_of(options: &ListOptions) -> Option<&str> {
    options.resource_version.as_deref().filter(|v| !v.is_empty())
}

fn forbidden_match(why: &str) -> Status {
    Status::invalid_options("ListOptions", &[FieldError::forbidden("resourceVersionMatch", why)])
}

/// A `resourceVersion` as a number.
pub fn revision(version: &str) -> Result<Revision, Status> {
    version.parse().map_err(|_| {
        Status::bad_request(format!(
            "invalid resource version: resourceVersion: Invalid value: {version:?}: strconv.ParseUint: parsing {version:?}: invalid syntax"
        ))
    })
}

/// With a token that goes on from the same key at the present revision.
fn continue_expired(start: &str) -> Status {
    let message = "The provided continue parameter is too old to display a consistent list result. You can \
                   start a new list without the continue parameter, or use the continue token in this \
                   response to retrieve the remainder of the results. Continuing with the provided token \
                   results in an inconsistent list - objects that were created, modified, or deleted between \
                   the time the first chunk was returned and now may show up in the list.";
    let continue_token = Some(ContinueToken::encode(None, start));
    Status { continue_token, ..Status::new(410, "Expired", message) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn continue_tokens_belong_to_their_prefix() {
        let token = ContinueToken::encode(Some(7), "core/pods/a/x");
        let read = ContinueToken::decode(&token, "core/pods/a/").unwrap();
        assert_eq!((read.revision, read.start.as_str()), (Some(7), "core/pods/a/x"));
        assert_eq!(ContinueToken::decode(&token, "core/secrets/").unwrap_err().code, 400);
        let refused = ContinueToken::decode("ab%%", "").unwrap_err();
        assert_eq!(
            (refused.code, refused.message.as_str()),
            (400, "invalid continue token: continue key is not valid: illegal base64 data at input byte 2")
        );
    }

    #[test]
    fn an_expired_list_can_go_on_from_its_key_at_the_present() {
        let status = continue_expired("core/pods/a/x");
        assert_eq!(status.code, 410);
        let body = status.to_json();
        let token = body["metadata"]["continue"].as_str().unwrap();
        let read = ContinueToken::decode(token, "core/pods/a/").unwrap();
        assert_eq!((read.revision, read.start.as_str()), (None, "core/pods/a/x"));
    }
}
