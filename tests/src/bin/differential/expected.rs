//! Differences that are known, each with its reason.

use regex::Regex;
use serde::Deserialize;

use crate::compare::Difference;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// Patterns of the whole; `.*` where absent.
    #[serde(default = "any")]
    script: String,
    #[serde(default = "any", rename = "try")]
    step: String,
    #[serde(default = "any")]
    place: String,
    #[serde(default = "any")]
    upstream: String,
    #[serde(default = "any")]
    orch: String,
    reason: String,
}

fn any() -> String {
    ".*".into()
}

pub struct Expected {
    pub reason: String,
    patterns: [Regex; 5],
    script: String,
}

impl Expected {
    pub fn read(text: &str) -> Vec<Expected> {
        let entries: Vec<Entry> = serde_saphyr::from_str(text).expect("expected.yaml is a list of entries");
        entries.into_iter().map(Expected::compile).collect()
    }

    fn compile(entry: Entry) -> Expected {
        let Entry { script, step, place, upstream, orch, reason } = entry;
        let whole = |pattern: &String| {
            Regex::new(&format!("(?s)^(?:{pattern})$"))
                .unwrap_or_else(|error| panic!("expected.yaml: {error}"))
        };
        let patterns = [&script, &step, &place, &upstream, &orch].map(whole);
        Expected { reason, patterns, script }
    }

    pub fn covers(&self, difference: &Difference) -> bool {
        let Difference { script, step, place, upstream, orch } = difference;
        [script, step, place, upstream, orch].iter().zip(&self.patterns).all(|(text, p)| p.is_match(text))
    }

    /// For messages.
    pub fn describe(&self) -> String {
        let [_, step, place, ..] = &self.patterns;
        format!(
            "script {:?} try {:?} place {:?}: {}",
            self.script,
            step.as_str(),
            place.as_str(),
            self.reason
        )
    }

    /// Whether one of these scripts could show it.
    pub fn concerns(&self, scripts: &[String]) -> bool {
        scripts.iter().any(|name| self.patterns[0].is_match(name))
    }
}
