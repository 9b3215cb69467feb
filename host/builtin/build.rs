//! Embeds the components that `plugins/build.sh` made: from `$ORCH_COMPONENTS`, or
//! `target/components` of the workspace. Without them the list is empty, and orch says how to build
//! them.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-env-changed=ORCH_COMPONENTS");
    let directory = components();
    let index = directory.join("index.json");
    // The directory too: the index may not be there yet.
    println!("cargo:rerun-if-changed={}", directory.display());
    println!("cargo:rerun-if-changed={}", index.display());
    let source = list(&directory, &fs::read(&index).unwrap_or_else(|_| b"[]".to_vec()));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(out.join("builtins.rs"), source).expect("OUT_DIR can be written");
}

fn components() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let named = env::var_os("ORCH_COMPONENTS").unwrap_or_else(|| "target/components".into());
    let directory = workspace.join(named);
    directory.canonicalize().unwrap_or(directory)
}

fn list(directory: &Path, index: &[u8]) -> String {
    let index: serde_json::Value = serde_json::from_slice(index).expect("index.json is JSON");
    let mut source = String::from("&[\n");
    for entry in index.as_array().into_iter().flatten() {
        let name = entry["name"].as_str().expect("every component has a name");
        let digest = entry["digest"].as_str().expect("every component has a digest");
        let file = |kind: &str| directory.join(format!("{name}.{kind}"));
        println!("cargo:rerun-if-changed={}", file("wasm").display());
        println!("cargo:rerun-if-changed={}", file("cwasm").display());
        let (wasm, compiled) = (file("wasm"), file("cwasm"));
        writeln!(
            source,
            "    Builtin {{ name: {name:?}, digest: {digest:?}, wasm: include_bytes!({wasm:?}), precompiled: include_bytes!({compiled:?}) }},"
        )
        .expect("a String can be written");
    }
    source.push_str("]\n");
    source
}
