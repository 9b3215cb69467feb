//! Cases and what came of them, as the suite writes them (`-results`, one JSON line per case).

use std::path::Path;

use orch_tests::workspace;
use serde::Deserialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Passed,
    Failed,
    /// Skipped by the suite itself (the reason is its own), or never reached.
    NotRun,
}

#[derive(Debug, Clone)]
pub struct Outcome {
    pub name: String,
    pub verdict: Verdict,
    pub seconds: f64,
    /// One line; empty where the case passed.
    pub why: String,
}

/// A line of the suite's results.
#[derive(Deserialize)]
struct Line {
    name: String,
    state: String,
    seconds: f64,
    #[serde(default)]
    message: String,
    #[serde(default, rename = "where")]
    place: String,
}

impl From<Line> for Outcome {
    fn from(line: Line) -> Outcome {
        let verdict = match line.state.as_str() {
            "passed" => Verdict::Passed,
            "skipped" | "pending" => Verdict::NotRun,
            _ => Verdict::Failed,
        };
        let why = match verdict {
            Verdict::Passed => String::new(),
            Verdict::NotRun => one_line(&line.message),
            Verdict::Failed => {
                let file = line.place.rsplit("kubernetes@").next().unwrap_or_default();
                let file = file.split_once('/').map_or(file, |(_, path)| path);
                format!("{} ({file})", one_line(&line.message))
            }
        };
        Outcome { name: line.name, verdict, seconds: line.seconds, why }
    }
}

/// The outcomes that a run has written so far; of a case that ran twice, the last.
pub fn read(file: &Path) -> Vec<Outcome> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let mut outcomes: Vec<Outcome> = Vec::new();
    for line in text.lines() {
        let Ok(line) = serde_json::from_str::<Line>(line) else { continue };
        outcomes.retain(|o| o.name != line.name);
        outcomes.push(line.into());
    }
    outcomes
}

/// The area, `sig-…`, that a case's name begins with.
pub fn area(name: &str) -> &str {
    name.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or("other", |(area, _)| area)
}

/// The cases that must pass in `make test`.
pub fn slice() -> Vec<String> {
    let file = workspace().join("tests/conformance/slice.txt");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    text.lines().filter(|l| l.starts_with('[')).map(str::to_string).collect()
}

/// A regular expression (Go's) that matches these names and no others.
pub fn exactly(names: &[String]) -> String {
    let escaped = names.iter().map(|name| {
        let special = |c: char| r"\.+*?()|[]{}^$".contains(c);
        name.chars().fold(String::new(), |mut text, c| {
            if special(c) {
                text.push('\\');
            }
            text.push(c);
            text
        })
    });
    format!("^.*({})$", escaped.collect::<Vec<_>>().join("|"))
}

/// At most 240 characters of what a failure says, on one line, without what differs from run to run.
fn one_line(message: &str) -> String {
    let words = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut line: String = words.replace('|', "/").chars().take(240).collect();
    if words.chars().count() > 240 {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_result_of_a_case_counts() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("results");
        std::fs::write(
            &file,
            concat!(
                r#"{"name":"[sig-cli] a","state":"failed","seconds":2,"message":"no\n  way","where":"/m/k8s.io/kubernetes@v1/test/e2e/x.go:7"}"#,
                "\n",
                r#"{"name":"[sig-cli] b","state":"timedout","seconds":2}"#,
                "\ntorn {\n",
            ),
        )
        .unwrap();
        let outcomes = read(&file);
        assert_eq!(outcomes.len(), 2);
        assert_eq!(outcomes[0].why, "no way (test/e2e/x.go:7)");
        assert_eq!(outcomes[1].verdict, Verdict::Failed);
        let more = r#"{"name":"[sig-cli] a","state":"passed","seconds":2}"#;
        std::fs::write(&file, format!("{}\n{more}\n", std::fs::read_to_string(&file).unwrap())).unwrap();
        assert!(read(&file).iter().any(|o| o.name == "[sig-cli] a" && o.verdict == Verdict::Passed));
    }

    #[test]
    fn names_are_taken_literally() {
        assert_eq!(exactly(&["[a] b (c)".into()]), r"^.*(\[a\] b \(c\))$");
        assert_eq!(area("[sig-node] Pods"), "sig-node");
    }
}
