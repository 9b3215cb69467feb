//! What this machine is and how it fares.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;

use crate::config::Config;
use crate::pod::fields::NodeResources;

#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    #[error("{path}: {source}")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("no MemTotal in /proc/meminfo")]
    NoMemory,
    #[error("statvfs {path}: {source}")]
    Disk {
        path: PathBuf,
        #[source]
        source: nix::Error,
    },
}

/// What does not change while the agent runs.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    pub hostname: String,
    pub cpus: u64,
    pub memory_bytes: u64,
    pub disk_bytes: u64,
    pub kernel: String,
    pub os_image: String,
    pub machine_id: String,
    pub boot_id: String,
    pub system_uuid: String,
    pub allocatable: NodeResources,
}

/// Kept back from pods, for the host and the kernel.
const RESERVED_MEMORY: u64 = 100 << 20;
/// The share of the disk that eviction would defend.
const RESERVED_DISK_PERCENT: u64 = 10;
/// Bytes of a large disk that are enough.
const RESERVED_DISK: u64 = 2 << 30;

impl Machine {
    pub fn read(config: &Config) -> Result<Machine, MachineError> {
        let text = |path: &str| fs::read_to_string(path).map(|t| t.trim().to_string()).unwrap_or_default();
        let memory_bytes = memory("MemTotal")?;
        let cpus = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
        let disk_bytes = disk(&config.data_dir)?.0;
        let kernel_hostname = text("/proc/sys/kernel/hostname");
        Ok(Machine {
            hostname: if config.hostname.is_empty() { kernel_hostname } else { config.hostname.clone() },
            cpus,
            memory_bytes,
            disk_bytes,
            kernel: text("/proc/sys/kernel/osrelease"),
            os_image: os_image(&text("/etc/os-release")),
            machine_id: text("/etc/machine-id"),
            boot_id: text("/proc/sys/kernel/random/boot_id"),
            system_uuid: text("/sys/class/dmi/id/product_uuid"),
            allocatable: NodeResources {
                milli_cpu: i128::from(cpus) * 1000,
                memory_bytes: i128::from(memory_bytes.saturating_sub(RESERVED_MEMORY)),
                ephemeral_bytes: i128::from(disk_bytes / 100 * (100 - RESERVED_DISK_PERCENT)),
            },
        })
    }
}

/// `amd64`, `arm64`, as Go names architectures.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// How the machine fares now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pressure {
    pub memory: bool,
    pub disk: bool,
    pub pids: bool,
}

/// Kubelet's default eviction thresholds, 100 MiB of memory and 10 % of the disk, but that nobody needs more
/// of a large disk than [`RESERVED_DISK`]: a node under pressure takes no pods.
pub fn pressure(data_dir: &Path) -> Result<Pressure, MachineError> {
    let (size, available) = disk(data_dir)?;
    Ok(Pressure {
        memory: memory("MemAvailable")? < RESERVED_MEMORY,
        disk: available < (size / 100 * RESERVED_DISK_PERCENT).min(RESERVED_DISK),
        pids: few_pids(),
    })
}

/// Fewer than a tenth of the kernel's process ids are free.
fn few_pids() -> bool {
    let number = |path: &str| fs::read_to_string(path).ok().and_then(|t| t.trim().parse::<u64>().ok());
    let most = number("/proc/sys/kernel/pid_max");
    // `loadavg` has running/total tasks as its fourth field.
    let tasks = fs::read_to_string("/proc/loadavg").ok().and_then(|text| {
        text.split_whitespace().nth(3)?.split_once('/').and_then(|(_, total)| total.parse::<u64>().ok())
    });
    matches!((most, tasks), (Some(most), Some(tasks)) if tasks > most / 10 * 9)
}

/// A line of `/proc/meminfo`, in bytes.
fn memory(name: &str) -> Result<u64, MachineError> {
    let path = PathBuf::from("/proc/meminfo");
    let text = fs::read_to_string(&path).map_err(|source| MachineError::Read { path, source })?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kilobytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.map(|kb| kb * 1024).ok_or(MachineError::NoMemory)
}

/// Size and available bytes of the file system that holds `path`, or its nearest existing parent.
fn disk(path: &Path) -> Result<(u64, u64), MachineError> {
    let existing = path.ancestors().find(|p| p.exists()).unwrap_or(Path::new("/"));
    let stat = statvfs(existing).map_err(|source| MachineError::Disk { path: existing.into(), source })?;
    let unit = stat.fragment_size();
    Ok((stat.blocks() * unit, stat.blocks_available() * unit))
}

/// `PRETTY_NAME` of `/etc/os-release`.
fn os_image(release: &str) -> String {
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map(|name| name.trim_matches('"').to_string()).unwrap_or_else(|| "Linux".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_this_machine() {
        let machine =
            Machine::read(&Config { data_dir: "/nonexistent/orch".into(), ..Config::default() }).unwrap();
        assert!(machine.memory_bytes > 0 && machine.disk_bytes > 0 && machine.cpus > 0);
        assert!(!machine.kernel.is_empty() && !machine.hostname.is_empty());
        pressure(Path::new("/")).unwrap();
        assert_eq!(os_image("A=1\nPRETTY_NAME=\"Debian 12\"\n"), "Debian 12");
    }
}
