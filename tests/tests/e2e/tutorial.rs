//! `docs/plugins/tutorial.md`, followed literally in each language: its fenced commands as they stand.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use orch_tests::host::Host;
use orch_tests::{kubectl, orch, try_run, workspace};

/// The commands for one language: its own blocks (` ```sh rust `) and the common ones (` ```sh `).
fn commands(tutorial: &str, language: &str) -> String {
    let mut script = String::from("set -euo pipefail\n");
    let mut taken = false;
    for line in tutorial.lines() {
        match line.strip_prefix("```") {
            Some(fence) => taken = fence == "sh" || fence == format!("sh {language}"),
            None if taken => script += &format!("echo '$ {}'\n{line}\n", line.replace('\'', "'\\''")),
            None => {}
        }
    }
    script
}

/// The programs that a reader would have: they reach the host, which has a network of its own.
fn programs(directory: &Path, host: &Host, kubectl: &Path) {
    for (name, program) in [("orch", orch().as_path()), ("kubectl", kubectl)] {
        let (network, program) = (&host.network.name, program.display());
        let script = format!("#!/bin/sh\nexec nsenter --net=/run/netns/{network} -- {program} \"$@\"\n");
        let path = directory.join(name);
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }
}

/// Where the tests of the projects install what Python is built with; see `host/author/tests`.
pub fn path() -> String {
    let tools = workspace().join("target/projects/.venv/bin");
    format!("{}:{}", tools.display(), std::env::var("PATH").unwrap())
}

/// What is missing to build in this language, as `orch plugin new` tells it. What JavaScript needs
/// beside npm the tutorial itself installs.
pub fn missing(language: &str) -> Option<String> {
    if language == "js" {
        let npm = Command::new("npm").arg("--version").output();
        return npm.is_err().then(|| "npm is not installed".into());
    }
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(orch());
    command.args(["plugin", "new", "probe", "--world", "scheduler", "--lang", language, "--directory"]);
    let output = command.arg(directory.path().join("probe")).env("PATH", path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).trim().to_string();
    assert!(output.status.success(), "{said}");
    (!said.is_empty()).then_some(said)
}

fn follow(language: &str) {
    let Some(client) = kubectl::installed(&["1.33"]).pop() else { return };
    if let Some(missing) = missing(language) {
        return eprintln!("SKIPPED: the tutorial in {language}: {missing}");
    }
    let tutorial = std::fs::read_to_string(workspace().join("docs/plugins/tutorial.md")).unwrap();
    let script = commands(&tutorial, language);
    assert!(script.contains("plugin new ranked") && script.contains("plugin rollback"), "{script}");
    let host = Host::start(&[]);
    let (programs_in, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    programs(programs_in.path(), &host, &client.program);
    let path = format!("{}:{}", programs_in.path().display(), path());
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]).current_dir(work.path()).env("PATH", path);
    shell.env("KUBECONFIG", host.kubeconfig()).env("ORCH_DATA_DIR", host.data_dir.path());
    shell.env("KUBECACHEDIR", work.path().join("cache"));
    // One build of the SDK serves every run.
    shell.env("CARGO_TARGET_DIR", workspace().join("target/projects/tutorial"));
    let said = try_run(&mut shell).unwrap_or_else(|why| panic!("{why}\n{}", host.log()));
    for label in ["rank", "grade"] {
        let reason = format!("0/1 nodes are available: 1 node(s) had no label example.com/{label}.");
        assert!(said.contains(&reason), "{reason} is not said in\n{said}");
    }
    assert!(said.contains("pod/second condition met"), "{said}");
}

#[test]
fn in_rust() {
    follow("rust");
}

#[test]
fn in_python() {
    follow("python");
}

#[test]
fn in_javascript() {
    follow("js");
}

#[test]
fn in_go() {
    follow("go");
}

#[test]
fn in_c() {
    follow("c");
}

#[test]
fn a_language_gets_its_own_commands_and_the_common_ones() {
    let tutorial =
        "text\n```sh rust\ncargo test\n```\n```sh go\ngo test\n```\n```sh\norch\n```\n    indented\n";
    let script = commands(tutorial, "rust");
    assert_eq!(script, "set -euo pipefail\necho '$ cargo test'\ncargo test\necho '$ orch'\norch\n");
}
