//! Images on this machine: where they come from and where their layers are.
//!
//! `images/index.json` says which images there are, `images/layers/` has their unpacked layers,
//! `images/ingest/` what is on its way. A pull that broke off leaves nothing that is taken for whole.

mod archive;
pub mod config;
mod index;
mod layers;
mod pull;
pub mod push;
pub mod reference;
pub mod registry;
pub mod rootdir;
mod unpack;
pub mod user;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use nix::fcntl::{Flock, FlockArg};

use self::config::ImageConfig;
use self::index::{IndexFile, lock};
use self::layers::Layers;
use self::pull::Ingest;
use self::registry::RegistryConfig;
use crate::runtime::{Credentials, Image, RuntimeError};

/// What a container's root is made of.
#[derive(Debug, Clone)]
pub struct Unpacked {
    pub id: String,
    /// Names of layer directories, bottom first.
    pub layers: Vec<String>,
    pub config: ImageConfig,
}

#[derive(Clone)]
pub struct Images {
    shared: Arc<Shared>,
}

struct Shared {
    data_dir: PathBuf,
    dir: PathBuf,
    index: IndexFile,
    layers: Layers,
    ingest: Ingest,
    registries: RegistryConfig,
}

/// The image store of a data directory. It may be open in several processes.
pub fn open(data_dir: &Path) -> Result<Images, RuntimeError> {
    Images::open(data_dir, RegistryConfig::default())
}

impl Images {
    pub fn open(data_dir: &Path, registries: RegistryConfig) -> Result<Self, RuntimeError> {
        install_crypto_provider();
        let dir = data_dir.join("images");
        let fail = |source| RuntimeError::Io { what: format!("open image store {}", dir.display()), source };
        std::fs::create_dir_all(&dir).map_err(fail)?;
        let shared = Shared {
            data_dir: data_dir.to_owned(),
            index: IndexFile::new(&dir),
            layers: Layers::open(dir.join("layers")).map_err(fail)?,
            ingest: Ingest::open(dir.join("ingest")).map_err(fail)?,
            dir: dir.clone(),
            registries,
        };
        // A broken index is told at once, not at the first pod.
        shared.index.read().map_err(fail)?;
        shared.collect_garbage().map_err(fail)?;
        Ok(Self { shared: Arc::new(shared) })
    }

    pub async fn images(&self) -> Result<Vec<Image>, RuntimeError> {
        self.blocking(|shared| {
            let index = shared.read()?;
            Ok(index.images.iter().map(|(id, record)| record.image(id)).collect())
        })
        .await
    }

    /// The image that a reference, an id or a digest names, when it is here.
    pub async fn image(&self, reference: &str) -> Result<Option<Image>, RuntimeError> {
        let wanted = reference.to_owned();
        self.blocking(move |shared| {
            let index = shared.read()?;
            Ok(index.find(&wanted)?.map(|(id, record)| record.image(id)))
        })
        .await
    }

    pub async fn pull(&self, reference: &str, credentials: Credentials) -> Result<Image, RuntimeError> {
        pull::pull(self, reference, credentials).await
    }

    pub async fn import(
        &self,
        archive: BoxStream<'static, io::Result<Bytes>>,
    ) -> Result<Vec<Image>, RuntimeError> {
        archive::import(self, archive).await
    }

    /// Forgets an image by its id, or one of its names by that name; layers that nothing uses go with it.
    pub async fn remove(&self, reference: &str) -> Result<(), RuntimeError> {
        let wanted = reference.to_owned();
        self.blocking(move |shared| shared.remove(&wanted)).await
    }

    /// Removes layers that no image and no container uses any more.
    pub async fn collect_garbage(&self) -> Result<(), RuntimeError> {
        self.blocking(|shared| {
            shared
                .collect_garbage()
                .map_err(|source| RuntimeError::Io { what: "collect unused layers".into(), source })
        })
        .await
    }

    /// Blocking.
    pub fn unpacked(&self, reference: &str) -> Result<Unpacked, RuntimeError> {
        let index = self.shared.read()?;
        match index.find(reference)? {
            Some((id, record)) => {
                Ok(Unpacked { id: id.clone(), layers: record.layers.clone(), config: record.config.clone() })
            }
            None => Err(RuntimeError::NotFound { what: "image", id: reference.to_owned() }),
        }
    }

    pub fn layers_dir(&self) -> &Path {
        self.shared.layers.dir()
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, RuntimeError> + Send + 'static,
    ) -> Result<T, RuntimeError> {
        let shared = self.shared.clone();
        crate::blocking(move || work(&shared)).await
    }
}

impl Shared {
    fn read(&self) -> Result<index::Index, RuntimeError> {
        self.index.read().map_err(|source| RuntimeError::Io { what: "read image index".into(), source })
    }

    /// Held while layers are added: what is unpacked but not yet in the index is no garbage.
    fn adding(&self) -> io::Result<Flock<std::fs::File>> {
        lock(&self.dir.join("adding.lock"), FlockArg::LockShared)
    }

    fn remove(&self, wanted: &str) -> Result<(), RuntimeError> {
        let fail = |source| RuntimeError::Io { what: format!("remove image {wanted}"), source };
        self.index
            .update(|index| {
                let Some((id, _)) = index.find(wanted)? else { return Ok(()) };
                let (id, by_id) = (id.clone(), id.ends_with(wanted));
                let name = reference::parse(wanted).ok().and_then(|r| reference::tagged(&r));
                let record = index.images.entry(id.clone()).or_default();
                record.tags.retain(|tag| Some(tag) != name.as_ref());
                if by_id || record.tags.is_empty() {
                    index.images.remove(&id);
                }
                Ok::<_, RuntimeError>(())
            })
            .map_err(fail)??;
        self.collect_garbage().map_err(fail)
    }

    /// Somebody adding layers, in whatever process, puts it off to the next time.
    fn collect_garbage(&self) -> io::Result<()> {
        let Ok(_alone) = lock(&self.dir.join("adding.lock"), FlockArg::LockExclusiveNonblock) else {
            return Ok(());
        };
        self.ingest.clear()?;
        let index = self.index.read()?;
        let mut used: BTreeSet<String> = index.layers().into_iter().map(str::to_owned).collect();
        used.extend(crate::container::layers_in_use(&self.data_dir));
        self.layers.collect_garbage(&used)
    }
}

/// rustls needs one provider per process; whoever comes first installs it.
fn install_crypto_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
