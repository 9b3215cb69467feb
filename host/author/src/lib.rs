//! The author's loop: `orch plugin new` writes a project that works, `orch plugin build` turns it
//! into one component, `orch plugin test` asks it what scripts say. None needs a running host, nor
//! this repository: the SDKs, their templates and the contracts are embedded. `orch-componentize` makes
//! the built-in policies' components the same way.
//!
//! A language is one file in `languages/` and a folder `sdk/LANGUAGE` with `templates/WORLD`.

use std::path::PathBuf;

use clap::Subcommand;

mod bindings;
mod build;
mod component;
mod create;
mod embedded;
mod error;
mod languages;
mod process;
mod project;
mod test;
mod tool;
mod world;

pub use build::{Built, build};
pub use component::{Inspected, encode, inspect};
pub use create::{NewProject, create};
pub use error::AuthorError;
pub use languages::{Language, LanguageName, tools};
pub use project::Project;
pub use test::{TestError, Tested, test};
pub use tool::{Tool, missing};
pub use world::World;

/// The part of `orch plugin` that needs no host.
#[derive(Subcommand, Debug)]
pub enum AuthorCommand {
    /// Write a plugin project that builds and passes its test
    New {
        /// The plugin's name; the project goes to a folder of this name
        name: String,
        /// What kind of plugin it is
        #[arg(long, value_enum)]
        world: World,
        /// What it is written in
        #[arg(long = "lang", value_enum)]
        language: LanguageName,
        /// The folder to write to, instead of one named as the plugin
        #[arg(long)]
        directory: Option<PathBuf>,
    },
    /// Turn a plugin project into one component, NAME.wasm
    Build {
        /// The project's folder
        #[arg(default_value = ".")]
        directory: PathBuf,
    },
    /// Run a component against scripted clusters, under a host's default limits
    Test {
        /// A project's folder, or a component
        #[arg(default_value = ".")]
        subject: PathBuf,
        /// A script, instead of those in the project's tests/
        #[arg(long = "script")]
        scripts: Vec<PathBuf>,
    },
}

/// Does what was asked and prints what came of it, with the next command.
pub fn run(command: AuthorCommand) -> Result<(), AuthorError> {
    match command {
        AuthorCommand::New { name, world, language, directory } => {
            let directory = directory.unwrap_or_else(|| PathBuf::from(&name));
            create::run(&NewProject { name, world, language, directory })
        }
        AuthorCommand::Build { directory } => build::run(&directory),
        AuthorCommand::Test { subject, scripts } => Ok(test(&Tested { subject, scripts })?),
    }
}
