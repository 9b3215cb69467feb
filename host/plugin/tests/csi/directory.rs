//! Directories under a temporary one; what is mounted is only written down. Real ones, unlike those in
//! memory that the SDK has for authors: what a hostile driver tries to reach must be there to be reached.

use std::any::Any;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use orch_plugin::calls::csi::{Code, Entry, Error, Usage, VolumeDirectory};
use parking_lot::Mutex;
use tempfile::TempDir;

/// Several directories side by side, and something beside them that is nobody's.
pub struct Disk {
    root: TempDir,
}

pub struct Place {
    path: PathBuf,
    mount: Mutex<Option<Mount>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    pub source: PathBuf,
    pub read_only: bool,
}

impl Disk {
    pub fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("secret"), "not yours").unwrap();
        Disk { root }
    }

    pub fn place(&self, name: &str) -> Arc<Place> {
        let path = self.root.path().join(name);
        fs::create_dir_all(&path).unwrap();
        Arc::new(Place { path, mount: Mutex::default() })
    }

    /// Names beside the directories, and what is in `secret`.
    pub fn outside(&self) -> (Vec<String>, String) {
        let names = fs::read_dir(self.root.path()).unwrap();
        let mut names: Vec<String> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        (names, fs::read_to_string(self.root.path().join("secret")).unwrap())
    }
}

impl Place {
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn mount(&self) -> Option<Mount> {
        self.mount.lock().clone()
    }

    pub fn put(&self, path: &str, contents: &str) {
        fs::write(self.path.join(path), contents).unwrap();
    }

    pub fn text(&self, path: &str) -> String {
        fs::read_to_string(self.path.join(path)).unwrap()
    }

    /// The host has looked at the path before: none that leads out comes here.
    fn at(&self, path: &str) -> PathBuf {
        assert!(!path.starts_with('/') && !path.split('/').any(|name| name == ".."), "{path:?} came through");
        if path.is_empty() { self.path.clone() } else { self.path.join(path) }
    }
}

fn of_io(error: std::io::Error) -> Error {
    let code = match error.kind() {
        ErrorKind::NotFound => Code::NotFound,
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory | ErrorKind::IsADirectory => {
            Code::FailedPrecondition
        }
        _ => Code::Internal,
    };
    Error::new(code, error.to_string())
}

fn place(directory: &dyn VolumeDirectory) -> &Place {
    let any: &dyn Any = directory;
    any.downcast_ref().unwrap()
}

fn copy_tree(from: &Path, to: &Path) -> std::io::Result<()> {
    if from.is_file() {
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy_tree(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

fn used(path: &Path) -> u64 {
    if path.is_file() {
        return fs::metadata(path).unwrap().len();
    }
    fs::read_dir(path).unwrap().map(|entry| used(&entry.unwrap().path())).sum()
}

#[async_trait]
impl VolumeDirectory for Place {
    async fn make_directory(&self, path: &str) -> Result<(), Error> {
        fs::create_dir_all(self.at(path)).map_err(of_io)
    }

    async fn remove(&self, path: &str) -> Result<(), Error> {
        let at = self.at(path);
        if at.is_file() {
            return fs::remove_file(at).map_err(of_io);
        }
        if at.exists() {
            fs::remove_dir_all(&at).map_err(of_io)?;
        }
        if path.is_empty() { fs::create_dir(at).map_err(of_io) } else { Ok(()) }
    }

    async fn entries(&self, path: &str) -> Result<Vec<Entry>, Error> {
        let entries = fs::read_dir(self.at(path)).map_err(of_io)?.map(|entry| {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            let name = entry.file_name().into_string().unwrap();
            Entry { name, is_directory: metadata.is_dir(), size_bytes: metadata.len() }
        });
        Ok(entries.collect())
    }

    async fn read(&self, path: &str) -> Result<Vec<u8>, Error> {
        fs::read(self.at(path)).map_err(of_io)
    }

    async fn write(&self, path: &str, contents: &[u8]) -> Result<(), Error> {
        fs::write(self.at(path), contents).map_err(of_io)
    }

    async fn copy(&self, path: &str, target: &dyn VolumeDirectory, target_path: &str) -> Result<(), Error> {
        copy_tree(&self.at(path), &place(target).at(target_path)).map_err(of_io)
    }

    async fn usage(&self, path: &str) -> Result<Usage, Error> {
        let shown = self.mount().map_or_else(|| self.at(path), |mount| mount.source);
        let used_bytes = used(&shown);
        Ok(Usage {
            used_bytes,
            available_bytes: 1 << 20,
            total_bytes: (1 << 20) + used_bytes,
            used_inodes: 1,
            available_inodes: 9,
            total_inodes: 10,
        })
    }

    async fn bind_mount(
        &self,
        path: &str,
        target: &dyn VolumeDirectory,
        read_only: bool,
    ) -> Result<(), Error> {
        let source = self.mount().map_or_else(|| self.at(path), |mount| mount.source);
        let mut mounted = place(target).mount.lock();
        let wanted = Mount { source, read_only };
        match &*mounted {
            Some(known) if *known != wanted => {
                Err(Error::new(Code::AlreadyExists, "something else is there"))
            }
            Some(_) | None => {
                *mounted = Some(wanted);
                Ok(())
            }
        }
    }

    async fn unmount(&self) -> Result<(), Error> {
        *self.mount.lock() = None;
        Ok(())
    }

    async fn is_mounted(&self) -> Result<bool, Error> {
        Ok(self.mount().is_some())
    }
}
