//! Whose certificates are believed.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};

/// Whom to believe.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Trust {
    /// The authorities that the machine trusts.
    System,
    /// The authorities of a PEM bundle, and servers whose very certificate stands in it.
    Bundle(Vec<u8>),
    /// Everybody (`insecureSkipTLSVerify`; a pod's own certificate, of which nobody knows anything).
    Anybody,
}

impl Trust {
    /// An empty bundle says nothing.
    pub fn of_bundle(bundle: &[u8]) -> Trust {
        match bundle.trim_ascii() {
            [] => Trust::System,
            _ => Trust::Bundle(bundle.to_vec()),
        }
    }
}

/// What a client shows of itself, PEM.
#[derive(PartialEq, Eq, Hash)]
pub struct ClientCertificate {
    pub certificate: String,
    pub key: String,
}

impl std::fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClientCertificate")
    }
}

/// A client's side of TLS; the error says what of it cannot be used.
pub fn tls(trust: &Trust, own: Option<&ClientCertificate>) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = verifier(trust, provider.clone())?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let Some(own) = own else { return Ok(builder.with_no_client_auth()) };
    let chain = certificates(own.certificate.as_bytes())?;
    let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).map_err(|error| error.to_string())?;
    builder.with_client_auth_cert(chain, key).map_err(|error| error.to_string())
}

fn verifier(trust: &Trust, provider: Arc<CryptoProvider>) -> Result<Arc<Verifier>, String> {
    let believed = match trust {
        Trust::Anybody => Believed::Anybody,
        Trust::System => Believed::Known(known(rustls_native_certs::load_native_certs().certs, &provider)?),
        Trust::Bundle(pem) => {
            let known = known(certificates(pem)?, &provider)?;
            if known.authorities.is_none() {
                return Err("unable to load root certificates: no valid certificate in the bundle".into());
            }
            Believed::Known(known)
        }
    };
    Ok(Arc::new(Verifier { believed, provider }))
}

/// A machine that trusts nobody knows no authority: every server is unknown.
fn known(
    certificates: Vec<CertificateDer<'static>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Known, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates.iter().cloned());
    if roots.is_empty() {
        return Ok(Known { authorities: None, certificates: Vec::new() });
    }
    let authorities = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
    Ok(Known { authorities: Some(authorities.map_err(|error| error.to_string())?), certificates })
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("unable to parse bytes as PEM block: {error}"))
}

/// Judges whom the server says it is. That it holds its certificate's key is proven in any case.
#[derive(Debug)]
struct Verifier {
    believed: Believed,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
enum Believed {
    Known(Known),
    /// Every certificate.
    Anybody,
}

/// Authorities, and the certificates given themselves: a server that signed its own is no authority, and
/// is known all the same.
#[derive(Debug)]
struct Known {
    authorities: Option<Arc<WebPkiServerVerifier>>,
    certificates: Vec<CertificateDer<'static>>,
}

impl Known {
    fn judge(
        &self,
        server: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.certificates.iter().any(|known| known == server) {
            verify_server_name(&ParsedCertificate::try_from(server)?, name)?;
            return in_time(server, now).map(|()| ServerCertVerified::assertion());
        }
        match &self.authorities {
            Some(authorities) => authorities.verify_server_cert(server, between, name, ocsp, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        server: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.believed {
            Believed::Known(known) => known.judge(server, between, name, ocsp, now),
            Believed::Anybody => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn in_time(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), rustls::Error> {
    let (_, parsed) =
        x509_parser::parse_x509_certificate(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let validity = parsed.validity();
    match now {
        now if now < validity.not_before.timestamp() => Err(CertificateError::NotValidYet.into()),
        now if now > validity.not_after.timestamp() => Err(CertificateError::Expired.into()),
        _ => Ok(()),
    }
}

/// What went wrong with a certificate, in Go's words where clients know them.
pub fn in_words(error: &(dyn std::error::Error + 'static)) -> String {
    let certificate = match error.downcast_ref::<rustls::Error>() {
        Some(rustls::Error::InvalidCertificate(why)) => why,
        _ => return error.to_string(),
    };
    let why = match certificate {
        // An authority of the same name, with another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "certificate signed by unknown authority".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "certificate has expired or is not yet valid".to_owned()
        }
        other => other.to_string(),
    };
    format!("tls: failed to verify certificate: x509: {why}")
}
