//! OpenAPI v3: an index, and one document for each group and version, with hashes to cache by; and v2.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{
    ACCEPT, CACHE_CONTROL, ETAG, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION, VARY,
};
use jiff::Timestamp;
use orch_object::openapi::{self, Document};
use orch_object::{Kinds, Status};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use super::options::Query;
use crate::aggregation::Discovered;
use crate::definitions::Latest;
use crate::encode::{bare, full, gzip};

/// The index of the table as it is.
#[derive(Default)]
pub struct OpenApiOf(Latest<OpenApi>);

impl OpenApiOf {
    pub fn of(&self, kinds: &Arc<Kinds>) -> Arc<OpenApi> {
        self.0.of(kinds, || OpenApi::new(kinds.clone()))
    }
}

/// Documents of v3 are built when asked for, and not kept: clients keep them by their hashes.
pub struct OpenApi {
    kinds: Arc<Kinds>,
    /// When the table became as it is.
    since: Timestamp,
    v2: Mutex<Arc<Whole>>,
    /// `api/v1`, `apis/apps/v1`, …
    documents: BTreeMap<String, Document>,
}

impl OpenApi {
    pub fn new(kinds: Arc<Kinds>) -> Self {
        let documents = openapi::documents(&kinds);
        OpenApi { kinds, since: Timestamp::now(), v2: Mutex::default(), documents }
    }

    /// `None`: no OpenAPI path.
    pub fn answer(
        &self,
        path: &str,
        headers: &HeaderMap,
        query: &Query,
        remote: &Discovered,
    ) -> Result<Option<Response>, Status> {
        if path == "/openapi/v3" {
            // So upstream calls it.
            return Ok(Some(full(200, "text/plain; charset=utf-8", self.index(remote))));
        }
        let name = path.strip_prefix("/openapi/v3/").unwrap_or_default();
        let Some(document) = self.documents.get(name) else { return Ok(None) };
        Ok(Some(self.v3(name, document, headers, query)))
    }

    fn v3(&self, name: &str, document: &Document, headers: &HeaderMap, query: &Query) -> Response {
        let Some(content_type) = content_type(headers, &V3) else { return refused(&["Accept"]) };
        let hash = openapi::fingerprint(&self.kinds, document);
        let etag = format!("\"{hash}\"");
        let asked = query.get("hash");
        let mut response = match content_type {
            _ if !asked.is_empty() && asked != hash => moved(name, &hash, content_type),
            _ if is_known(headers, &etag, self.since) => full(304, content_type, Bytes::new()),
            V3_GNOSTIC => full(200, content_type, openapi::v3_protobuf(&openapi::v3(&self.kinds, document))),
            _ => full(200, content_type, openapi::v3(&self.kinds, document).to_string()),
        };
        mark(&mut response, &etag, self.since);
        if asked == hash {
            let for_ever = HeaderValue::from_static("public, immutable");
            response.headers_mut().insert(CACHE_CONTROL, for_ever);
        }
        response
    }

    /// What extension servers have to say is found where they say.
    fn index(&self, remote: &Discovered) -> String {
        let entry =
            |name: &str, hash: &str| (name.to_string(), json!({ "serverRelativeURL": url(name, hash) }));
        let mut paths: Map<String, Value> = self
            .documents
            .iter()
            .map(|(name, document)| entry(name, &openapi::fingerprint(&self.kinds, document)))
            .collect();
        for version in remote.versions.iter().filter(|version| !version.openapi.is_empty()) {
            let path = format!("apis/{}/{}", version.group, version.version);
            paths.insert(path, json!({ "serverRelativeURL": version.openapi }));
        }
        json!({ "paths": paths }).to_string()
    }
}

