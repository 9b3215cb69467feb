//! Components as OCI artifacts, in the layout of the CNCF's Wasm working group: a configuration of type
//! `application/vnd.wasm.config.v0+json` and one layer `application/wasm`
//! (tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact).

use std::collections::BTreeMap;

use orch_container::RegistryConfig;
use orch_container::images::push::Blob;
use orch_container::images::reference;
use orch_container::images::registry::{Descriptor, Endpoint, Manifest, RegistryError, endpoints};
use orch_container::runtime::Credentials;
use serde_json::json;

use crate::key::PrivateKey;
use crate::signature::{ANNOTATION, PAYLOAD_TYPE, Signed, sign_manifest};
use crate::{LARGEST, SourceError, digest_of};

pub const CONFIG_TYPE: &str = "application/vnd.wasm.config.v0+json";
pub const LAYER_TYPE: &str = "application/wasm";
/// Signatures of one artifact that are looked at.
const SIGNATURES: usize = 64;
const PAYLOAD_LIMIT: usize = 64 << 10;

/// Where a component is in a registry, written in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    parsed: reference::Reference,
}

/// A component, as a registry gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    pub wasm: Vec<u8>,
    /// Of the manifest: what `@sha256:…` pins and what signatures are of.
    pub manifest: String,
    /// Of the component.
    pub component: String,
    pub signatures: Vec<Signed>,
}

impl Place {
    pub fn parse(text: &str) -> Result<Self, SourceError> {
        let parsed = reference::parse(text).map_err(|error| SourceError::Reference {
            reference: text.to_owned(),
            message: error.to_string(),
        })?;
        Ok(Place { parsed })
    }

    /// `registry.example/team/plugin`
    pub fn repository(&self) -> String {
        reference::repository(&self.parsed)
    }

    /// `registry.example/team/plugin:1`, with `@sha256:…` where it is pinned.
    pub fn name(&self) -> String {
        self.parsed.whole()
    }

    /// The digest of the manifest, where it is pinned.
    pub fn pin(&self) -> Option<&str> {
        self.parsed.digest()
    }

    /// The same artifact, by the digest of its manifest.
    pub fn pinned(&self, manifest: &str) -> String {
        format!("{}@{manifest}", self.repository())
    }
}

/// Reads from registries as the image puller does, and writes to them.
#[derive(Debug, Clone, Default)]
pub struct Registries {
    pub config: RegistryConfig,
}

impl Registries {
    /// A component with its signatures. When these cannot be read, that is an error only where they are
    /// asked for (`signed`). Mirrors are asked before the registry itself.
    pub async fn pull(
        &self,
        place: &Place,
        credentials: &[Credentials],
        signed: bool,
    ) -> Result<Pulled, SourceError> {
        let mut last = None;
        for credentials in or_anonymous(credentials) {
            for endpoint in endpoints(&place.parsed, credentials, &self.config) {
                match pull_from(&endpoint, place, signed).await {
                    Ok(pulled) => return Ok(pulled),
                    Err(error) => {
                        tracing::debug!(artifact = place.name(), %error, "pull attempt failed");
                        last = Some(error);
                    }
                }
            }
        }
        let authenticated = !credentials.is_empty();
        Err(match last {
            Some(Failure::Registry(error)) => SourceError::of_registry(&place.name(), authenticated, error),
            Some(Failure::Other(error)) => error,
            None => SourceError::NotFound { reference: place.name() },
        })
    }

    /// Stores a component under a tag; the digest of its manifest.
    pub async fn push(
        &self,
        place: &Place,
        credentials: &[Credentials],
        wasm: Vec<u8>,
    ) -> Result<String, SourceError> {
        if place.pin().is_some() {
            return Err(SourceError::Reference {
                reference: place.name(),
                message: "a digest is the registry's to give: push to a tag".into(),
            });
        }
        let component = digest_of(&wasm);
        let config = json!({
            "created": jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "architecture": "wasm",
            "os": "wasip2",
            "layerDigests": [component],
        });
        let config = Blob {
            media_type: CONFIG_TYPE.into(),
            bytes: config.to_string().into(),
            annotations: BTreeMap::new(),
        };
        let layer = Blob { media_type: LAYER_TYPE.into(), bytes: wasm.into(), annotations: BTreeMap::new() };
        let endpoint = self.itself(place, credentials);
        let pushed = endpoint.push(config, vec![layer], BTreeMap::new()).await;
        pushed.map_err(|e| SourceError::of_registry(&place.name(), !credentials.is_empty(), e))
    }

