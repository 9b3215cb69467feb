//! Classes of which one may be marked, by an annotation, as the default for objects that name none.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde_json::Value;

use crate::admission::Delta;
use crate::object::Object;

/// The classes that are marked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Defaults {
    /// `creationTimestamp` by name.
    marked: BTreeMap<String, String>,
}

impl Defaults {
    /// Takes in a change of a class; any of the annotations with the value `true` marks it.
    pub fn sync(&mut self, delta: &Delta, annotations: &[&str]) {
        let (class, there) = match delta {
            Delta::Upsert(class) => (class, true),
            Delta::Remove(class) => (class, false),
        };
        match there && is_marked(class, annotations) {
            true => self.marked.insert(class.name().into(), class.creation_timestamp().into()),
            false => self.marked.remove(class.name()),
        };
    }

    /// The newest of those that are marked; of equal age the first by name.
    pub fn name(&self) -> Option<&str> {
        let newest = self.marked.iter().min_by_key(|(name, created)| (Reverse(*created), *name));
        newest.map(|(name, _)| name.as_str())
    }
}

fn is_marked(class: &Value, annotations: &[&str]) -> bool {
    annotations.iter().any(|annotation| class.annotation(annotation) == Some("true"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_newest_default_counts() {
        let class = |name: &str, minute: u8, mark: &str| {
            json!({"metadata": {"name": name, "annotations": {"default": mark},
                "creationTimestamp": format!("2026-11-21T12:0{minute}:00Z")}})
        };
        let mut defaults = Defaults::default();
        let mut sync = |delta| {
            defaults.sync(&delta, &["other", "default"]);
            defaults.name().map(String::from)
        };
        assert_eq!(sync(Delta::Upsert(class("z", 3, "false"))), None);
        assert_eq!(sync(Delta::Upsert(class("b", 1, "true"))), Some("b".into()));
        assert_eq!(sync(Delta::Upsert(class("a", 1, "true"))), Some("a".into()));
        assert_eq!(sync(Delta::Upsert(class("c", 2, "true"))), Some("c".into()));
        assert_eq!(sync(Delta::Upsert(class("c", 2, "false"))), Some("a".into()));
        assert_eq!(sync(Delta::Remove(class("a", 1, "true"))), Some("b".into()));
    }
}
