//! What a shim leaves on disk for a later daemon: who it is, when the process started, how it ended.
//! Files are replaced whole, so that a reader sees the old or the new one.

use std::io;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::runtime::Exit;

pub const STATE: &str = "state.json";
pub const EXIT: &str = "exit.json";

/// A process, safe against its number being given to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessIdentity {
    pub pid: i32,
    /// Clock ticks after boot.
    pub start_time: u64,
    pub boot_id: String,
}

impl ProcessIdentity {
    pub fn of(pid: i32) -> io::Result<Self> {
        Ok(Self { pid, start_time: start_time(pid)?, boot_id: boot_id()? })
    }

    pub fn is_alive(&self) -> bool {
        Self::of(self.pid).is_ok_and(|now| now == *self) && !is_zombie(self.pid)
    }
}

fn stat_fields(pid: i32) -> io::Result<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold anything; the state is the first field after it.
    let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    Ok(rest.split_whitespace().map(str::to_owned).collect())
}

fn start_time(pid: i32) -> io::Result<u64> {
    let fields = stat_fields(pid)?;
    fields.get(19).and_then(|field| field.parse().ok()).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn is_zombie(pid: i32) -> bool {
    stat_fields(pid).map_or(true, |fields| fields.first().is_some_and(|state| state == "Z" || state == "X"))
}

fn boot_id() -> io::Result<String> {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned())
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShimState {
    pub shim: ProcessIdentity,
    pub init: ProcessIdentity,
    pub started_at_ms: Option<i64>,
}

pub fn write_exit(dir: &Path, exit: &Exit) -> io::Result<()> {
    write(&dir.join(EXIT), exit)
}

/// Replaces a JSON file whole.
pub fn write<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    std::fs::write(&temporary, serde_json::to_vec(value)?)?;
    std::fs::rename(&temporary, path)
}

pub fn read<T: DeserializeOwned>(path: &Path) -> io::Result<T> {
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}

pub fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_tell_processes_apart() {
        let own = ProcessIdentity::of(std::process::id() as i32).unwrap();
        assert!(own.is_alive());
        assert!(!ProcessIdentity { start_time: own.start_time + 1, ..own.clone() }.is_alive());
        assert!(!ProcessIdentity { boot_id: "another boot".into(), ..own }.is_alive());
    }
}
