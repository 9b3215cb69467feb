//! `orch-shim shim DIR`: the shim by itself, for tests of this crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    orch_container::shim::main(std::env::args().skip(2).collect())
}
