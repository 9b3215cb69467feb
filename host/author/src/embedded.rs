//! The archive that `build.rs` packs: `sdk/…` and `wit/…`.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use tar::Archive;

use crate::AuthorError;

static ARCHIVE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/embedded.tar.gz"));

/// A file of the archive.
pub struct Embedded {
    /// `sdk/rust/src/lib.rs`
    pub path: PathBuf,
    pub content: Vec<u8>,
    mode: u32,
}

/// The files below a folder of the archive, their paths relative to it.
pub fn below(folder: &str) -> Result<Vec<Embedded>, AuthorError> {
    let read = || -> io::Result<Vec<Embedded>> {
        let mut found = Vec::new();
        for entry in Archive::new(GzDecoder::new(ARCHIVE)).entries()? {
            let mut entry = entry?;
            let Ok(path) = entry.path()?.strip_prefix(folder).map(Path::to_path_buf) else { continue };
            let (mode, mut content) = (entry.header().mode()?, Vec::new());
            entry.read_to_end(&mut content)?;
            found.push(Embedded { path, content, mode });
        }
        Ok(found)
    };
    read().map_err(AuthorError::file("read the embedded", folder))
}

impl Embedded {
    /// Writes the file below a directory, scripts so that they can be run.
    pub fn unpack(&self, directory: &Path) -> Result<(), AuthorError> {
        let path = directory.join(&self.path);
        write(&path, &self.content)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let permissions = fs::Permissions::from_mode(self.mode);
            fs::set_permissions(&path, permissions).map_err(AuthorError::file("write", path))?;
        }
        Ok(())
    }
}

/// Writes a file and makes the folders on the way.
pub fn write(path: &Path, content: &[u8]) -> Result<(), AuthorError> {
    let make = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, content)
    };
    make().map_err(AuthorError::file("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sdk_stands_alone() {
        let manifest =
            below("sdk/rust").unwrap().into_iter().find(|file| file.path == Path::new("Cargo.toml"));
        let manifest = String::from_utf8(manifest.unwrap().content).unwrap();
        assert!(!manifest.contains("workspace"), "{manifest}");
        assert!(manifest.contains("serde_json"), "{manifest}");
    }

    #[test]
    fn contracts_come_with_what_they_use() {
        let files = below("wit/scheduler").unwrap();
        let has = |path: &str| files.iter().any(|file| file.path == Path::new(path));
        assert!(has("scheduler.wit") && has("deps/host/host.wit"));
    }
}
