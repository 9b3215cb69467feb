//! Connections: TLS, HTTP/1.1 and HTTP/2, ended gracefully.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::authn::certificate_identity;
use crate::pki::{Pair, Pki};
use crate::routes::{Peer, Routes};

/// A client that has not shown its hand by then is none.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long requests under way may take once the server is told to stop.
const DRAIN: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("the {what} cannot be read: {why}")]
    Pem { what: &'static str, why: String },
    #[error("TLS cannot be set up: {0}")]
    Config(#[from] rustls::Error),
    #[error("the client CA cannot be used: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

/// The TLS configuration in force; swapped when the certificate is renewed.
pub type Tls = Arc<ArcSwap<ServerConfig>>;

/// Asks for a client certificate of our CA, and does without one.
pub fn tls(pki: &Pki, serving: &Pair) -> Result<ServerConfig, TlsError> {
    let bad = |what: &'static str| {
        move |why: rustls_pki_types::pem::Error| TlsError::Pem { what, why: why.to_string() }
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pki.ca_certificate().as_bytes()) {
        roots.add(certificate.map_err(bad("CA certificate"))?)?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(serving.certificate.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(bad("serving certificate"))?;
    let key = PrivateKeyDer::from_pem_slice(serving.key.as_bytes()).map_err(bad("serving key"))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Serves until told to stop, then lets what is under way finish.
pub async fn serve(listener: TcpListener, tls: Tls, routes: Arc<Routes>, stop: CancellationToken) {
    let tasks = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            _ = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => {
                let acceptor = TlsAcceptor::from(tls.load_full());
                tasks.spawn(connection(stream, address.ip(), acceptor, routes.clone(), stop.clone()));
            }
            // Out of descriptors, or a client that left at once: neither ends the server.
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    tasks.close();
    if tokio::time::timeout(DRAIN, tasks.wait()).await.is_err() {
        tracing::info!(open = tasks.len(), "left connections that did not end");
    }
}

async fn connection(
    stream: TcpStream,
    address: IpAddr,
    acceptor: TlsAcceptor,
    routes: Arc<Routes>,
    stop: CancellationToken,
) {
    let _ = stream.set_nodelay(true);
    let stream = match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return log_handshake(&error),
        Err(_) => return,
    };
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let peer =
        Arc::new(Peer { certificate: certificate.and_then(certificate_identity), address: Some(address) });
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (routes, peer) = (routes.clone(), peer.clone());
        async move {
            let request = request.map(axum::body::Body::new);
            Ok::<_, std::convert::Infallible>(routes.handle(request, peer).await)
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(30));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(1000)
        .keep_alive_interval(Some(Duration::from_secs(30)));
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke");
    }
}

fn log_handshake(error: &io::Error) {
    tracing::debug!(%error, "a TLS handshake failed");
}
