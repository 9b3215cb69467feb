//! The SDKs' own tests, and the Python operator's, in their languages.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::path::Path;
use std::process::Command;

/// Runs a program in a folder of the repository; says loudly that it did not where there is none.
fn passes(folder: &str, program: &str, arguments: &[&str], path: &str) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder);
    let mut command = Command::new(program);
    command
        .current_dir(directory)
        .args(arguments)
        .env("PYTHONPATH", path)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    match command.output() {
        Ok(output) => {
            let told = [output.stdout, output.stderr].concat();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&told));
        }
        Err(error) => eprintln!("SKIPPED: the tests of {folder}: {program}: {error}"),
    }
}

#[test]
fn the_python_sdk() {
    passes("sdk/python", "python3", &["-m", "unittest", "discover", "tests"], ".");
}

#[test]
fn the_python_operator() {
    passes("examples/operators/python", "python3", &["-m", "unittest"], "sdk/python");
}

#[test]
fn the_javascript_sdk() {
    passes("sdk/js", "node", &["--test", "test/"], "");
}
