//! `orch plugin build`.

use std::path::{Path, PathBuf};

use crate::component::{Inspected, inspect};
use crate::{AuthorError, Project, embedded, languages, tool};

/// A component that was built, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    pub project: Project,
    pub path: PathBuf,
    pub component: Inspected,
}

pub(crate) fn run(directory: &Path) -> Result<(), AuthorError> {
    let built = build(directory)?;
    let (world, path) = (built.project.world, shown(&built.path));
    println!("{path}: {} ({} KiB)", built.component.digest, built.component.size.div_ceil(1024));
    println!("world:  {}", built.component.package(world).unwrap_or_else(|| world.package()));
    println!(
        "next:   orch plugin install {} --world {} --upload {path}",
        built.project.name,
        world.package()
    );
    Ok(())
}

/// Builds the project into `NAME.wasm` in its folder.
pub fn build(directory: &Path) -> Result<Built, AuthorError> {
    let project = Project::read(directory)?;
    let language = languages::supported(project.language)?;
    tool::require(language.tools(&project.directory))?;
    let bytes = language.build(&project)?;
    let component = inspect(&bytes, project.world)?;
    let path = project.component();
    embedded::write(&path, &bytes)?;
    Ok(Built { project, path, component })
}

/// Below the working directory a path is shown as one would type it.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}
