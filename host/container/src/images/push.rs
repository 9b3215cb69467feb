//! Writing to registries: blobs, then the manifest that names them.

use std::collections::BTreeMap;

use bytes::Bytes;
use oci_client::client::{Config, ImageLayer};
use oci_client::manifest::OciImageManifest;

use super::layers::sha256;
use super::registry::{Endpoint, RegistryError};

/// A blob to push, with what its descriptor says of it.
#[derive(Debug, Clone, Default)]
pub struct Blob {
    pub media_type: String,
    pub bytes: Bytes,
    pub annotations: BTreeMap<String, String>,
}

impl Endpoint {
    /// Pushes a manifest of these blobs under the endpoint's reference; the manifest's digest.
    pub async fn push(
        &self,
        config: Blob,
        layers: Vec<Blob>,
        annotations: BTreeMap<String, String>,
    ) -> Result<String, RegistryError> {
        let filled = |annotations: BTreeMap<String, String>| Some(annotations).filter(|a| !a.is_empty());
        let layers: Vec<ImageLayer> = layers
            .into_iter()
            .map(|layer| ImageLayer::new(layer.bytes, layer.media_type, filled(layer.annotations)))
            .collect();
        let config = Config::new(config.bytes, config.media_type, filled(config.annotations));
        let manifest = OciImageManifest::build(&layers, &config, filled(annotations));
        let pushed = self.client.push(&self.reference, &layers, config, &self.auth, Some(manifest)).await;
        pushed.map_err(|error| self.explain(error))?;
        // The digest is of the bytes that were sent, which only the registry can show.
        let tagged =
            self.client.pull_manifest_raw(&self.reference, &self.auth, &super::registry::MEDIA_TYPES);
        let (body, _) = tagged.await.map_err(|error| self.explain(error))?;
        Ok(sha256(&body))
    }
}
