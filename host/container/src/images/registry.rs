//! Reading from registries: manifests, configurations, layers.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use futures::TryStreamExt;
use oci_client::client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol};
use oci_client::errors::{DigestError, OciDistributionError};
use oci_client::manifest::OciDescriptor;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use super::layers::{digest, sha256};
use crate::runtime::Credentials;

pub(super) const MEDIA_TYPES: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];
/// No manifest or configuration is larger, in bytes.
const DOCUMENT_LIMIT: usize = 8 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Where registries are reached instead of at their own name, and which speak plain HTTP.
#[derive(Debug, Clone, Default)]
pub struct RegistryConfig {
    /// Registry → base URLs tried before it: `docker.io` → `http://127.0.0.1:5000`.
    pub mirrors: BTreeMap<String, Vec<String>>,
    /// `host[:port]`; loopback ones always speak plain HTTP.
    pub insecure: Vec<String>,
    /// Whose certificates count beside those that the machine trusts.
    pub authorities: Vec<Authority>,
}

/// Certificates of authorities, as PEM.
#[derive(Debug, Clone)]
pub struct Authority(Vec<u8>);

impl Authority {
    /// Fails with a text that says what is wrong with the file.
    pub fn read(path: &Path) -> Result<Authority, String> {
        let wrong = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
        let pem = std::fs::read(path).map_err(|error| wrong(&error))?;
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        match certificates {
            Ok(certificates) if certificates.is_empty() => {
                Err(wrong(&"there is no certificate in it (`-----BEGIN CERTIFICATE-----`)"))
            }
            Ok(_) => Ok(Authority(pem)),
            Err(error) => Err(wrong(&error)),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("failed to resolve reference \"{0}\": {0}: not found")]
    NotFound(String),
    #[error("pull access denied, repository does not exist or may require authorization: {0}")]
    Denied(String),
    #[error("failed to do request: {0}")]
    Request(String),
    #[error("{what} is {actual} where {expected} was asked for")]
    Digest { what: &'static str, expected: String, actual: String },
    #[error("no match for platform {platform} in manifest: not found")]
    Platform { platform: String },
    #[error("{0}")]
    Unsupported(String),
    #[error("{what}: {source}")]
    Io {
        what: String,
        #[source]
        source: std::io::Error,
    },
}

/// One place to pull from and push to.
pub struct Endpoint {
    pub(super) client: Client,
    pub(super) auth: RegistryAuth,
    pub(super) reference: Reference,
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    #[serde(default)]
    pub media_type: String,
    pub digest: String,
    #[serde(default)]
    pub size: u64,
    pub platform: Option<Platform>,
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Platform {
    pub architecture: String,
    pub os: String,
}

/// Either kind of manifest.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    pub config: Option<Descriptor>,
    #[serde(default)]
    pub layers: Vec<Descriptor>,
    #[serde(default)]
    pub manifests: Vec<Descriptor>,
}

impl Manifest {
    /// The digest of the manifest for this machine, in an index.
    pub fn for_this_machine(&self) -> Result<&Descriptor, RegistryError> {
        let wanted = this_platform();
        self.manifests
            .iter()
            .find(|m| m.platform.as_ref() == Some(&wanted))
            .or_else(|| match &self.manifests[..] {
                // An index of one image often does not say for what it is.
                [only] if only.platform.is_none() => Some(only),
                _ => None,
            })
            .ok_or_else(|| RegistryError::Platform {
                platform: format!("{}/{}", wanted.os, wanted.architecture),
            })
    }
}

pub fn this_platform() -> Platform {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    Platform { architecture: architecture.to_owned(), os: "linux".to_owned() }
}

/// The mirrors of the reference's registry, then the registry.
pub fn endpoints(reference: &Reference, credentials: &Credentials, config: &RegistryConfig) -> Vec<Endpoint> {
    let registry = reference.registry();
    let mut endpoints = Vec::new();
    for mirror in config.mirrors.get(registry).into_iter().flatten() {
        let (plain, host) = match mirror.split_once("://") {
            Some((scheme, host)) => (scheme == "http", host),
            None => (speaks_plain_http(mirror, config), mirror.as_str()),
        };
        let mut mirrored = reference.clone();
        mirrored.set_mirror_registry(host.trim_end_matches('/').to_owned());
        // Credentials are the registry's own business, not its mirrors'.
        endpoints.push(Endpoint::new(mirrored, &Credentials::Anonymous, plain, &config.authorities));
    }
    let plain = speaks_plain_http(registry, config);
    endpoints.push(Endpoint::new(reference.clone(), credentials, plain, &config.authorities));
    endpoints
}

fn speaks_plain_http(registry: &str, config: &RegistryConfig) -> bool {
    let host = match registry.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => registry,
    };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost"
        || address.is_ok_and(|ip| ip.is_loopback())
        || config.insecure.iter().any(|r| r == registry)
}

impl Endpoint {
    /// A client of its own for each pull: oci-client keeps credentials per registry, and those of one
    /// pull must not serve another.
    fn new(reference: Reference, credentials: &Credentials, plain: bool, authorities: &[Authority]) -> Self {
        super::install_crypto_provider();
        let certificate = |Authority(pem): &Authority| Certificate {
            encoding: CertificateEncoding::Pem,
            data: pem.clone(),
        };
        let config = ClientConfig {
            extra_root_certificates: authorities.iter().map(certificate).collect(),
            protocol: if plain { ClientProtocol::Http } else { ClientProtocol::Https },
            connect_timeout: Some(CONNECT_TIMEOUT),
            read_timeout: Some(READ_TIMEOUT),
            user_agent: concat!("orch/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        let auth = match credentials {
            Credentials::Anonymous => RegistryAuth::Anonymous,
            Credentials::Basic { username, password } => {
                RegistryAuth::Basic(username.clone(), password.clone())
            }
            Credentials::Bearer(token) => RegistryAuth::Bearer(token.clone()),
        };
        let name = reference.whole();
        Self { client: Client::new(config), auth, reference, name }
    }

    /// Where it is: `host[:port]`.
    pub fn host(&self) -> &str {
        self.reference.resolve_registry()
    }

    /// The same repository, seen at another tag.
    pub fn beside(&self, tag: &str) -> Endpoint {
        let of = &self.reference;
        let mut reference = Reference::with_tag(of.registry().into(), of.repository().into(), tag.to_owned());
        if of.resolve_registry() != of.registry() {
            reference.set_mirror_registry(of.resolve_registry().to_owned());
        }
        let name = reference.whole();
        Endpoint { client: self.client.clone(), auth: self.auth.clone(), reference, name }
    }

    /// What the reference itself stands for, an index or a manifest, and its digest.
    pub async fn top(&self) -> Result<(Manifest, String), RegistryError> {
        self.document(&self.reference).await
    }

    /// A manifest that an index names.
    pub async fn entry(&self, entry: &Descriptor) -> Result<Manifest, RegistryError> {
        Ok(self.document(&self.reference.clone_with_digest(entry.digest.clone())).await?.0)
    }

    /// The manifest for this machine, and the digest the reference stands for.
    pub async fn manifest(&self) -> Result<(Manifest, String), RegistryError> {
        let (top, top_digest) = self.document(&self.reference).await?;
        if top.manifests.is_empty() {
            return Ok((top, top_digest));
        }
        let manifest = self.entry(top.for_this_machine()?).await?;
        Ok((manifest, top_digest))
    }

    async fn document(&self, reference: &Reference) -> Result<(Manifest, String), RegistryError> {
        let (body, _) = self
            .client
            .pull_manifest_raw(reference, &self.auth, &MEDIA_TYPES)
            .await
            .map_err(|e| self.explain(e))?;
        let actual = sha256(&body);
        if let Some(expected) = reference.digest().filter(|expected| *expected != actual) {
            let expected = expected.to_owned();
            return Err(RegistryError::Digest { what: "manifest", expected, actual });
        }
        let manifest: Manifest = serde_json::from_slice(&body)
            .map_err(|e| RegistryError::Unsupported(format!("manifest is not one: {e}")))?;
        if manifest.manifests.is_empty() && manifest.config.is_none() {
            return Err(RegistryError::Unsupported("manifest has no configuration (schema 1?)".to_owned()));
        }
        Ok((manifest, actual))
    }

    /// An image's configuration, verified.
    pub async fn blob(&self, blob: &Descriptor) -> Result<Vec<u8>, RegistryError> {
        self.blob_within(blob, "image configuration", DOCUMENT_LIMIT).await
    }

    /// A blob of at most `limit` bytes, verified.
    pub async fn blob_within(
        &self,
        blob: &Descriptor,
        what: &'static str,
        limit: usize,
    ) -> Result<Vec<u8>, RegistryError> {
        let mut stream = self.stream(blob).await?;
        let mut body = Vec::new();
        while let Some(chunk) = stream.try_next().await.map_err(|e| self.broken(what, &e))? {
            if body.len() + chunk.len() > limit {
                let limit = limit >> 20;
                return Err(RegistryError::Unsupported(format!("{what} is larger than {limit} MiB")));
            }
            body.extend_from_slice(&chunk);
        }
        check(what, &blob.digest, sha256(&body))?;
        Ok(body)
    }

    /// A layer into a file, verified.
    pub async fn download(&self, blob: &Descriptor, path: &Path) -> Result<(), RegistryError> {
        let io = |what: &str| {
            let what = format!("{what} {}", path.display());
            move |source| RegistryError::Io { what, source }
        };
        let mut stream = self.stream(blob).await?;
        let mut file = tokio::fs::File::create(path).await.map_err(io("create"))?;
        let mut hash = Sha256::new();
        while let Some(chunk) = stream.try_next().await.map_err(|e| self.broken("layer", &e))? {
            hash.update(&chunk);
            file.write_all(&chunk).await.map_err(io("write"))?;
        }
        file.flush().await.map_err(io("write"))?;
        check("layer", &blob.digest, digest(hash))
    }

    async fn stream(
        &self,
        blob: &Descriptor,
    ) -> Result<impl futures::Stream<Item = Result<bytes::Bytes, std::io::Error>> + Unpin, RegistryError>
    {
        let descriptor = OciDescriptor {
            digest: blob.digest.clone(),
            media_type: blob.media_type.clone(),
            size: blob.size as i64,
            ..OciDescriptor::default()
        };
        let sized =
            self.client.pull_blob_stream(&self.reference, &descriptor).await.map_err(|e| self.explain(e))?;
        Ok(sized.stream)
    }

    fn broken(&self, what: &'static str, error: &std::io::Error) -> RegistryError {
        // The stream checks the digest at its end.
        let wrong = error.get_ref().and_then(|inner| inner.downcast_ref::<DigestError>());
        if let Some(DigestError::VerificationError { expected, actual }) = wrong {
            return RegistryError::Digest { what, expected: expected.clone(), actual: actual.clone() };
        }
        RegistryError::Request(format!("{}: connection broke: {error}", self.reference.resolve_registry()))
    }

    pub(super) fn explain(&self, error: OciDistributionError) -> RegistryError {
        use OciDistributionError as E;
        let name = self.name.clone();
        match error {
            E::ImageManifestNotFoundError(_) | E::ServerError { code: 404, .. } => {
                RegistryError::NotFound(name)
            }
            E::UnauthorizedError { .. } | E::AuthenticationFailure(_) => RegistryError::Denied(name),
            E::ServerError { code: 401 | 403, .. } => RegistryError::Denied(name),
            E::DigestError(DigestError::VerificationError { expected, actual }) => {
                RegistryError::Digest { what: "manifest", expected, actual }
            }
            E::RegistryError { envelope, .. } => self.explain_codes(&envelope.to_string()),
            other => RegistryError::Request(chain(&other)),
        }
    }

    fn explain_codes(&self, text: &str) -> RegistryError {
        let lower = text.to_lowercase();
        let any = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        if any(&[
            "manifestunknown",
            "manifest unknown",
            "nameunknown",
            "name unknown",
            "notfound",
            "not known",
        ]) {
            RegistryError::NotFound(self.name.clone())
        } else if any(&["unauthorized", "denied"]) {
            RegistryError::Denied(self.name.clone())
        } else {
            RegistryError::Request(text.to_owned())
        }
    }
}

fn check(what: &'static str, expected: &str, actual: String) -> Result<(), RegistryError> {
    if expected == actual {
        return Ok(());
    }
    Err(RegistryError::Digest { what, expected: expected.to_owned(), actual })
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_registries_are_plain() {
        let config =
            RegistryConfig { insecure: vec!["registry.test:80".into()], ..RegistryConfig::default() };
        for plain in ["127.0.0.1:5000", "localhost", "localhost:80", "[::1]:5000", "registry.test:80"] {
            assert!(speaks_plain_http(plain, &config), "{plain}");
        }
        for secure in ["docker.io", "registry.test", "10.0.0.1:5000"] {
            assert!(!speaks_plain_http(secure, &config), "{secure}");
        }
    }

    #[test]
    fn an_index_gives_the_machines_own() {
        let index: Manifest = serde_json::from_str(&format!(
            r#"{{"manifests":[
                {{"digest":"sha256:1","platform":{{"architecture":"s390x","os":"linux"}}}},
                {{"digest":"sha256:2","platform":{{"architecture":"{}","os":"linux"}}}}]}}"#,
            this_platform().architecture
        ))
        .unwrap();
        assert_eq!(index.for_this_machine().unwrap().digest, "sha256:2");
        let other: Manifest = serde_json::from_str(
            r#"{"manifests":[{"digest":"sha256:1","platform":{"architecture":"z80","os":"linux"}}]}"#,
        )
        .unwrap();
        assert!(other.for_this_machine().unwrap_err().to_string().contains("no match for platform"));
    }
}
