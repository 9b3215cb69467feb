//! The table of field numbers, read once.

use std::collections::HashMap;
use std::sync::LazyLock;

/// What a field number of a message stands for.
#[derive(Debug)]
pub enum Target {
    Field(&'static str),
    /// A message whose fields stand in the same JSON object.
    Inline(&'static str),
}

/// One numbered field.
#[derive(Debug)]
pub struct Entry {
    number: u32,
    pub target: Target,
    /// Go leaves the field out of JSON when it is zero or empty.
    pub omits_zero: bool,
    /// A list that is a message of its own, whose field 1 repeats (`Verbs`).
    wrapped: bool,
}

/// Where a field of the JSON object stands on the wire.
#[derive(Debug, Clone)]
pub struct Place {
    /// The messages around it whose fields JSON has in the same object, the outermost first.
    pub around: Vec<u32>,
    pub number: u32,
}

/// The fields of one message.
#[derive(Debug)]
pub struct Fields {
    by_number: Vec<Entry>,
    /// Sorted by name.
    by_name: Vec<(&'static str, Place)>,
}

type Entries = HashMap<&'static str, Vec<Entry>>;

static TABLE: LazyLock<HashMap<&'static str, Fields>> = LazyLock::new(|| {
    let lines = include_str!("fields.txt").lines().filter(|line| !line.starts_with('#'));
    let entries: Entries = lines
        .map(|line| line.split_once(' ').unwrap_or((line, "")))
        .map(|(name, fields)| (name, fields.split(' ').filter_map(Entry::parse).collect()))
        .collect();
    let mut names: HashMap<_, _> = entries.keys().map(|name| (*name, places(&entries, name))).collect();
    let fields = entries.into_iter().map(|(name, by_number)| {
        let by_name = names.remove(name).unwrap_or_default();
        (name, Fields { by_number, by_name })
    });
    fields.collect()
});

impl Fields {
    pub fn of(definition: &str) -> Option<&'static Fields> {
        TABLE.get(definition)
    }

    pub fn get(&self, number: u32) -> Option<&Entry> {
        self.by_number.iter().find(|entry| entry.number == number)
    }

    pub fn place(&self, name: &str) -> Option<&Place> {
        let at = self.by_name.binary_search_by(|(known, _)| (*known).cmp(name)).ok()?;
        Some(&self.by_name[at].1)
    }
}

impl Entry {
    fn parse(word: &'static str) -> Option<Entry> {
        let (name, number) = word.split_once('=')?;
        let target = match name.strip_prefix('*') {
            Some(definition) => Target::Inline(definition),
            None => Target::Field(name),
        };
        let (number, omits_zero) = number.strip_suffix('~').map_or((number, false), |number| (number, true));
        let (number, wrapped) = number.strip_suffix("[]").map_or((number, false), |number| (number, true));
        Some(Entry { number: number.parse().ok()?, target, omits_zero, wrapped })
    }
}

/// Every name of the message's JSON object, those of inlined messages too.
fn places(entries: &Entries, definition: &str) -> Vec<(&'static str, Place)> {
    let mut found = Vec::new();
    for entry in entries.get(definition).into_iter().flatten() {
        match entry.target {
            Target::Field(name) if entry.wrapped => {
                found.push((name, Place { around: vec![entry.number], number: 1 }));
            }
            Target::Field(name) => found.push((name, Place { around: Vec::new(), number: entry.number })),
            Target::Inline(inner) => found.extend(places(entries, inner).into_iter().map(|(name, inner)| {
                let around = [vec![entry.number], inner.around].concat();
                (name, Place { around, number: inner.number })
            })),
        }
    }
    found.sort_by_key(|(name, _)| *name);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_can_be_a_message_of_its_own() {
        let fields = Fields::of("io.k8s.apimachinery.pkg.apis.meta.v1.APIResource").unwrap();
        let verbs = fields.place("verbs").unwrap();
        assert_eq!((verbs.around.as_slice(), verbs.number), (&[4][..], 1));
        let names = fields.place("shortNames").unwrap();
        assert_eq!((names.around.as_slice(), names.number), (&[][..], 5));
    }
}
