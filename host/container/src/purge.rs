//! The end of everything a data directory owns.

use std::io;
use std::path::Path;

use crate::cgroup::Cgroup;
use crate::container::{RECORD, Record, containers_dir, remove};
use crate::orch::default_cgroup_root;
use crate::rootfs::unmount;
use crate::runtime::RuntimeError;
use crate::shim::record;

/// Kills every container and removes mounts, namespaces and cgroups of a data directory, then the
/// directories of this crate in it. No daemon may run on it. Blocking; safe to repeat.
pub fn purge(data_dir: &Path) -> Result<(), RuntimeError> {
    let Ok(data_dir) = data_dir.canonicalize() else { return Ok(()) };
    let fail = |source| RuntimeError::Io { what: format!("purge {}", data_dir.display()), source };
    for dir in entries(&containers_dir(&data_dir)).map_err(fail)? {
        let known = record::read::<Record>(&dir.join(RECORD)).ok();
        remove::clean_up(&dir, known.as_ref().map(|record| record.cgroup.as_str())).map_err(fail)?;
    }
    let root = default_cgroup_root(&data_dir);
    Cgroup::new(&root).remove().map_err(fail)?;
    if let Some((parent, _)) = root.rsplit_once('/') {
        // Shared with other data directories: it stays while one of them has groups.
        Cgroup::new(parent).remove_if_empty();
    }
    unmount_below(&data_dir).map_err(fail)?;
    for name in ["containers", "sandboxes", "run/ns", "images"] {
        match std::fs::remove_dir_all(data_dir.join(name)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(fail(e)),
            _ => {}
        }
    }
    Ok(())
}

fn entries(dir: &Path) -> io::Result<Vec<std::path::PathBuf>> {
    match std::fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(e),
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
    }
}

/// Everything that this crate mounted, whatever a crash left. Volumes are the node agent's.
fn unmount_below(data_dir: &Path) -> io::Result<()> {
    let own = ["containers", "sandboxes", "run/ns"].map(|name| data_dir.join(name));
    let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
    let mut points: Vec<std::path::PathBuf> = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(|point| std::path::PathBuf::from(unescape(point)))
        .filter(|point| own.iter().any(|dir| point.starts_with(dir)))
        .collect();
    points.reverse();
    points.iter().for_each(|point| unmount(point));
    Ok(())
}

/// mountinfo writes spaces as `\040`.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}
