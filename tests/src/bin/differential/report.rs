//! What is said of the differences.

use std::collections::BTreeMap;

use crate::compare::Difference;
use crate::expected::Expected;

pub struct Report {
    pub unexplained: Vec<Difference>,
    /// How often each reason held.
    explained: Vec<(String, usize)>,
    /// Expected, though a script that should have shown it was played and did not.
    pub outdated: Vec<String>,
}

impl Report {
    /// `whole`: nothing was left out of the scripts, so that what did not show is no more.
    pub fn new(found: Vec<Difference>, expected: &[Expected], scripts: &[String], whole: bool) -> Report {
        let mut times = vec![0; expected.len()];
        let mut unexplained = Vec::new();
        for difference in found {
            let mut known = false;
            for (index, entry) in expected.iter().enumerate().filter(|(_, e)| e.covers(&difference)) {
                times[index] += 1;
                known |= !entry.reason.is_empty();
            }
            if !known {
                unexplained.push(difference);
            }
        }
        let counted = expected.iter().zip(&times);
        let outdated = counted
            .clone()
            .filter(|(entry, times)| **times == 0 && whole && entry.concerns(scripts))
            .map(|(entry, _)| entry.describe())
            .collect();
        let explained = counted.map(|(entry, times)| (entry.reason.clone(), *times)).collect();
        Report { unexplained, explained, outdated }
    }

    pub fn is_good(&self) -> bool {
        self.unexplained.is_empty() && self.outdated.is_empty()
    }

    /// Alike differences together, the most frequent first.
    pub fn print(&self, most: usize) {
        for (reason, times) in self.explained.iter().filter(|(_, times)| *times > 0) {
            println!("expected {times:>6} × {reason}");
        }
        let groups = self.groups();
        for (place, group) in groups.iter().take(most) {
            let first = group[0];
            println!("\n{} × {place}", group.len());
            println!("    first: {} · {}", first.script, first.step);
            println!("    upstream: {}", beginning(&first.upstream));
            println!("    orch:     {}", beginning(&first.orch));
        }
        if groups.len() > most {
            println!("\n… and {} more kinds of difference", groups.len() - most);
        }
        for entry in &self.outdated {
            println!("\nexpected, but no more: {entry}");
        }
        let explained: usize = self.explained.iter().map(|(_, times)| times).sum();
        println!(
            "\n{} differences without a reason, {explained} with one, {} reasons outdated",
            self.unexplained.len(),
            self.outdated.len()
        );
    }

    fn groups(&self) -> Vec<(String, Vec<&Difference>)> {
        let mut groups: BTreeMap<String, Vec<&Difference>> = BTreeMap::new();
        for difference in &self.unexplained {
            groups.entry(signature(difference)).or_default().push(difference);
        }
        let mut groups: Vec<_> = groups.into_iter().collect();
        groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.len()));
        groups
    }
}

/// As much as people read of a long text.
fn beginning(text: &str) -> String {
    match text.char_indices().nth(1500) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into(),
    }
}

/// The place without numbers, and the try without its field.
fn signature(difference: &Difference) -> String {
    let place: String = difference.place.chars().filter(|c| !c.is_ascii_digit()).collect();
    let step = difference.step.split_whitespace().filter(|word| !word.starts_with('/')).collect::<Vec<_>>();
    format!("{place} · {}", step.join(" "))
}
