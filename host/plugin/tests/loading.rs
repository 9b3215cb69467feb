//! What is refused at load, in words that say what to do; and what is compiled when.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use std::sync::Arc;

use orch_plugin::{Builtin, Limits, LoadError, PluginEngine, Source, World};
use serde_json::json;
use sha2::{Digest, Sha256};

fn refused(bytes: Vec<u8>) -> String {
    support::engine().artifact(&Source::Bytes(bytes)).unwrap_err().to_string()
}

/// A component with other text of the same length in its names.
fn renamed(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(from.len()).position(|window| window == from.as_bytes()) {
        bytes[at + found..at + found + from.len()].copy_from_slice(to.as_bytes());
        at += found + from.len();
    }
    bytes
}

#[test]
fn what_is_no_component_is_named() {
    assert!(refused(b"#!/bin/sh\n".to_vec()).contains("not WebAssembly"));
    assert!(refused(b"\0asm\x01\0\0\0".to_vec()).contains("a core module, not a component"));
    let mut torn = support::policy_bytes("routed");
    torn.truncate(1000);
    assert!(refused(torn).contains("does not compile"));
}

#[test]
fn another_world_a_newer_abi_and_foreign_imports_are_refused() {
    let routed = support::policy("routed");
    assert_eq!((routed.world, routed.abi.as_str()), (World::Cni, "0.1.0"));
    let error = support::engine().load_scheduler("x", &routed, &json!({}), Limits::default());
    let error = error.err().unwrap().to_string();
    assert!(error.contains("an orch:cni plugin, not an orch:scheduler one: set spec.world"), "{error}");

    let bytes = support::fixture_bytes("hostile-scheduler");
    let newer = refused(renamed(&bytes, "orch:scheduler/policy@0.2.0", "orch:scheduler/policy@0.3.0"));
    assert!(newer.contains("built against orch:scheduler@0.3.0") && newer.contains("update orch"), "{newer}");
    let foreign = refused(renamed(&bytes, "orch:host/log@0.1.0", "evil:host/raw@0.1.0"));
    assert!(
        foreign.contains("imports evil:host/raw@0.1.0, which orch:scheduler plugins may not use"),
        "{foreign}"
    );
    let stranger = refused(renamed(&bytes, "orch:scheduler/policy", "orch:scheduler/police"));
    assert!(stranger.contains("exports no world of orch"), "{stranger}");
}

#[test]
fn a_refused_configuration_refuses_the_plugin() {
    let artifact = support::fixture("hostile-scheduler");
    let config = json!({"refuse": "weights: no"});
    let error = support::engine().load_scheduler("x", &artifact, &config, Limits::default()).err().unwrap();
    assert!(matches!(&error, LoadError::Configure { message, .. } if message == "weights: no"), "{error}");
}

fn builtin(name: &'static str, precompiled: Vec<u8>) -> &'static [Builtin] {
    let wasm = support::policy_bytes(name).leak();
    let digest = format!("sha256:{}", hex::encode(Sha256::digest(&wasm))).leak();
    vec![Builtin { name, digest, wasm, precompiled: precompiled.leak() }].leak()
}

#[test]
fn builtins_are_not_compiled_at_start() {
    let ready = builtin("node-resources-fit", support::precompiled("node-resources-fit"));
    let foreign = builtin("node-resources-fit", b"for another engine".to_vec());
    let source = Source::Builtin("node-resources-fit".into());
    let load = |builtins| {
        let engine = PluginEngine::new(None, builtins).unwrap();
        let artifact = engine.artifact(&source).unwrap();
        (engine.compilations(), artifact.digest)
    };
    let ((quick, digest), (slow, same)) = (load(ready), load(foreign));
    assert_eq!((quick, slow), (0, 1));
    assert_eq!(digest, same);

    let engine = PluginEngine::new(None, ready).unwrap();
    let unknown = engine.artifact(&Source::Builtin("other".into())).unwrap_err().to_string();
    assert_eq!(unknown, "there is no built-in plugin other; known are node-resources-fit");
}

#[test]
fn a_second_start_finds_what_the_first_compiled() {
    let directory = tempfile::tempdir().unwrap();
    let source = Source::Bytes(support::policy_bytes("routed"));
    let compile = || {
        let engine = PluginEngine::new(Some(directory.path()), &[]).unwrap();
        engine.artifact(&source).unwrap();
        engine.compilations()
    };
    assert_eq!((compile(), compile()), (1, 0));
    // A damaged file is compiled again, not trusted.
    let file = std::fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(&file, bytes).unwrap();
    assert_eq!((compile(), compile()), (1, 0));
}

/// A built-in's code is a file's pages: of what never runs nothing is resident.
#[test]
fn builtins_run_from_the_cache() {
    let directory = tempfile::tempdir().unwrap();
    let builtins = builtin("routed", support::precompiled("routed"));
    for start in 0..2 {
        let engine = PluginEngine::new(Some(directory.path()), builtins).unwrap();
        let _artifact = engine.artifact(&Source::Builtin("routed".into())).unwrap();
        assert_eq!(engine.compilations(), 0);
        let mappings = std::fs::read_to_string("/proc/self/maps").unwrap();
        let of_cache = |line: &&str| line.contains(directory.path().to_str().unwrap());
        assert!(
            mappings.lines().filter(of_cache).any(|line| line.contains("r-xp")),
            "start {start}: {mappings}"
        );
    }
}

/// An engine with every policy loaded must leave an idle host small and still.
#[test]
fn an_idle_host_is_small_and_still() {
    let engine = Arc::new(PluginEngine::new(None, &[]).unwrap());
    let before = memory_kib();
    let artifact = engine.artifact(&Source::Bytes(support::policy_bytes("taint-toleration"))).unwrap();
    let plugins: Vec<_> = (0..20)
        .map(|_| engine.load_scheduler("t", &artifact, &json!({}), Limits::default()).unwrap())
        .collect();
    let grown = memory_kib().saturating_sub(before);
    println!("20 instances: {grown} KiB");
    assert!(grown < 60_000, "{grown} KiB");
    assert_eq!(plugins.len(), 20);
}

fn memory_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
