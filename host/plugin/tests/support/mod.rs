//! Components that `plugins/build.sh` made.
#![allow(dead_code)] // each test binary uses its part

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use orch_plugin::{Artifact, PluginEngine, Source};

pub mod api;
pub mod sandbox;

/// One engine for all tests of a process: it reserves address space.
pub fn engine() -> Arc<PluginEngine> {
    static ENGINE: OnceLock<Arc<PluginEngine>> = OnceLock::new();
    ENGINE.get_or_init(|| Arc::new(PluginEngine::new(None, &[]).unwrap())).clone()
}

fn path(directory: &str, name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target").join(directory).join(name);
    path.canonicalize().unwrap_or_else(|_| panic!("{}: run plugins/build.sh first", path.display()))
}

pub fn policy_bytes(name: &str) -> Vec<u8> {
    std::fs::read(path("components", &format!("{name}.wasm"))).unwrap()
}

pub fn fixture_bytes(name: &str) -> Vec<u8> {
    std::fs::read(path("fixtures", &format!("{name}.wasm"))).unwrap()
}

pub fn precompiled(name: &str) -> Vec<u8> {
    std::fs::read(path("components", &format!("{name}.cwasm"))).unwrap()
}

pub fn policy(name: &str) -> Artifact {
    engine().artifact(&Source::Bytes(policy_bytes(name))).unwrap()
}

pub fn fixture(name: &str) -> Artifact {
    engine().artifact(&Source::Bytes(fixture_bytes(name))).unwrap()
}
