//! Containers as the daemon sees them: what is on disk, what their shims say.

pub(crate) mod adopt;
pub(crate) mod client;
pub(crate) mod create;
pub(crate) mod entry;
pub(crate) mod remove;
pub(crate) mod streams;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::runtime::ContainerConfig;
use crate::shim::record;

pub const ROOTFS: &str = "rootfs";
pub const RECORD: &str = "container.json";

/// What a later daemon must know of a container beside what its shim keeps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    pub config: ContainerConfig,
    pub created_at_ms: i64,
    /// Layer directories its root is made of.
    pub layers: Vec<String>,
    pub cgroup: String,
}

pub fn containers_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("containers")
}

/// Layers that containers of this data directory are made of, whether their image is still known or not.
pub fn layers_in_use(data_dir: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(containers_dir(data_dir)) else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| record::read::<Record>(&entry.path().join(RECORD)).ok())
        .flat_map(|record| record.layers)
        .collect()
}
