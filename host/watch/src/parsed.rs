//! The parsed forms of objects asked for lately. Several times the size of the bytes they were parsed
//! from, they are not kept with every object: a bounded number stays, those asked for again the longest.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use serde_json::Value;

/// What stays: whatever bound is met first.
const MOST_FORMS: usize = 1_024;
/// Of the JSON they were parsed from.
const MOST_BYTES: usize = 2 << 20;

/// Parsed forms in the order they came in, shared by all objects of a cache.
#[derive(Debug, Default)]
pub struct Parsed(Mutex<Forms>);

#[derive(Debug, Default)]
struct Forms {
    bytes: usize,
    kept: VecDeque<Form>,
}

#[derive(Debug)]
struct Form {
    #[allow(dead_code)] // held, never read
    value: Arc<Value>,
    asked: Arc<AtomicBool>,
    /// Of its JSON.
    bytes: usize,
}

/// An object's own view of its parsed form: gone once neither this store nor a reader holds it.
#[derive(Debug, Default)]
pub struct Slot(Option<(Weak<Value>, Arc<AtomicBool>)>);

impl Slot {
    pub fn get(&self) -> Option<Arc<Value>> {
        let (value, asked) = self.0.as_ref()?;
        let value = value.upgrade()?;
        asked.store(true, Ordering::Relaxed);
        Some(value)
    }
}

impl Parsed {
    /// Keeps a form for a while.
    pub fn keep(&self, value: &Arc<Value>, bytes: usize) -> Slot {
        let asked = Arc::new(AtomicBool::new(false));
        let slot = Slot(Some((Arc::downgrade(value), asked.clone())));
        let dropped = self.0.lock().push(Form { value: value.clone(), asked, bytes });
        // Freeing a form takes longer than finding it.
        drop(dropped);
        slot
    }
}

impl Forms {
    fn push(&mut self, form: Form) -> Vec<Form> {
        self.bytes += form.bytes;
        self.kept.push_back(form);
        let mut dropped = Vec::new();
        while self.kept.len() > MOST_FORMS || self.bytes > MOST_BYTES {
            let Some(oldest) = self.kept.pop_front() else { break };
            // Who was asked for since it stood here last has another turn.
            if oldest.asked.swap(false, Ordering::Relaxed) {
                self.kept.push_back(oldest);
            } else {
                self.bytes -= oldest.bytes;
                dropped.push(oldest);
            }
        }
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep(parsed: &Parsed, bytes: usize) -> Slot {
        parsed.keep(&Arc::new(Value::Null), bytes)
    }

    #[test]
    fn the_oldest_go_first() {
        let parsed = Parsed::default();
        let slots: Vec<Slot> = (0..=MOST_FORMS).map(|_| keep(&parsed, 1)).collect();
        let kept: Vec<bool> = slots.iter().map(|slot| slot.get().is_some()).collect();
        assert_eq!((kept[0], kept[1], kept[MOST_FORMS]), (false, true, true));
    }

    #[test]
    fn what_is_asked_for_stays() {
        let parsed = Parsed::default();
        let hot = keep(&parsed, 1);
        for _ in 0..10 * MOST_FORMS {
            keep(&parsed, 1);
            assert!(hot.get().is_some());
        }
        (0..2 * MOST_FORMS).for_each(|_| drop(keep(&parsed, 1)));
        assert!(hot.get().is_none());
    }

    #[test]
    fn large_objects_count_for_more() {
        let parsed = Parsed::default();
        let first = keep(&parsed, MOST_BYTES / 2);
        let second = keep(&parsed, MOST_BYTES / 2);
        assert!(first.get().is_some());
        let third = keep(&parsed, MOST_BYTES / 2);
        assert!(second.get().is_none(), "the first was asked for");
        assert!(third.get().is_some());
        let huge = keep(&parsed, 2 * MOST_BYTES);
        assert!(huge.get().is_none(), "it has no room");
        assert!(third.get().is_some());
        assert_eq!(parsed.0.lock().bytes, MOST_BYTES / 2);
    }

    #[test]
    fn who_holds_a_form_shares_it() {
        let parsed = Parsed::default();
        let value = Arc::new(Value::Null);
        let slot = parsed.keep(&value, 1);
        (0..2 * MOST_FORMS).for_each(|_| drop(keep(&parsed, 1)));
        assert!(Arc::ptr_eq(&slot.get().unwrap(), &value));
    }
}
