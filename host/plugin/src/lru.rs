//! Directories of files that can be had again: what was used longest ago goes when it is too much.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Notes that a file was used now. Best effort: it may go earlier than it should.
pub(crate) fn touch(path: &Path) {
    let touched = File::options().write(true).open(path).and_then(|f| f.set_modified(SystemTime::now()));
    if let Err(error) = touched {
        tracing::debug!(path = %path.display(), %error, "cannot note the use of a file");
    }
}

/// Removes the files used longest ago until the others have `limit` bytes together at most. The one
/// used last stays, however large.
pub(crate) fn trim(directory: &Path, limit: u64) -> io::Result<()> {
    let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_file() {
            files.push((metadata.modified()?, metadata.len(), entry.path()));
        }
    }
    files.sort_by_key(|(used, ..)| std::cmp::Reverse(*used));
    let mut total = 0;
    for (index, (_, size, path)) in files.iter().enumerate() {
        total += size;
        if index > 0 && total > limit {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_longest_unused_go_first() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for (age, name) in ["new", "middle", "old"].into_iter().enumerate() {
            fs::write(at(name), [0; 10]).unwrap();
            let used = SystemTime::now() - Duration::from_secs(60 * (age as u64 + 1));
            File::options().write(true).open(at(name)).unwrap().set_modified(used).unwrap();
        }
        trim(directory.path(), 30).unwrap();
        assert!(at("old").exists());
        touch(&at("old"));
        trim(directory.path(), 20).unwrap();
        assert!(at("old").exists() && at("new").exists() && !at("middle").exists());
        trim(directory.path(), 1).unwrap();
        assert!(at("old").exists() && !at("new").exists());
    }
}
