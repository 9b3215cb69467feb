//! Requests from within the process on what an extension server serves.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::uri::Scheme;
use http::{Method, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use orch_admission::Options;
use orch_client::{DeleteOptions, Identity, List, ListOptions, Patch, PatchType, Target, WriteOptions};
use orch_object::Status;
use serde_json::Value;

use super::{Aggregator, MOST_BYTES, Remote, headers};
use crate::outbound::refusal;

/// How long an extension server may take over one request.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request as it goes over HTTP; bodies are JSON.
pub struct Onward {
    method: Method,
    /// With the query.
    path: String,
    media: &'static str,
    body: Option<Value>,
}

impl Onward {
    pub fn get(target: &Target) -> Self {
        Onward::new(Method::GET, target, &[], None)
    }

    pub fn list(target: &Target, options: &ListOptions) -> Self {
        Onward::new(Method::GET, target, &list_query(options), None)
    }

    pub fn create(target: &Target, object: Value, options: &WriteOptions) -> Self {
        Onward::new(Method::POST, target, &write_query(options), Some(object))
    }

    pub fn update(target: &Target, object: Value, options: &WriteOptions) -> Self {
        Onward::new(Method::PUT, target, &write_query(options), Some(object))
    }

    pub fn patch(target: &Target, patch: Patch, options: &WriteOptions) -> Self {
        let mut query = write_query(options);
        if options.force {
            query.push(("force", "true".into()));
        }
        let media = match patch.patch_type {
            PatchType::Json => "application/json-patch+json",
            PatchType::Merge => "application/merge-patch+json",
            PatchType::Strategic => "application/strategic-merge-patch+json",
            PatchType::Apply => "application/apply-patch+yaml",
        };
        Onward { media, ..Onward::new(Method::PATCH, target, &query, Some(patch.body)) }
    }

    pub fn delete(target: &Target, options: &DeleteOptions) -> Self {
        Onward::new(Method::DELETE, target, &[], Some(delete_body(options)))
    }

    pub fn delete_collection(target: &Target, list: &ListOptions, options: &DeleteOptions) -> Self {
        Onward::new(Method::DELETE, target, &list_query(list), Some(delete_body(options)))
    }

    pub fn body(&self) -> Option<&Value> {
        self.body.as_ref()
    }

    fn new(method: Method, target: &Target, query: &[(&str, String)], body: Option<Value>) -> Self {
        let query: Vec<String> =
            query.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        let path = format!("{}{mark}{}", crate::local::uri(target), query.join("&"));
        Onward { method, path, media: "application/json", body }
    }
}

/// Parameters that say something.
fn said<const N: usize>(all: [(&'static str, String); N]) -> Vec<(&'static str, String)> {
    all.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

fn list_query(options: &ListOptions) -> Vec<(&'static str, String)> {
    let limit = if options.limit > 0 { options.limit.to_string() } else { String::new() };
    said([
        ("labelSelector", options.label_selector.clone()),
        ("fieldSelector", options.field_selector.clone()),
        ("limit", limit),
        ("continue", options.continue_token.clone().unwrap_or_default()),
        ("resourceVersion", options.resource_version.clone().unwrap_or_default()),
        ("resourceVersionMatch", options.resource_version_match.clone().unwrap_or_default()),
    ])
}

fn write_query(options: &WriteOptions) -> Vec<(&'static str, String)> {
    let dry_run = if options.dry_run { "All" } else { "" };
    said([
        ("fieldManager", options.field_manager.clone()),
        ("fieldValidation", options.field_validation.clone()),
        ("dryRun", dry_run.into()),
    ])
}

/// `DeleteOptions`, as clients send them.
pub fn delete_body(options: &DeleteOptions) -> Value {
    let mut body = Options::Delete(options).to_json();
    // Servers of any group know this version of it.
    body["apiVersion"] = "v1".into();
    body
}

/// Percent-encoded, but for what every URL may hold.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encoded = text.bytes().map(|byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    encoded.collect()
}

impl Aggregator {
    /// The answer to a request that was authorized here, in the name of who asks.
    pub async fn ask(&self, remote: &Remote, identity: &Identity, asked: Onward) -> Result<Value, Status> {
        let resolved = self.outbound.resolve(&remote.namespace, &remote.service, remote.port);
        let to = match resolved {
            Ok(to) if self.discovered().answers(remote) => to,
            Ok(_) => return Err(failed(StatusCode::SERVICE_UNAVAILABLE, b"")),
            Err(error) => return Err(unreachable(&error.to_string())),
        };
        let body = asked.body.map_or_else(Bytes::new, |body| body.to_string().into());
        let mut request = http::Request::builder()
            .method(asked.method)
            .uri(&asked.path)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, asked.media)
            .header(header::HOST, to.as_str())
            .body(Body::from(body))
            .map_err(|error| Status::bad_request(error.to_string()))?;
        headers::speak_for(identity, request.headers_mut());
        let exchange = async {
            let sent = self.outbound.send(&self.manner(remote), Scheme::HTTPS, to, request).await;
            let answer = sent.map_err(|error| unreachable(&error.to_string()))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), MOST_BYTES).collect().await;
            Ok((status, body.map_err(|error| unreachable(&error.to_string()))?.to_bytes()))
        };
        match tokio::time::timeout(PATIENCE, exchange).await {
            Ok(Ok((status, body))) if status.is_success() => serde_json::from_slice(&body)
                .map_err(|error| unreachable(&format!("its answer cannot be read: {error}"))),
            Ok(Ok((status, body))) => Err(failed(status, &body)),
            Ok(Err(status)) => Err(status),
            Err(_) => Err(unreachable("context deadline exceeded")),
        }
    }
}

