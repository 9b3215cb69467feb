//! One request on its way: known, told to the audit log, let in, answered in time.
//!
//! ```text
//! who (authn) ─► audit begins ─► as whom (impersonation) ─► seats (fairness) ─► answer ─► audit ends
//! ```

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderMap, HeaderValue};
use orch_client::Identity;
use orch_object::Status;
use serde_json::Value;

use super::held::held;
use super::options::Query;
use super::{RequestInfo, Routes, add_warnings, default_manager, read_body, resource};
use crate::audit::{self, LastStage, Level, Stage, Trail};
use crate::authz::Attributes;
use crate::encode::negotiate::{Offer, accept};
use crate::encode::{full, refusal};
use crate::fairness::{Permit, Place};
use crate::metrics::{About, Timing};
use crate::verbs::{Call, attributes};
use crate::{causes, impersonate};

/// What a request may take, unless it is meant to last.
const LONGEST: Duration = Duration::from_secs(60);
/// Sub-resources whose requests last as long as the client wants.
const LASTING: [&str; 5] = ["attach", "exec", "log", "portforward", "proxy"];
/// Characters of a client's own audit id.
const LONGEST_ID: usize = 64;

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Of the client's certificate, verified by TLS already.
    pub certificate: Option<Identity>,
    pub address: Option<IpAddr>,
}

/// What is known of a request, as far as it got.
pub struct Visit {
    audit_id: String,
    uri: String,
    agent: String,
    source: Option<IpAddr>,
    info: RequestInfo,
    pub query: Query,
    trail: OnceLock<Arc<Trail>>,
    call: OnceLock<Arc<Call>>,
    place: OnceLock<Place>,
}

impl Visit {
    pub fn new(request: &Request, peer: &Peer) -> Self {
        let query = Query::parse(request.uri().query().unwrap_or_default());
        let info = RequestInfo::parse(request.method(), request.uri().path(), query.is_true("watch"));
        let agent = request.headers().get(http::header::USER_AGENT);
        Visit {
            audit_id: audit_id(request.headers()),
            uri: request.uri().path_and_query().map_or(String::new(), ToString::to_string),
            agent: agent.and_then(|agent| agent.to_str().ok()).unwrap_or_default().to_string(),
            source: peer.address,
            info,
            query,
            trail: OnceLock::new(),
            call: OnceLock::new(),
            place: OnceLock::new(),
        }
    }

    fn attributes(&self) -> Attributes {
        match &self.info {
            RequestInfo::Resource(info) => attributes(&info.verb, &resource::target(info)),
            RequestInfo::Path { verb, path } => {
                Attributes { verb: verb.clone(), path: Some(path.clone()), ..Attributes::default() }
            }
        }
    }

    fn is_watch(&self) -> bool {
        matches!(&self.info, RequestInfo::Resource(info) if info.verb == "watch")
    }

    /// Meant to last, a watch aside.
    fn lasts(&self) -> bool {
        match &self.info {
            RequestInfo::Resource(info) => LASTING.contains(&info.subresource.as_str()),
            RequestInfo::Path { path, .. } => path.starts_with("/debug/scheduler/"),
        }
    }

    /// How long the answer may take; `None`: as long as it wants.
    fn limit(&self) -> Result<Option<Duration>, Status> {
        let asked = match self.query.get("timeout") {
            "" => LONGEST,
            text => go_duration(text).ok_or_else(|| {
                Status::bad_request(format!(
                    "invalid timeout specified in the request URL - time: invalid duration {text:?}"
                ))
            })?,
        };
        let asked = if asked.is_zero() { LONGEST } else { asked };
        Ok((!self.is_watch() && !self.lasts()).then_some(asked.min(LONGEST)))
    }

    fn request(&self) -> audit::Request<'_> {
        let version = match &self.info {
            RequestInfo::Resource(info) => info.version.as_str(),
            RequestInfo::Path { .. } => "",
        };
        audit::Request {
            audit_id: &self.audit_id,
            uri: &self.uri,
            source: self.source,
            user_agent: &self.agent,
            version,
        }
    }

    /// The body that the log wants, read before anybody else does.
    async fn tell_body(&self, request: Request) -> Result<Request, Status> {
        let wanted = self.trail.get().filter(|trail| trail.level() >= Level::Request);
        let Some(trail) = wanted.filter(|_| !self.lasts() && !request.method().is_safe()) else {
            return Ok(request);
        };
        let (parts, body) = request.into_parts();
        let (bytes, media) = read_body::read(Request::from_parts(parts.clone(), body)).await?;
        let media = if media.ends_with("patch+json") { "application/json" } else { media.as_str() };
        let media = if media.ends_with("patch+yaml") { "application/yaml" } else { media };
        if let Ok((object, _)) = read_body::parse(&bytes, media) {
            trail.request_object(object);
        }
        Ok(Request::from_parts(parts, Body::from(bytes)))
    }
}

