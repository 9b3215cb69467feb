//! JavaScript: the SDK's `build.mjs` has componentize-qjs put QuickJS and the project's modules into a
//! component, whose system calls are stubs that trap.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::Language;
use crate::process::run;
use crate::{AuthorError, Project, Tool, World};

const BUILDER: &str = "componentize-qjs";

pub struct Js;

impl Language for Js {
    fn lacks(&self, _world: World) -> &'static str {
        "componentize-qjs keeps what a driver is lent until its answer is freed, after the end of the call, which the host takes for a trap"
    }

    fn tools(&self, directory: &Path) -> Vec<Tool> {
        let install = format!("npm install --prefix {}", directory.display());
        vec![
            Tool::program("node", "runs the build and the tests", &["apt install nodejs npm"]),
            Tool::new(
                BUILDER,
                "makes a component of JavaScript modules",
                &[&install],
                has_builder(directory),
            ),
        ]
    }

    fn unit_test(&self) -> &'static str {
        "npm test"
    }

    fn leaves_behind(&self) -> &'static [&'static str] {
        &["node_modules/", "build/"]
    }

    fn build(&self, project: &Project) -> Result<Vec<u8>, AuthorError> {
        let folder = project.directory.join("build");
        fs::create_dir_all(&folder).map_err(AuthorError::file("make", &folder))?;
        let component = folder.join("component.wasm");
        let mut node = Command::new("node");
        node.current_dir(&project.directory)
            .arg("sdk/js/build.mjs")
            .args([project.world.folder(), &project.wit_world])
            .arg(&component);
        run(&mut node)?;
        fs::read(&component).map_err(AuthorError::file("read", component))
    }
}

/// Where node looks: in the project and the folders above it, and in `NODE_PATH`.
fn has_builder(directory: &Path) -> bool {
    let above = directory.ancestors().map(|folder| folder.join("node_modules"));
    let named = env::var_os("NODE_PATH").unwrap_or_default();
    let named = env::split_paths(&named).collect::<Vec<_>>();
    above.chain(named).any(|modules| modules.join(BUILDER).is_dir())
}
