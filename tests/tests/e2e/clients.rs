//! Clients as people use them, unmodified, against a real host: their programs lie in `tests/clients`.
//! Each installs what it needs from its package registry, or says loudly that it is skipped.

mod helm;
mod rust;

use std::path::{Path, PathBuf};
use std::process::Command;

use orch_tests::host::Host;
use orch_tests::{run, try_run, workspace};

fn sources(language: &str) -> PathBuf {
    workspace().join("tests/clients").join(language)
}

/// Where a language's packages are kept from run to run.
fn cache(language: &str) -> PathBuf {
    let directory = workspace().join("target/clients").join(language);
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

/// `false`, said loudly, when it cannot be prepared.
fn prepared(language: &str, command: &mut Command) -> bool {
    match try_run(command) {
        Ok(_) => true,
        Err(why) => {
            eprintln!("SKIPPED: the {language} client: {why}");
            false
        }
    }
}

/// Runs a client's program where it reaches the host.
fn drive(host: &Host, program: &Path, arguments: &[&str], directory: &Path) {
    let mut command = host.network.command(program);
    command.args(arguments).current_dir(directory).env("KUBECONFIG", host.kubeconfig());
    command.env("HOME", host.data_dir.path());
    let said = try_run(&mut command).unwrap_or_else(|why| panic!("{why}\n{}", host.log()));
    println!("{said}");
}

#[test]
fn in_go() {
    let (directory, program) = (sources("go"), cache("go").join("clients.test"));
    let mut build = Command::new("go");
    build.args(["test", "-c", "-o"]).arg(&program).arg(".").current_dir(&directory);
    if !prepared("Go", &mut build) {
        return;
    }
    let host = Host::start(&[]);
    drive(&host, &program, &["-test.v", "-test.timeout=5m"], &directory);
}

#[test]
fn in_python() {
    let (directory, environment) = (sources("python"), cache("python").join("venv"));
    let python = environment.join("bin/python");
    if !python.exists() && !prepared("Python", Command::new("python3").args(["-m", "venv"]).arg(&environment))
    {
        return;
    }
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "-r"]).arg(directory.join("requirements.txt"));
    if !prepared("Python", &mut install) {
        return;
    }
    let host = Host::start(&[]);
    drive(&host, &python, &["clients.py"], &directory);
}

#[test]
fn in_javascript() {
    let directory = cache("js");
    for file in ["package.json", "clients.js"] {
        run(Command::new("cp").arg(sources("js").join(file)).arg(&directory));
    }
    let mut install = Command::new("npm");
    install.args(["install", "--no-audit", "--no-fund", "--silent"]).current_dir(&directory);
    if !prepared("JavaScript", &mut install) {
        return;
    }
    let host = Host::start(&[]);
    drive(&host, Path::new("node"), &["--test", "clients.js"], &directory);
}