/// What a client may keep the answer by.
fn mark(response: &mut Response, etag: &str, since: Timestamp) {
    let modified = since.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    for (name, value) in [(ETAG, etag), (LAST_MODIFIED, &modified)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response.headers_mut().append(VARY, HeaderValue::from_static("Accept"));
}

/// 406, of which the answer says no more than what it depends on.
fn refused(vary: &[&'static str]) -> Response {
    let mut response = bare(406);
    for header in vary {
        response.headers_mut().append(VARY, HeaderValue::from_static(header));
    }
    response
}

fn url(name: &str, hash: &str) -> String {
    format!("/openapi/v3/{name}?hash={hash}")
}

/// To the document as it is now, from the hash of one that was.
fn moved(name: &str, hash: &str, content_type: &'static str) -> Response {
    let mut response = full(301, content_type, Bytes::new());
    if let Ok(place) = HeaderValue::from_str(&url(name, hash)) {
        response.headers_mut().insert(LOCATION, place);
    }
    response
}

/// The document of everything, with what extension servers say; made when somebody asks for it.
struct Whole {
    /// Of what extension servers say.
    remote: String,
    /// When it became as it is.
    since: Timestamp,
    made: OnceCell<V2>,
}

impl Default for Whole {
    fn default() -> Self {
        Whole { remote: String::new(), since: Timestamp::now(), made: OnceCell::new() }
    }
}

/// The document of everything: large, so kept compressed once somebody has asked for it.
struct V2 {
    json: Bytes,
    protobuf: Bytes,
}

const JSON: &str = "application/json";
const GNOSTIC: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
const V3_GNOSTIC: &str = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf";

/// The names of a document's two forms, JSON and protobuf, the second with its deprecated name.
type Forms = [(&'static str, &'static str); 3];
const V2_TYPES: Forms = [
    (JSON, JSON),
    (GNOSTIC, GNOSTIC),
    ("application/com.github.proto-openapi.spec.v2@v1.0+protobuf", GNOSTIC),
];
const V3: Forms = [
    (JSON, JSON),
    (V3_GNOSTIC, V3_GNOSTIC),
    ("application/com.github.proto-openapi.spec.v3@v1.0+protobuf", V3_GNOSTIC),
];

impl V2 {
    fn new(kinds: &Kinds, remote: &Discovered) -> V2 {
        let mut document = openapi::v2(kinds);
        remote.describe(&mut document);
        let json = gzip::compressed(document.to_string().as_bytes());
        V2 { json, protobuf: gzip::compressed(&openapi::v2_protobuf(&document)) }
    }
}

impl OpenApi {
    /// `/openapi/v2`
    pub async fn v2(&self, headers: &HeaderMap, remote: &Arc<Discovered>) -> Result<Response, Status> {
        let Some(content_type) = content_type(headers, &V2_TYPES) else {
            return Ok(refused(&["Accept-Encoding", "Accept"]));
        };
        let whole = self.whole(remote);
        let etag = format!("\"{}\"", self.fingerprint(&whole));
        let mut response = match is_known(headers, &etag, whole.since) {
            true => full(304, content_type, Bytes::new()),
            false => self.v2_body(&whole, remote, content_type, headers).await?,
        };
        response.headers_mut().append(VARY, HeaderValue::from_static("Accept-Encoding"));
        mark(&mut response, &etag, whole.since);
        Ok(response)
    }

    /// What was made before, as long as extension servers say the same.
    fn whole(&self, remote: &Discovered) -> Arc<Whole> {
        let fingerprint = remote.fingerprint();
        let mut whole = self.v2.lock();
        if whole.remote != fingerprint {
            *whole = Arc::new(Whole { remote: fingerprint, ..Whole::default() });
        }
        whole.clone()
    }

    async fn v2_body(
        &self,
        whole: &Whole,
        remote: &Arc<Discovered>,
        content_type: &'static str,
        headers: &HeaderMap,
    ) -> Result<Response, Status> {
        let make = || {
            let (kinds, remote) = (self.kinds.clone(), remote.clone());
            tokio::task::spawn_blocking(move || V2::new(&kinds, &remote))
        };
        let made = whole.made.get_or_try_init(make).await.map_err(|error| {
            tracing::error!(%error, "the OpenAPI document cannot be made");
            Status::new(500, "InternalError", "the OpenAPI document cannot be made")
        })?;
        let compressed = if content_type == GNOSTIC { made.protobuf.clone() } else { made.json.clone() };
        if gzip::accepts(headers) {
            let mut response = full(200, content_type, compressed);
            gzip::mark(&mut response);
            return Ok(response);
        }
        Ok(full(200, content_type, gzip::decompress(&compressed).unwrap_or_default()))
    }

    /// Of all documents together.
    fn fingerprint(&self, whole: &Whole) -> String {
        let mut hasher = Sha256::new();
        hasher.update(&whole.remote);
        for document in self.documents.values() {
            hasher.update(openapi::fingerprint(&self.kinds, document));
        }
        hex::encode_upper(hasher.finalize())
    }
}

/// The first of the client's media types that the document has.
fn content_type(headers: &HeaderMap, forms: &Forms) -> Option<&'static str> {
    let accepted: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|v| v.to_str().ok()).collect();
    if accepted.is_empty() {
        return Some(JSON);
    }
    let named = accepted.iter().flat_map(|text| text.split(','));
    named.filter_map(|range| range.split(';').next()).find_map(|media| match media.trim() {
        "application/*" | "*/*" => Some(JSON),
        media => forms.iter().find(|(name, _)| *name == media).map(|(_, form)| *form),
    })
}

/// Whether the client has the document already; its tag counts before its time.
fn is_known(headers: &HeaderMap, etag: &str, since: Timestamp) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if let Some(tags) = text(IF_NONE_MATCH) {
        return tags.split(',').any(|tag| tag.trim() == etag || tag.trim() == "*");
    }
    let known = text(IF_MODIFIED_SINCE).and_then(|time| jiff::fmt::rfc2822::parse(time).ok());
    known.is_some_and(|known| known.timestamp().as_second() >= since.as_second())
}
