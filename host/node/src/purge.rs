//! The end of everything the agent made in a data directory.

use std::path::{Path, PathBuf};

use crate::paths::Paths;
use crate::volume;

#[derive(Debug, thiserror::Error)]
#[error("remove {path}: {source}")]
pub struct PurgeError {
    pub path: PathBuf,
    #[source]
    pub source: std::io::Error,
}

/// Unmounts and removes pods' volumes, files and logs. No agent may run on the directory, and no
/// container: what it uses is busy. Blocking; safe to repeat.
pub fn purge(data_dir: &Path) -> Result<(), PurgeError> {
    let paths = Paths::new(data_dir.to_path_buf());
    for path in [paths.pods(), paths.all_logs()] {
        volume::remove_tree(&path).map_err(|source| PurgeError { path, source })?;
    }
    Ok(())
}
