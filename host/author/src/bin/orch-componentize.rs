//! Turns core modules into components and compiles them ahead: what `plugins/build.sh` runs.
//!
//!     orch-componentize DIRECTORY MODULE.wasm…
//!
//! writes `NAME.wasm`, `NAME.cwasm` and `index.json` to the directory, and removes what is no longer
//! built. A component that has not changed is not compiled again.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use orch_author::encode;
use orch_plugin::{PluginEngine, Source, precompile, settings_digest};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    name: String,
    world: String,
    abi: String,
    digest: String,
    bytes: usize,
    /// Of the engine that the compiled form is for.
    engine: String,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let Some(directory) = arguments.next() else {
        eprintln!("usage: orch-componentize DIRECTORY MODULE.wasm…");
        return ExitCode::from(2);
    };
    match run(&directory, &arguments.collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("orch-componentize: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(directory: &Path, modules: &[PathBuf]) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(directory)?;
    let engine = PluginEngine::new(None, &[])?;
    let known = read_index(directory);
    let mut index = Vec::new();
    for module in modules {
        let name = name_of(module);
        let entry = component(&engine, directory, module, &name, known.get(&name))
            .map_err(|error| format!("{name}: {error}"))?;
        index.push(entry);
    }
    index.sort_by(|a, b| a.name.cmp(&b.name));
    remove_others(directory, &index)?;
    write_if_changed(&directory.join("index.json"), &serde_json::to_vec_pretty(&index)?)?;
    Ok(())
}

/// Cargo writes `node_resources_fit.wasm` for the crate `node-resources-fit`.
fn name_of(module: &Path) -> String {
    module.file_stem().map(|stem| stem.to_string_lossy().replace('_', "-")).unwrap_or_default()
}

fn read_index(directory: &Path) -> BTreeMap<String, Entry> {
    let index = fs::read(directory.join("index.json")).unwrap_or_default();
    let entries: Vec<Entry> = serde_json::from_slice(&index).unwrap_or_default();
    entries.into_iter().map(|entry| (entry.name.clone(), entry)).collect()
}

fn component(
    engine: &PluginEngine,
    directory: &Path,
    module: &Path,
    name: &str,
    known: Option<&Entry>,
) -> Result<Entry, Box<dyn Error>> {
    let core = fs::read(module).map_err(|error| format!("cannot read {}: {error}", module.display()))?;
    let component = encode(&core)?;
    let (wasm, compiled) = (directory.join(format!("{name}.wasm")), directory.join(format!("{name}.cwasm")));
    let settings = settings_digest();
    let unchanged = fs::read(&wasm).is_ok_and(|before| before == component);
    if let Some(known) = known.filter(|known| unchanged && compiled.exists() && known.engine == settings) {
        return Ok(known.clone());
    }
    let artifact = engine.artifact(&Source::Bytes(component.clone()))?;
    fs::write(&compiled, precompile(&component)?)?;
    write_if_changed(&wasm, &component)?;
    println!("{name} {} {} bytes", artifact.world, component.len());
    Ok(Entry {
        name: name.into(),
        world: artifact.world.to_string(),
        abi: artifact.abi,
        digest: artifact.digest,
        bytes: component.len(),
        engine: settings,
    })
}

/// An unchanged file keeps its time, so that what embeds it is not built again.
fn write_if_changed(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if fs::read(path).is_ok_and(|before| before == bytes) {
        return Ok(());
    }
    fs::write(path, bytes)
}

fn remove_others(directory: &Path, index: &[Entry]) -> std::io::Result<()> {
    for file in fs::read_dir(directory)? {
        let path = file?.path();
        let is_ours = matches!(path.extension().and_then(|kind| kind.to_str()), Some("wasm" | "cwasm"));
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        if is_ours && !index.iter().any(|entry| entry.name == name) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}
