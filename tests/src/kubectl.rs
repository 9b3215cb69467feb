//! The kubectl binaries of this machine, by minor version.

use std::path::PathBuf;
use std::process::Command;

pub struct Kubectl {
    pub version: String,
    pub program: PathBuf,
}

/// Those of the wanted minors that are installed; `kubectl.MINOR` beside `kubectl`, or `kubectl` itself.
pub fn installed(wanted: &[&str]) -> Vec<Kubectl> {
    let mut found = Vec::new();
    for version in wanted {
        let named = candidates(version).into_iter().find(|path| path.exists());
        if let Some(program) = named {
            found.push(Kubectl { version: version.to_string(), program });
        }
    }
    if found.is_empty() {
        for path in in_path("kubectl") {
            let printed = Command::new(&path).args(["version", "--client"]).output().map(|o| o.stdout);
            let text = String::from_utf8_lossy(&printed.unwrap_or_default()).into_owned();
            if let Some(version) = text.split("v1.").nth(1).and_then(|rest| rest.split('.').next()) {
                found.push(Kubectl { version: format!("1.{version}"), program: path });
                break;
            }
        }
    }
    if found.is_empty() {
        eprintln!(
            "SKIPPED: no kubectl on this machine (wanted {wanted:?}); put kubectl.MINOR into PATH to run this"
        );
    }
    found
}

fn candidates(version: &str) -> Vec<PathBuf> {
    let name = format!("kubectl.{version}");
    let mut paths = in_path(&name);
    for kubectl in in_path("kubectl") {
        if let Ok(real) = kubectl.canonicalize() {
            paths.push(real.with_file_name(&name));
        }
        // A wrapper script names the real one in its `exec` line.
        if let Ok(text) = std::fs::read_to_string(&kubectl) {
            let words = text.split(|c: char| c.is_whitespace() || c == '"');
            let real = words.filter(|w| w.starts_with('/') && w.ends_with("/kubectl"));
            paths.extend(real.map(|w| PathBuf::from(w).with_file_name(&name)));
        }
    }
    paths
}

fn in_path(program: &str) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|dir| dir.join(program)).filter(|p| p.exists()).collect()
}
