//! OpenAPI v3: an index, and one document for each group and version, with hashes to cache by.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use orch_object::{Kinds, Status, openapi};
use serde_json::{Map, Value, json};

use super::options::Query;
use crate::aggregation::Discovered;
use crate::causes;
use crate::definitions::Latest;
use crate::encode::full;

/// The index of the table as it is.
#[derive(Default)]
pub struct OpenApiOf(Latest<OpenApi>);

impl OpenApiOf {
    pub fn of(&self, kinds: &Arc<Kinds>) -> Arc<OpenApi> {
        self.0.of(kinds, || OpenApi::new(kinds.clone()))
    }
}

/// Documents are built when asked for, and not kept: clients keep them by their hashes.
pub struct OpenApi {
    kinds: Arc<Kinds>,
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
        OpenApi { kinds, paths }
    }

    /// `None`: no OpenAPI path.
    pub fn answer(
        &self,
        path: &str,
        headers: &HeaderMap,
        query: &Query,
        remote: &Discovered,
    ) -> Result<Option<Response>, Status> {
        if path == "/openapi/v2" {
            return v2(headers).map(Some);
        }
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

/// kubectl below 1.29 wants the document to exist, in protobuf, and uses v3; the JSON form is not built.
fn v2(headers: &HeaderMap) -> Result<Response, Status> {
    let accepted = headers.get_all(http::header::ACCEPT).iter().filter_map(|v| v.to_str().ok());
    if accepted.into_iter().any(|accept| accept.contains("com.github.proto-openapi.spec.v2")) {
        return Ok(full(200, openapi::V2_CONTENT_TYPE, openapi::v2()));
    }
    Err(causes::no_such_resource())
}
