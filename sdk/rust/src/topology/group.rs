//! Pods that are equal in all that is asked about.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Index;
use std::rc::Rc;

use super::{Labels, Mark, SelectionId};

/// What a group can be found by. Two that are equal by chance cost a needless look, no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Tag(u64);

impl Tag {
    pub fn label(key: &str, value: &str) -> Self {
        Tag::of((key, value))
    }

    pub fn mark(mark: Mark) -> Self {
        Tag::of(mark)
    }

    fn of(what: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        what.hash(&mut hasher);
        Tag(hasher.finish())
    }
}

#[derive(Debug)]
pub struct Group {
    pub namespace: String,
    pub labels: Labels,
    /// What its pods carry, and with which weight.
    pub marks: Vec<(Mark, i32)>,
    pub(super) text: Rc<str>,
    /// Pods by node index, in ascending order.
    pub(super) nodes: Vec<(usize, i32)>,
    /// Those that count it, and how often.
    pub(super) selections: Vec<(SelectionId, i32)>,
}

impl Default for Group {
    fn default() -> Self {
        Group::new("", Labels::new())
    }
}

impl Group {
    pub fn new(namespace: &str, labels: Labels) -> Self {
        Group {
            namespace: namespace.into(),
            labels,
            marks: Vec::new(),
            text: Rc::from(""),
            nodes: Vec::new(),
            selections: Vec::new(),
        }
    }

    pub fn with_marks(self, marks: Vec<(Mark, i32)>) -> Self {
        Group { marks, ..self }
    }

    pub(super) fn tags(&self) -> impl Iterator<Item = Tag> + '_ {
        let labels = self.labels.iter().map(|(key, value)| Tag::label(key, value));
        labels.chain(self.marks.iter().map(|(mark, _)| Tag::mark(*mark)))
    }
}

#[derive(Default)]
pub(super) struct Groups {
    groups: Vec<Group>,
    free: Vec<usize>,
    by_text: HashMap<Rc<str>, usize>,
    by_tag: HashMap<Tag, BTreeSet<usize>>,
    /// Group and node of each pod, by uid.
    pods: HashMap<String, (usize, usize)>,
    released: Vec<(Mark, i32)>,
}

impl Groups {
    pub fn find(&self, text: &str) -> Option<usize> {
        self.by_text.get(text).copied()
    }

    pub fn add(&mut self, text: &str, group: Group) -> usize {
        let number = self.free.pop().unwrap_or_else(|| {
            self.groups.push(Group::default());
            self.groups.len() - 1
        });
        group.tags().for_each(|tag| {
            self.by_tag.entry(tag).or_default().insert(number);
        });
        let text: Rc<str> = text.into();
        self.by_text.insert(text.clone(), number);
        self.groups[number] = Group { text, ..group };
        number
    }

    pub fn drop_empty(&mut self, number: usize) {
        if !self.groups[number].nodes.is_empty() {
            return;
        }
        let group = std::mem::take(&mut self.groups[number]);
        self.by_text.remove(&group.text);
        for tag in group.tags() {
            if let Some(numbers) = self.by_tag.get_mut(&tag) {
                numbers.remove(&number);
                if numbers.is_empty() {
                    self.by_tag.remove(&tag);
                }
            }
        }
        self.released.extend(group.marks);
        self.free.push(number);
    }

    pub fn take_released(&mut self) -> Vec<(Mark, i32)> {
        std::mem::take(&mut self.released)
    }

    pub fn locate(&self, uid: &str) -> Option<(usize, usize)> {
        self.pods.get(uid).copied()
    }

    pub fn settle(&mut self, uid: &str, group: usize, node: usize) {
        match self.pods.get_mut(uid) {
            Some(place) => *place = (group, node),
            None => {
                self.pods.insert(uid.into(), (group, node));
            }
        }
    }

    pub fn unsettle(&mut self, uid: &str) -> Option<(usize, usize)> {
        self.pods.remove(uid)
    }

    pub fn count(&mut self, group: usize, node: usize, pods: i32) {
        let nodes = &mut self.groups[group].nodes;
        match nodes.binary_search_by_key(&node, |(node, _)| *node) {
            Ok(place) => {
                nodes[place].1 += pods;
                if nodes[place].1 == 0 {
                    nodes.remove(place);
                }
            }
            Err(place) => nodes.insert(place, (node, pods)),
        }
    }

    /// Those that could have all these tags (one of each list), by the list that leaves the fewest;
    /// that list, too.
    pub fn candidates(&self, tags: Vec<Vec<Tag>>) -> (Vec<usize>, Option<Vec<Tag>>) {
        let found = |tag: &Tag| self.by_tag.get(tag).map_or(0, BTreeSet::len);
        let fewest = tags.into_iter().min_by_key(|list| list.iter().map(found).sum::<usize>());
        let Some(tags) = fewest else {
            return ((0..self.groups.len()).filter(|number| self.is_live(*number)).collect(), None);
        };
        let numbers: BTreeSet<usize> =
            tags.iter().filter_map(|tag| self.by_tag.get(tag)).flatten().copied().collect();
        (numbers.into_iter().collect(), Some(tags))
    }

    fn is_live(&self, number: usize) -> bool {
        !self.groups[number].nodes.is_empty()
    }

    pub fn enlist(&mut self, group: usize, selection: SelectionId, weight: i32) {
        self.groups[group].selections.push((selection, weight));
    }

    pub fn delist_all(&mut self) {
        self.groups.iter_mut().for_each(|group| group.selections.clear());
    }
}

impl Index<usize> for Groups {
    type Output = Group;
    fn index(&self, number: usize) -> &Group {
        &self.groups[number]
    }
}
