//! Requests handed on to a server behind this one (`k8s.io/apimachinery/pkg/util/proxy`).

mod html;
mod links;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{StatusCode, Uri};
use hyper_util::rt::TokioIo;
use orch_object::Status;

use crate::outbound::{Manner, Outbound, OutboundError};

pub use links::Links;

/// Where a request goes on to.
pub struct Destination {
    pub manner: Manner,
    pub scheme: Scheme,
    pub address: Authority,
    /// `None`: what the client called the host.
    pub host: Option<HeaderValue>,
    /// With the query.
    pub path: PathAndQuery,
    /// Set where links in the answer are to lead through here again.
    pub links: Option<Links>,
}

/// Headers that concern one connection only (RFC 9110, 7.6.1, and what was common before).
const OF_THE_CONNECTION: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
];

/// What a server behind may not decide for this one.
const CROSS_ORIGIN: [HeaderName; 4] = [
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_ALLOW_HEADERS,
    header::ACCESS_CONTROL_ALLOW_METHODS,
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
];

/// Hands the request on and gives back the answer, both as streams. A request for another protocol
/// becomes a connection of bytes once the server agrees.
pub async fn forward(outbound: &Outbound, to: Destination, mut request: Request) -> Result<Response, Status> {
    let upgrade = upgrade_of(request.headers());
    let client = upgrade.is_some().then(|| hyper::upgrade::on(&mut request));
    let host = to.host.or_else(|| host_of(&request));
    strip(request.headers_mut());
    // Meant for this server alone.
    request.headers_mut().remove(header::AUTHORIZATION);
    if let Some(protocol) = &upgrade {
        request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        request.headers_mut().insert(header::UPGRADE, protocol.clone());
    }
    if let Some(links) = &to.links {
        links.announce(request.headers_mut(), to.path.path());
    }
    if let Some(host) = &host {
        request.headers_mut().insert(header::HOST, host.clone());
    }
    *request.uri_mut() = Uri::from(to.path);
    let sent = outbound.send(&to.manner, to.scheme, to.address.clone(), request).await;
    let mut response = sent.map_err(|error| unreachable(&error))?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS
        && let Some(client) = client
    {
        let server = hyper::upgrade::on(&mut response);
        tokio::spawn(copy(client, server));
        return Ok(response.map(|_| Body::empty()));
    }
    strip(response.headers_mut());
    let response = response.map(Body::new);
    match to.links {
        None => Ok(response),
        Some(links) => {
            let mut response = response;
            CROSS_ORIGIN.iter().for_each(|name| drop(response.headers_mut().remove(name)));
            let asked = host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or_default();
            html::rewrite(response, &links.seen_from(to.address.as_str(), asked)).await
        }
    }
}

/// 503 in upstream's words.
pub fn unreachable(error: &OutboundError) -> Status {
    Status::new(503, "ServiceUnavailable", format!("error trying to reach service: {error}"))
}

/// The protocol a request wants to go on with.
fn upgrade_of(headers: &HeaderMap) -> Option<HeaderValue> {
    let connection = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let mut tokens = connection.flat_map(|value| value.split(','));
    let wanted = tokens.any(|token| token.trim().eq_ignore_ascii_case("upgrade"));
    headers.get(header::UPGRADE).filter(|_| wanted).cloned()
}

/// HTTP/2 has the host in its URL.
fn host_of(request: &Request) -> Option<HeaderValue> {
    let named = request.headers().get(header::HOST).cloned();
    named.or_else(|| HeaderValue::from_str(request.uri().authority()?.as_str()).ok())
}

fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&OF_THE_CONNECTION).chain([&header::UPGRADE]) {
        headers.remove(name);
    }
}

/// Both ways, until one side is done with both.
async fn copy(client: hyper::upgrade::OnUpgrade, server: hyper::upgrade::OnUpgrade) {
    match tokio::try_join!(client, server) {
        Ok((client, server)) => {
            let (mut client, mut server) = (TokioIo::new(client), TokioIo::new(server));
            if let Err(error) = tokio::io::copy_bidirectional(&mut client, &mut server).await {
                tracing::debug!(%error, "a proxied connection broke");
            }
        }
        Err(error) => tracing::debug!(%error, "a proxied connection was not upgraded"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_concerns_the_connection_goes_no_further() {
        let mut headers = HeaderMap::new();
        for (name, value) in
            [("connection", "keep-alive, X-Own"), ("x-own", "1"), ("te", "trailers"), ("x-kept", "1")]
        {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        assert_eq!(upgrade_of(&headers), None);
        strip(&mut headers);
        assert_eq!(headers.len(), 1);
        assert!(headers.contains_key("x-kept"));
    }

    #[test]
    fn an_upgrade_is_asked_for_by_two_headers() {
        let mut headers = HeaderMap::new();
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        assert_eq!(upgrade_of(&headers), None);
        headers.insert(header::CONNECTION, HeaderValue::from_static("keep-alive, Upgrade"));
        assert_eq!(upgrade_of(&headers).unwrap(), "websocket");
    }
}
