//! What a probe does: exec, HTTP, TCP, gRPC. The messages are kubelet's.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use reqwest::header::{ACCEPT, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use tokio::time::timeout;

use super::{Outcome, Subject, capture, grpc};
use crate::pod::spec::{Container, HttpGet, Probe, TcpSocket};

/// As much of a body as a message shows.
const BODY_BYTES: usize = 10 * 1024;

/// For probes and hooks: certificates are not checked, connections not kept, redirects to other
/// hosts not followed, as upstream documents.
pub fn http_client() -> reqwest::Result<reqwest::Client> {
    let stay = reqwest::redirect::Policy::custom(|attempt| {
        let first = attempt.previous().first().and_then(|url| url.host_str().map(str::to_string));
        if attempt.previous().len() > 10 {
            attempt.error("stopped after 10 redirects")
        } else if attempt.url().host_str().map(str::to_string) == first {
            attempt.follow()
        } else {
            attempt.stop()
        }
    });
    reqwest::Client::builder()
        .danger_accept_invalid_certs(true)
        .pool_max_idle_per_host(0)
        .no_proxy()
        .redirect(stay)
        .build()
}

pub async fn run(subject: &Subject, probe: &Probe) -> Outcome {
    let limit = Duration::from_secs(probe.timeout_seconds.max(1));
    let ip = subject.ips.first().copied();
    let handler = &probe.handler;
    let result = if let Some(exec) = &handler.exec {
        return self::exec(subject, exec.command.clone(), limit).await;
    } else if let Some(get) = &handler.http_get {
        http(&subject.agent.http, &subject.container, get, ip, Some(limit)).await
    } else if let Some(socket) = &handler.tcp_socket {
        tcp(&subject.container, socket, ip, limit).await
    } else if let Some(call) = &handler.grpc {
        grpc::check(call, ip, limit).await
    } else {
        return Outcome::Unknown("missing probe handler".into());
    };
    match result {
        Ok(()) => Outcome::Healthy,
        Err(message) => Outcome::Unhealthy(message),
    }
}

async fn exec(subject: &Subject, command: Vec<String>, limit: Duration) -> Outcome {
    let shown = command.join(" ");
    let run = capture::exec(&*subject.agent.runtime, &subject.id, command);
    match timeout(limit, run).await {
        Err(_) => Outcome::Unhealthy(format!("command timed out: \"{shown}\" timed out after {limit:?}")),
        Ok(Err(error)) => Outcome::Unknown(error.to_string()),
        Ok(Ok((0, _))) => Outcome::Healthy,
        Ok(Ok((_, output))) => Outcome::Unhealthy(output),
    }
}

/// `limit`: none for hooks, which are limited from outside.
pub async fn http(
    client: &reqwest::Client,
    container: &Container,
    get: &HttpGet,
    ip: Option<IpAddr>,
    limit: Option<Duration>,
) -> Result<(), String> {
    let url = url(container, get, ip)?;
    let mut request = client.get(&url).headers(headers(get)?);
    if let Some(limit) = limit {
        request = request.timeout(limit);
    }
    let response = request.send().await.map_err(|e| http_error(&url, &e))?;
    let status = response.status();
    if status.is_success() || status.is_redirection() {
        return Ok(());
    }
    let body = response.text().await.unwrap_or_default();
    let shown: String = body.chars().take(BODY_BYTES).collect();
    tracing::trace!(url, body = shown, "probe answer");
    Err(format!("HTTP probe failed with statuscode: {}", status.as_u16()))
}

fn url(container: &Container, get: &HttpGet, ip: Option<IpAddr>) -> Result<String, String> {
    let port = container.port(&get.port)?;
    let host = match (get.host.as_str(), ip) {
        ("", Some(IpAddr::V6(ip))) => format!("[{ip}]"),
        ("", Some(ip)) => ip.to_string(),
        ("", None) => return Err("the pod has no address".into()),
        (host, _) => host.to_string(),
    };
    let scheme = if get.scheme.eq_ignore_ascii_case("https") { "https" } else { "http" };
    Ok(format!("{scheme}://{host}:{port}/{}", get.path.trim_start_matches('/')))
}

fn headers(get: &HttpGet) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static("kube-probe/1.37"));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    for header in &get.http_headers {
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|e| e.to_string())?;
        let value = HeaderValue::from_str(&header.value).map_err(|e| e.to_string())?;
        if name == HOST || headers.contains_key(&name) {
            headers.insert(name, value);
        } else {
            headers.append(name, value);
        }
    }
    Ok(headers)
}

fn http_error(url: &str, error: &reqwest::Error) -> String {
    if error.is_timeout() {
        let why = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";
        return format!("Get \"{url}\": {why}");
    }
    format!("Get \"{url}\": {}", innermost(error))
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    let text = last.to_string();
    if text.starts_with("Connection refused") { "connect: connection refused".into() } else { text }
}

async fn tcp(
    container: &Container,
    socket: &TcpSocket,
    ip: Option<IpAddr>,
    limit: Duration,
) -> Result<(), String> {
    let port = container.port(&socket.port)?;
    let shown = match (socket.host.as_str(), ip) {
        ("", Some(ip)) => SocketAddr::new(ip, port).to_string(),
        ("", None) => return Err("the pod has no address".into()),
        (host, _) => format!("{host}:{port}"),
    };
    match timeout(limit, tokio::net::TcpStream::connect(&shown)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(format!("dial tcp {shown}: {}", innermost(&error))),
        Err(_) => Err(format!("dial tcp {shown}: i/o timeout")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn serve(answer: &'static str) -> u16 {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut request = vec![0; 1024];
                let _ = socket.read(&mut request).await;
                let _ = socket.write_all(answer.as_bytes()).await;
            }
        });
        port
    }

    async fn probe(port: u16) -> Result<(), String> {
        let get = HttpGet { path: "/healthz".into(), port: json!(port), ..HttpGet::default() };
        let ip = Some("127.0.0.1".parse().unwrap());
        crate::agent::use_ring();
        let client = http_client().unwrap();
        http(&client, &Container::default(), &get, ip, Some(Duration::from_secs(5))).await
    }

    #[tokio::test]
    async fn http_probes_speak_kubelets_words() {
        let port = serve("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await;
        assert_eq!(probe(port).await, Ok(()));
        let port =
            serve("HTTP/1.1 302 Found\r\nlocation: http://elsewhere.example/\r\ncontent-length: 0\r\n\r\n")
                .await;
        assert_eq!(probe(port).await, Ok(()), "a redirect elsewhere is a success");
        let port = serve("HTTP/1.1 503 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
        assert_eq!(probe(port).await, Err("HTTP probe failed with statuscode: 503".into()));
    }

    #[tokio::test]
    async fn a_closed_port_is_refused() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let message = probe(port).await.unwrap_err();
        assert_eq!(message, format!("Get \"http://127.0.0.1:{port}/healthz\": connect: connection refused"));
        let socket = TcpSocket { port: json!(port), host: String::new() };
        let ip = Some("127.0.0.1".parse().unwrap());
        let result = tcp(&Container::default(), &socket, ip, Duration::from_secs(1)).await;
        assert_eq!(result, Err(format!("dial tcp 127.0.0.1:{port}: connect: connection refused")));
    }
}
