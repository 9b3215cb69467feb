//! What kind of connection a request wants to become.

use axum::extract::{FromRequestParts, Request, WebSocketUpgrade};
use axum::response::{IntoResponse, Response};
use http::header::{CONNECTION, HeaderMap, HeaderValue, UPGRADE};
use http::{HeaderName, StatusCode};
use hyper_util::rt::TokioIo;
use orch_object::Status;

use super::spdy::Connection;
use crate::encode::{full, status_response};

const SPDY: &str = "SPDY/3.1";
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("x-stream-protocol-version");
const ACCEPTED_VERSIONS: HeaderName = HeaderName::from_static("x-accepted-stream-protocol-versions");

pub(super) enum Upgrade {
    WebSocket(WebSocketUpgrade),
    Spdy(SpdyUpgrade),
}

/// A request that becomes a SPDY connection.
pub(super) struct SpdyUpgrade {
    request: Request,
    /// What the client speaks, in its order of preference.
    offered: Vec<String>,
}

fn names<'h>(headers: &'h HeaderMap, header: &'h HeaderName) -> impl Iterator<Item = &'h str> {
    headers
        .get_all(header)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|v| v.split(','))
        .map(str::trim)
}

fn has(headers: &HeaderMap, header: &HeaderName, wanted: &str) -> bool {
    names(headers, header).any(|name| name.eq_ignore_ascii_case(wanted))
}

pub(super) fn is_websocket(headers: &HeaderMap) -> bool {
    has(headers, &UPGRADE, "websocket")
}

impl Upgrade {
    /// The error is the response to send.
    pub(super) async fn of(request: Request) -> Result<Self, Response> {
        let headers = request.headers();
        // Over HTTP/2 WebSocket comes as an extended CONNECT, without these headers.
        let extended = request.method() == http::Method::CONNECT;
        if extended || is_websocket(headers) {
            let (mut parts, _) = request.into_parts();
            let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
            return upgrade.map(Upgrade::WebSocket).map_err(IntoResponse::into_response);
        }
        if has(headers, &CONNECTION, "upgrade") && has(headers, &UPGRADE, SPDY) {
            let offered = names(headers, &PROTOCOL_VERSION).map(str::to_owned).collect();
            return Ok(Upgrade::Spdy(SpdyUpgrade { request, offered }));
        }
        Err(status_response(&Status::bad_request("Upgrade request required")))
    }
}

impl SpdyUpgrade {
    /// The first protocol of the client's that the server speaks; the client's silence means `unversioned`.
    pub(super) fn negotiate(
        &self,
        spoken: &[&'static str],
        unversioned: &'static str,
    ) -> Result<&'static str, Box<Response>> {
        if self.offered.is_empty() {
            return Ok(unversioned);
        }
        let agreed = self.offered.iter().find_map(|offer| spoken.iter().find(|p| *p == offer));
        agreed.copied().ok_or_else(|| {
            let message = format!(
                "unable to upgrade: unable to negotiate protocol: client supports {:?}, server accepts {spoken:?}",
                self.offered
            );
            let mut response = full(403, "text/plain; charset=utf-8", message);
            for protocol in spoken {
                response.headers_mut().append(ACCEPTED_VERSIONS, HeaderValue::from_static(protocol));
            }
            Box::new(response)
        })
    }

    /// Answers 101 and hands the connection to `serve`.
    pub(super) fn switch<S, F>(self, protocol: &'static str, serve: S) -> Response
    where
        S: FnOnce(Connection) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let upgraded = hyper::upgrade::on(self.request);
        tokio::spawn(async move {
            match upgraded.await {
                Ok(io) => serve(Connection::serve(TokioIo::new(io))).await,
                Err(error) => tracing::debug!(%error, "a client left before its connection was upgraded"),
            }
        });
        let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static(SPDY));
        headers.insert(PROTOCOL_VERSION, HeaderValue::from_static(protocol));
        response
    }
}
