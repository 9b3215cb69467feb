//! A Postgres server of the test's own, from Debian's package.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::host::Network;
use crate::{eventually, run, try_run};

pub struct Postgres {
    _data: TempDir,
    process: Child,
}

pub const URL: &str = "postgres://postgres@127.0.0.1:54329/postgres";

impl Postgres {
    /// Serves [`URL`] inside the network namespace.
    pub fn start(network: &Network) -> Postgres {
        let data = TempDir::with_prefix("orch-e2e-pg-").expect("a temporary directory");
        run(Command::new("chown").arg("nobody").arg(data.path()));
        let directory = data.path().join("data");
        run(as_nobody(Command::new("setpriv"), "initdb")
            .args(["--no-sync", "-A", "trust", "-U", "postgres", "-D"])
            .arg(&directory));
        let process = as_nobody(network.command("setpriv"), "postgres")
            .arg("-D")
            .arg(&directory)
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "port=54329", "-c", "unix_socket_directories="])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("postgres starts");
        eventually("Postgres answers", Duration::from_secs(20), || {
            try_run(network.command("psql").args([URL, "-c", "select 1"]))
        });
        Postgres { _data: data, process }
    }
}

/// The server refuses to run as root.
fn as_nobody(mut setpriv: Command, program: &str) -> Command {
    setpriv.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(find(program));
    setpriv
}

fn find(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    std::env::split_paths(&path)
        .chain(versions.map(|v| v.path().join("bin")))
        .map(|dir| dir.join(program))
        .find(|p| p.exists())
        .unwrap_or_else(|| panic!("{program} is missing: install the package postgresql"))
}

impl Drop for Postgres {
    fn drop(&mut self) {
        use nix::sys::signal::{Signal, kill};
        // SIGINT: fast shutdown; its children end with it.
        let _ = kill(nix::unistd::Pid::from_raw(self.process.id() as i32), Signal::SIGINT);
        let _ = self.process.wait();
    }
}
