//! Requests to an API server over one HTTP/2 connection: cheap enough for thousands a second.

use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use tokio_util::codec::{AnyDelimiterCodec, FramedRead};
use tokio_util::io::StreamReader;

use crate::kubeconfig::Access;

/// The largest watch event taken: an object may have 1.5 MiB, and JSON escapes.
const LINE_LIMIT: usize = 8 << 20;
/// A request, not a watch, that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    #[error("{what} of the kubeconfig cannot be used: {source}")]
    Setup {
        what: &'static str,
        #[source]
        source: reqwest::Error,
    },
    #[error("cannot reach the API at {server}; is it up? ({source})")]
    Transport {
        server: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("the API answered {code}: {message}")]
    Refused { code: u16, reason: String, message: String },
    #[error("the watch broke off: {0}")]
    Watch(#[from] std::io::Error),
    #[error("a watch event has more than {LINE_LIMIT} bytes")]
    Line,
}

impl ConnectionError {
    pub fn code(&self) -> Option<u16> {
        match self {
            ConnectionError::Refused { code, .. } => Some(*code),
            ConnectionError::Setup { .. }
            | ConnectionError::Transport { .. }
            | ConnectionError::Watch(_)
            | ConnectionError::Line => None,
        }
    }

    /// Whether the same request may succeed later.
    pub fn is_passing(&self) -> bool {
        match self {
            ConnectionError::Refused { code, .. } => *code == 429 || *code >= 500,
            ConnectionError::Transport { .. } | ConnectionError::Watch(_) => true,
            ConnectionError::Setup { .. } | ConnectionError::Line => false,
        }
    }
}

/// How a body is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    Json,
    MergePatch,
    StrategicPatch,
}

impl Body {
    fn content_type(self) -> &'static str {
        match self {
            Body::Json => "application/json",
            Body::MergePatch => "application/merge-patch+json",
            Body::StrategicPatch => "application/strategic-merge-patch+json",
        }
    }
}

/// One identity at one API server. Cheap to clone.
#[derive(Clone)]
pub struct Connection {
    client: reqwest::Client,
    server: String,
}

impl Connection {
    /// Connects lazily: a server that is down is noticed by the first request.
    pub fn new(access: &Access) -> Result<Connection, ConnectionError> {
        let setup = |what| move |source| ConnectionError::Setup { what, source };
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .user_agent("orch-sim")
            .connect_timeout(PATIENCE)
            .http2_adaptive_window(true);
        if let Some(authority) = &access.certificate_authority {
            let roots = reqwest::Certificate::from_pem_bundle(authority)
                .map_err(setup("the certificate authority"))?;
            builder = builder.tls_certs_only(roots);
        }
        if access.insecure {
            builder = builder.tls_danger_accept_invalid_certs(true);
        }
        if let Some(identity) = &access.identity {
            let identity = reqwest::Identity::from_pem(identity).map_err(setup("the client certificate"))?;
            builder = builder.identity(identity);
        }
        if let Some(token) = &access.token {
            let mut headers = reqwest::header::HeaderMap::new();
            if let Ok(value) = reqwest::header::HeaderValue::from_str(&format!("Bearer {token}")) {
                headers.insert(reqwest::header::AUTHORIZATION, value);
            }
            builder = builder.default_headers(headers);
        }
        let client = builder.build().map_err(setup("the TLS setup"))?;
        Ok(Connection { client, server: access.server.clone() })
    }

    pub async fn get(&self, path: &str) -> Result<Bytes, ConnectionError> {
        self.send(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Vec<u8>) -> Result<Bytes, ConnectionError> {
        self.send(Method::POST, path, Some((Body::Json, body))).await
    }

    pub async fn patch(&self, path: &str, kind: Body, body: Vec<u8>) -> Result<Bytes, ConnectionError> {
        self.send(Method::PATCH, path, Some((kind, body))).await
    }

    pub async fn delete(&self, path: &str, options: Vec<u8>) -> Result<Bytes, ConnectionError> {
        self.send(Method::DELETE, path, Some((Body::Json, options))).await
    }

    /// The answer's body; an answer that is not a success is an error with its Status.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<(Body, Vec<u8>)>,
    ) -> Result<Bytes, ConnectionError> {
        let mut request = self.request(method, path).timeout(PATIENCE);
        if let Some((kind, body)) = body {
            request = request.header(reqwest::header::CONTENT_TYPE, kind.content_type()).body(body);
        }
        let answer = request.send().await.map_err(|e| self.transport(e))?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(|e| self.transport(e))?;
        if status.is_success() { Ok(body) } else { Err(refused(status, &body)) }
    }

    /// The lines of a watch, each one event.
    pub async fn watch(
        &self,
        path: &str,
    ) -> Result<impl Stream<Item = Result<Bytes, ConnectionError>> + Send + use<>, ConnectionError> {
        let answer = self.request(Method::GET, path).send().await.map_err(|e| self.transport(e))?;
        let status = answer.status();
        if !status.is_success() {
            let body = answer.bytes().await.map_err(|e| self.transport(e))?;
            return Err(refused(status, &body));
        }
        let reader = StreamReader::new(answer.bytes_stream().map_err(std::io::Error::other));
        let lines = AnyDelimiterCodec::new_with_max_length(b"\n".to_vec(), Vec::new(), LINE_LIMIT);
        let events = FramedRead::with_capacity(reader, lines, 64 << 10).map_err(|error| {
            use tokio_util::codec::AnyDelimiterCodecError::{Io, MaxChunkLengthExceeded};
            match error {
                Io(error) => ConnectionError::Watch(error),
                MaxChunkLengthExceeded => ConnectionError::Line,
            }
        });
        Ok(events.filter(|line| std::future::ready(!matches!(line, Ok(line) if line.is_empty()))))
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.server))
            .header(reqwest::header::ACCEPT, "application/json")
    }

    fn transport(&self, source: reqwest::Error) -> ConnectionError {
        ConnectionError::Transport { server: self.server.clone(), source }
    }
}

/// The parts of a `Status` that say why.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    reason: String,
    message: String,
}

fn refused(status: StatusCode, body: &[u8]) -> ConnectionError {
    let told: Status = serde_json::from_slice(body).unwrap_or_default();
    let message = match told.message.is_empty() {
        true => String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned(),
        false => told.message,
    };
    ConnectionError::Refused { code: status.as_u16(), reason: told.reason, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_tells_the_status() {
        let body = br#"{"kind":"Status","reason":"NotFound","message":"nodes \"x\" not found","code":404}"#;
        let error = refused(StatusCode::NOT_FOUND, body);
        assert_eq!(error.code(), Some(404));
        assert_eq!(error.to_string(), "the API answered 404: nodes \"x\" not found");
        assert!(!error.is_passing());
        assert!(refused(StatusCode::BAD_GATEWAY, b"oops").is_passing());
        assert!(refused(StatusCode::TOO_MANY_REQUESTS, b"").is_passing());
    }
}
