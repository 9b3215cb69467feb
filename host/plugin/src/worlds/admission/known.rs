//! Answers to requests that looked the same to a check: a component has neither clock nor chance, so it
//! would answer again what it did, as long as it was told nothing new.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::calls::admission::Admitted;

/// What is kept: when it is more, all is forgotten. The requests of many pods alike are one answer.
const MOST_ANSWERS: usize = 256;
const MOST_BYTES: usize = 256 << 10;
/// Larger requests are unlikely to come again.
const LONGEST_REQUEST: usize = 16 << 10;

#[derive(Debug, Default)]
pub(super) struct Known(Mutex<Answers>);

#[derive(Debug, Default)]
struct Answers {
    admitted: HashMap<Box<str>, Admitted>,
    bytes: usize,
    /// How often all was forgotten.
    age: u64,
}

/// What was known when a question was asked.
pub(super) struct Age(u64);

impl Known {
    pub fn answer(&self, request: &str) -> Result<Admitted, Age> {
        let answers = self.0.lock();
        answers.admitted.get(request).cloned().ok_or(Age(answers.age))
    }

    /// Of a question asked before the component was told something, the answer is not kept.
    pub fn keep(&self, request: &str, age: Age, admitted: &Admitted) {
        let bytes = request.len() + admitted.patch.len();
        let mut answers = self.0.lock();
        if answers.age != age.0 || bytes > LONGEST_REQUEST || !admitted.warnings.is_empty() {
            return;
        }
        if answers.admitted.len() == MOST_ANSWERS || answers.bytes + bytes > MOST_BYTES {
            *answers = Answers { age: answers.age, ..Answers::default() };
        }
        answers.bytes += bytes;
        answers.admitted.insert(request.into(), admitted.clone());
    }

    /// The component was told something, or there is another instance.
    pub fn forget(&self) {
        let mut answers = self.0.lock();
        *answers = Answers { age: answers.age + 1, ..Answers::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(patch: &str) -> Admitted {
        Admitted { patch: patch.into(), warnings: Vec::new() }
    }

    fn ask(known: &Known, request: &str, patch: &str) -> Option<Admitted> {
        match known.answer(request) {
            Ok(answer) => Some(answer),
            Err(age) => {
                known.keep(request, age, &admitted(patch));
                None
            }
        }
    }

    #[test]
    fn the_same_request_has_the_same_answer_until_something_is_told() {
        let known = Known::default();
        assert_eq!(ask(&known, "a", "[1]"), None);
        assert_eq!(ask(&known, "a", "[2]"), Some(admitted("[1]")));
        known.forget();
        assert_eq!(ask(&known, "a", "[2]"), None);
    }

    #[test]
    fn an_answer_from_before_is_not_kept() {
        let known = Known::default();
        let Err(age) = known.answer("a") else { panic!() };
        known.forget();
        known.keep("a", age, &admitted("[1]"));
        assert_eq!(ask(&known, "a", ""), None);
    }

    #[test]
    fn its_size_is_bounded() {
        let known = Known::default();
        for index in 0..10 * MOST_ANSWERS {
            ask(&known, &index.to_string(), &"x".repeat(1000));
        }
        let answers = known.0.lock();
        assert!(answers.admitted.len() <= MOST_ANSWERS && answers.bytes <= MOST_BYTES);
        drop(answers);
        let long = "x".repeat(LONGEST_REQUEST + 1);
        ask(&known, &long, "");
        assert_eq!(ask(&known, &long, ""), None);
    }
}
