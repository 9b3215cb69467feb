//! What a reference stood for when it was last pulled, on disk: a host that starts while a registry is
//! down loads what it ran before, and a restart changes nothing of what runs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::digest_of;
use crate::signature::Signed;

/// Records kept; the oldest go first.
const KEPT: usize = 256;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// In full: `registry.example/team/plugin:1`.
    pub reference: String,
    /// Digest of the manifest.
    pub manifest: String,
    /// Digest of the component.
    pub component: String,
    pub signatures: Vec<Signed>,
}

#[derive(Debug, Clone)]
pub struct Records {
    directory: PathBuf,
}

impl Records {
    pub fn open(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Records { directory: directory.into() })
    }

    /// `None` when there is none, or it is not whole.
    pub fn read(&self, reference: &str) -> Option<Record> {
        let bytes = fs::read(self.path(reference)).ok()?;
        let record: Record = serde_json::from_slice(&bytes).ok()?;
        (record.reference == reference).then_some(record)
    }

    pub fn write(&self, record: &Record) -> io::Result<()> {
        let path = self.path(&record.reference);
        let partial = path.with_extension("partial");
        fs::write(&partial, serde_json::to_vec(record)?)?;
        fs::rename(partial, path)?;
        self.drop_oldest()
    }

    fn drop_oldest(&self) -> io::Result<()> {
        let mut all: Vec<(SystemTime, PathBuf)> = fs::read_dir(&self.directory)?
            .flatten()
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        all.sort();
        for (_, path) in &all[..all.len().saturating_sub(KEPT)] {
            fs::remove_file(path)?;
        }
        Ok(())
    }

    /// A reference may hold what a file name may not.
    fn path(&self, reference: &str) -> PathBuf {
        self.directory.join(format!("{}.json", &digest_of(reference.as_bytes())[7..39]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_found_by_their_reference_and_bounded() {
        let directory = tempfile::tempdir().unwrap();
        let records = Records::open(directory.path()).unwrap();
        let record = |reference: String| Record {
            reference,
            manifest: "sha256:1".into(),
            component: "sha256:2".into(),
            signatures: vec![Signed { payload: "{}".into(), signature: "x".into() }],
        };
        assert_eq!(records.read("a/b:1"), None);
        for n in 0..KEPT + 5 {
            records.write(&record(format!("a/b:{n}"))).unwrap();
        }
        let last = format!("a/b:{}", KEPT + 4);
        assert_eq!(records.read(&last), Some(record(last)));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), KEPT);
        fs::write(records.path("a/b:torn"), "{").unwrap();
        assert_eq!(records.read("a/b:torn"), None);
    }
}
