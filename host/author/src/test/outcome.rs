//! What a case came to: times, and how what was found differs from what was expected.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

#[derive(Debug, Default)]
pub struct Outcome {
    /// Calls and how long each took.
    pub times: Vec<(&'static str, Duration)>,
    pub differences: Vec<String>,
}

impl Outcome {
    pub fn timed<R>(&mut self, call: &'static str, does: impl FnOnce() -> R) -> R {
        let started = Instant::now();
        let result = does();
        self.times.push((call, started.elapsed()));
        result
    }

    /// Compares where something was expected.
    pub fn same<T: PartialEq + Serialize>(&mut self, what: &str, expected: Option<&T>, found: &T) {
        if let Some(expected) = expected
            && expected != found
        {
            self.differences.push(format!("{what} differs:\n{}", diff(expected, found)));
        }
    }

    pub fn contains(&mut self, what: &str, expected: Option<&str>, found: &str) {
        if let Some(expected) = expected
            && !found.contains(expected)
        {
            self.differences.push(format!("{what} differs:\n-  …{expected}…\n+  {found}"));
        }
    }

    /// Everything that is expected is there; more may be.
    pub fn part(&mut self, what: &str, expected: &Value, found: &Value) {
        if !is_part(expected, found) {
            let shown = only(expected, found);
            self.differences.push(format!("{what} differs:\n{}", diff(expected, &shown)));
        }
    }

    pub fn fail(&mut self, message: impl Into<String>) {
        self.differences.push(message.into());
    }

    /// The error that was expected, or none.
    pub fn result<T, E: Debug + ToString>(
        &mut self,
        expected: Option<&str>,
        result: Result<T, E>,
    ) -> Option<T> {
        match (result, expected) {
            (Ok(value), None) => Some(value),
            (Ok(_), Some(expected)) => {
                self.fail(format!("the call succeeded; expected was an error with …{expected}…"));
                None
            }
            (Err(error), Some(_)) => {
                self.contains("the error", expected, &error.to_string());
                None
            }
            (Err(error), None) => {
                self.fail(error.to_string());
                None
            }
        }
    }
}

fn is_part(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            expected.iter().all(|(key, value)| found.get(key).is_some_and(|found| is_part(value, found)))
        }
        (Value::Array(expected), Value::Array(found)) => {
            expected.len() == found.len()
                && expected.iter().zip(found).all(|(expected, found)| is_part(expected, found))
        }
        (expected, found) => expected == found,
    }
}

/// What was found, as far as it was asked about.
fn only(expected: &Value, found: &Value) -> Value {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => expected
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), only(value, found.get(key)?))))
            .collect(),
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            expected.iter().zip(found).map(|(expected, found)| only(expected, found)).collect()
        }
        (_, found) => found.clone(),
    }
}

fn diff(expected: &impl Serialize, found: &impl Serialize) -> String {
    let text = |value: String| format!("{value}\n");
    let expected = text(serde_json::to_string_pretty(expected).unwrap_or_default());
    let found = text(serde_json::to_string_pretty(found).unwrap_or_default());
    let lines = TextDiff::from_lines(&expected, &found);
    let sign = |tag| match tag {
        ChangeTag::Delete => '-',
        ChangeTag::Insert => '+',
        ChangeTag::Equal => ' ',
    };
    let shown = lines.iter_all_changes().map(|change| format!("{} {}", sign(change.tag()), change.value()));
    shown.collect::<String>().trim_end().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parts_are_enough_and_differences_are_shown() {
        let mut outcome = Outcome::default();
        outcome.part("it", &json!({"a": {"b": 1}}), &json!({"a": {"b": 1, "c": 2}, "d": []}));
        assert!(outcome.differences.is_empty());
        outcome.part("it", &json!({"a": [1], "gone": 1}), &json!({"a": [2], "more": 1}));
        let shown = outcome.differences.join("\n");
        assert!(shown.contains("-     1") && shown.contains("+     2") && !shown.contains("more"), "{shown}");
    }

    #[test]
    fn errors_are_expected_or_not() {
        let mut outcome = Outcome::default();
        assert_eq!(outcome.result(None, Ok::<_, String>(1)), Some(1));
        outcome.result(Some("broken"), Err::<(), _>("it is broken".to_string()));
        assert!(outcome.differences.is_empty());
        outcome.result(Some("broken"), Ok::<_, String>(1));
        outcome.result(None, Err::<(), _>("trapped".to_string()));
        assert_eq!(outcome.differences.len(), 2);
    }
}