impl Routes {
    /// Answers a request.
    pub async fn handle(&self, request: Request, peer: Arc<Peer>) -> Response {
        let started = std::time::Instant::now();
        let visit = Visit::new(&request, &peer);
        let mut timing = self.begin(&visit, &request);
        let method = request.method().clone();
        let readable = readable(request.headers());
        let answer = match visit.limit() {
            Err(status) => Err(status),
            Ok(None) => self.enter(&visit, request, &peer).await,
            Ok(Some(limit)) => tokio::time::timeout(limit, self.enter(&visit, request, &peer))
                .await
                .unwrap_or_else(|_| Err(causes::out_of_time())),
        };
        let mut response = answer.unwrap_or_else(|status| {
            let accepted = accept(&readable, Offer::PLAIN).unwrap_or_default();
            refusal(&status, accepted)
        });
        if method == http::Method::HEAD {
            *response.body_mut() = Body::empty();
        }
        add_headers(&visit, &mut response);
        let path = &visit.uri;
        let code = response.status().as_u16();
        timing.answered(code);
        tracing::debug!(%method, path, status = code, took = ?started.elapsed(), "answered");
        if code >= 400 || !(visit.is_watch() || visit.lasts()) {
            return end_trail(&visit, response).await;
        }
        let last = begin_stream(&visit, code);
        response.map(|body| held(body, (last, timing)))
    }

    /// Counts the request from now on.
    fn begin(&self, visit: &Visit, request: &Request) -> Timing {
        let about = match &visit.info {
            RequestInfo::Resource(info) => {
                let kinds = self.api.kinds.current();
                let about = About::resource(&kinds, &info.verb, &resource::target(info));
                let media = request.headers().get(http::header::CONTENT_TYPE);
                let media = media.and_then(|media| media.to_str().ok()).unwrap_or_default();
                if media.starts_with("application/apply-patch") { about.applies() } else { about }
            }
            RequestInfo::Path { path, .. } => About::path(path),
        };
        let dry_run = match visit.query.all("dryRun").as_slice() {
            [] => "",
            all if all.iter().all(|value| value == "All") => "All",
            _ => "invalid",
        };
        self.api.metrics.requests.begin(about, dry_run)
    }

    async fn enter(&self, visit: &Visit, request: Request, peer: &Peer) -> Result<Response, Status> {
        let attributes = visit.attributes();
        let headers = request.headers();
        let path = request.uri().path();
        let known = self.api.authenticator.authenticate(peer.certificate.as_ref(), headers, path).await;
        let identity = match known {
            Ok(identity) => identity,
            Err(status) => {
                self.begin_trail(visit, &Identity::default(), &attributes);
                return Err(status);
            }
        };
        self.begin_trail(visit, &identity, &attributes);
        let acting = impersonate::effective(&identity, headers, &attributes, self.api.authorizer())?;
        if let (Some(acting), Some(trail)) = (&acting, visit.trail.get()) {
            trail.impersonated(&acting.identity, &acting.constraint);
        }
        let identity = acting.map_or(identity, |acting| acting.identity);
        let call = Arc::new(Call::new(identity, default_manager(headers)));
        let _ = visit.call.set(call.clone());
        let _permit = match self.seat(visit, &call, &attributes).await {
            Ok(permit) => permit,
            Err(response) => return Ok(response),
        };
        let request = visit.tell_body(request).await?;
        self.answer(&visit.info, &visit.query, &call, &attributes, request).await
    }

    fn begin_trail(&self, visit: &Visit, identity: &Identity, attributes: &Attributes) {
        if let Some(trail) = self.api.auditor.begin(identity, attributes, visit.request()) {
            let _ = visit.trail.set(Arc::new(trail));
        }
    }

    /// Waits for the request's turn. A watch holds its seats until it has begun, a stream has none.
    async fn seat(
        &self,
        visit: &Visit,
        call: &Call,
        attributes: &Attributes,
    ) -> Result<Option<Permit>, Response> {
        if visit.lasts() {
            return Ok(None);
        }
        let limit = visit.query.get("limit").parse().unwrap_or(0);
        let seats = match &visit.info {
            RequestInfo::Resource(info) => self.api.seats(&info.verb, &resource::target(info), limit),
            RequestInfo::Path { .. } => 1,
        };
        let (place, permit) = self.api.fairness.admit(&call.identity, attributes, seats).await;
        let _ = visit.place.set(place);
        permit.map(Some).map_err(|why| {
            tracing::debug!(user = %call.identity.name, ?why, "a request was turned away");
            too_many()
        })
    }
}

