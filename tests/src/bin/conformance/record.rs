//! `docs/CONFORMANCE.md`: every case by area, with its last result.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use orch_tests::workspace;

use crate::cases::{Outcome, Verdict, area};

const HEAD: &str = "# Upstream's conformance suite

Written by `make conformance`, which runs the cases of Kubernetes 1.37.1 themselves (`tests/conformance` builds them from upstream's published packages) on a cluster of one real node, in a network namespace of its own, with images made from Debian packages and Go modules. kubectl is 1.37.1 too. A case counts as passed when the suite says so. *not run* says why, or that it was not tried yet. A run changes the lines of the cases it ran and leaves the others.

One case, or some, by a regular expression over their names (the result is printed; `RECORD=` keeps it out of this file):

```
make conformance FOCUS='server version should find the server version' RECORD=
```

The suite's output and the host's log are then in `target/conformance/run`. `NODES=2` adds a simulated node, which runs no containers. The first build of the suite takes 6 to 10 minutes on two cores.
";

type Rows = BTreeMap<String, (Verdict, String)>;
type Row<'a> = (&'a String, &'a (Verdict, String));

/// Writes the outcomes into the document, which then has a line for each of `all`.
pub fn write(all: &[String], outcomes: &[Outcome]) {
    let file = file();
    let before = std::fs::read_to_string(&file).unwrap_or_default();
    std::fs::write(&file, document(&merged(all, &parsed(&before), outcomes))).unwrap();
}

/// For the terminal: what failed, and counts.
pub fn summary(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        let word = word(outcome.verdict);
        let _ = writeln!(text, "{word:<8} {:>6.1}s {}", outcome.seconds, outcome.name);
        if !outcome.why.is_empty() {
            let _ = writeln!(text, "         {}", outcome.why);
        }
    }
    let count = |verdict| outcomes.iter().filter(|o| o.verdict == verdict).count();
    let _ = writeln!(
        text,
        "{} passed, {} failed, {} not run",
        count(Verdict::Passed),
        count(Verdict::Failed),
        count(Verdict::NotRun)
    );
    text
}

fn file() -> PathBuf {
    workspace().join("docs/CONFORMANCE.md")
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Failed => "failed",
        Verdict::NotRun => "not run",
    }
}

fn merged(all: &[String], before: &Rows, outcomes: &[Outcome]) -> Rows {
    let earlier =
        |name: &String| before.get(name).cloned().unwrap_or((Verdict::NotRun, "not tried yet".into()));
    let mut rows: Rows = all.iter().map(|name| (name.clone(), earlier(name))).collect();
    for outcome in outcomes {
        if let Some(row) = rows.get_mut(&outcome.name) {
            *row = (outcome.verdict, outcome.why.clone());
        }
    }
    rows
}

/// The rows of a document that `document` wrote.
fn parsed(text: &str) -> Rows {
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| ")?.strip_suffix(" |")?.splitn(3, " | ");
        let verdict = match cells.next()? {
            "passed" => Verdict::Passed,
            "failed" => Verdict::Failed,
            "not run" => Verdict::NotRun,
            _ => return None,
        };
        Some((cells.next()?.to_string(), (verdict, cells.next()?.trim().to_string())))
    };
    text.lines().filter_map(row).collect()
}

fn document(rows: &Rows) -> String {
    let mut areas: BTreeMap<&str, Vec<Row>> = BTreeMap::new();
    for (name, row) in rows {
        areas.entry(area(name)).or_default().push((name, row));
    }
    let mut text = format!("{HEAD}\n| area | passed | failed | not run |\n| --- | --- | --- | --- |\n");
    let count = |rows: &[Row], verdict| rows.iter().filter(|r| r.1.0 == verdict).count();
    let mut line = |name: &str, rows: &[_]| {
        let counts = [Verdict::Passed, Verdict::Failed, Verdict::NotRun].map(|v| count(rows, v));
        let _ = writeln!(text, "| {name} | {} | {} | {} |", counts[0], counts[1], counts[2]);
    };
    for (area, rows) in &areas {
        line(area, rows);
    }
    line("all", &rows.iter().collect::<Vec<_>>());
    for (area, rows) in &areas {
        let _ = write!(text, "\n## {area}\n\n| result | case | why not |\n| --- | --- | --- |\n");
        for (name, (verdict, why)) in rows {
            let _ = writeln!(text, "| {} | {name} | {why} |", word(*verdict));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_changes_the_lines_of_its_cases_and_leaves_the_others() {
        let all = ["[sig-a] one".to_string(), "[sig-a] two".into(), "[sig-b] three".into()];
        let first = [Outcome {
            name: all[0].clone(),
            verdict: Verdict::Failed,
            seconds: 1.0,
            why: "no | way".replace('|', "/"),
        }];
        let once = document(&merged(&all, &Rows::new(), &first));
        assert!(once.contains("| failed | [sig-a] one | no / way |"), "{once}");
        assert!(once.contains("| sig-a | 0 | 1 | 1 |") && once.contains("| all | 0 | 1 | 2 |"), "{once}");
        let second =
            [Outcome { name: all[2].clone(), verdict: Verdict::Passed, seconds: 1.0, why: String::new() }];
        let twice = document(&merged(&all, &parsed(&once), &second));
        assert!(twice.contains("| failed | [sig-a] one | no / way |"), "{twice}");
        assert!(twice.contains("| passed | [sig-b] three |  |"), "{twice}");
        assert_eq!(document(&merged(&all, &parsed(&twice), &[])), twice);
    }
}
