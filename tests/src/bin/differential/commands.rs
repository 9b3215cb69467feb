//! kubectl command lines at both sides: what people see.

use std::process::{Command, Stdio};

use orch_tests::kubectl;
use serde::Deserialize;

use crate::compare::Difference;
use crate::normalise;
use crate::sides::Sides;

/// Played in the order of the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// What it is about; lines of one subject follow one another.
    about: String,
    kubectl: String,
    /// On standard input.
    #[serde(default)]
    stdin: String,
}

impl Line {
    pub fn script(&self) -> String {
        format!("kubectl {}", self.about)
    }
}

pub fn read() -> Vec<Line> {
    serde_saphyr::from_str(&crate::read("commands.yaml")).expect("commands.yaml is a list of lines")
}

/// With the newest kubectl of this machine.
pub fn compare(sides: &Sides, lines: &[Line]) -> Vec<Difference> {
    let installed = kubectl::installed(&["1.33", "1.32", "1.31", "1.30", "1.29", "1.28"]);
    let Some(client) = installed.first().filter(|_| !lines.is_empty()) else { return Vec::new() };
    let mut found = Vec::new();
    let orch = sides.orch.kubeconfig();
    let caches = tempfile::TempDir::with_prefix("orch-differential-").expect("a temporary directory");
    for line in lines {
        let run = |kubeconfig: &std::path::Path, side: &str| {
            let mut command = Command::new(&client.program);
            command.arg("--kubeconfig").arg(kubeconfig).arg("--cache-dir").arg(caches.path().join(side));
            said(command.args(words(&line.kubectl)), &line.stdin)
        };
        let (theirs, ours) = (run(&sides.upstream.kubeconfig(), "upstream"), run(&orch, "orch"));
        for (place, upstream, orch) in
            [("exit", &theirs.0, &ours.0), ("stdout", &theirs.1, &ours.1), ("stderr", &theirs.2, &ours.2)]
        {
            if upstream != orch {
                found.push(Difference {
                    script: line.script(),
                    step: line.kubectl.clone(),
                    place: place.into(),
                    upstream: upstream.clone(),
                    orch: orch.clone(),
                });
            }
        }
    }
    found
}

/// Words, where quotes hold some together.
fn words(line: &str) -> Vec<String> {
    line.split('\'')
        .enumerate()
        .flat_map(|(index, part)| match index % 2 {
            0 => part.split_whitespace().map(String::from).collect(),
            _ => vec![part.to_string()],
        })
        .collect()
}

fn said(command: &mut Command, stdin: &str) -> (String, String, String) {
    use std::io::Write;
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("kubectl starts");
    // A command that reads nothing may have gone already.
    let _ = child.stdin.take().expect("piped").write_all(stdin.as_bytes());
    let output = child.wait_with_output().expect("kubectl ends");
    let text = |bytes: &[u8]| normalise::words(&String::from_utf8_lossy(bytes));
    (output.status.to_string(), text(&output.stdout), text(&output.stderr))
}

#[cfg(test)]
mod tests {
    #[test]
    fn quotes_hold_words_together() {
        assert_eq!(super::words("patch x -p '{\"a\": 1}' -v"), ["patch", "x", "-p", "{\"a\": 1}", "-v"]);
    }
}
