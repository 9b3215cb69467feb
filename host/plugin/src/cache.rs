//! Compiled components on disk, by digest and engine settings, to be mapped into memory: of code that
//! is never called no page is resident, and what is resident the kernel can drop and read again.
//!
//! Deserialising compiled code trusts it wholly. So the directory is readable and writable by its
//! owner only, a file belongs to this user, and ends with a checksum against a torn write. A file is
//! replaced or removed, never written to: that would change running code.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::{LoadError, lru};

const CHECKSUM: u64 = 32;
/// Bytes of compiled code kept, in all; code for an engine that is no more goes this way too.
const LIMIT: u64 = 1 << 30;

#[derive(Debug)]
pub(crate) struct Cache {
    directory: PathBuf,
    /// Of the engine's version and settings.
    settings: String,
}

impl Cache {
    pub fn open(directory: &Path, settings: String) -> Result<Self, LoadError> {
        let failed = |source| LoadError::Cache { path: directory.into(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).map_err(failed)?;
        Ok(Cache { directory: directory.into(), settings })
    }

    /// The file of the compiled form, when a whole one of ours is there.
    pub fn find(&self, digest: &str) -> Option<PathBuf> {
        let path = self.path(digest);
        if fs::metadata(&path).ok()?.uid() != fs::metadata(&self.directory).ok()?.uid() {
            return None;
        }
        is_whole(&path).ok()?.then(|| {
            lru::touch(&path);
            path
        })
    }

    /// Where it is now. Best effort: without the file the next start compiles again.
    pub fn write(&self, digest: &str, compiled: &[u8]) -> Option<PathBuf> {
        self.try_write(digest, compiled)
            .inspect_err(|error| {
                let directory = self.directory.display();
                tracing::warn!(%directory, %error, "cannot keep a compiled plugin");
            })
            .ok()
    }

    fn try_write(&self, digest: &str, compiled: &[u8]) -> io::Result<PathBuf> {
        let path = self.path(digest);
        let partial = path.with_extension(format!("{}.partial", std::process::id()));
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        file.write_all(compiled)?;
        file.write_all(Sha256::digest(compiled).as_slice())?;
        fs::rename(partial, &path)?;
        lru::trim(&self.directory, LIMIT)?;
        Ok(path)
    }

    fn path(&self, digest: &str) -> PathBuf {
        let digest = digest.trim_start_matches("sha256:");
        self.directory.join(format!("{digest}-{}.cwasm", self.settings))
    }
}

/// Whether the last bytes are the checksum of those before them. Reads a block at a time: mapped, the
/// code need not be in memory as a whole.
fn is_whole(path: &Path) -> io::Result<bool> {
    let file = File::open(path)?;
    let Some(length) = file.metadata()?.len().checked_sub(CHECKSUM) else { return Ok(false) };
    let mut file = BufReader::with_capacity(64 << 10, file);
    let mut hasher = Sha256::new();
    let mut left = length;
    while left > 0 {
        let block = file.fill_buf()?;
        let used = block.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if used == 0 {
            return Ok(false);
        }
        hasher.update(&block[..used]);
        file.consume(used);
        left -= used as u64;
    }
    let mut checksum = Vec::new();
    file.read_to_end(&mut checksum)?;
    Ok(hasher.finalize().as_slice() == checksum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_files_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(&directory.path().join("cache"), "s".into()).unwrap();
        assert_eq!(cache.find("sha256:ab"), None);
        let path = cache.write("sha256:ab", b"code").unwrap();
        assert_eq!(cache.find("sha256:ab"), Some(path.clone()));
        let whole = fs::read(&path).unwrap();
        assert!(whole.starts_with(b"code"), "a mapping begins with the code");
        for damaged in [&whole[1..], &whole[..whole.len() - 1], b"cod", b""] {
            fs::write(&path, damaged).unwrap();
            assert_eq!(cache.find("sha256:ab"), None);
        }
        let mode = fs::metadata(&cache.directory).unwrap().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
