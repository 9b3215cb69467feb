//! What must be installed, and the command that installs it.

use std::env;
use std::path::PathBuf;

use crate::AuthorError;

/// A program, module or library that a language needs.
pub struct Tool {
    /// As its users call it: `clang`.
    pub name: String,
    /// What for: `compiles C`.
    pub purpose: &'static str,
    /// Commands that install it, the likeliest first.
    pub install: Vec<String>,
    pub present: bool,
}

impl Tool {
    /// A program in `PATH`.
    pub fn program(name: &str, purpose: &'static str, install: &[&str]) -> Self {
        Tool::new(name, purpose, install, find(name).is_some())
    }

    pub fn new(name: &str, purpose: &'static str, install: &[&str], present: bool) -> Self {
        let install = install.iter().map(|command| command.to_string()).collect();
        Tool { name: name.into(), purpose, install, present }
    }
}

/// Those that are not there.
pub fn missing(tools: Vec<Tool>) -> Vec<Tool> {
    tools.into_iter().filter(|tool| !tool.present).collect()
}

/// One line for each: what it is, and how to get it.
pub fn advice(missing: &[Tool]) -> String {
    let line = |tool: &Tool| {
        format!("\n  {}: {}. Install it: {}", tool.name, tool.purpose, tool.install.join("   or: "))
    };
    missing.iter().map(line).collect()
}

pub(crate) fn require(tools: Vec<Tool>) -> Result<(), AuthorError> {
    let missing = missing(tools);
    if missing.is_empty() {
        return Ok(());
    }
    Err(AuthorError::MissingTools(advice(&missing)))
}

/// Where a program is in `PATH`.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| is_executable(file))
}

#[cfg(unix)]
fn is_executable(file: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(file: &std::path::Path) -> bool {
    file.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_its_remedy() {
        let there = Tool::program("sh", "runs scripts", &["apt install dash"]);
        let not = Tool::program("no-such-compiler", "compiles", &["apt install it", "pip install it"]);
        let message = require(vec![there, not]).unwrap_err().to_string();
        assert!(
            message.contains("no-such-compiler: compiles. Install it: apt install it   or: pip install it"),
            "{message}"
        );
        assert!(!message.contains("runs scripts"), "{message}");
    }
}