fn unreachable(why: &str) -> Status {
    Status::new(503, "ServiceUnavailable", format!("error trying to reach service: {why}"))
}

/// What an extension server refused a request with; a `Status` of its own says so itself.
fn failed(status: StatusCode, body: &[u8]) -> Status {
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let reason = match said["reason"].as_str().filter(|_| said["kind"] == "Status") {
        Some(reason) => reason,
        None => match status.as_u16() {
            400 => "BadRequest",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "NotFound",
            405 => "MethodNotAllowed",
            409 => "Conflict",
            410 => "Gone",
            429 => "TooManyRequests",
            503 => "ServiceUnavailable",
            504 => "Timeout",
            _ => "InternalError",
        },
    };
    let details = said.get("details").filter(|details| details.is_object()).cloned();
    Status { details, ..Status::new(status.as_u16(), reason, refusal(status, body)) }
}

/// A list as it was told; its items say what they are.
pub fn listed(mut told: Value) -> List {
    let api_version = told["apiVersion"].clone();
    let kind = told["kind"].as_str().and_then(|kind| kind.strip_suffix("List")).map(String::from);
    let text = |value: &Value| value.as_str().map(String::from).filter(|text| !text.is_empty());
    let resource_version = text(&told["metadata"]["resourceVersion"]).unwrap_or_default();
    let continue_token = text(&told["metadata"]["continue"]);
    let items = match told.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    let items = items.into_iter().map(|mut item| {
        if let (Some(fields), Some(kind)) = (item.as_object_mut(), &kind) {
            fields.entry("apiVersion").or_insert_with(|| api_version.clone());
            fields.entry("kind").or_insert_with(|| kind.as_str().into());
        }
        item.into()
    });
    List { items: items.collect(), resource_version, continue_token }
}

#[cfg(test)]
mod tests {
    use orch_client::{Precondition, Propagation, Resource};
    use serde_json::json;

    use super::*;

    const FLUNDERS: Resource = Resource::new("a.example", "v1", "flunders");

    #[test]
    fn requests_are_those_of_clients_elsewhere() {
        let options = ListOptions { label_selector: "a in (b,c)".into(), limit: 5, ..Default::default() };
        let list = Onward::list(&Target::within(&FLUNDERS, "n"), &options);
        assert_eq!(list.method, Method::GET);
        let path = "/apis/a.example/v1/namespaces/n/flunders?labelSelector=a%20in%20%28b%2Cc%29&limit=5";
        assert_eq!(list.path, path);
        let options = DeleteOptions {
            propagation: Some(Propagation::Background),
            preconditions: Precondition { uid: Some("u".into()), resource_version: None },
            ..Default::default()
        };
        let delete = Onward::delete(&Target::named(&FLUNDERS, "n", "f"), &options);
        assert_eq!(delete.path, "/apis/a.example/v1/namespaces/n/flunders/f");
        let body = json!({ "apiVersion": "v1", "kind": "DeleteOptions",
            "preconditions": { "uid": "u" }, "propagationPolicy": "Background" });
        assert_eq!(delete.body, Some(body));
    }

    #[test]
    fn items_say_what_they_are() {
        let told = json!({ "apiVersion": "a.example/v1", "kind": "FlunderList",
            "metadata": { "resourceVersion": "7" }, "items": [{ "metadata": { "name": "f" } }] });
        let list = listed(told);
        let flunder = json!({ "apiVersion": "a.example/v1", "kind": "Flunder", "metadata": { "name": "f" } });
        assert_eq!((&*list.items[0], list.resource_version.as_str()), (&flunder, "7"));
    }

    #[test]
    fn refusals_keep_their_words() {
        let own = br#"{"kind":"Status","reason":"NotFound","message":"no f","details":{"name":"f"}}"#;
        let status = failed(StatusCode::NOT_FOUND, own);
        assert_eq!((status.is_not_found(), status.message.as_str()), (true, "no f"));
        assert_eq!(status.details, Some(json!({ "name": "f" })));
        let page = failed(StatusCode::SERVICE_UNAVAILABLE, b"service unavailable\n");
        assert_eq!(page.reason, "ServiceUnavailable");
        assert_eq!(page.message, "the server is currently unable to handle the request");
    }
}
