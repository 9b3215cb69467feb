//! The tables of facts about upstream's types in `host/object/data` are as upstream's program prints them.

use std::process::Command;

use orch_tests::upstream::Upstream;
use orch_tests::workspace;

/// A table, and what the program is asked for it.
const TABLES: [(&str, &str); 2] = [("forms.txt", "fields"), ("markers.txt", "schemas")];

/// What is wrong, with the remedy.
pub fn out_of_step() -> Vec<String> {
    TABLES.iter().filter_map(|(table, question)| compare(table, question)).collect()
}

fn compare(table: &str, question: &str) -> Option<String> {
    let path = workspace().join("host/object/data").join(table);
    let text = std::fs::read_to_string(&path).expect("a table of the repository");
    let kept: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let asked = Command::new(Upstream::program()).arg(question).output().expect("upstream's program runs");
    let printed = String::from_utf8(asked.stdout).expect("it prints text");
    let is_same = asked.status.success() && printed.lines().eq(kept.iter().copied());
    (!is_same).then(|| {
        format!("host/object/data/{table} is not what `target/upstream {question}` prints: put that below its head")
    })
}