/// Plain text, as upstream's.
fn too_many() -> Response {
    let text = "Too many requests, please try again later.\n";
    let mut response = full(429, "text/plain; charset=utf-8", text);
    response.headers_mut().insert(http::header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

fn add_headers(visit: &Visit, response: &mut Response) {
    let call = visit.call.get();
    if let Some(call) = call {
        add_warnings(response, &call.warnings());
    }
    let headers = response.headers_mut();
    // As upstream's authorization does: what it says holds what the client sent.
    if call.is_some_and(|call| call.is_forbidden()) {
        headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    }
    headers.entry("cache-control").or_insert(HeaderValue::from_static("no-cache, private"));
    let mut insert = |name: &'static str, text: &str| {
        if let Some(value) = HeaderValue::from_str(text).ok().filter(|value| !value.is_empty()) {
            headers.insert(name, value);
        }
    };
    insert("audit-id", &visit.audit_id);
    if let Some(place) = visit.place.get() {
        insert("x-kubernetes-pf-flowschema-uid", &place.schema_uid);
        insert("x-kubernetes-pf-prioritylevel-uid", &place.level_uid);
    }
}

/// Tells the log that an answer begins that lasts; its end is told when what is returned is dropped.
fn begin_stream(visit: &Visit, code: u16) -> Option<LastStage> {
    let trail = visit.trail.get()?;
    annotate(visit, trail);
    trail.answered(code, None);
    trail.tell(Stage::ResponseStarted);
    Some(LastStage::of(trail.clone()))
}

/// Tells the log what came of it.
async fn end_trail(visit: &Visit, response: Response) -> Response {
    let Some(trail) = visit.trail.get() else { return response };
    let code = response.status().as_u16();
    annotate(visit, trail);
    let wants_body = code >= 400 || trail.level() >= Level::RequestResponse;
    let (response, object) = if wants_body { with_object(response).await } else { (response, None) };
    let failure = object.as_ref().filter(|object| object["kind"] == "Status");
    trail.answered(code, failure);
    if let Some(object) = object.filter(|_| trail.level() >= Level::RequestResponse) {
        trail.response_object(object);
    }
    trail.tell(Stage::ResponseComplete);
    response
}

fn annotate(visit: &Visit, trail: &Trail) {
    if let Some(call) = visit.call.get() {
        trail.annotate(&call.annotations());
    }
}

/// The object in an answer of one piece, where it can be read.
async fn with_object(response: Response) -> (Response, Option<Value>) {
    let (parts, body) = response.into_parts();
    // Whole already: nothing is waited for.
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let plain = match parts.headers.get(http::header::CONTENT_ENCODING) {
        None => Some(bytes.to_vec()),
        Some(_) => crate::encode::gzip::decompress(&bytes),
    };
    let media = crate::encode::negotiate::content_type(&parts.headers);
    let object = plain.and_then(|bytes| read_body::parse(&bytes, &media).ok()).map(|(object, _)| object);
    (Response::from_parts(parts, Body::from(bytes)), object)
}

/// What a failure may be written in.
fn readable(headers: &HeaderMap) -> HeaderMap {
    let accepted = headers.get_all(http::header::ACCEPT).iter();
    accepted.map(|value| (http::header::ACCEPT, value.clone())).collect()
}

/// The client's own, or a new one.
fn audit_id(headers: &HeaderMap) -> String {
    let given = headers.get("audit-id").and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty());
    given.map_or_else(|| uuid::Uuid::new_v4().to_string(), |id| id.chars().take(LONGEST_ID).collect())
}

/// `1m30s`, `500ms`; `None`: not a duration, or a negative one.
fn go_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut seconds = 0.0;
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let (unit, scale) = UNITS.iter().find(|(unit, _)| rest[digits..].starts_with(unit))?;
        seconds += number * scale;
        rest = &rest[digits + unit.len()..];
    }
    Duration::try_from_secs_f64(seconds).ok()
}

/// Longer ones first where one begins another.
const UNITS: [(&str, f64); 7] =
    [("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_gos() {
        let seconds = |text: &str| go_duration(text).map(|d| d.as_secs_f64());
        assert_eq!(seconds("1m30s"), Some(90.0));
        assert_eq!(seconds("500ms"), Some(0.5));
        assert_eq!(seconds("1.5h"), Some(5400.0));
        assert_eq!(seconds("0"), Some(0.0));
        for wrong in ["", "5", "s", "1x", "-1s", "1s-"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    fn visit(method: &str, uri: &str) -> Visit {
        let request = Request::builder().method(method).uri(uri).body(Body::empty()).unwrap();
        Visit::new(&request, &Peer { certificate: None, address: None })
    }

    #[test]
    fn requests_end_in_a_minute_unless_they_are_meant_to_last() {
        let limit = |uri: &str| visit("GET", uri).limit();
        assert_eq!(limit("/api/v1/pods").unwrap(), Some(LONGEST));
        assert_eq!(limit("/api/v1/pods?timeout=10s").unwrap(), Some(Duration::from_secs(10)));
        assert_eq!(limit("/api/v1/pods?timeout=10m").unwrap(), Some(LONGEST));
        assert_eq!(limit("/api/v1/pods?watch=true").unwrap(), None);
        assert_eq!(limit("/api/v1/namespaces/a/pods/p/log?follow=true").unwrap(), None);
        assert_eq!(limit("/api/v1/pods?timeout=soon").unwrap_err().code, 400);
    }

    #[test]
    fn a_client_may_name_its_request() {
        let mut headers = HeaderMap::new();
        assert_eq!(audit_id(&headers).len(), 36);
        headers.insert("audit-id", HeaderValue::from_static("mine"));
        assert_eq!(audit_id(&headers), "mine");
        headers.insert("audit-id", HeaderValue::from_str(&"x".repeat(100)).unwrap());
        assert_eq!(audit_id(&headers).len(), LONGEST_ID);
    }
}
