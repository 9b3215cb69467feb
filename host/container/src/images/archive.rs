//! Archives made by `docker save`, `podman save`, `skopeo` and the like: docker archives and OCI
//! layouts in a tar, compressed or not.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use serde::Deserialize;

use super::config::ImageConfig;
use super::index::Record;
use super::layers::{chain, decompressed, sha256};
use super::registry::{Descriptor, Manifest};
use super::rootdir::relative;
use super::{Images, Shared, reference};
use crate::runtime::{Image, RuntimeError};

const DOCUMENT_LIMIT: u64 = 8 << 20;
const NAME_ANNOTATIONS: [&str; 2] = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

pub async fn import(
    images: &Images,
    mut archive: BoxStream<'static, io::Result<Bytes>>,
) -> Result<Vec<Image>, RuntimeError> {
    let fail = |source| RuntimeError::Io { what: "receive image archive".to_owned(), source };
    // From the first byte on: whoever collects garbage meanwhile would take the archive for some.
    let shared = images.shared.clone();
    let adding = crate::blocking_io(move || shared.adding()).await.map_err(fail)?;
    let spool = Spool { path: images.shared.ingest.path() };
    let mut file = tokio::fs::File::create(&spool.path).await.map_err(fail)?;
    while let Some(chunk) = archive.next().await {
        tokio::io::AsyncWriteExt::write_all(&mut file, &chunk.map_err(fail)?).await.map_err(fail)?;
    }
    tokio::io::AsyncWriteExt::flush(&mut file).await.map_err(fail)?;
    let shared = images.shared.clone();
    crate::blocking(move || {
        let (spool, _adding) = (spool, adding);
        import_file(&shared, &spool.path)
            .map_err(|e| RuntimeError::Other(format!("import image archive: {e}")))
    })
    .await
}

/// Removed when done with, however that ends.
struct Spool {
    path: PathBuf,
}

impl Drop for Spool {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn invalid(text: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.into())
}

fn import_file(shared: &Shared, path: &Path) -> io::Result<Vec<Image>> {
    let mut files = Files::index(shared, path)?;
    let found = if files.has("manifest.json") {
        docker_images(&mut files)?
    } else if files.has("index.json") {
        oci_images(&mut files)?
    } else {
        return Err(invalid("neither manifest.json nor index.json is in it: not an image archive"));
    };
    if found.is_empty() {
        return Err(invalid("it holds no image for this machine's platform"));
    }
    found.into_iter().map(|image| store(shared, &mut files, image)).collect()
}

struct Found {
    tags: Vec<String>,
    digest: Option<String>,
    config: Vec<u8>,
    /// Names in the archive, bottom first.
    layers: Vec<String>,
}

