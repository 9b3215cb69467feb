//! All objects of the namespaces that hold an object of certain kinds.

use std::collections::HashSet;
use std::sync::Arc;

use orch_admission::{Change, Feed};
use orch_watch::{Cache, Event, Object, Watch};

use super::{change, next};

/// Follows every key, and passes over those of other namespaces without a look at the object.
pub struct GovernedFeed {
    cache: Cache,
    /// Of the kinds that make a namespace one of these.
    governors: Vec<String>,
    /// `None`: to be listed (again).
    following: Option<Following>,
}

struct Following {
    watch: Watch,
    namespaces: HashSet<String>,
}

impl GovernedFeed {
    pub fn new(cache: Cache, governors: Vec<String>) -> Self {
        GovernedFeed { cache, governors, following: None }
    }

    fn begin(&self, changes: &mut Vec<Change>) -> Following {
        let (list, watch) = self.cache.list_and_watch("");
        let governors = list.items.iter().filter(|object| self.governs(&object.key));
        let namespaces = governors.filter_map(|object| namespace(&object.key).map(String::from)).collect();
        let inside = |object: &&Arc<Object>| is_inside(&namespaces, &object.key);
        changes.push(Change::Reset);
        changes.extend(list.items.iter().filter(inside).map(|object| Change::Upsert(object.glance())));
        Following { watch, namespaces }
    }

    fn governs(&self, key: &str) -> bool {
        self.governors.iter().any(|prefix| key.starts_with(prefix.as_str()))
    }

    /// Whether the event makes a namespace one of these, or no longer: then all begins anew.
    fn moves_the_border(&self, namespaces: &HashSet<String>, event: &Event) -> bool {
        let key = &event.object.key;
        self.governs(key) && (event.deleted || !is_inside(namespaces, key))
    }
}

impl Feed for GovernedFeed {
    fn drain(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        loop {
            let Some(mut following) = self.following.take() else {
                self.following = Some(self.begin(&mut changes));
                continue;
            };
            match next(&mut following.watch) {
                Some(Some(Ok(event))) if self.moves_the_border(&following.namespaces, &event) => continue,
                Some(Some(Ok(event))) => {
                    if is_inside(&following.namespaces, &event.object.key) {
                        changes.push(change(&event));
                    }
                }
                // Fell behind the window: begin again.
                Some(Some(Err(_))) => continue,
                Some(None) | None => {
                    self.following = Some(following);
                    return changes;
                }
            }
            self.following = Some(following);
        }
    }
}

fn is_inside(namespaces: &HashSet<String>, key: &str) -> bool {
    namespace(key).is_some_and(|namespace| namespaces.contains(namespace))
}

/// Of `GROUP/PLURAL/NAMESPACE/NAME`.
fn namespace(key: &str) -> Option<&str> {
    let mut segments = key.split('/');
    let namespace = segments.nth(2)?;
    segments.next().map(|_| namespace)
}
