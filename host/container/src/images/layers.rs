//! Unpacked layers, one directory per chain of layers, shared by all images and containers.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::unpack;

/// Directory names are short, as a mount's options must fit a page: with 24 digits 120 layers do.
const NAME_LENGTH: usize = 24;
const UNFINISHED: &str = ".unpacking-";

pub struct Layers {
    dir: PathBuf,
    /// Held while a chain's top layer is unpacked, so that two pulls do it once.
    busy: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl Layers {
    pub fn open(dir: PathBuf) -> io::Result<Self> {
        std::fs::create_dir_all(&dir)?;
        Ok(Self { dir, busy: Mutex::default() })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn has(&self, name: &str) -> bool {
        self.dir.join(name).exists()
    }

    pub fn turn(&self, name: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut busy = self.busy.lock();
        busy.retain(|_, turn| Arc::strong_count(turn) > 1);
        busy.entry(name.to_owned()).or_default().clone()
    }

    /// Unpacks a layer (gzip, zstd or plain tar) on top of `below` (bottom first). What is half done
    /// never has its final name.
    pub fn unpack(&self, source: impl Read, diff_id: &str, name: &str, below: &[String]) -> io::Result<()> {
        let unfinished = self.dir.join(format!("{UNFINISHED}{}", uuid::Uuid::new_v4().simple()));
        std::fs::create_dir(&unfinished)?;
        let done = self
            .fill(source, &unfinished, diff_id, below)
            .and_then(|()| rename_new(&unfinished, &self.dir.join(name)));
        if done.is_err() {
            let _ = std::fs::remove_dir_all(&unfinished);
        }
        done
    }

    fn fill(&self, source: impl Read, target: &Path, diff_id: &str, below: &[String]) -> io::Result<()> {
        let mut tar = Hashing { inner: decompressed(source)?, hash: Sha256::new() };
        let lower: Vec<PathBuf> = below.iter().rev().map(|name| self.dir.join(name)).collect();
        unpack::unpack(&mut tar, target, &lower)?;
        // What follows the archive's end counts for the digest.
        io::copy(&mut tar, &mut io::sink())?;
        let actual = digest(tar.hash);
        if actual != diff_id {
            let text = format!("layer content is {actual}, its configuration says {diff_id}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(())
    }

    /// Removes what no image and no container uses. Not while anything is being unpacked.
    pub fn collect_garbage(&self, used: &BTreeSet<String>) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !used.contains(&name) {
                // Renamed first: a layer half removed must not be taken for a whole one.
                let going = self.dir.join(format!("{UNFINISHED}{}", uuid::Uuid::new_v4().simple()));
                std::fs::rename(entry.path(), &going)?;
                std::fs::remove_dir_all(&going)?;
            }
        }
        Ok(())
    }
}

/// Another process may have been faster: then its layer stays.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::rename(from, to) {
        Err(_) if to.exists() => std::fs::remove_dir_all(from),
        other => other,
    }
}

/// Directory names of a chain of layers, bottom first; each depends on all below it.
/// <https://github.com/opencontainers/image-spec/blob/main/config.md#layer-chainid>
pub fn chain(diff_ids: &[String]) -> Vec<String> {
    let mut names = Vec::new();
    let mut chain: Option<String> = None;
    for diff_id in diff_ids {
        let id = match chain {
            None => diff_id.clone(),
            Some(below) => sha256(format!("{below} {diff_id}").as_bytes()),
        };
        names.push(id.trim_start_matches("sha256:").chars().take(NAME_LENGTH).collect());
        chain = Some(id);
    }
    names
}

pub fn sha256(bytes: &[u8]) -> String {
    digest(Sha256::new_with_prefix(bytes))
}

pub fn digest(hash: Sha256) -> String {
    format!("sha256:{}", hex::encode(hash.finalize()))
}

struct Hashing<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.hash.update(&buffer[..n]);
        Ok(n)
    }
}

/// By its first bytes: media types are not always right.
pub fn decompressed<'a>(source: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut source = BufReader::with_capacity(128 * 1024, source);
    let mut magic = [0u8; 4];
    let mut read = 0;
    while read < magic.len() {
        match source.read(&mut magic[read..])? {
            0 => break,
            n => read += n,
        }
    }
    let whole = io::Cursor::new(magic).take(read as u64).chain(source);
    Ok(match magic {
        [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(whole)),
        [0x28, 0xb5, 0x2f, 0xfd] => Box::new(zstd::stream::read::Decoder::new(whole)?),
        _ => Box::new(whole),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_depend_on_what_is_below() {
        let ids = |list: &[&str]| list.iter().map(|s| format!("sha256:{s:0>64}")).collect::<Vec<_>>();
        let (one, two) = (chain(&ids(&["a", "b"])), chain(&ids(&["c", "b"])));
        assert_eq!(one[0], format!("{:0>64}", "a")[..24]);
        assert_ne!(one[1], two[1]);
    }

    #[test]
    fn a_wrong_digest_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let layers = Layers::open(dir.path().to_owned()).unwrap();
        let tar = tar::Builder::new(Vec::new()).into_inner().unwrap();
        let error = layers.unpack(&tar[..], "sha256:00", "name", &[]).unwrap_err();
        assert!(error.to_string().contains("configuration says"));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        layers.unpack(&tar[..], &sha256(&tar), "name", &[]).unwrap();
        assert!(layers.has("name"));
    }
}
