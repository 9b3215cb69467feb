//! A plugin project on disk: its folder and its `orch-plugin.yaml`.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{AuthorError, LanguageName, World};

pub const MANIFEST: &str = "orch-plugin.yaml";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    name: String,
    world: World,
    language: LanguageName,
    /// A world of `wit/` beside the usual one: `scheduler-full`.
    #[serde(rename = "witWorld", default, skip_serializing_if = "Option::is_none")]
    wit_world: Option<String>,
}

/// What `orch-plugin.yaml` says, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Absolute.
    pub directory: PathBuf,
    pub name: String,
    pub world: World,
    /// The world in `wit/` that bindings are made for.
    pub wit_world: String,
    pub language: LanguageName,
}

impl Project {
    pub fn read(directory: &Path) -> Result<Self, AuthorError> {
        let directory = std::path::absolute(directory).map_err(AuthorError::file("find", directory))?;
        let path = directory.join(MANIFEST);
        if !path.exists() {
            return Err(AuthorError::NoProject(directory));
        }
        let content = fs::read_to_string(&path).map_err(AuthorError::file("read", &path))?;
        let manifest: Manifest = serde_saphyr::from_str(&content)
            .map_err(|error| AuthorError::BadProject { path, message: error.to_string() })?;
        check_name(&manifest.name)?;
        Ok(Project {
            directory,
            wit_world: manifest.wit_world.unwrap_or_else(|| manifest.world.folder().into()),
            name: manifest.name,
            world: manifest.world,
            language: manifest.language,
        })
    }

    /// Where the component goes.
    pub fn component(&self) -> PathBuf {
        self.directory.join(format!("{}.wasm", self.name))
    }

    /// The folder of the world's contract.
    pub fn wit(&self) -> PathBuf {
        self.directory.join("wit").join(self.world.folder())
    }

    /// The SDK that came with the project.
    pub fn sdk(&self) -> PathBuf {
        self.directory.join("sdk").join(self.language.folder())
    }
}

/// The content of a new project's `orch-plugin.yaml`.
pub fn manifest(name: &str, world: World, language: LanguageName) -> String {
    let language = language.folder();
    format!("# What `orch plugin build` reads.\nname: {name}\nworld: {world}\nlanguage: {language}\n")
}

/// A plugin's name is an object's name and a crate's, module's or package's.
pub fn check_name(name: &str) -> Result<(), AuthorError> {
    let letters = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase()) && !name.ends_with('-');
    if letters && begins && name.len() <= 63 {
        return Ok(());
    }
    Err(AuthorError::Name { name: name.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &str) -> Result<Project, AuthorError> {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(MANIFEST), content).unwrap();
        Project::read(directory.path())
    }

    #[test]
    fn what_new_writes_build_reads() {
        let project = read(&manifest("spread", World::Scheduler, LanguageName::Rust)).unwrap();
        assert_eq!((project.name.as_str(), project.world), ("spread", World::Scheduler));
        assert_eq!(project.wit_world, "scheduler");
        assert!(project.component().ends_with("spread.wasm"));
        let full = read("{name: a, world: scheduler, language: rust, witWorld: scheduler-full}").unwrap();
        assert_eq!(full.wit_world, "scheduler-full");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let message = |content: &str| read(content).unwrap_err().to_string();
        assert!(message("{name: a, world: schedular, language: rust}").contains("schedular"));
        assert!(message("{name: a, world: cni}").contains("language"));
        assert!(message("{name: Ä, world: cni, language: rust}").contains("cannot name a plugin"));
        let empty = tempfile::tempdir().unwrap();
        let message = Project::read(empty.path()).unwrap_err().to_string();
        assert!(message.contains("orch plugin new"), "{message}");
    }
}
