//! The table of field numbers, read once.

use std::collections::HashMap;
use std::sync::LazyLock;

/// What a field number of a message stands for.
pub enum Target {
    Field(&'static str),
    /// A message whose fields stand in the same JSON object.
    Inline(&'static str),
}

/// The fields of one message, by number.
pub struct Fields(Vec<(u32, Target)>);

static TABLE: LazyLock<HashMap<&'static str, Fields>> = LazyLock::new(|| {
    let lines = include_str!("fields.txt").lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once(' '))
        .map(|(name, fields)| (name, Fields::parse(fields)))
        .collect()
});

impl Fields {
    pub fn of(definition: &str) -> Option<&'static Fields> {
        TABLE.get(definition)
    }

    pub fn get(&self, number: u32) -> Option<&Target> {
        self.0.iter().find(|(n, _)| *n == number).map(|(_, target)| target)
    }

    fn parse(words: &'static str) -> Fields {
        let field = |word: &'static str| {
            let (name, number) = word.split_once('=')?;
            let target = match name.strip_prefix('*') {
                Some(definition) => Target::Inline(definition),
                None => Target::Field(name),
            };
            Some((number.parse().ok()?, target))
        };
        Fields(words.split(' ').filter_map(field).collect())
    }
}