fn store(shared: &Shared, files: &mut Files, found: Found) -> io::Result<Image> {
    let config: ImageConfig =
        serde_json::from_slice(&found.config).map_err(|e| invalid(format!("image configuration: {e}")))?;
    let diff_ids = &config.rootfs.diff_ids;
    if diff_ids.len() != found.layers.len() {
        return Err(invalid("the image's layers and its configuration do not fit"));
    }
    let names = chain(diff_ids);
    let mut size_bytes = found.config.len() as u64;
    for (index, layer) in found.layers.iter().enumerate() {
        size_bytes += files.size(layer)?;
        if !shared.layers.has(&names[index]) {
            let source = files.open(layer)?;
            shared
                .layers
                .unpack(source, &diff_ids[index], &names[index], &names[..index])
                .map_err(|e| io::Error::new(e.kind(), format!("layer {layer}: {e}")))?;
        }
    }
    let mut tags = Vec::new();
    let mut digests = Vec::new();
    for name in &found.tags {
        let parsed = reference::parse(name).map_err(|e| invalid(e.to_string()))?;
        tags.extend(reference::tagged(&parsed));
        digests
            .extend(found.digest.iter().map(|digest| format!("{}@{digest}", reference::repository(&parsed))));
    }
    digests.dedup();
    let id = sha256(&found.config);
    let record = Record { tags, digests, size_bytes, layers: names, config };
    shared.index.update(|index| {
        index.add(&id, record);
        index.images[&id].image(&id)
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerImage {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Vec<String>,
}

fn docker_images(files: &mut Files) -> io::Result<Vec<Found>> {
    let images: Vec<DockerImage> = files.json("manifest.json")?;
    images
        .into_iter()
        .map(|image| {
            Ok(Found {
                tags: image.repo_tags.unwrap_or_default(),
                digest: None,
                config: files.document(&image.config)?,
                layers: image.layers,
            })
        })
        .collect()
}

#[derive(Deserialize)]
struct OciIndex {
    #[serde(default)]
    manifests: Vec<OciEntry>,
}

#[derive(Deserialize)]
struct OciEntry {
    #[serde(flatten)]
    descriptor: Descriptor,
    #[serde(default)]
    annotations: HashMap<String, String>,
}

impl OciEntry {
    /// The image's name, when the archive knows one: a bare tag (as in a layout of one repository) is none.
    fn name(&self) -> Option<String> {
        NAME_ANNOTATIONS
            .iter()
            .filter_map(|key| self.annotations.get(*key))
            .find(|name| name.contains(['/', ':']) && reference::parse(name).is_ok())
            .cloned()
    }
}

fn oci_images(files: &mut Files) -> io::Result<Vec<Found>> {
    let index: OciIndex = files.json("index.json")?;
    let mut found: Vec<Found> = Vec::new();
    for entry in index.manifests {
        let mut manifest: Manifest = blob_json(files, &entry.descriptor.digest)?;
        if !manifest.manifests.is_empty() {
            let Ok(chosen) = manifest.for_this_machine() else { continue };
            manifest = blob_json(files, &chosen.digest.clone())?;
        }
        let Some(config) = &manifest.config else { continue };
        let tags: Vec<String> = entry.name().into_iter().collect();
        let config = blob(files, &config.digest)?;
        found.push(Found {
            tags,
            digest: Some(entry.descriptor.digest.clone()),
            config,
            layers: manifest.layers.iter().map(|layer| blob_name(&layer.digest)).collect(),
        });
    }
    Ok(found)
}

fn blob_name(digest: &str) -> String {
    format!("blobs/{}", digest.replacen(':', "/", 1))
}

fn blob(files: &mut Files, digest: &str) -> io::Result<Vec<u8>> {
    let body = files.document(&blob_name(digest))?;
    let actual = sha256(&body);
    if digest != actual {
        return Err(invalid(format!("blob {digest} has content {actual}")));
    }
    Ok(body)
}

fn blob_json<T: for<'de> Deserialize<'de>>(files: &mut Files, digest: &str) -> io::Result<T> {
    serde_json::from_slice(&blob(files, digest)?).map_err(|e| invalid(format!("blob {digest}: {e}")))
}

/// Where each file of a plain tar begins and how long it is.
struct Files {
    file: File,
    places: HashMap<String, Place>,
}

enum Place {
    At { offset: u64, size: u64 },
    SameAs(String),
}

impl Files {
    fn index(shared: &Shared, path: &Path) -> io::Result<Self> {
        let file = plain(shared, path)?;
        let mut places = HashMap::new();
        let mut archive = tar::Archive::new(&file);
        let broken = |e: io::Error| invalid(format!("not a readable tar archive: {e}"));
        for entry in archive.entries_with_seek().map_err(broken)? {
            let entry = entry.map_err(broken)?;
            let Some(name) = relative(&entry.path()?) else { continue };
            let place = match entry.header().entry_type() {
                tar::EntryType::Symlink => entry.link_name()?.map(|target| linked(&name, &target)),
                tar::EntryType::Link => entry.link_name()?.map(|target| Place::SameAs(text(&target))),
                tar::EntryType::Regular => {
                    Some(Place::At { offset: entry.raw_file_position(), size: entry.size() })
                }
                _ => None,
            };
            places.extend(place.map(|place| (text(&name), place)));
        }
        let end = file.metadata()?.len();
        if places.values().any(|place| matches!(place, Place::At { offset, size } if offset + size > end)) {
            return Err(invalid("not a readable tar archive: it ends too early"));
        }
        Ok(Self { file, places })
    }

    fn has(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    fn place(&self, name: &str) -> io::Result<(u64, u64)> {
        let mut name = name;
        // Links of links are not made by any tool; a loop ends here too.
        for _ in 0..4 {
            match self.places.get(name) {
                Some(Place::At { offset, size }) => return Ok((*offset, *size)),
                Some(Place::SameAs(other)) => name = other,
                None => break,
            }
        }
        Err(invalid(format!("{name} is missing in the archive")))
    }

    fn size(&self, name: &str) -> io::Result<u64> {
        self.place(name).map(|(_, size)| size)
    }

    fn open(&mut self, name: &str) -> io::Result<impl Read + use<>> {
        let (offset, size) = self.place(name)?;
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(file.take(size))
    }

    fn document(&mut self, name: &str) -> io::Result<Vec<u8>> {
        if self.size(name)? > DOCUMENT_LIMIT {
            return Err(invalid(format!("{name} is larger than 8 MiB")));
        }
        let mut body = Vec::new();
        self.open(name)?.read_to_end(&mut body)?;
        Ok(body)
    }

    fn json<T: for<'de> Deserialize<'de>>(&mut self, name: &str) -> io::Result<T> {
        serde_json::from_slice(&self.document(name)?).map_err(|e| invalid(format!("{name}: {e}")))
    }
}

/// The archive without its own compression, in an unnamed file.
fn plain(shared: &Shared, path: &Path) -> io::Result<File> {
    let mut magic = [0u8; 4];
    let mut file = File::open(path)?;
    let read = file.read(&mut magic)?;
    file.seek(SeekFrom::Start(0))?;
    let compressed = read == 4 && (magic.starts_with(&[0x1f, 0x8b]) || magic == [0x28, 0xb5, 0x2f, 0xfd]);
    if !compressed {
        return Ok(file);
    }
    let spool = Spool { path: shared.ingest.path() };
    let mut plain = File::options().create_new(true).read(true).write(true).open(&spool.path)?;
    io::copy(&mut decompressed(file)?, &mut plain)
        .map_err(|e| invalid(format!("not a readable compressed archive: {e}")))?;
    plain.flush()?;
    plain.seek(SeekFrom::Start(0))?;
    Ok(plain)
}

fn linked(name: &Path, target: &Path) -> Place {
    let mut path = PathBuf::new();
    let base = name.parent().unwrap_or(Path::new(""));
    for part in base.join(target).components() {
        match part {
            std::path::Component::ParentDir => drop(path.pop()),
            std::path::Component::Normal(part) => path.push(part),
            _ => {}
        }
    }
    Place::SameAs(text(&path))
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
