//! `orch down`: ends the host; with `--purge` also everything it made.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::arguments::Down;

pub fn down(flags: &Down) -> anyhow::Result<ExitCode> {
    if !nix::unistd::geteuid().is_root() {
        bail!("orch down needs root: run it with sudo");
    }
    let data_dir = std::path::absolute(&flags.data_dir)?;
    match super::lock::holder(&data_dir)? {
        Some(pid) => {
            stop(pid)?;
            println!("orch on {} stopped", data_dir.display());
        }
        None => println!("no orch runs on {}", data_dir.display()),
    }
    if flags.purge {
        purge(&data_dir)?;
        println!("everything of {} is removed", data_dir.display());
    } else if data_dir.exists() {
        println!(
            "pods keep running; `orch up` takes them over again, `orch down --purge` removes everything"
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn stop(pid: i32) -> anyhow::Result<()> {
    let pid = Pid::from_raw(pid);
    kill(pid, Signal::SIGTERM).with_context(|| format!("cannot stop process {pid}"))?;
    let deadline = Instant::now() + Duration::from_secs(20);
    while kill(pid, None) != Err(Errno::ESRCH) {
        if Instant::now() > deadline {
            bail!("process {pid} does not end; look at its log, then `kill -9 {pid}` and `orch down` again");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Containers first: while one runs, its mounts and namespaces are busy.
fn purge(data_dir: &Path) -> anyhow::Result<()> {
    orch_container::purge(data_dir).context("containers, sandboxes and cgroups")?;
    orch_network::purge(data_dir).context("network")?;
    orch_node::purge(data_dir).context("volumes")?;
    match std::fs::remove_dir_all(data_dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", data_dir.display()))
        }
        _ => Ok(()),
    }
}
