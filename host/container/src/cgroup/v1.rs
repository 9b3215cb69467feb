//! cgroup v1: one hierarchy per controller.

use std::io;
use std::path::{Path, PathBuf};

use super::{Version, read_key, read_number, write_if_there};
use crate::runtime::{Resources, Stats};

const CONTROLLERS: [&str; 12] = [
    "cpu",
    "cpuacct",
    "cpuset",
    "memory",
    "pids",
    "devices",
    "freezer",
    "blkio",
    "hugetlb",
    "perf_event",
    "net_cls",
    "net_prio",
];

/// The controllers among a v1 mount's options.
pub fn controllers(options: &str) -> impl Iterator<Item = String> {
    options.split(',').filter(|option| CONTROLLERS.contains(option)).map(str::to_owned)
}

pub struct Group {
    dirs: Vec<(String, PathBuf)>,
}

impl Group {
    pub fn new(controllers: &[(String, PathBuf)], relative: &str) -> Self {
        Self { dirs: controllers.iter().map(|(name, root)| (name.clone(), root.join(relative))).collect() }
    }

    fn file(&self, controller: &str, file: &str) -> PathBuf {
        self.dirs
            .iter()
            .find(|(name, _)| name == controller)
            .map_or_else(|| Path::new("/nonexistent").join(file), |(_, dir)| dir.join(file))
    }
}

impl Version for Group {
    fn dirs(&self) -> Vec<PathBuf> {
        let mut dirs: Vec<PathBuf> = self.dirs.iter().map(|(_, dir)| dir.clone()).collect();
        dirs.dedup();
        dirs
    }

    fn create(&self, resources: &Resources) -> io::Result<()> {
        // In every hierarchy, so that no parent that a container is about to use is empty and removed.
        for (_, dir) in &self.dirs {
            std::fs::create_dir_all(dir)?;
        }
        self.set(resources)
    }

    fn set(&self, resources: &Resources) -> io::Result<()> {
        if let Some(shares) = resources.cpu_shares {
            write_if_there(&self.file("cpu", "cpu.shares"), shares)?;
        }
        if let Some(period) = resources.cpu_period_us {
            write_if_there(&self.file("cpu", "cpu.cfs_period_us"), period)?;
        }
        if let Some(quota) = resources.cpu_quota_us {
            write_if_there(&self.file("cpu", "cpu.cfs_quota_us"), quota)?;
        }
        if let Some(limit) = resources.memory_limit_bytes {
            write_if_there(&self.file("memory", "memory.limit_in_bytes"), limit)?;
        }
        match resources.pids_limit {
            Some(limit) if limit > 0 => write_if_there(&self.file("pids", "pids.max"), limit),
            _ => Ok(()),
        }
    }

    fn stats(&self) -> io::Result<Stats> {
        let usage = read_number(&self.file("memory", "memory.usage_in_bytes"))?;
        let inactive = read_key(&self.file("memory", "memory.stat"), "total_inactive_file");
        Ok(Stats {
            cpu_usage_ns: read_number(&self.file("cpuacct", "cpuacct.usage"))?,
            memory_working_set_bytes: usage.saturating_sub(inactive),
            memory_usage_bytes: usage,
            pids: read_number(&self.file("pids", "pids.current")).unwrap_or(0),
        })
    }

    fn oom_kills(&self) -> u64 {
        read_key(&self.file("memory", "memory.oom_control"), "oom_kill")
    }

    fn kill_at_once(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
