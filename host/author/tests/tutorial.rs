//! `docs/plugins/tutorial.md` as far as it needs no host, followed literally: the fenced commands of its
//! first two parts, in each language. (`e2e tutorial` follows all of it.)

#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use clap::Parser;
use orch_author::{AuthorCommand, LanguageName, World};

#[derive(Parser)]
struct Orch {
    #[command(subcommand)]
    command: Plugin,
}

#[derive(clap::Subcommand)]
enum Plugin {
    #[command(subcommand)]
    Plugin(AuthorCommand),
}

const WORDS: &str = "ORCH_WORDS";

/// What the `orch` of the commands runs: this program again, told so by the environment.
#[test]
fn as_orch() {
    let Ok(words) = std::env::var(WORDS) else { return };
    let Plugin::Plugin(command) = Orch::parse_from(words.lines()).command;
    orch_author::run(command).unwrap();
}

fn commands(tutorial: &str, language: &str) -> String {
    let mut script = String::from("set -euo pipefail\n");
    let mut taken = false;
    for line in tutorial.lines().take_while(|line| !line.starts_with("## 3.")) {
        match line.strip_prefix("```") {
            Some(fence) => taken = fence == "sh" || fence == format!("sh {language}"),
            None if taken => script += &format!("{line}\n"),
            None => {}
        }
    }
    script
}

fn shim(directory: &Path) {
    let this = std::env::current_exe().unwrap();
    let script = format!(
        "#!/bin/sh\n{WORDS}=$(printf '%s\\n' orch \"$@\") exec {} --exact as_orch --nocapture\n",
        this.display()
    );
    fs::write(directory.join("orch"), script).unwrap();
    fs::set_permissions(directory.join("orch"), Permissions::from_mode(0o755)).unwrap();
}

fn follow(language: LanguageName) {
    let directory = tempfile::tempdir().unwrap();
    let tools = orch_author::tools(language, directory.path()).unwrap();
    let missing = orch_author::missing(tools);
    if !missing.is_empty() {
        let names: Vec<_> = missing.iter().map(|tool| tool.name.as_str()).collect();
        return eprintln!("SKIPPED: the tutorial in {language}: {} is missing", names.join(", "));
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tutorial = fs::read_to_string(root.join("docs/plugins/tutorial.md")).unwrap();
    let script = commands(&tutorial, language.folder());
    assert!(script.contains("orch plugin new ranked") && script.contains("orch plugin build"), "{script}");
    shim(directory.path());
    let path = format!("{}:{}", directory.path().display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]).current_dir(directory.path()).env("PATH", path);
    shell.env("CARGO_TARGET_DIR", root.join("target/projects/tutorial"));
    let output = shell.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&said));
    let component = fs::read(directory.path().join("ranked/ranked.wasm")).unwrap();
    orch_author::inspect(&component, World::Scheduler).unwrap();
}

#[test]
fn in_rust() {
    follow(LanguageName::Rust);
}

#[test]
fn in_go() {
    follow(LanguageName::Go);
}

#[test]
fn in_c() {
    follow(LanguageName::C);
}
