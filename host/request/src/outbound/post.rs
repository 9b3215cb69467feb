//! JSON sent to a webhook, and its answer.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use orch_object::client_config::{ClientConfig, Place};
use serde_json::Value;

use super::trust::Trust;
use super::{Manner, Outbound, host_header, service_host};

/// Where a request goes once it is resolved.
struct Route {
    manner: Manner,
    to: Authority,
    host: String,
    path: String,
}

impl Outbound {
    /// Posts JSON to a webhook and gives back the body of a good answer, of at most `most` bytes. The
    /// whole exchange may take `within`; with `tells` the webhook is told so in its URL.
    pub async fn post(
        &self,
        whom: &ClientConfig,
        body: Vec<u8>,
        within: Duration,
        tells: bool,
        most: usize,
    ) -> Result<Bytes, String> {
        let query = if tells { format!("?timeout={}s", within.as_secs()) } else { String::new() };
        let url = format!("{}{query}", whom.url());
        let failed = |why: String| format!("Post {url:?}: {why}");
        let exchange = async {
            let route = self.route(whom).map_err(&failed)?;
            self.exchange(route, &query, body, most, &failed).await
        };
        match tokio::time::timeout(within, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(failed("context deadline exceeded".into())),
        }
    }

    fn route(&self, whom: &ClientConfig) -> Result<Route, String> {
        let trust = Trust::of_bundle(&whom.ca_bundle);
        match &whom.place {
            Place::Service { namespace, name, port, path } => {
                let to = self.resolve(namespace, name, *port).map_err(|error| error.to_string())?;
                let server_name = service_host(namespace, name);
                let host = format!("{server_name}:{port}");
                let manner = Manner { trust, server_name: Some(server_name), certificate: None };
                Ok(Route { manner, to, host, path: path.clone() })
            }
            Place::Url(url) => {
                let uri: Uri = url.parse().map_err(|error| format!("Unparsable URL: {error}"))?;
                let host = uri.authority().ok_or("Unparsable URL: it names no host")?;
                let port = host.port_u16().unwrap_or(443);
                let to = format!("{}:{port}", host.host()).parse();
                let to = to.map_err(|error: http::uri::InvalidUri| error.to_string())?;
                let manner = Manner { trust, server_name: None, certificate: None };
                Ok(Route { manner, to, host: host.to_string(), path: uri.path().to_owned() })
            }
        }
    }

    async fn exchange(
        &self,
        route: Route,
        query: &str,
        body: Vec<u8>,
        most: usize,
        failed: &impl Fn(String) -> String,
    ) -> Result<Bytes, String> {
        let path = if route.path.is_empty() { "/" } else { &route.path };
        let mut request = Request::post(format!("{path}{query}"))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, */*")
            .header(header::USER_AGENT, "kube-apiserver-admission")
            .body(Body::from(body))
            .map_err(|error| failed(error.to_string()))?;
        request.headers_mut().extend(host_header(&route.host).map(|host| (header::HOST, host)));
        let response = self.send(&route.manner, Scheme::HTTPS, route.to, request).await;
        let response = response.map_err(|error| failed(error.to_string()))?;
        let status = response.status();
        let body = match Limited::new(response.into_body(), most).collect().await {
            Ok(collected) => collected.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Err(format!("the response is larger than {most} bytes"));
            }
            Err(error) => return Err(failed(error.to_string())),
        };
        match status.is_success() {
            true => Ok(body),
            false => Err(refusal(status, &body)),
        }
    }
}

/// A status other than success, as Go's clients word it.
pub(crate) fn refusal(status: StatusCode, body: &[u8]) -> String {
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    if let Some(message) = said["message"].as_str().filter(|_| said["kind"] == "Status") {
        return message.to_owned();
    }
    match status.as_u16() {
        404 => "the server could not find the requested resource".into(),
        400 => "the server rejected our request for an unknown reason".into(),
        401 => "the server has asked for the client to provide credentials".into(),
        405 => "the server does not allow this method on the requested resource".into(),
        503 => "the server is currently unable to handle the request".into(),
        504 => "the server was unable to return a response in the time allotted".into(),
        500..600 => {
            let body: String = String::from_utf8_lossy(body).chars().take(2048).collect();
            format!("an error on the server ({:?}) has prevented the request from succeeding", body.trim())
        }
        code => {
            format!("the server responded with the status code {code} but did not return more information")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    async fn outbound(dir: &std::path::Path) -> Outbound {
        let store = orch_store::open("sqlite", &dir.join("state.db"), Default::default()).await.unwrap();
        Outbound::new(orch_watch::Cache::start(store, Default::default()).await.unwrap())
    }

    async fn post(outbound: &Outbound, config: Value) -> String {
        let whom = ClientConfig::parse(&config);
        outbound.post(&whom, b"{}".to_vec(), Duration::from_secs(3), true, 100).await.unwrap_err()
    }

    #[tokio::test]
    async fn failures_are_told_in_gos_words() {
        let dir = tempfile::tempdir().unwrap();
        let outbound = outbound(dir.path()).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let why = post(&outbound, json!({ "url": format!("https://{address}/x") })).await;
        let expected = format!(
            r#"Post "https://{address}/x?timeout=3s": dial tcp {address}: connect: connection refused"#
        );
        assert_eq!(why, expected);
        let why =
            post(&outbound, json!({ "service": { "namespace": "n", "name": "s", "path": "/p" } })).await;
        assert_eq!(why, r#"Post "https://s.n.svc:443/p?timeout=3s": service "s" not found"#);
    }

    #[tokio::test]
    async fn who_never_answers_is_given_up() {
        let dir = tempfile::tempdir().unwrap();
        let outbound = outbound(dir.path()).await;
        // Accepts and says nothing.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/x", listener.local_addr().unwrap());
        tokio::time::pause();
        let why = post(&outbound, json!({ "url": url })).await;
        assert_eq!(why, format!(r#"Post "{url}?timeout=3s": context deadline exceeded"#));
    }

    #[test]
    fn other_statuses_are_worded_as_upstream_does() {
        let cases = [
            (404, &b"<html>"[..], "the server could not find the requested resource"),
            (500, b"oh", r#"an error on the server ("oh") has prevented the request from succeeding"#),
            (302, b"", "the server responded with the status code 302 but did not return more information"),
            (403, br#"{"kind":"Status","message":"no"}"#, "no"),
        ];
        for (code, body, expected) in cases {
            assert_eq!(refusal(StatusCode::from_u16(code).unwrap(), body), expected);
        }
    }
}
