//! From an HTTP request to a verb, and back.

mod discovery;
mod health;
mod held;
mod openapi;
mod options;
mod proxy;
mod read_body;
mod request_info;
mod resource;
mod stream;
mod visit;

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use orch_object::{Kinds, Status};

use crate::aggregation::Remote;
use crate::authz::Attributes;
use crate::causes;
use crate::encode::{bare, full};
use crate::verbs::{Api, Call};

pub use discovery::DiscoveryOf;
pub use health::{GIT_VERSION, Health};
pub use openapi::OpenApiOf;
pub use request_info::{RequestInfo, percent_decode};
pub use visit::Peer;

/// The scheduler's decisions as they are made; for those who may get this path.
const TRACE: &str = "/debug/scheduler/trace";

/// How the priority levels stand.
const DUMP: &str = "/debug/api_priority_and_fairness/dump_priority_levels";

/// Everything the routes answer from.
pub struct Routes {
    pub api: Arc<Api>,
    pub discovery: DiscoveryOf,
    pub openapi: OpenApiOf,
    pub health: Health,
    pub nodes: crate::NodesSlot,
    pub plugin_logs: crate::PluginLogsSlot,
    pub traces: crate::TracesSlot,
    pub outbound: crate::outbound::Outbound,
    /// Ends open watches when the server stops.
    pub stop: tokio_util::sync::CancellationToken,
}

impl Routes {
    /// Answers a request that was let in.
    async fn answer(
        &self,
        info: &RequestInfo,
        query: &options::Query,
        call: &Call,
        attributes: &Attributes,
        request: Request,
    ) -> Result<Response, Status> {
        match info {
            RequestInfo::Resource(info) => {
                if let Some(remote) = self.api.aggregator.remote(&info.group, &info.version) {
                    self.api.authorize_attributes(call, attributes)?;
                    return Ok(self.api.aggregator.proxy(&remote, &call.identity, request).await);
                }
                resource::answer(self, call, info.clone(), query, request).await
            }
            RequestInfo::Path { path, .. } => {
                self.api.authorize_attributes(call, attributes)?;
                if let Some(remote) = self.remote_of_path(path) {
                    return Ok(self.api.aggregator.proxy(&remote, &call.identity, request).await);
                }
                self.answer_path(request.method().clone(), request.headers().clone(), path, query).await
            }
        }
    }

