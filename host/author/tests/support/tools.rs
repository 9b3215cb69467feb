//! Installs what languages are built with, in fixed versions, once: beside the projects, where their
//! builds look. What cannot be installed is said, and then missed by the build, which is skipped.

use std::path::Path;
use std::process::Command;

use orch_author::LanguageName;

pub fn install(language: LanguageName, projects: &Path) {
    match language {
        LanguageName::Python => python(projects),
        LanguageName::Js => js(projects),
        LanguageName::Rust | LanguageName::Go | LanguageName::C => {}
    }
}

fn python(projects: &Path) {
    let environment = projects.join(".venv");
    if !environment.join("bin/componentize-py").exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&environment));
        run(Command::new(environment.join("bin/pip")).args(["install", "-q", "componentize-py==0.25.1"]));
    }
}

fn js(projects: &Path) {
    if !projects.join("node_modules/componentize-qjs").exists() {
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"]);
        run(npm.arg(projects).arg("componentize-qjs@0.4.5"));
    }
}

fn run(command: &mut Command) {
    match command.status() {
        Ok(status) if status.success() => {}
        Ok(status) => eprintln!("{command:?}: {status}"),
        Err(error) => eprintln!("{command:?}: {error}"),
    }
}
