//! The languages plugins are written in: one file each.

use std::fmt;
use std::path::Path;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::{AuthorError, Project, Tool, World};

mod c;
mod go;
mod js;
mod python;
mod rust;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LanguageName {
    Rust,
    Python,
    #[value(alias = "javascript")]
    Js,
    Go,
    C,
}

/// How projects in a language are made and built. Its SDK and templates are in `sdk/FOLDER`.
pub trait Language: Sync {
    /// Why there is no template for a world.
    fn lacks(&self, _world: World) -> &'static str {
        "the SDK does not carry it yet"
    }

    /// What must be installed to build the project in `directory`, and whether it is.
    fn tools(&self, directory: &Path) -> Vec<Tool>;

    /// What the template's own test is run with, in the project's folder.
    fn unit_test(&self) -> &'static str;

    /// What a build leaves in the folder and nobody commits.
    fn leaves_behind(&self) -> &'static [&'static str];

    /// What a new project needs beyond template, SDK and contracts.
    fn complete(&self, _directory: &Path) -> Result<(), AuthorError> {
        Ok(())
    }

    /// Compiles the project: the bytes of a component.
    fn build(&self, project: &Project) -> Result<Vec<u8>, AuthorError>;
}

impl LanguageName {
    pub const ALL: [LanguageName; 5] =
        [LanguageName::Rust, LanguageName::Python, LanguageName::Js, LanguageName::Go, LanguageName::C];

    /// The folder below `sdk/`, and the name in `orch-plugin.yaml` and `--lang`.
    pub fn folder(self) -> &'static str {
        match self {
            LanguageName::Rust => "rust",
            LanguageName::Python => "python",
            LanguageName::Js => "js",
            LanguageName::Go => "go",
            LanguageName::C => "c",
        }
    }

    fn implementation(self) -> Option<&'static dyn Language> {
        match self {
            LanguageName::Rust => Some(&rust::Rust),
            LanguageName::C => Some(&c::C),
            LanguageName::Go => Some(&go::Go),
            LanguageName::Python => Some(&python::Python),
            LanguageName::Js => Some(&js::Js),
        }
    }
}

impl fmt::Display for LanguageName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            LanguageName::Rust => "Rust",
            LanguageName::Python => "Python",
            LanguageName::Js => "JavaScript",
            LanguageName::Go => "Go",
            LanguageName::C => "C",
        })
    }
}

/// The language, when projects in it can be built.
pub fn supported(name: LanguageName) -> Result<&'static dyn Language, AuthorError> {
    name.implementation().ok_or_else(|| {
        let known = LanguageName::ALL.into_iter().filter(|name| name.implementation().is_some());
        let known = known.map(LanguageName::folder).collect::<Vec<_>>().join("|");
        AuthorError::NoLanguage { language: name, known }
    })
}

/// What must be installed to build projects in a language.
pub fn tools(name: LanguageName, directory: &Path) -> Result<Vec<Tool>, AuthorError> {
    Ok(supported(name)?.tools(directory))
}
