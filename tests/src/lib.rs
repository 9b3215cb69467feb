//! What the end-to-end tests stand on: a real host in a network namespace of its own, real clients,
//! a real registry, and the certainty that all of it is gone afterwards.

pub mod document;
pub mod host;
pub mod kubectl;
pub mod postgres;
pub mod process;
pub mod registry;
pub mod side;
pub mod upstream;

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// The checkout.
pub fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the checkout").to_path_buf()
}

/// The binary that `make build` makes, or the one that `ORCH_BINARY` names.
pub fn orch() -> PathBuf {
    let built = || workspace().join("target/release/orch");
    let path = std::env::var_os("ORCH_BINARY").map_or_else(built, PathBuf::from);
    assert!(path.exists(), "{} is missing: run `make build`", path.display());
    path
}

/// Asks until the answer is there; panics with the last refusal when it does not come.
pub fn eventually<T>(what: &str, patience: Duration, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(why) if Instant::now() > deadline => panic!("{what}: not within {patience:?}: {why}"),
            Err(_) => std::thread::sleep(Duration::from_millis(25)),
        }
    }
}

/// Standard output of a command that must succeed.
pub fn run(command: &mut Command) -> String {
    try_run(command).unwrap_or_else(|why| panic!("{why}"))
}

/// Standard output, or what went wrong.
pub fn try_run(command: &mut Command) -> Result<String, String> {
    let Output { status, stdout, stderr } = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    if status.success() {
        Ok(stdout.into_owned())
    } else {
        Err(format!("{command:?}: {status}\n{stdout}{stderr}"))
    }
}
