//! OpenAPI v3: an index, and one document for each group and version, with hashes to cache by; and v2.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{ACCEPT, ETAG, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, VARY};
use jiff::Timestamp;
use orch_object::{Kinds, Status, openapi};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use super::options::Query;
use crate::aggregation::Discovered;
use crate::definitions::Latest;
use crate::encode::{full, gzip};

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
    v2: OnceCell<V2>,
    /// `api/v1`, `apis/apps/v1`, … with group and version.
    paths: BTreeMap<String, (String, String)>,
}

impl OpenApi {
    pub fn new(kinds: Arc<Kinds>) -> Self {
        let path = |group: &str, version: &str| match group {
            "" => format!("api/{version}"),
            group => format!("apis/{group}/{version}"),
        };
        let paths = kinds
            .rows()
            .iter()
            .map(|k| (path(&k.group, &k.version), (k.group.clone(), k.version.clone())))
            .collect();
        OpenApi { kinds, since: Timestamp::now(), v2: OnceCell::new(), paths }
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
            return Ok(Some(full(200, "application/json", self.index(remote))));
        }
        let Some((group, version)) = path.strip_prefix("/openapi/v3/").and_then(|name| self.paths.get(name))
        else {
            return Ok(None);
        };
        let hash = openapi::fingerprint(&self.kinds, group, version);
        let etag = format!("\"{hash}\"");
        let known = headers.get(http::header::IF_NONE_MATCH).is_some_and(|v| v.as_bytes() == etag.as_bytes());
        let mut response = match known {
            true => full(304, "application/json", Bytes::new()),
            false => full(200, "application/json", openapi::v3(&self.kinds, group, version).to_string()),
        };
        if let Ok(value) = http::HeaderValue::from_str(&etag) {
            response.headers_mut().insert(http::header::ETAG, value);
        }
        if query.get("hash") == hash {
            let for_ever = http::HeaderValue::from_static("public, immutable");
            response.headers_mut().insert(http::header::CACHE_CONTROL, for_ever);
        }
        Ok(Some(response))
    }

    /// What extension servers have to say is found where they say.
    fn index(&self, remote: &Discovered) -> String {
        let entry = |name: &str, hash: &str| {
            (name.to_string(), json!({ "serverRelativeURL": format!("/openapi/v3/{name}?hash={hash}") }))
        };
        let mut paths: Map<String, Value> = self
            .paths
            .iter()
            .map(|(name, (group, version))| entry(name, &openapi::fingerprint(&self.kinds, group, version)))
            .collect();
        for version in remote.versions.iter().filter(|version| !version.openapi.is_empty()) {
            let path = format!("apis/{}/{}", version.group, version.version);
            paths.insert(path, json!({ "serverRelativeURL": version.openapi }));
        }
        json!({ "paths": paths }).to_string()
    }
}

/// The document of everything: large, so kept compressed once somebody has asked for it.
struct V2 {
    json: Bytes,
    protobuf: Bytes,
}

const GNOSTIC: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

impl V2 {
    fn new(kinds: &Kinds) -> V2 {
        let document = openapi::v2(kinds);
        let json = gzip::compressed(document.to_string().as_bytes());
        V2 { json, protobuf: gzip::compressed(&openapi::v2_protobuf(&document)) }
    }
}

impl OpenApi {
    /// `/openapi/v2`
    pub async fn v2(self: Arc<Self>, headers: &HeaderMap) -> Result<Response, Status> {
        let Some(content_type) = v2_content_type(headers) else {
            return Ok(full(406, "text/plain; charset=utf-8", Bytes::new()));
        };
        let etag = format!("\"{}\"", self.fingerprint());
        let mut response = match is_known(headers, &etag, self.since) {
            true => full(304, content_type, Bytes::new()),
            false => self.clone().v2_body(content_type, headers).await?,
        };
        let modified = self.since.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        for (name, value) in [(ETAG, etag), (LAST_MODIFIED, modified)] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
        response.headers_mut().append(VARY, HeaderValue::from_static("Accept"));
        Ok(response)
    }

    async fn v2_body(
        self: Arc<Self>,
        content_type: &'static str,
        headers: &HeaderMap,
    ) -> Result<Response, Status> {
        let make = || {
            let kinds = self.kinds.clone();
            tokio::task::spawn_blocking(move || V2::new(&kinds))
        };
        let made = self.v2.get_or_try_init(make).await.map_err(|error| {
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
    fn fingerprint(&self) -> String {
        let mut hasher = Sha256::new();
        for (group, version) in self.paths.values() {
            hasher.update(openapi::fingerprint(&self.kinds, group, version));
        }
        hex::encode_upper(hasher.finalize())
    }
}

/// The first of the client's media types that the document has.
fn v2_content_type(headers: &HeaderMap) -> Option<&'static str> {
    let accepted: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|v| v.to_str().ok()).collect();
    if accepted.is_empty() {
        return Some("application/json");
    }
    let named = accepted.iter().flat_map(|text| text.split(','));
    named.filter_map(|range| range.split(';').next()).find_map(|media| match media.trim() {
        "application/json" | "application/*" | "*/*" => Some("application/json"),
        GNOSTIC | "application/com.github.proto-openapi.spec.v2@v1.0+protobuf" => Some(GNOSTIC),
        _ => None,
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
