//! Pulling: manifest, configuration, then the layers that are missing, downloaded together and
//! unpacked in order.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use futures::{StreamExt, TryStreamExt, stream};
use oci_client::Reference;
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use super::config::ImageConfig;
use super::index::Record;
use super::registry::{Descriptor, Endpoint, Manifest, RegistryError, endpoints};
use super::{Images, layers, reference};
use crate::runtime::{Credentials, Image, RuntimeError};

const PARALLEL_DOWNLOADS: usize = 4;
const LAYER_TYPES: [&str; 3] = ["tar", "tar+gzip", "tar+zstd"];

/// Downloads under way, shared by all pulls; a file goes when nobody wants it any more.
pub struct Ingest {
    dir: PathBuf,
    blobs: Mutex<HashMap<String, Weak<Blob>>>,
}

pub struct Blob {
    path: PathBuf,
    downloaded: OnceCell<()>,
}

impl Drop for Blob {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Ingest {
    pub fn open(dir: PathBuf) -> io::Result<Self> {
        std::fs::create_dir_all(&dir)?;
        Ok(Self { dir, blobs: Mutex::default() })
    }

    pub fn clear(&self) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.dir)? {
            std::fs::remove_file(entry?.path())?;
        }
        Ok(())
    }

    /// A new, empty place for a file.
    pub fn path(&self) -> PathBuf {
        self.dir.join(uuid::Uuid::new_v4().simple().to_string())
    }

    fn blob(&self, digest: &str) -> Arc<Blob> {
        let mut blobs = self.blobs.lock();
        blobs.retain(|_, blob| blob.strong_count() > 0);
        if let Some(blob) = blobs.get(digest).and_then(Weak::upgrade) {
            return blob;
        }
        let blob = Arc::new(Blob { path: self.path(), downloaded: OnceCell::new() });
        blobs.insert(digest.to_owned(), Arc::downgrade(&blob));
        blob
    }
}

pub async fn pull(images: &Images, text: &str, credentials: Credentials) -> Result<Image, RuntimeError> {
    let parsed = reference::parse(text)?;
    let mut failures = Vec::new();
    for endpoint in endpoints(&parsed, &credentials, &images.shared.registries) {
        match from(images, &parsed, &endpoint).await {
            Ok(image) => return Ok(image),
            Err(error) => failures.push((endpoint, error)),
        }
    }
    Err(RuntimeError::Pull { reference: text.to_owned(), message: told(failures) })
}

/// The registry's own failure, and those of mirrors that could not be asked. The registry is the last.
fn told(mut failures: Vec<(Endpoint, RegistryError)>) -> String {
    let Some((_, last)) = failures.pop() else { return "no registry to pull from".into() };
    let mut message = last.to_string();
    for (mirror, error) in failures {
        if !matches!(error, RegistryError::NotFound(_)) {
            message += &format!("; mirror {}: {error}", mirror.host());
        }
    }
    message
}

async fn from(images: &Images, parsed: &Reference, endpoint: &Endpoint) -> Result<Image, RegistryError> {
    let shared = images.shared.clone();
    let _adding = unblocked(move || shared.adding()).await?;
    let (manifest, top_digest) = endpoint.manifest().await?;
    let (id, config) = configuration(endpoint, &manifest).await?;
    let names = unpack_all(images, endpoint, &manifest, &config.rootfs.diff_ids).await?;
    let record = Record {
        tags: reference::tagged(parsed).into_iter().collect(),
        digests: vec![format!("{}@{top_digest}", reference::repository(parsed))],
        size_bytes: manifest.layers.iter().chain(&manifest.config).map(|blob| blob.size).sum(),
        layers: names,
        config,
    };
    let shared = images.shared.clone();
    unblocked(move || {
        shared.index.update(|index| {
            index.add(&id, record);
            index.images[&id].image(&id)
        })
    })
    .await
}

async fn configuration(
    endpoint: &Endpoint,
    manifest: &Manifest,
) -> Result<(String, ImageConfig), RegistryError> {
    let blob = manifest
        .config
        .as_ref()
        .ok_or_else(|| RegistryError::Unsupported("manifest has no configuration".to_owned()))?;
    let config: ImageConfig = serde_json::from_slice(&endpoint.blob(blob).await?)
        .map_err(|e| RegistryError::Unsupported(format!("image configuration is not one: {e}")))?;
    check_layers(manifest, &config)?;
    Ok((blob.digest.clone(), config))
}

fn check_layers(manifest: &Manifest, config: &ImageConfig) -> Result<(), RegistryError> {
    let (blobs, ids) = (manifest.layers.len(), config.rootfs.diff_ids.len());
    if blobs != ids {
        let text =
            format!("manifest has {blobs} layers, image configuration {ids}: not an image for containers");
        return Err(RegistryError::Unsupported(text));
    }
    for layer in &manifest.layers {
        let known = layer.media_type.is_empty()
            || layer.media_type.ends_with(".tar.gzip")
            || LAYER_TYPES.iter().any(|kind| layer.media_type.ends_with(kind));
        if !known {
            return Err(RegistryError::Unsupported(format!("unknown layer media type {}", layer.media_type)));
        }
    }
    Ok(())
}

/// The layers' directory names. Downloads run ahead of unpacking, which goes from the bottom up.
async fn unpack_all(
    images: &Images,
    endpoint: &Endpoint,
    manifest: &Manifest,
    diff_ids: &[String],
) -> Result<Vec<String>, RegistryError> {
    let names = layers::chain(diff_ids);
    let missing: Vec<usize> =
        (0..names.len()).filter(|index| !images.shared.layers.has(&names[*index])).collect();
    let mut downloads = stream::iter(missing)
        .map(|index| async move {
            let blob = download(images, endpoint, &manifest.layers[index]).await?;
            Ok::<_, RegistryError>((index, blob))
        })
        .buffered(PARALLEL_DOWNLOADS);
    while let Some((index, blob)) = downloads.try_next().await? {
        unpack_once(images, &blob.path, &diff_ids[index], &names[..=index]).await?;
    }
    Ok(names)
}

async fn download(
    images: &Images,
    endpoint: &Endpoint,
    descriptor: &Descriptor,
) -> Result<Arc<Blob>, RegistryError> {
    let blob = images.shared.ingest.blob(&descriptor.digest);
    blob.downloaded.get_or_try_init(|| endpoint.download(descriptor, &blob.path)).await?;
    Ok(blob)
}

/// `chain`: the layer's own name last, those below it before.
async fn unpack_once(
    images: &Images,
    path: &Path,
    diff_id: &str,
    chain: &[String],
) -> Result<(), RegistryError> {
    let Some((name, below)) = chain.split_last() else { return Ok(()) };
    let turn = images.shared.layers.turn(name);
    let _held = turn.lock().await;
    if images.shared.layers.has(name) {
        return Ok(());
    }
    let (shared, path, diff_id) = (images.shared.clone(), path.to_owned(), diff_id.to_owned());
    let (name, below) = (name.clone(), below.to_vec());
    unblocked(move || shared.layers.unpack(std::fs::File::open(path)?, &diff_id, &name, &below)).await
}

async fn unblocked<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, RegistryError> {
    let done = tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| Err(io::Error::other(e)));
    done.map_err(|source| RegistryError::Io { what: "store image".to_owned(), source })
}
