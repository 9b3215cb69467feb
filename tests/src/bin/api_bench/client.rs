//! HTTP/1.1 over TLS with nothing around it: what the clients spend is not the server's to spend.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use kube::Config;
use kube::client::ConfigExt;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A TLS record holds no more.
const BUFFER: usize = 16 << 10;

/// How clients reach the server, and who they are: a certificate's holder, or a token's.
#[derive(Clone)]
pub struct Connections {
    tls: TlsConnector,
    server: ServerName<'static>,
    /// `127.0.0.1:6443`
    authority: Arc<str>,
    identity: Identity,
}

/// The header of a token with its line's end, or nothing.
type Identity = Arc<str>;

/// A connection, for one request at a time.
pub struct Connection {
    stream: TlsStream<TcpStream>,
    authority: Arc<str>,
    identity: Identity,
    buffer: Vec<u8>,
    /// What the buffer holds before it has been taken.
    taken: usize,
}

/// A request as it is sent, but for whom it is sent to.
pub struct Request {
    /// `GET /api HTTP/1.1`
    line: String,
    /// Each with its line's end.
    headers: String,
    body: String,
}

/// Where an answer's body ends.
enum Framing {
    Length(usize),
    Chunked,
}

impl Connections {
    pub async fn read(kubeconfig: &Path) -> Connections {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let kubeconfig = kube::config::Kubeconfig::read_from(kubeconfig).expect("the kubeconfig");
        let config = Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await;
        let config = config.expect("its settings");
        let tls = config.rustls_client_config().expect("its certificates");
        let authority = config.cluster_url.authority().expect("a URL with a host");
        let host = authority.host().trim_matches(['[', ']']).to_string();
        Connections {
            tls: TlsConnector::from(Arc::new(tls)),
            server: ServerName::try_from(host).expect("a host's name or address"),
            authority: authority.as_str().into(),
            identity: identity(&config),
        }
    }

    pub async fn open(&self) -> Connection {
        let stream = TcpStream::connect(&*self.authority).await.expect("a server that listens");
        stream.set_nodelay(true).expect("a TCP connection");
        let stream = self.tls.connect(self.server.clone(), stream).await.expect("the server's certificate");
        let (authority, identity) = (self.authority.clone(), self.identity.clone());
        Connection { stream, authority, identity, buffer: Vec::with_capacity(BUFFER), taken: 0 }
    }
}

fn identity(config: &Config) -> Identity {
    let user = serde_json::to_value(&config.auth_info).expect("a user");
    let token = user["token"].as_str();
    token.map_or(String::new(), |token| format!("authorization: Bearer {token}\r\n")).into()
}

pub fn get(path: &str, accept: &str) -> Request {
    Request {
        line: format!("GET {path} HTTP/1.1"),
        headers: format!("accept: {accept}\r\n"),
        body: String::new(),
    }
}

pub fn post(path: &str, json: String) -> Request {
    Request {
        line: format!("POST {path} HTTP/1.1"),
        headers: format!("content-type: application/json\r\ncontent-length: {}\r\n", json.len()),
        body: json,
    }
}

impl Connection {
    /// The bytes of a good answer; refusals end the benchmark.
    pub async fn ask(&mut self, request: &Request) -> usize {
        let framing = self.begin(request).await;
        let mut bytes = 0;
        self.body(framing, |piece| {
            bytes += piece.len();
            ControlFlow::Continue(())
        })
        .await;
        bytes
    }

    /// Shows each piece of an answer that lasts, until `take` has enough. `begun` runs once it is
    /// there.
    pub async fn follow(
        &mut self,
        request: &Request,
        begun: impl Future<Output = ()>,
        take: impl FnMut(&[u8]) -> ControlFlow<()>,
    ) {
        let framing = self.begin(request).await;
        begun.await;
        self.body(framing, take).await;
    }

    /// Sends, and reads the answer's head.
    async fn begin(&mut self, request: &Request) -> Framing {
        let Request { line, headers, body } = request;
        let Connection { authority, identity, .. } = &*self;
        let text =
            format!("{line}\r\nhost: {authority}\r\nuser-agent: api_bench\r\n{identity}{headers}\r\n{body}");
        self.stream.write_all(text.as_bytes()).await.expect("a server that reads");
        self.stream.flush().await.expect("a server that reads");
        let status = self.line().await;
        assert_eq!(
            status.split(' ').nth(1).and_then(|code| code.chars().next()),
            Some('2'),
            "{line}: {status}"
        );
        let mut framing = Framing::Length(0);
        loop {
            let header = self.line().await;
            let Some((name, value)) = header.split_once(':') else { return framing };
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            if is("content-length") {
                framing = Framing::Length(value.trim().parse().expect("a length"));
            } else if is("transfer-encoding") {
                framing = Framing::Chunked;
            }
        }
    }

    async fn body(&mut self, framing: Framing, mut take: impl FnMut(&[u8]) -> ControlFlow<()>) {
        if let Framing::Length(length) = framing {
            let _ = self.pieces(length, &mut take).await;
            return;
        }
        loop {
            let length = usize::from_str_radix(&self.line().await, 16).expect("a chunk's length");
            if self.pieces(length, &mut take).await.is_break() {
                return;
            }
            self.line().await;
            if length == 0 {
                return;
            }
        }
    }

    async fn pieces(
        &mut self,
        mut length: usize,
        take: &mut impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        while length > 0 {
            if self.taken == self.buffer.len() {
                self.fill().await;
            }
            let held = &self.buffer[self.taken..];
            let piece = &held[..held.len().min(length)];
            take(piece)?;
            length -= piece.len();
            self.taken += piece.len();
        }
        ControlFlow::Continue(())
    }

    /// Without its end.
    async fn line(&mut self) -> String {
        loop {
            let held = &self.buffer[self.taken..];
            if let Some(end) = memchr::memmem::find(held, b"\r\n") {
                let line = String::from_utf8_lossy(&held[..end]).into_owned();
                self.taken += end + 2;
                return line;
            }
            self.fill().await;
        }
    }

    /// Reads what has come, at least something.
    async fn fill(&mut self) {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        let read = self.stream.read_buf(&mut self.buffer).await.expect("a connection that lasts");
        assert!(read > 0, "the server has ended the connection");
    }
}
