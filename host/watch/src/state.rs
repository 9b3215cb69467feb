//! What is known at one revision. Changed by the feed only, one event after the other.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use orch_store::{Entry, Revision};

use crate::cache::{Expired, List, Options, Page};
use crate::families::Families;
use crate::form::Form;
use crate::object::{Event, Object};
use crate::owners::Owners;
use crate::parsed::Parsed;
use crate::prefix;
use crate::watchers::Watchers;
use crate::window::Window;

pub struct State {
    pub revision: Revision,
    pub objects: BTreeMap<Arc<str>, Arc<Object>>,
    pub window: Window,
    pub watchers: Watchers,
    /// The cache is gone: watches end.
    pub closed: bool,
    owners: Owners,
    families: Families,
    parsed: Arc<Parsed>,
}

impl State {
    pub fn new(revision: Revision, entries: Vec<Entry>) -> Self {
        let mut state = State {
            revision,
            objects: BTreeMap::new(),
            window: Window::new(revision),
            watchers: Watchers::default(),
            closed: false,
            owners: Owners::default(),
            families: Families::new(revision),
            parsed: Arc::default(),
        };
        state.load(entries);
        state
    }

    /// Begins anew after a gap: watches that had not seen everything up to the gap expire.
    pub fn replace(&mut self, revision: Revision, entries: Vec<Entry>) {
        self.revision = revision;
        self.objects.clear();
        self.owners = Owners::default();
        self.families = Families::new(revision);
        self.window = Window::new(revision);
        self.watchers.cut_all();
        self.load(entries);
    }

    fn load(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            let object = Object::new(entry.key.into(), entry.revision, entry.value, &self.parsed);
            self.owners.change(&object.key, &[], object.owners());
            self.families.change(&object.key, self.revision, 1);
            self.objects.insert(object.key.clone(), object);
        }
    }

    /// Events come in revision order; one already known is passed over.
    pub fn apply(&mut self, change: orch_store::Event, options: &Options) {
        if change.revision <= self.revision {
            return;
        }
        let key = match self.objects.get_key_value(change.key.as_str()) {
            Some((key, _)) => key.clone(),
            None => change.key.into(),
        };
        let object = Object::new(key.clone(), change.revision, change.value, &self.parsed);
        if let Some(value) = change.companion.get::<Form>().and_then(|form| form.at(change.revision)) {
            object.know(&value);
        }
        let before = if change.deleted {
            self.objects.remove(&key)
        } else {
            self.objects.insert(key.clone(), object.clone())
        };
        self.revision = change.revision;
        let more = isize::from(!change.deleted) - isize::from(before.is_some());
        self.families.change(&key, change.revision, more);
        let owned = if change.deleted { &[] } else { object.owners() };
        self.owners.change(&key, before.as_ref().map_or(&[], |b| b.owners()), owned);
        let event = Arc::new(Event { object, before, deleted: change.deleted });
        self.watchers.send(&event);
        self.window.push(event, options);
    }

    pub fn close(&mut self) {
        self.closed = true;
        self.watchers.cut_all();
    }

    pub fn list(&self, prefix: &str) -> List {
        List { revision: self.revision, items: self.select(prefix, None).map(|(_, o)| o.clone()).collect() }
    }

    pub fn count(&self, prefix: &str) -> usize {
        self.families.count(prefix).unwrap_or_else(|| self.select(prefix, None).count())
    }

    pub fn changed(&self, prefix: &str) -> Revision {
        self.families.changed(prefix).unwrap_or(self.revision)
    }

    pub fn dependents(&self, owner_uid: &str) -> Vec<Arc<Object>> {
        self.owners.keys(owner_uid).filter_map(|key| self.objects.get(key)).cloned().collect()
    }

    pub fn page(
        &self,
        prefix: &str,
        at: Revision,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, Expired> {
        self.window.reaches(at)?;
        let revision = at.min(self.revision);
        let limit = if limit == 0 { usize::MAX } else { limit };
        let (mut items, mut remaining) = (Vec::new(), 0);
        for object in merge(self.select(prefix, after), self.undone(prefix, after, at)) {
            if items.len() < limit {
                items.push(object.clone());
            } else {
                remaining += 1;
            }
        }
        Ok(Page { revision, items, remaining })
    }

    fn select<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
    ) -> impl Iterator<Item = (&'a str, &'a Arc<Object>)> {
        let range = (prefix::first(prefix, after), Bound::Unbounded);
        self.objects
            .range::<str, _>(range)
            .map(|(key, object)| (&**key, object))
            .take_while(move |(key, _)| prefix::selects(prefix, key))
    }

    /// What the keys changed since the revision held at it: the oldest change's `before`.
    fn undone<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
        at: Revision,
    ) -> BTreeMap<&'a str, Option<&'a Arc<Object>>> {
        let mut held = BTreeMap::new();
        let unseen = |key: &str| after.is_none_or(|after| key > after);
        for event in self.window.after(at) {
            if prefix::selects(prefix, event.key()) && unseen(event.key()) {
                held.entry(event.key()).or_insert(event.before.as_ref());
            }
        }
        held
    }
}

/// The current objects with the changed keys put back, in key order.
fn merge<'a>(
    current: impl Iterator<Item = (&'a str, &'a Arc<Object>)>,
    held: BTreeMap<&'a str, Option<&'a Arc<Object>>>,
) -> impl Iterator<Item = &'a Arc<Object>> {
    let mut current = current.peekable();
    let mut held = held.into_iter().peekable();
    std::iter::from_fn(move || {
        loop {
            let next = match (current.peek(), held.peek()) {
                (Some((key, _)), Some((old, _))) if key < old => return current.next().map(|(_, o)| o),
                (Some(_), None) => return current.next().map(|(_, o)| o),
                (Some((key, _)), Some((old, _))) if key == old => {
                    current.next();
                    held.next()
                }
                (_, Some(_)) => held.next(),
                (None, None) => return None,
            };
            if let Some((_, Some(object))) = next {
                return Some(object);
            }
        }
    })
}
