//! One host per data directory.

use std::fs::{File, Permissions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// Secrets lie in these: the API's objects, pods' volumes, what containers are started with.
const PRIVATE: [&str; 3] = ["store", "pods", "containers"];

/// The data directory, held by this process until it ends.
pub struct DataDir {
    _lock: File,
}

impl DataDir {
    pub fn claim(path: &Path) -> anyhow::Result<DataDir> {
        let run = path.join("run");
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o711)
            .create(&run)
            .with_context(|| format!("cannot make the data directory {}", path.display()))?;
        // Nobody but root may list it. (Traversal stays open for hostPath-like mounts.)
        std::fs::set_permissions(path, Permissions::from_mode(0o711))?;
        for folder in PRIVATE {
            std::fs::create_dir_all(path.join(folder))?;
            std::fs::set_permissions(path.join(folder), Permissions::from_mode(0o700))?;
        }
        let mut file =
            File::options().read(true).write(true).create(true).truncate(false).open(lock_file(path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "the data directory {} is in use by another orch (process {}); stop it with `orch down --data-dir {}` or choose another --data-dir",
                path.display(),
                read_pid(&mut file).map_or_else(|| "unknown".into(), |pid| pid.to_string()),
                path.display(),
            ),
            Err(TryLockError::Error(error)) => return Err(error).context("cannot lock the data directory"),
        }
        file.set_len(0)?;
        file.rewind()?;
        write!(file, "{}", std::process::id())?;
        Ok(DataDir { _lock: file })
    }
}

/// The process that runs on this data directory, if one does.
pub fn holder(path: &Path) -> anyhow::Result<Option<i32>> {
    let mut file = match File::options().read(true).open(lock_file(path)) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", lock_file(path).display()));
        }
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(read_pid(&mut file)),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

fn lock_file(path: &Path) -> PathBuf {
    path.join("run/orch.pid")
}

fn read_pid(file: &mut File) -> Option<i32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_with_secrets_are_roots_alone() {
        let dir = tempfile::tempdir().unwrap();
        // As earlier hosts left it.
        std::fs::create_dir(dir.path().join("store")).unwrap();
        std::fs::set_permissions(dir.path().join("store"), Permissions::from_mode(0o755)).unwrap();
        let _claimed = DataDir::claim(dir.path()).unwrap();
        for folder in PRIVATE {
            let mode = dir.path().join(folder).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{folder}");
        }
    }

    #[test]
    fn the_second_claim_names_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDir::claim(dir.path()).unwrap();
        let refusal = DataDir::claim(dir.path()).err().unwrap().to_string();
        assert!(refusal.contains(&format!("process {}", std::process::id())), "{refusal}");
        assert_eq!(holder(dir.path()).unwrap(), Some(std::process::id() as i32));
        drop(first);
        assert_eq!(holder(dir.path()).unwrap(), None);
        DataDir::claim(dir.path()).unwrap();
    }
}
