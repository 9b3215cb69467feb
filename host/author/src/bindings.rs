//! Bindings that are generated from a project's contracts when it is built.

use std::path::Path;

use wit_bindgen_core::wit_parser::{Resolve, WorldId};
use wit_bindgen_core::{Files, WorldGenerator};

use crate::{AuthorError, Project, embedded};

/// A project's contracts, read, and its world among them.
pub struct Contracts {
    pub resolve: Resolve,
    pub world: WorldId,
}

impl Contracts {
    pub fn read(project: &Project) -> Result<Self, AuthorError> {
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_dir(project.wit()).map_err(|error| failed(project, &error))?;
        let world = resolve.select_world(&[package], Some(&project.wit_world));
        world.map(|world| Contracts { resolve, world }).map_err(|error| failed(project, &error))
    }

    /// Writes what the generator makes of them to a folder.
    pub fn generate(
        mut self,
        project: &Project,
        generator: &mut dyn WorldGenerator,
        directory: &Path,
    ) -> Result<(), AuthorError> {
        let mut files = Files::default();
        generator
            .generate(&mut self.resolve, self.world, &mut files)
            .map_err(|error| failed(project, &error))?;
        for (name, content) in files.iter() {
            embedded::write(&directory.join(name), content)?;
        }
        Ok(())
    }
}

fn failed(project: &Project, error: &dyn std::fmt::Display) -> AuthorError {
    AuthorError::Bindings {
        language: project.language,
        world: project.world.to_string(),
        message: format!("{error:#}"),
    }
}
