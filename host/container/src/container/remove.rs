//! The end of a container: nothing of it stays but its log.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::Pid;

use super::ROOTFS;
use super::client::ShimConnection;
use super::entry::Entry;
use crate::cgroup::Cgroup;
use crate::rootfs::unmount;
use crate::runtime::State;
use crate::shim::exec;
use crate::shim::protocol::Request;
use crate::shim::record::{self, ShimState};

/// How long a killed container may take to be gone before its shim is killed too.
const PATIENCE: Duration = Duration::from_secs(10);

pub async fn remove(entry: &Arc<Entry>) -> io::Result<()> {
    if !matches!(entry.state(), State::Exited(_)) {
        if let Ok(shim) = ShimConnection::open(&entry.dir) {
            // An error means that it ends anyway.
            let _ = shim.ask(&Request::Signal { signal: libc::SIGKILL }, &[]).await;
        }
        if tokio::time::timeout(PATIENCE, entry.exited()).await.is_err() {
            tracing::warn!(container = entry.record().config.id, "does not die: killing its shim");
        }
    }
    let entry = entry.clone();
    crate::blocking_io(move || clean_up(&entry.dir, Some(&entry.record().cgroup))).await
}

/// Kills the shim if it lives, removes cgroup, mount and directory. Blocking; safe to repeat.
pub fn clean_up(dir: &Path, cgroup: Option<&str>) -> io::Result<()> {
    if let Ok(state) = record::read::<ShimState>(&dir.join(record::STATE)) {
        // A shim that has said its last word is only cleaning up, which we do as well.
        kill(&state.shim);
        kill(&state.init);
    }
    if let Some(cgroup) = cgroup {
        Cgroup::new(cgroup).remove()?;
    }
    unmount(&dir.join(ROOTFS));
    match std::fs::remove_dir_all(dir) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Kills exactly the process that was meant, not one that got its number.
fn kill(process: &record::ProcessIdentity) {
    if let Ok(fd) = exec::pidfd(Pid::from_raw(process.pid))
        && process.is_alive()
    {
        let _ = exec::signal(fd.as_fd(), libc::SIGKILL);
    }
}
