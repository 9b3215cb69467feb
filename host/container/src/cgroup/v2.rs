//! cgroup v2: one hierarchy.

use std::io;
use std::path::{Path, PathBuf};

use super::{Version, read_key, read_number, write_if_there};
use crate::runtime::{Resources, Stats};

const WANTED: [&str; 5] = ["cpu", "memory", "pids", "cpuset", "io"];

pub struct Group {
    root: PathBuf,
    dir: PathBuf,
}

impl Group {
    pub fn new(root: &Path, relative: &str) -> Self {
        Self { root: root.to_owned(), dir: root.join(relative) }
    }

    /// A group's children have the controllers that it passes on.
    fn pass_controllers_on(&self, dir: &Path) {
        let there = std::fs::read_to_string(dir.join("cgroup.controllers")).unwrap_or_default();
        for controller in there.split_whitespace().filter(|name| WANTED.contains(name)) {
            // Refused where processes live in the group itself; the limit is then not set, as without
            // the controller.
            let _ = std::fs::write(dir.join("cgroup.subtree_control"), format!("+{controller}"));
        }
    }
}

impl Version for Group {
    fn dirs(&self) -> Vec<PathBuf> {
        vec![self.dir.clone()]
    }

    fn create(&self, resources: &Resources) -> io::Result<()> {
        std::fs::create_dir_all(&self.dir)?;
        let mut dir = self.root.clone();
        self.pass_controllers_on(&dir);
        for part in self.dir.strip_prefix(&self.root).unwrap_or(Path::new("")).components() {
            dir.push(part);
            self.pass_controllers_on(&dir);
        }
        self.set(resources)
    }

    fn set(&self, resources: &Resources) -> io::Result<()> {
        if let Some(shares) = resources.cpu_shares {
            write_if_there(&self.dir.join("cpu.weight"), weight(shares))?;
        }
        if let Some(quota) = resources.cpu_quota_us.filter(|quota| *quota > 0) {
            let period = resources.cpu_period_us.unwrap_or(100_000);
            write_if_there(&self.dir.join("cpu.max"), format!("{quota} {period}"))?;
        }
        if let Some(limit) = resources.memory_limit_bytes.filter(|limit| *limit > 0) {
            write_if_there(&self.dir.join("memory.max"), limit)?;
        }
        match resources.pids_limit {
            Some(limit) if limit > 0 => write_if_there(&self.dir.join("pids.max"), limit),
            _ => Ok(()),
        }
    }

    fn stats(&self) -> io::Result<Stats> {
        let usage = read_number(&self.dir.join("memory.current"))?;
        let inactive = read_key(&self.dir.join("memory.stat"), "inactive_file");
        Ok(Stats {
            cpu_usage_ns: read_key(&self.dir.join("cpu.stat"), "usage_usec") * 1000,
            memory_working_set_bytes: usage.saturating_sub(inactive),
            memory_usage_bytes: usage,
            pids: read_number(&self.dir.join("pids.current")).unwrap_or(0),
        })
    }

    fn oom_kills(&self) -> u64 {
        read_key(&self.dir.join("memory.events"), "oom_kill")
    }

    fn kill_at_once(&self) -> io::Result<()> {
        std::fs::write(self.dir.join("cgroup.kill"), "1")
    }
}

/// cgroup v1 shares (2 to 262144) as a v2 weight (1 to 10000), by the usual linear map.
fn weight(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9999 / 262_142
}

#[cfg(test)]
mod tests {
    #[test]
    fn shares_become_weights() {
        assert_eq!([2, 1024, 262_144].map(super::weight), [1, 39, 10_000]);
    }
}
