//! Components on disk by their digest, so that a host that starts without its registry, and a rollback
//! to a file that is gone, find the bytes. What is read is checked against its digest.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::artifact::digest_of;
use crate::lru;

/// Bytes kept, in all.
const LIMIT: u64 = 512 << 20;

#[derive(Debug, Clone)]
pub struct Shelf {
    directory: PathBuf,
    limit: u64,
}

impl Shelf {
    pub fn open(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Shelf { directory: directory.into(), limit: LIMIT })
    }

    /// The component with this digest, when it is here and whole.
    pub fn get(&self, digest: &str) -> Option<Vec<u8>> {
        let path = self.path(digest)?;
        let bytes = fs::read(&path).ok()?;
        if digest_of(&bytes) != digest {
            tracing::warn!(path = %path.display(), "a kept component is damaged; it is removed");
            let _ = fs::remove_file(path);
            return None;
        }
        lru::touch(&path);
        Some(bytes)
    }

    /// Keeps a component; those used longest ago make room.
    pub fn put(&self, bytes: &[u8]) -> io::Result<String> {
        let digest = digest_of(bytes);
        let Some(path) = self.path(&digest) else { return Ok(digest) };
        if path.exists() && self.get(&digest).is_some() {
            return Ok(digest);
        }
        let partial = path.with_extension(format!("{}.partial", std::process::id()));
        fs::write(&partial, bytes)?;
        fs::rename(partial, path)?;
        lru::trim(&self.directory, self.limit)?;
        Ok(digest)
    }

    /// `None` for what is no digest: it must not lead elsewhere.
    fn path(&self, digest: &str) -> Option<PathBuf> {
        let hex = digest.strip_prefix("sha256:")?;
        let is_hex = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex.then(|| self.directory.join(format!("{hex}.wasm")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_components_are_given_back() {
        let directory = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(directory.path()).unwrap();
        let digest = shelf.put(b"component").unwrap();
        assert_eq!(shelf.get(&digest).as_deref(), Some(&b"component"[..]));
        fs::write(shelf.path(&digest).unwrap(), "compoment").unwrap();
        assert_eq!(shelf.get(&digest), None);
        shelf.put(b"component").unwrap();
        assert!(shelf.get(&digest).is_some());
        for strange in ["", "sha256:", "sha256:../../etc/passwd", "md5:00"] {
            assert_eq!(shelf.get(strange), None, "{strange}");
        }
    }

    #[test]
    fn it_does_not_grow_beyond_its_limit() {
        let directory = tempfile::tempdir().unwrap();
        let shelf = Shelf { limit: 100, ..Shelf::open(directory.path()).unwrap() };
        for n in 0..20u8 {
            shelf.put(&[n; 40]).unwrap();
        }
        let sizes =
            fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len());
        assert!(sizes.sum::<u64>() <= 100);
    }
}
