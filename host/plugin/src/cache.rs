//! Compiled components on disk, by digest and engine settings.
//!
//! Deserialising compiled code trusts it wholly. So the directory is readable and writable by its
//! owner only, a file belongs to this user, and carries a checksum against a torn write.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::{LoadError, lru};

const CHECKSUM: usize = 32;
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

    /// The compiled form, when a whole one of ours is there.
    pub fn read(&self, digest: &str) -> Option<Vec<u8>> {
        let path = self.path(digest);
        if fs::metadata(&path).ok()?.uid() != fs::metadata(&self.directory).ok()?.uid() {
            return None;
        }
        let mut bytes = fs::read(&path).ok()?;
        let checksum: Vec<u8> = bytes.get(..CHECKSUM)?.to_vec();
        let compiled = bytes.split_off(CHECKSUM);
        let is_whole = Sha256::digest(&compiled).as_slice() == checksum;
        is_whole.then(|| {
            lru::touch(&path);
            compiled
        })
    }

    /// Best effort: without the file the next start compiles again.
    pub fn write(&self, digest: &str, compiled: &[u8]) {
        if let Err(error) = self.try_write(digest, compiled) {
            tracing::warn!(directory = %self.directory.display(), %error, "cannot keep a compiled plugin");
        }
    }

    fn try_write(&self, digest: &str, compiled: &[u8]) -> std::io::Result<()> {
        let path = self.path(digest);
        let partial = path.with_extension(format!("{}.partial", std::process::id()));
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        file.write_all(Sha256::digest(compiled).as_slice())?;
        file.write_all(compiled)?;
        fs::rename(partial, path)?;
        lru::trim(&self.directory, LIMIT)
    }

    fn path(&self, digest: &str) -> PathBuf {
        let digest = digest.trim_start_matches("sha256:");
        self.directory.join(format!("{digest}-{}.cwasm", self.settings))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_files_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(&directory.path().join("cache"), "s".into()).unwrap();
        assert_eq!(cache.read("sha256:ab"), None);
        cache.write("sha256:ab", b"code");
        assert_eq!(cache.read("sha256:ab").as_deref(), Some(&b"code"[..]));
        let mut torn = fs::read(cache.path("sha256:ab")).unwrap();
        torn.pop();
        fs::write(cache.path("sha256:ab"), torn).unwrap();
        assert_eq!(cache.read("sha256:ab"), None);
        let mode = fs::metadata(&cache.directory).unwrap().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
