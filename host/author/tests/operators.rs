//! The example operators: each is built, and its component plays the same script.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use orch_author::LanguageName;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

#[test]
fn the_operator_in_rust() {
    support::plays(LanguageName::Rust, &root().join("examples/operators/rust"));
}

/// Copied to where the tools of Python projects are.
#[test]
fn the_operator_in_python() {
    let (from, to) = (root().join("examples/operators/python"), support::projects().join("website-operator"));
    let _ = fs::remove_dir_all(&to); // of a run before
    fs::create_dir_all(&to).unwrap();
    for file in ["plugin.py", "manifests.py", "orch-plugin.yaml"] {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
    for link in ["sdk", "wit", "tests"] {
        symlink(from.join(link).canonicalize().unwrap(), to.join(link)).unwrap();
    }
    support::plays(LanguageName::Python, &to);
}
