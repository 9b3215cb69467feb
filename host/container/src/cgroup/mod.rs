//! What orch itself does with cgroups: its own parents, joining, statistics, out-of-memory counts,
//! killing all, removing. Limits of containers are set by libcontainer. One type, two versions.

mod v1;
mod v2;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::runtime::{Resources, Stats};

/// Where the hierarchies of this machine are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hierarchies {
    /// Mount points of the v1 controllers, `memory` → `/sys/fs/cgroup/memory`.
    V1(Vec<(String, PathBuf)>),
    V2(PathBuf),
}

impl Hierarchies {
    /// As mounted; hybrid machines count as v1, which is what libcontainer uses there.
    pub fn of_this_machine() -> &'static Hierarchies {
        static FOUND: OnceLock<Hierarchies> = OnceLock::new();
        FOUND.get_or_init(|| {
            let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
            Hierarchies::from_mountinfo(&mounts)
        })
    }

    fn from_mountinfo(mounts: &str) -> Self {
        let mut v1 = Vec::new();
        let mut v2 = PathBuf::from("/sys/fs/cgroup");
        for line in mounts.lines() {
            let Some((before, after)) = line.split_once(" - ") else { continue };
            let mut after = after.split(' ');
            let (kind, options) = (after.next(), after.nth(1).unwrap_or_default());
            let Some(path) = before.split(' ').nth(4).map(PathBuf::from) else { continue };
            match kind {
                Some("cgroup") => v1.extend(v1::controllers(options).map(|c| (c, path.clone()))),
                Some("cgroup2") => v2 = path,
                _ => {}
            }
        }
        if v1.is_empty() { Hierarchies::V2(v2) } else { Hierarchies::V1(v1) }
    }

    pub fn is_v2(&self) -> bool {
        matches!(self, Hierarchies::V2(_))
    }
}

/// What differs between the versions.
trait Version: Send + Sync {
    /// Every directory that makes up the group, one per hierarchy.
    fn dirs(&self) -> Vec<PathBuf>;
    /// Makes the group (and its parents) and sets its limits.
    fn create(&self, resources: &Resources) -> io::Result<()>;
    /// Sets the limits that are given; the others stay.
    fn set(&self, resources: &Resources) -> io::Result<()>;
    fn stats(&self) -> io::Result<Stats>;
    /// Processes of this group that the kernel has killed for lack of memory, since its creation.
    fn oom_kills(&self) -> u64;
    /// Kills everything in the group and below in one go, where the kernel can.
    fn kill_at_once(&self) -> io::Result<()>;
}

/// One control group, by its path below the root of every hierarchy.
pub struct Cgroup {
    version: Box<dyn Version>,
}

impl Cgroup {
    pub fn new(path: &str) -> Self {
        let relative = path.trim_start_matches('/').to_owned();
        let version: Box<dyn Version> = match Hierarchies::of_this_machine() {
            Hierarchies::V1(controllers) => Box::new(v1::Group::new(controllers, &relative)),
            Hierarchies::V2(root) => Box::new(v2::Group::new(root, &relative)),
        };
        Self { version }
    }

    pub fn create(&self, resources: &Resources) -> io::Result<()> {
        self.version.create(resources)
    }

    pub fn set(&self, resources: &Resources) -> io::Result<()> {
        self.version.set(resources)
    }

    /// Moves a process into the group.
    pub fn add(&self, pid: Pid) -> io::Result<()> {
        self.version
            .dirs()
            .iter()
            .filter(|dir| dir.exists())
            .try_for_each(|dir| std::fs::write(dir.join("cgroup.procs"), pid.to_string()))
    }

    pub fn stats(&self) -> io::Result<Stats> {
        self.version.stats()
    }

    pub fn oom_kills(&self) -> u64 {
        self.version.oom_kills()
    }

    /// Kills every process in the group and below it. The processes may still be dying on return.
    pub fn kill_all(&self) {
        if self.version.kill_at_once().is_err() {
            for pid in self.processes() {
                // Gone already is what we want.
                let _ = kill(pid, Signal::SIGKILL);
            }
        }
    }

    pub fn processes(&self) -> Vec<Pid> {
        let mut pids: Vec<i32> = self.version.dirs().iter().flat_map(|dir| processes_below(dir)).collect();
        pids.sort_unstable();
        pids.dedup();
        pids.into_iter().map(Pid::from_raw).collect()
    }

    /// Removes the group and everything below, killing what is in it. No error when it is gone.
    pub fn remove(&self) -> io::Result<()> {
        let mut last = Ok(());
        for attempt in 0..200u32 {
            last = self.version.dirs().iter().try_for_each(|dir| remove_tree(dir));
            if last.is_ok() {
                break;
            }
            self.kill_all();
            // A killed process leaves its group when it is reaped; there is nothing to wait on in v1.
            std::thread::sleep(std::time::Duration::from_millis(u64::from(attempt.min(10) + 1)));
        }
        last
    }

    /// Removes the group when nothing is in it; parents of groups go with their last child.
    pub fn remove_if_empty(&self) {
        for dir in self.version.dirs() {
            // A group with processes or children refuses.
            let _ = std::fs::remove_dir(dir);
        }
    }
}

fn processes_below(dir: &Path) -> Vec<i32> {
    let own = std::fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    let mut pids: Vec<i32> =
        own.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid > 0).collect();
    for child in children(dir) {
        pids.extend(processes_below(&child));
    }
    pids
}

fn children(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|t| t.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

fn remove_tree(dir: &Path) -> io::Result<()> {
    for child in children(dir) {
        remove_tree(&child)?;
    }
    match std::fs::remove_dir(dir) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

fn read_number(path: &Path) -> io::Result<u64> {
    let text = std::fs::read_to_string(path)?;
    text.trim().parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, text))
}

/// One value of a file of `key value` lines; 0 when it is not there.
fn read_key(path: &Path, key: &str) -> u64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .find(|(name, _)| *name == key)
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0)
}

/// Writes a limit; a controller that this machine lacks is no reason not to run.
fn write_if_there(path: &Path, value: impl ToString) -> io::Result<()> {
    if !path.exists() {
        tracing::debug!(path = %path.display(), "cgroup file is not there: limit not set");
        return Ok(());
    }
    std::fs::write(path, value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_tell_the_version() {
        let hybrid = "31 25 0:26 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct\n\
                      32 25 0:27 / /sys/fs/cgroup/systemd rw - cgroup systemd rw,xattr,name=systemd\n\
                      33 25 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let path = PathBuf::from("/sys/fs/cgroup/cpu,cpuacct");
        assert_eq!(
            Hierarchies::from_mountinfo(hybrid),
            Hierarchies::V1(vec![("cpu".into(), path.clone()), ("cpuacct".into(), path)])
        );
        let unified = "33 25 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n";
        assert!(Hierarchies::from_mountinfo(unified).is_v2());
    }
}
