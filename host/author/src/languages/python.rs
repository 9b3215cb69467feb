//! Python: componentize-py puts CPython, the SDK and the project's module into a component, whose
//! system calls are stubs that trap.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Language;
use crate::process::run;
use crate::{AuthorError, Project, Tool, tool};

const BUILDER: &str = "componentize-py";
/// What the SDK's glue is tested with.
const INSTALL: &str = "pip install componentize-py==0.25.1";
const INSTALL_HERE: &str = "python3 -m venv .venv && .venv/bin/pip install componentize-py==0.25.1";

pub struct Python;

impl Language for Python {
    fn tools(&self, directory: &Path) -> Vec<Tool> {
        let builder = Tool::new(
            BUILDER,
            "makes a component of Python modules",
            &[INSTALL, INSTALL_HERE],
            builder(directory).is_some(),
        );
        vec![builder]
    }

    fn unit_test(&self) -> &'static str {
        "PYTHONPATH=sdk/python python3 -m unittest"
    }

    fn leaves_behind(&self) -> &'static [&'static str] {
        &["__pycache__/", ".venv/", "build/"]
    }

    fn build(&self, project: &Project) -> Result<Vec<u8>, AuthorError> {
        let builder = builder(&project.directory).unwrap_or_else(|| BUILDER.into());
        let folder = project.directory.join("build");
        fs::create_dir_all(&folder).map_err(AuthorError::file("make", &folder))?;
        let component = folder.join("component.wasm");
        let mut command = Command::new(builder);
        command
            .current_dir(&project.directory)
            .arg("--quiet")
            .arg("-d")
            .arg(project.wit())
            .args(["-w", &project.wit_world, "componentize", &format!("{}_app", project.world)])
            .args(["--stub-wasi", "-p", "."])
            .arg("-p")
            .arg(project.sdk())
            .arg("-p")
            .arg(project.sdk().join("component"))
            .arg("-o")
            .arg(&component);
        run(&mut command)?;
        fs::read(&component).map_err(AuthorError::file("read", component))
    }
}

/// In the environment of the project or of a folder above it, in the one that is active, or in `PATH`.
fn builder(directory: &Path) -> Option<PathBuf> {
    let own = directory.ancestors().map(|folder| folder.join(".venv"));
    let active = env::var_os("VIRTUAL_ENV").map(PathBuf::from);
    let programs = own.chain(active).map(|environment| environment.join("bin").join(BUILDER));
    programs.into_iter().find(|program| program.is_file()).or_else(|| tool::find(BUILDER))
}