    /// `/apis/GROUP/VERSION` and its schema are told by who serves it.
    fn remote_of_path(&self, path: &str) -> Option<Remote> {
        let mut parts =
            path.strip_prefix("/openapi/v3").unwrap_or(path).split('/').filter(|part| !part.is_empty());
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("apis"), Some(group), Some(version), None) => self.api.aggregator.remote(group, version),
            _ => None,
        }
    }

    async fn answer_path(
        &self,
        method: http::Method,
        headers: http::HeaderMap,
        path: &str,
        query: &options::Query,
    ) -> Result<Response, Status> {
        let trimmed = path.trim_end_matches('/');
        // Checks take any method, most documents GET alone, and what is not there does not ask.
        if let Some(answer) = self.health.answer(trimmed, query) {
            return Ok(answer);
        }
        let answer = self.answer_document(headers, trimmed, query).await?;
        let is_there = answer.status() != http::StatusCode::NOT_FOUND;
        match method {
            http::Method::GET => Ok(answer),
            _ if !KNOWN.contains(&method) => Err(causes::method_not_allowed()),
            _ if is_there && !takes_any_method(trimmed, &method) => Err(causes::method_not_allowed()),
            _ => Ok(answer),
        }
    }

    async fn answer_document(
        &self,
        headers: http::HeaderMap,
        trimmed: &str,
        query: &options::Query,
    ) -> Result<Response, Status> {
        if trimmed == TRACE {
            return stream::trace(self);
        }
        let answer = match trimmed {
            "/version" => Some(full(200, "application/json", health::version().to_string())),
            "/.well-known/openid-configuration" => {
                Some(for_an_hour(full(200, "application/json", self.openid_configuration())))
            }
            "/openid/v1/jwks" => {
                let keys = self.api.tokens().key_set().to_string();
                Some(for_an_hour(full(200, "application/jwk-set+json", keys)))
            }
            DUMP => Some(full(200, "text/plain; charset=utf-8", self.api.fairness.dump())),
            "/metrics" => Some(self.api.metrics.answer(&headers)),
            _ => None,
        };
        if let Some(answer) = answer {
            return Ok(answer);
        }
        let kinds = self.api.kinds_now().await?;
        if trimmed.is_empty() {
            return Ok(full(200, "application/json", root_paths(&kinds)));
        }
        if trimmed == "/openapi/v2" {
            return self.openapi.of(&kinds).v2(&headers, &self.api.aggregator.discovered()).await;
        }
        let remote = self.api.aggregator.discovered();
        self.discovery
            .of(&kinds, &remote)
            .answer(trimmed, &headers)
            .transpose()
            .or_else(|| self.openapi.of(&kinds).answer(trimmed, &headers, query, &remote).transpose())
            .unwrap_or_else(|| nowhere(trimmed))
    }

    fn openid_configuration(&self) -> String {
        let issuer = self.api.tokens().issuer();
        serde_json::json!({
            "issuer": issuer, "jwks_uri": format!("{issuer}/openid/v1/jwks"),
            "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        })
        .to_string()
    }
}

/// Schemas, and the document of one group: upstream's handlers of these do not look.
fn takes_any_method(path: &str, method: &http::Method) -> bool {
    let is_group = path.strip_prefix("/apis/").is_some_and(|group| !group.contains('/'));
    is_group || path.starts_with("/openapi/") || (path.is_empty() && method == http::Method::HEAD)
}

/// Methods that are something at some path.
const KNOWN: [http::Method; 6] = [
    http::Method::DELETE,
    http::Method::HEAD,
    http::Method::OPTIONS,
    http::Method::PATCH,
    http::Method::POST,
    http::Method::PUT,
];

/// A version that does not exist is refused as resources are, anything else as a page.
fn nowhere(path: &str) -> Result<Response, Status> {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match parts[..] {
        ["api", _] | ["apis", _, _] => Err(causes::no_such_resource()),
        // As upstream's aggregator, which passes it on to nobody.
        ["openapi", "v3", ..] => Ok(bare(404)),
        _ => Ok(health::text(404, "404 page not found\n".into())),
    }
}

fn for_an_hour(mut response: Response) -> Response {
    let kept = http::HeaderValue::from_static("public, max-age=3600");
    response.headers_mut().insert(http::header::CACHE_CONTROL, kept);
    response
}

/// What is served, but for what belongs to objects.
fn root_paths(kinds: &Kinds) -> String {
    let mut paths: BTreeSet<String> = [
        "/api",
        "/apis",
        "/healthz",
        "/livez",
        "/metrics",
        "/openapi/v2",
        "/openapi/v3",
        "/readyz",
        "/version",
    ]
    .map(String::from)
    .into();
    paths.extend(
        ["/.well-known/openid-configuration", "/apis/", "/openapi/v3/", "/openid/v1/jwks", "/version/"]
            .map(String::from),
    );
    for kind in kinds.rows() {
        match kind.group.as_str() {
            "" => drop(paths.insert(format!("/api/{}", kind.version))),
            group => paths.extend([format!("/apis/{group}"), format!("/apis/{group}/{}", kind.version)]),
        }
    }
    serde_json::json!({ "paths": paths }).to_string()
}

/// The user agent up to the first `/`.
fn default_manager(headers: &http::HeaderMap) -> String {
    let agent = headers.get(http::header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    orch_object::managed_fields::manager_name("", agent).into_owned()
}

/// `299 - "unknown field …"`, once each.
pub(super) fn add_warnings(response: &mut Response, warnings: &[String]) {
    let mut seen: Vec<&String> = Vec::new();
    for warning in warnings {
        if seen.contains(&warning) {
            continue;
        }
        seen.push(warning);
        let text: String = warning.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let quoted = format!("299 - \"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        if let Ok(value) = http::HeaderValue::from_str(&quoted) {
            response.headers_mut().append(http::header::WARNING, value);
        }
    }
}

/// What reads requests, for the crate's fuzzing.
#[cfg(test)]
pub mod fuzzed {
    pub use super::options::Query;
    pub use super::read_body::{parse, parse_json, parse_yaml};
    pub use super::request_info::RequestInfo;
}