    /// Adds a signature of a manifest to those that its repository has.
    pub async fn sign(
        &self,
        place: &Place,
        credentials: &[Credentials],
        manifest: &str,
        key: &PrivateKey,
    ) -> Result<(), SourceError> {
        let fail = |error| SourceError::of_registry(&place.name(), !credentials.is_empty(), error);
        let endpoint = self.itself(place, credentials).beside(&signature_tag(manifest));
        let repository = place.repository();
        let new = sign_manifest(key, &repository, manifest);
        let mut all = signatures_at(&endpoint).await.map_err(fail)?;
        // Signing again with the same key changes nothing.
        let public = key.public();
        all.retain(|old| {
            let keys = std::slice::from_ref(&public);
            crate::signature::verify_manifest(std::slice::from_ref(old), manifest, keys).is_err()
        });
        all.push(new);
        let layers = all.iter().map(|signed| Blob {
            media_type: PAYLOAD_TYPE.into(),
            bytes: signed.payload.clone().into(),
            annotations: [(ANNOTATION.to_owned(), signed.signature.clone())].into(),
        });
        let layers: Vec<Blob> = layers.collect();
        endpoint.push(signature_config(&layers), layers, BTreeMap::new()).await.map_err(fail)?;
        Ok(())
    }

    /// The digest of the manifest that a reference stands for.
    pub async fn resolve(&self, place: &Place, credentials: &[Credentials]) -> Result<String, SourceError> {
        let top = self.itself(place, credentials).top().await;
        let (_, digest) =
            top.map_err(|e| SourceError::of_registry(&place.name(), !credentials.is_empty(), e))?;
        Ok(digest)
    }

    /// Not a mirror: those are for reading.
    fn itself(&self, place: &Place, credentials: &[Credentials]) -> Endpoint {
        let credentials = credentials.first().unwrap_or(&Credentials::Anonymous);
        let config = RegistryConfig { mirrors: BTreeMap::new(), ..self.config.clone() };
        endpoints(&place.parsed, credentials, &config).remove(0)
    }
}

fn or_anonymous(credentials: &[Credentials]) -> &[Credentials] {
    if credentials.is_empty() { &[Credentials::Anonymous] } else { credentials }
}

enum Failure {
    Registry(RegistryError),
    Other(SourceError),
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        Failure::Registry(error)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Registry(error) => error.fmt(out),
            Failure::Other(error) => error.fmt(out),
        }
    }
}

async fn pull_from(endpoint: &Endpoint, place: &Place, signed: bool) -> Result<Pulled, Failure> {
    let (top, digest) = endpoint.top().await?;
    let (manifest, signed_digests) = if top.manifests.is_empty() {
        (top, vec![digest.clone()])
    } else {
        let entry =
            wasm_entry(&top).ok_or_else(|| wrong(place, "index", "one for other platforms", "wasm"))?;
        // Signers sign the index or what it names.
        (endpoint.entry(entry).await?, vec![digest.clone(), entry.digest.clone()])
    };
    let layer = layer_of(&manifest, place).map_err(Failure::Other)?;
    if layer.size > LARGEST as u64 {
        return Err(Failure::Other(SourceError::TooLarge { what: place.name(), limit: LARGEST }));
    }
    let wasm = endpoint.blob_within(layer, "component", LARGEST).await?;
    let mut signatures = Vec::new();
    for digest in &signed_digests {
        match signatures_at(&endpoint.beside(&signature_tag(digest))).await {
            Ok(found) => signatures.extend(found),
            Err(error) if signed => return Err(error.into()),
            Err(error) => tracing::debug!(artifact = place.name(), %error, "its signatures cannot be read"),
        }
    }
    Ok(Pulled { component: digest_of(&wasm), wasm, manifest: digest, signatures })
}

fn wasm_entry(index: &Manifest) -> Option<&Descriptor> {
    let is_wasm = |entry: &&Descriptor| entry.platform.as_ref().is_some_and(|p| p.architecture == "wasm");
    index.manifests.iter().find(is_wasm).or(match &index.manifests[..] {
        [only] if only.platform.is_none() => Some(only),
        _ => None,
    })
}

