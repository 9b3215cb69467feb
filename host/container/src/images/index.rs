//! Which images are here: one JSON file, replaced whole under a lock, so that the daemon and
//! `orch image import` may both write it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use super::config::ImageConfig;
use super::reference;
use crate::runtime::{Image, RuntimeError};
use crate::shim::record;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    pub tags: Vec<String>,
    pub digests: Vec<String>,
    pub size_bytes: u64,
    /// Names of layer directories, bottom first.
    pub layers: Vec<String>,
    pub config: ImageConfig,
}

impl Record {
    pub fn image(&self, id: &str) -> Image {
        Image {
            id: id.to_owned(),
            tags: self.tags.clone(),
            digests: self.digests.clone(),
            size_bytes: self.size_bytes,
            user: self.config.config.user.clone(),
            stop_signal: self.config.config.stop_signal.clone(),
        }
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Index {
    /// By `sha256:…` of the image's configuration.
    pub images: BTreeMap<String, Record>,
}

impl Index {
    /// The image a reference, an id or a prefix-less digest of the configuration names.
    pub fn find(&self, wanted: &str) -> Result<Option<(&String, &Record)>, RuntimeError> {
        let id = if wanted.starts_with("sha256:") { wanted.to_owned() } else { format!("sha256:{wanted}") };
        if let Some(found) = self.images.get_key_value(&id) {
            return Ok(Some(found));
        }
        let parsed = reference::parse(wanted)?;
        let found = match parsed.digest() {
            Some(digest) => {
                let name = format!("{}@{digest}", reference::repository(&parsed));
                self.images.iter().find(|(_, record)| record.digests.contains(&name))
            }
            None => {
                let name = reference::tagged(&parsed).unwrap_or_default();
                self.images.iter().find(|(_, record)| record.tags.contains(&name))
            }
        };
        Ok(found)
    }

    /// Adds an image; its tags are taken from whichever image had them.
    pub fn add(&mut self, id: &str, new: Record) {
        for record in self.images.values_mut() {
            record.tags.retain(|tag| !new.tags.contains(tag));
        }
        let record = self.images.entry(id.to_owned()).or_default();
        let merge = |mut old: Vec<String>, more: Vec<String>| {
            old.retain(|name| !more.contains(name));
            more.into_iter().chain(old).collect()
        };
        *record = Record {
            tags: merge(std::mem::take(&mut record.tags), new.tags),
            digests: merge(std::mem::take(&mut record.digests), new.digests),
            ..new
        };
    }

    pub fn layers(&self) -> BTreeSet<&str> {
        self.images.values().flat_map(|record| record.layers.iter().map(String::as_str)).collect()
    }
}

pub struct IndexFile {
    path: PathBuf,
    lock: PathBuf,
}

impl IndexFile {
    pub fn new(dir: &Path) -> Self {
        Self { path: dir.join("index.json"), lock: dir.join("index.lock") }
    }

    pub fn read(&self) -> io::Result<Index> {
        match record::read(&self.path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Index::default()),
            other => other,
        }
    }

    pub fn update<T>(&self, change: impl FnOnce(&mut Index) -> T) -> io::Result<T> {
        let _held = lock(&self.lock, FlockArg::LockExclusive)?;
        let mut index = self.read()?;
        let result = change(&mut index);
        record::write(&self.path, &index)?;
        Ok(result)
    }
}

pub fn lock(path: &Path, how: FlockArg) -> io::Result<Flock<File>> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    Flock::lock(file, how).map_err(|(_, e)| e.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(tag: &str) -> Record {
        Record { tags: vec![tag.to_owned()], ..Record::default() }
    }

    #[test]
    fn a_tag_moves_to_the_newer_image() {
        let dir = tempfile::tempdir().unwrap();
        let file = IndexFile::new(dir.path());
        file.update(|index| index.add("sha256:1", record("docker.io/library/app:latest"))).unwrap();
        file.update(|index| index.add("sha256:2", record("docker.io/library/app:latest"))).unwrap();
        let index = file.read().unwrap();
        assert_eq!(index.find("app").unwrap().unwrap().0, "sha256:2");
        assert!(index.images["sha256:1"].tags.is_empty());
        assert_eq!(index.find("sha256:1").unwrap().unwrap().0, "sha256:1");
        assert!(index.find("other").unwrap().is_none());
    }
}
