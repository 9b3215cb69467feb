//! When what failed is tried again: soon, then ever later, for as long as it is declared.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

const FIRST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(300);
/// Failures that stay the same until the spec or the component changes.
const FINAL: [&str; 9] = [
    "InvalidSpec",
    "InvalidReference",
    "RolledBack",
    "ConfigurationRefused",
    "WrongWorld",
    "NewerAbi",
    "NotAComponent",
    "ForbiddenImport",
    "LoadFailed",
];

#[derive(Debug, Default)]
pub struct Retries(BTreeMap<String, Retry>);

#[derive(Debug)]
struct Retry {
    /// The spec that failed; another one is tried at once.
    spec: Value,
    delay: Duration,
    /// `None`: not before the spec changes.
    due: Option<Instant>,
}

impl Retries {
    /// Whether this spec failed and its time has not come.
    pub fn holds(&self, name: &str, spec: &Value, now: Instant) -> bool {
        let known = self.0.get(name).filter(|retry| retry.spec == *spec);
        known.is_some_and(|retry| retry.due.is_none_or(|due| due > now))
    }

    pub fn failed(&mut self, name: &str, spec: &Value, reason: &str, now: Instant) {
        let again = self.0.get(name).filter(|retry| retry.spec == *spec);
        let delay = again.map_or(FIRST, |retry| (retry.delay * 2).min(LONGEST));
        let due = (!FINAL.contains(&reason)).then(|| now + delay);
        self.0.insert(name.into(), Retry { spec: spec.clone(), delay, due });
    }

    pub fn forget(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Something that all of them may have failed for has changed; the names to try.
    pub fn release_all(&mut self) -> Vec<String> {
        std::mem::take(&mut self.0).into_keys().collect()
    }

    /// When the next is due.
    pub fn next(&self) -> Option<Instant> {
        self.0.values().filter_map(|retry| retry.due).min()
    }

    pub fn due(&self, now: Instant) -> Vec<String> {
        let due = self.0.iter().filter(|(_, retry)| retry.due.is_some_and(|due| due <= now));
        due.map(|(name, _)| name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn delays_double_up_to_a_limit() {
        let (mut retries, start) = (Retries::default(), Instant::now());
        let mut delays = Vec::new();
        for _ in 0..10 {
            retries.failed("p", &json!(1), "RegistryUnavailable", start);
            delays.push((retries.next().unwrap() - start).as_secs());
        }
        assert_eq!(delays, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert!(retries.due(start).is_empty());
        assert_eq!(retries.due(start + LONGEST), ["p"]);
    }

    #[test]
    fn another_spec_is_tried_at_once_and_hopeless_ones_are_not_tried_again() {
        let (mut retries, now) = (Retries::default(), Instant::now());
        retries.failed("p", &json!(1), "NotFound", now);
        assert!(retries.holds("p", &json!(1), now) && !retries.holds("p", &json!(2), now));
        assert!(!retries.holds("p", &json!(1), now + FIRST) && !retries.holds("q", &json!(1), now));
        retries.failed("p", &json!(2), "NotAComponent", now);
        assert_eq!(retries.next(), None);
        assert!(retries.holds("p", &json!(2), now + LONGEST * 2));
        assert_eq!(retries.release_all(), ["p"]);
        assert!(!retries.holds("p", &json!(2), now));
    }
}
