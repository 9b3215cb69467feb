//! Packs `sdk/`, `wit/` and what a project needs of this workspace into one archive that the crate
//! embeds, so that `orch plugin new` works without the repository.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{env, fs};

use flate2::{Compression, write::GzEncoder};
use toml::{Table, Value};

/// What tools leave behind in the folders of the SDKs.
const LEFT_BEHIND: [&str; 6] = ["target", "node_modules", "__pycache__", "dist", "build", "archive"];

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = BTreeMap::new();
    for folder in ["sdk", "wit"] {
        collect(&root, Path::new(folder), &mut files);
    }
    let workspace = table(&root.join("Cargo.toml"));
    let sdk = independent(table(&root.join("sdk/rust/Cargo.toml")), &workspace);
    files.insert("sdk/rust/Cargo.toml".into(), text(&sdk));
    let lock = locked(&table(&root.join("Cargo.lock")), "orch-sdk");
    files.insert("sdk/rust/Cargo.lock".into(), format!("version = 4\n{}", text_of(&lock)).into_bytes());
    let script = "plugins/toolchain.sh";
    println!("cargo:rerun-if-changed={}", root.join(script).display());
    files.insert("sdk/rust/toolchain.sh".into(), fs::read(root.join(script)).expect("toolchain.sh is there"));
    pack(&files);
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    let directory = root.join(folder);
    println!("cargo:rerun-if-changed={}", directory.display());
    for entry in fs::read_dir(&directory).expect("the folder can be read") {
        let name = PathBuf::from(entry.expect("the folder can be read").file_name());
        let plain = name.to_string_lossy();
        let (path, inside) = (root.join(folder).join(&name), folder.join(&name));
        if plain.starts_with('.') || LEFT_BEHIND.contains(&plain.as_ref()) || plain.ends_with(".egg-info") {
            continue;
        }
        // A link (`wit/*/deps/host`) is followed: a project gets the files.
        if path.is_dir() {
            collect(root, &inside, files);
        } else {
            println!("cargo:rerun-if-changed={}", path.display());
            files.insert(inside, fs::read(&path).expect("the file can be read"));
        }
    }
}

fn table(path: &Path) -> Table {
    println!("cargo:rerun-if-changed={}", path.display());
    let content = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    content.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn text(manifest: &Table) -> Vec<u8> {
    text_of(manifest).into_bytes()
}

fn text_of(manifest: &Table) -> String {
    toml::to_string(manifest).expect("what was TOML can be TOML")
}

/// The manifest with what it takes from the workspace written out.
fn independent(mut manifest: Table, workspace: &Table) -> Table {
    let workspace = workspace["workspace"].as_table().expect("a workspace");
    manifest.remove("lints");
    for section in ["package", "dependencies"] {
        let shared = workspace[section].as_table().expect("a table");
        let entries = manifest[section].as_table_mut().expect("a table");
        for (key, value) in entries.iter_mut() {
            if value.get("workspace").is_some() {
                *value = shared[key].clone();
            }
        }
    }
    manifest
}

/// The part of the lock file that a crate's dependencies need: the versions that were tested.
fn locked(lock: &Table, root: &str) -> Table {
    let packages = lock["package"].as_array().expect("packages");
    let mut wanted = vec![root.to_string()];
    let mut seen = BTreeSet::new();
    while let Some(next) = wanted.pop() {
        let (name, version) = next.split_once(' ').unwrap_or((&next, ""));
        let is_it = |package: &Value| {
            package["name"].as_str() == Some(name)
                && (version.is_empty() || package["version"].as_str() == version.split(' ').next())
        };
        let found = packages.iter().position(is_it).unwrap_or_else(|| panic!("{next} is not locked"));
        if !seen.insert(found) {
            continue;
        }
        let dependencies = packages[found].get("dependencies").and_then(Value::as_array);
        wanted.extend(dependencies.into_iter().flatten().filter_map(Value::as_str).map(String::from));
    }
    let kept = seen.into_iter().map(|index| packages[index].clone()).collect();
    Table::from_iter([("package".to_string(), Value::Array(kept))])
}

fn pack(files: &BTreeMap<PathBuf, Vec<u8>>) {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("embedded.tar.gz");
    let file = fs::File::create(out).expect("OUT_DIR can be written");
    let mut archive = tar::Builder::new(GzEncoder::new(file, Compression::best()));
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(if path.extension().is_some_and(|kind| kind == "sh") { 0o755 } else { 0o644 });
        archive.append_data(&mut header, path, content.as_slice()).expect("a path that tar can hold");
    }
    archive.into_inner().and_then(GzEncoder::finish).expect("OUT_DIR can be written");
}