fn layer_of<'m>(manifest: &'m Manifest, place: &Place) -> Result<&'m Descriptor, SourceError> {
    let media = |what, found: &str, expected| SourceError::MediaType {
        reference: place.name(),
        what,
        found: if found.is_empty() { "not given".into() } else { found.into() },
        expected,
    };
    let config = manifest.config.as_ref().map_or("", |config| &config.media_type);
    if config != CONFIG_TYPE {
        return Err(media("configuration", config, CONFIG_TYPE));
    }
    match &manifest.layers[..] {
        [only] if only.media_type == LAYER_TYPE => Ok(only),
        [only] => Err(media("layer", &only.media_type, LAYER_TYPE)),
        several => Err(SourceError::Broken {
            what: place.name(),
            message: format!("it has {} layers where a component has one", several.len()),
        }),
    }
}

fn wrong(place: &Place, what: &'static str, found: &str, expected: &'static str) -> Failure {
    Failure::Other(SourceError::MediaType { reference: place.name(), what, found: found.into(), expected })
}

/// `sha256:…` → `sha256-….sig`, as cosign names it.
fn signature_tag(manifest: &str) -> String {
    format!("{}.sig", manifest.replace(':', "-"))
}

/// The signatures under a tag; none when there is no such tag.
async fn signatures_at(endpoint: &Endpoint) -> Result<Vec<Signed>, RegistryError> {
    let manifest = match endpoint.top().await {
        Ok((manifest, _)) => manifest,
        Err(RegistryError::NotFound(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for layer in manifest.layers.iter().take(SIGNATURES) {
        let Some(signature) = layer.annotations.get(ANNOTATION) else { continue };
        let payload = endpoint.blob_within(layer, "signature", PAYLOAD_LIMIT).await?;
        let Ok(payload) = String::from_utf8(payload) else { continue };
        found.push(Signed { payload, signature: signature.clone() });
    }
    Ok(found)
}

/// cosign writes an image configuration that names the payloads as its layers.
fn signature_config(layers: &[Blob]) -> Blob {
    let ids: Vec<String> = layers.iter().map(|layer| digest_of(&layer.bytes)).collect();
    let config = json!({
        "architecture": "", "os": "", "created": "0001-01-01T00:00:00Z", "config": {},
        "rootfs": { "type": "layers", "diff_ids": ids },
    });
    Blob {
        media_type: "application/vnd.oci.image.config.v1+json".into(),
        bytes: config.to_string().into(),
        annotations: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_written_in_full() {
        let place = Place::parse("127.0.0.1:5000/team/plugin:1").unwrap();
        assert_eq!((place.repository(), place.pin()), ("127.0.0.1:5000/team/plugin".into(), None));
        assert_eq!(place.pinned("sha256:ab"), "127.0.0.1:5000/team/plugin@sha256:ab");
        assert_eq!(Place::parse("team/plugin").unwrap().name(), "docker.io/team/plugin:latest");
        let error = Place::parse("Not A Reference").unwrap_err();
        assert_eq!(error.reason(), "InvalidReference");
    }

    #[test]
    fn other_layouts_are_named() {
        let place = Place::parse("registry.example/a:1").unwrap();
        let manifest = |config: &str, layers: &[&str]| -> Manifest {
            let layers: Vec<_> =
                layers.iter().map(|media| json!({"mediaType": media, "digest": "sha256:1"})).collect();
            let config = json!({"mediaType": config, "digest": "sha256:0"});
            serde_json::from_value(json!({"config": config, "layers": layers})).unwrap()
        };
        let why = |manifest: Manifest| layer_of(&manifest, &place).unwrap_err();
        let image = why(manifest("application/vnd.oci.image.config.v1+json", &["x"]));
        assert_eq!(image.reason(), "WrongMediaType");
        assert!(image.to_string().contains("orch plugin push"), "{image}");
        let layer = why(manifest(CONFIG_TYPE, &["application/gzip"]));
        assert!(layer.to_string().contains("layer is application/gzip"), "{layer}");
        assert!(why(manifest(CONFIG_TYPE, &[])).to_string().contains("0 layers"));
        assert!(layer_of(&manifest(CONFIG_TYPE, &[LAYER_TYPE]), &place).is_ok());
    }
}
