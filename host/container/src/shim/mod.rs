//! One small process per container. It makes the container, is its parent, keeps its output, its
//! terminal and its exit status, and so lets containers outlive the daemon. Single-threaded: what
//! libcontainer does around `clone` is sound only then.

pub(crate) mod confine;
pub(crate) mod exec;
mod init;
pub mod log;
pub(crate) mod payload;
pub mod protocol;
pub(crate) mod record;
mod requests;
mod server;
pub(crate) mod stdio;

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libcontainer::error::LibcontainerError;
use serde::{Deserialize, Serialize};

/// The exit code of a container whose command could not be executed, as other runtimes report it.
pub const START_FAILED: i32 = 128;
pub const SOCKET: &str = "shim.sock";
pub const CONFIG: &str = "shim.json";

/// What the daemon leaves for the shim in the container's directory, beside the OCI `config.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShimConfig {
    pub id: String,
    pub cgroup: String,
    pub log_path: PathBuf,
    pub stdin: bool,
    pub stdin_once: bool,
    pub tty: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum ShimError {
    #[error("{what}: {source}")]
    Io {
        what: String,
        #[source]
        source: std::io::Error,
    },
    #[error("OCI runtime create failed: {}", chain(.0))]
    Runtime(#[from] LibcontainerError),
    #[error("{0}")]
    Create(String),
}

fn io_error(what: &str, source: std::io::Error) -> ShimError {
    ShimError::Io { what: what.to_owned(), source }
}

/// libcontainer's errors name the cause only in their sources.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// The word by which the daemon's binary is told to be a shim: `orch shim DIR`.
pub const COMMAND: &str = "shim";

/// The shim's whole life. `args`: the container's directory. Standard input is the daemon's end of
/// the first connection. To be called before any thread starts.
pub fn main(args: Vec<String>) -> ExitCode {
    let Some(dir) = args.first() else {
        eprintln!("shim: the container's directory is missing");
        return ExitCode::from(2);
    };
    match run(Path::new(dir)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("shim: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run(dir: &Path) -> Result<(), ShimError> {
    become_shim();
    let daemon = take_stdin()?;
    let text = std::fs::read(dir.join(CONFIG)).map_err(|e| io_error("read shim.json", e))?;
    let config: ShimConfig =
        serde_json::from_slice(&text).map_err(|e| ShimError::Create(format!("shim.json: {e}")))?;
    std::env::set_current_dir(dir).map_err(|e| io_error("enter the container's directory", e))?;
    server::serve(dir, config, daemon)
}

fn become_shim() {
    // Fails only for the leader of a process group, which a freshly started child is not.
    let _ = nix::unistd::setsid();
    // SAFETY: prctl with plain integers and a static string.
    unsafe {
        libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        libc::prctl(libc::PR_SET_NAME, c"orch-shim".as_ptr());
    }
}

/// Moves the connection off descriptor 0, where the container's own streams will be set up from.
fn take_stdin() -> Result<OwnedFd, ShimError> {
    let stdin = std::io::stdin();
    let connection = stdin.as_fd().try_clone_to_owned().map_err(|e| io_error("dup stdin", e))?;
    let null = std::fs::File::open("/dev/null").map_err(|e| io_error("open /dev/null", e))?;
    nix::unistd::dup2_stdin(&null).map_err(|e| io_error("dup2", e.into()))?;
    Ok(connection)
}
