use std::io;
use std::path::PathBuf;

use crate::{LanguageName, TestError, World};

/// Why a project was not written or not built. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum AuthorError {
    #[error(
        "{name:?} cannot name a plugin: it takes lower-case letters, digits and `-`, begins with a letter, and is at most 63 long"
    )]
    Name { name: String },
    #[error("{} is there already and not empty; give another --directory", .0.display())]
    NotEmpty(PathBuf),
    #[error("plugins in {language} are not supported yet; choose --lang {known}")]
    NoLanguage { language: LanguageName, known: String },
    #[error("there is no {language} template for the world {world}: {why}; there is one for {known}")]
    NoTemplate { language: LanguageName, world: World, why: &'static str, known: String },
    #[error(
        "{} has no orch-plugin.yaml: go to a folder that `orch plugin new` made, or write one with `name`, `world` and `language`",
        .0.display()
    )]
    NoProject(PathBuf),
    #[error("{}: {message}", .path.display())]
    BadProject { path: PathBuf, message: String },
    #[error("this needs what is not installed here:{0}")]
    MissingTools(String),
    #[error("`{command}` did not succeed ({status}); what it printed is above")]
    Command { command: String, status: String },
    #[error("cannot run `{command}`")]
    Spawn { command: String, source: io::Error },
    #[error("cannot {action} {}", .path.display())]
    File { action: &'static str, path: PathBuf, source: io::Error },
    #[error("the compiled module does not become a component: {0}")]
    Componentize(String),
    #[error("bindings for {language} cannot be made from wit/{world}: {message}")]
    Bindings { language: LanguageName, world: String, message: String },
    #[error("what was built is not a plugin of the world {expected}: {found}")]
    WrongWorld { expected: World, found: String },
    #[error(
        "what was built imports {import}, which no host grants a {world} plugin: remove what uses it (files, clocks, randomness, sockets)"
    )]
    ForbiddenImport { import: String, world: World },
    #[error(transparent)]
    Test(#[from] TestError),
}

impl AuthorError {
    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| AuthorError::File { action, path, source }
    }
}
