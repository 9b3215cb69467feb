//! A server outside the API: a webhook, an extension server, a pod's program. On loopback, with TLS.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What a server says to one request.
pub enum Reply {
    Json(Value),
    Raw(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Nothing, ever.
    Hang,
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    /// With the query.
    pub path: String,
    pub headers: http::HeaderMap,
    pub body: Vec<u8>,
    /// The name in the client's certificate, if it showed one.
    pub client: Option<String>,
}

impl Seen {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

type Answer = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;

pub struct Outside {
    pub address: SocketAddr,
    /// PEM in base64, as `caBundle` has it.
    pub ca_bundle: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Outside {
    /// With TLS; its certificate is for these names and `localhost`, signed by an authority of its own.
    pub async fn start(names: &[&str], answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Outside {
        let (ca, certificate, key) = certificates(names);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        let tls = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(Arc::new(AnyClient(provider)))
            .with_single_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap())
            .unwrap();
        Outside::serve(Some(tokio_rustls::TlsAcceptor::from(Arc::new(tls))), STANDARD.encode(ca), answer)
            .await
    }

    /// Without TLS.
    pub async fn plain(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Outside {
        Outside::serve(None, String::new(), answer).await
    }

    async fn serve(
        tls: Option<tokio_rustls::TlsAcceptor>,
        ca_bundle: String,
        answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Outside {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (noted, answer) = (seen.clone(), Arc::new(answer) as Answer);
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                let (tls, noted, answer) = (tls.clone(), noted.clone(), answer.clone());
                tokio::spawn(async move {
                    match tls {
                        None => connection(TokioIo::new(stream), None, noted, answer).await,
                        Some(tls) => {
                            let Ok(stream) = tls.accept(stream).await else { return };
                            let client =
                                stream.get_ref().1.peer_certificates().and_then(|c| common_name(&c[0]));
                            connection(TokioIo::new(stream), client, noted, answer).await;
                        }
                    }
                });
            }
        });
        Outside { address, ca_bundle, seen, task }
    }

    /// Everything that came so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// `clientConfig` by URL.
    pub fn by_url(&self, path: &str) -> Value {
        json!({ "url": format!("https://localhost:{}{path}", self.address.port()), "caBundle": self.ca_bundle })
    }
}

async fn connection<S>(
    stream: TokioIo<S>,
    client: Option<String>,
    noted: Arc<Mutex<Vec<Seen>>>,
    answer: Answer,
) where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |mut request: Request<Incoming>| {
        let (noted, answer, client) = (noted.clone(), answer.clone(), client.clone());
        async move {
            if request.headers().contains_key("upgrade") {
                return Ok::<_, std::convert::Infallible>(echo(&mut request));
            }
            let (parts, body) = request.into_parts();
            let seen = Seen {
                method: parts.method.to_string(),
                path: parts.uri.path_and_query().unwrap().to_string(),
                headers: parts.headers,
                body: body.collect().await.unwrap().to_bytes().to_vec(),
                client,
            };
            let reply = answer(&seen);
            noted.lock().unwrap().push(seen);
            Ok(match reply {
                Reply::Json(value) => response(
                    200,
                    &[("content-type", "application/json".into())],
                    value.to_string().into_bytes(),
                ),
                Reply::Raw(code, headers, body) => response(code, &headers, body),
                Reply::Hang => std::future::pending().await,
            })
        }
    });
    let _ = Builder::new(TokioExecutor::new()).serve_connection_with_upgrades(stream, service).await;
}

fn response(code: u16, headers: &[(&'static str, String)], body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::builder().status(code);
    for (name, value) in headers {
        response = response.header(*name, value);
    }
    response.body(Full::new(body.into())).unwrap()
}

/// Says back whatever an upgraded connection sends.
fn echo(request: &mut Request<Incoming>) -> Response<Full<Bytes>> {
    let upgraded = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let (mut read, mut write) = tokio::io::split(TokioIo::new(upgraded.await.unwrap()));
        let _ = tokio::io::copy(&mut read, &mut write).await;
    });
    response(101, &[("connection", "Upgrade".into()), ("upgrade", "echo".into())], Vec::new())
}

/// An authority's certificate, and one for the names with its key.
fn certificates(names: &[&str]) -> (String, String, String) {
    let mut authority = rcgen::CertificateParams::default();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    // Two authorities of one name would be taken for one another.
    authority.distinguished_name.push(rcgen::DnType::CommonName, uuid::Uuid::new_v4().to_string());
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let ca = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let names: Vec<String> = names.iter().map(|name| name.to_string()).chain(["localhost".into()]).collect();
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    (ca, leaf.pem(), key.serialize_pem())
}

fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let name = parsed.subject().iter_common_name().next()?.as_str().ok()?;
    Some(name.to_owned())
}

/// Asks for a certificate and believes any.
#[derive(Debug)]
struct AnyClient(Arc<rustls::crypto::CryptoProvider>);

impl rustls::server::danger::ClientCertVerifier for AnyClient {
    fn root_hint_subjects(&self) -> &[rustls::DistinguishedName] {
        &[]
    }
    fn client_auth_mandatory(&self) -> bool {
        false
    }
    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: rustls_pki_types::UnixTime,
    ) -> Result<rustls::server::danger::ClientCertVerified, rustls::Error> {
        Ok(rustls::server::danger::ClientCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
