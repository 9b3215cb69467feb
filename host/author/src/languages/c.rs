//! C: clang (or zig) compiles the project with bindings generated from its contract. What the C
//! library would ask of WASI is answered by a stub, so the component imports its world alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Language;
use crate::bindings::Contracts;
use crate::process::{output, run};
use crate::tool::find;
use crate::{AuthorError, Project, Tool, component};

pub struct C;

/// Where bindings and the module go, below the project.
const BINDINGS: &str = "bindings";

impl Language for C {
    fn tools(&self, _directory: &Path) -> Vec<Tool> {
        if zig().is_some() {
            return Vec::new();
        }
        let tool = |name: &str, purpose, package: &str, present| {
            Tool::new(name, purpose, &[&format!("apt install {package}"), "pip install ziglang"], present)
        };
        let clang = find("clang");
        let builtins = clang.is_some() && builtins().is_some_and(|library| library.exists());
        vec![
            tool("clang", "compiles C for WebAssembly", "clang", clang.is_some()),
            tool("wasm-ld", "links WebAssembly", "lld", find("wasm-ld").is_some()),
            tool("wasi-libc", "the C library", "wasi-libc", Path::new(SYSROOT).join(LIBC).exists()),
            tool("libclang-rt", "the compiler's own library", "libclang-rt-dev-wasm32", builtins),
        ]
    }

    fn unit_test(&self) -> &'static str {
        "make test"
    }

    fn leaves_behind(&self) -> &'static [&'static str] {
        &["bindings/"]
    }

    /// An editor, and the project's own test, want the bindings from the start.
    fn complete(&self, directory: &Path) -> Result<(), AuthorError> {
        bindings(&Project::read(directory)?)
    }

    fn build(&self, project: &Project) -> Result<Vec<u8>, AuthorError> {
        bindings(project)?;
        let bindings = project.directory.join(BINDINGS);
        let world = project.wit_world.replace('-', "_");
        let module = bindings.join("module.wasm");
        let mut compiler = compiler();
        compiler
            .current_dir(&project.directory)
            .args(["-Os", "-Wall", "-mexec-model=reactor", "-Wl,--strip-all", "-I", BINDINGS, "-Isdk/c"])
            .args(sources(&project.directory)?)
            .arg("sdk/c/orch.c")
            .args(defaults(project))
            .arg(bindings.join(format!("{world}.c")))
            .arg(bindings.join(format!("{world}_component_type.o")))
            .arg("-o")
            .arg(&module);
        run(&mut compiler)?;
        component::encode_without_wasi(&fs::read(&module).map_err(AuthorError::file("read", module))?)
    }
}

const SYSROOT: &str = "/usr";
const LIBC: &str = "lib/wasm32-wasi/libc.a";

fn bindings(project: &Project) -> Result<(), AuthorError> {
    let autodrop_borrows = wit_bindgen_c::Enabled::Yes;
    let mut generator = wit_bindgen_c::Opts { autodrop_borrows, ..Default::default() }.build();
    Contracts::read(project)?.generate(project, generator.as_mut(), &project.directory.join(BINDINGS))
}

/// What the SDK answers in place of functions that the plugin does not define.
fn defaults(project: &Project) -> Option<String> {
    let defaults = format!("sdk/c/{}.c", project.world);
    project.directory.join(&defaults).exists().then_some(defaults)
}

/// The project's own files, but for its test (`test.c`, which has a `main`).
fn sources(directory: &Path) -> Result<Vec<PathBuf>, AuthorError> {
    let files = fs::read_dir(directory).map_err(AuthorError::file("read", directory))?;
    let names = files.flatten().map(|file| PathBuf::from(file.file_name()));
    let mut sources: Vec<_> = names
        .filter(|name| name.extension().is_some_and(|kind| kind == "c") && name != Path::new("test.c"))
        .collect();
    sources.sort();
    Ok(sources)
}

/// Debian's clang where all of it is there, or else zig, which brings its own library.
fn compiler() -> Command {
    if let Some(zig) = zig() {
        let mut command = Command::new(&zig[0]);
        command.args(&zig[1..]).args(["cc", "--target=wasm32-wasi"]);
        return command;
    }
    let mut command = Command::new("clang");
    command.args(["--target=wasm32-wasi", &format!("--sysroot={SYSROOT}")]);
    command
}

/// The words that run zig, where clang cannot do.
fn zig() -> Option<Vec<String>> {
    let has_clang = find("clang").is_some() && find("wasm-ld").is_some();
    if has_clang && Path::new(SYSROOT).join(LIBC).exists() {
        return None;
    }
    if find("zig").is_some() {
        return Some(vec!["zig".into()]);
    }
    let module = output(Command::new("python3").args(["-m", "ziglang", "version"]));
    module.map(|_| ["python3", "-m", "ziglang"].map(String::from).to_vec())
}

fn builtins() -> Option<PathBuf> {
    output(Command::new("clang").args(["--target=wasm32-wasi", "-print-libgcc-file-name"])).map(PathBuf::from)
}
