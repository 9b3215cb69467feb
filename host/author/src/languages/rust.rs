//! Rust: cargo builds a module for `wasm32-unknown-unknown`, which imports nothing by itself.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Language;
use crate::process::{output, run};
use crate::{AuthorError, Project, Tool, component};

const TARGET: &str = "wasm32-unknown-unknown";

pub struct Rust;

impl Language for Rust {
    fn tools(&self, directory: &Path) -> Vec<Tool> {
        let cargo = Tool::program(
            "cargo",
            "builds Rust",
            &["curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"],
        );
        let prefix = own_toolchain().unwrap_or_else(|| "PREFIX".into());
        // Without rustup a compiler is made of the distribution's packages.
        let script = format!("{}/toolchain.sh {}", directory.join("sdk/rust").display(), prefix.display());
        let target = Tool::new(
            TARGET,
            "Rust's standard library for WebAssembly",
            &["rustup target add wasm32-unknown-unknown", &script],
            compiler().is_some(),
        );
        vec![cargo, target]
    }

    fn unit_test(&self) -> &'static str {
        "cargo test"
    }

    fn leaves_behind(&self) -> &'static [&'static str] {
        &["target/"]
    }

    /// The lock file names the versions that the SDK was tested with.
    fn complete(&self, directory: &Path) -> Result<(), AuthorError> {
        let (from, to) = (directory.join("sdk/rust/Cargo.lock"), directory.join("Cargo.lock"));
        fs::rename(&from, &to).map_err(AuthorError::file("move", from))
    }

    fn build(&self, project: &Project) -> Result<Vec<u8>, AuthorError> {
        let target = target_directory(project);
        let mut cargo = Command::new("cargo");
        cargo
            .args(["build", "--quiet", "--lib", "--release", "--target", TARGET, "--manifest-path"])
            .arg(project.directory.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(&target);
        if let Some(compiler) = compiler() {
            cargo.env("RUSTC", compiler);
        }
        cargo.env("RUSTFLAGS", remapped(&project.directory));
        run(&mut cargo)?;
        let module =
            target.join(TARGET).join("release").join(format!("{}.wasm", project.name.replace('-', "_")));
        let module = fs::read(&module).map_err(AuthorError::file("read", module))?;
        component::encode(&module)
    }
}

fn target_directory(project: &Project) -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| project.directory.join("target"), PathBuf::from)
}

/// No path of this machine in a component: it would change its digest, and tell.
fn remapped(directory: &Path) -> String {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo = home.or_else(|| env::home_dir().map(|home| home.join(".cargo")));
    let cargo = cargo.map(|cargo| format!(" --remap-path-prefix={}=/cargo", cargo.display()));
    format!("--remap-path-prefix={}=/plugin{}", directory.display(), cargo.unwrap_or_default())
}

/// A compiler that can build guests: `$RUSTC`, the one in `PATH`, or what `toolchain.sh` made.
fn compiler() -> Option<PathBuf> {
    let named = env::var_os("RUSTC").map(PathBuf::from);
    let own = own_toolchain().map(|prefix| prefix.join("bin/rustc"));
    [named, Some("rustc".into()), own].into_iter().flatten().find(|compiler| can_build_guests(compiler))
}

/// Where `toolchain.sh` is told to put a compiler: `$ORCH_GUEST_TOOLCHAIN`, or in the user's cache.
fn own_toolchain() -> Option<PathBuf> {
    let named = env::var_os("ORCH_GUEST_TOOLCHAIN").map(PathBuf::from);
    named.or_else(|| env::home_dir().map(|home| home.join(".cache/orch/guest-toolchain")))
}

fn can_build_guests(compiler: &Path) -> bool {
    let libraries = output(Command::new(compiler).args(["--print", "target-libdir", "--target", TARGET]));
    let files = libraries.and_then(|folder| fs::read_dir(folder).ok());
    files.is_some_and(|files| {
        files.flatten().any(|file| file.file_name().to_string_lossy().starts_with("libstd-"))
    })
}
