//! Programs that are run on an author's behalf: their output is the author's to read.

use std::process::{Command, Stdio};

use crate::AuthorError;

/// Runs a program to its end; anything but success is an error.
pub fn run(command: &mut Command) -> Result<(), AuthorError> {
    let status = command.stdin(Stdio::null()).status().map_err(|source| spawn_error(command, source))?;
    if status.success() {
        return Ok(());
    }
    Err(AuthorError::Command { command: shown(command), status: status.to_string() })
}

/// What a program prints, when it succeeds.
pub fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
}

fn spawn_error(command: &Command, source: std::io::Error) -> AuthorError {
    AuthorError::Spawn { command: shown(command), source }
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_name_the_command() {
        let failed = run(Command::new("sh").args(["-c", "exit 3"])).unwrap_err().to_string();
        assert!(failed.contains("sh -c exit 3") && failed.contains("3)"), "{failed}");
        assert!(matches!(run(&mut Command::new("no-such-program")), Err(AuthorError::Spawn { .. })));
        assert_eq!(output(Command::new("echo").arg("hello")).as_deref(), Some("hello"));
    }
}
