//! What a check keeps of the cluster's state, brought up to date before each of its reviews.

use std::collections::HashMap;
use std::sync::Arc;

use orch_plugin::calls::admission::{AdmissionPlugin, Delta};
use orch_plugin::calls::{CallError, Interest};
use orch_plugin::interest::Cut;
use serde_json::Value;

use crate::account::EVERY;

/// Deltas in one call.
const BATCH: usize = 100;

/// A change of one kind's objects.
#[derive(Debug, Clone)]
pub enum Change {
    /// What was known counts no more; the current objects follow as upserts.
    Reset,
    Upsert(Arc<Value>),
    /// The last state.
    Remove(Arc<Value>),
}

/// Where resident state comes from: the watch cache, or a fake.
pub trait State: Send + Sync + 'static {
    /// The current objects of a kind and every later change.
    fn open(&self, api_version: &str, kind: &str) -> Box<dyn Feed>;

    /// A namespace as it is stored, for those who go by its labels.
    fn namespace(&self, name: &str) -> Option<Arc<Value>>;

    /// The objects of every kind in those namespaces that hold an object of one of `governors`
    /// (`apiVersion` and `kind`), and every later change.
    fn open_governed(&self, governors: &[(String, String)]) -> Box<dyn Feed>;
}

/// The changes of one kind, in order. The first answer begins with [`Change::Reset`].
pub trait Feed: Send {
    /// Everything that has happened since the last call; never waits.
    fn drain(&mut self) -> Vec<Change>;
}

/// The resident state of one check, as far as it has been sent.
pub struct Resident {
    feeds: Vec<(Cut, Box<dyn Feed>)>,
    /// What the instance holds, by feed and key, cut down.
    sent: HashMap<(usize, String), String>,
    /// The instance that holds it, once `unsent` is sent.
    instance: Option<u64>,
    unsent: Vec<Delta>,
}

impl Resident {
    pub fn new(interests: &[Interest], state: &dyn State) -> Self {
        let named = |interest: &&Interest| interest.kind != EVERY;
        let governors: Vec<(String, String)> =
            interests.iter().filter(named).map(|i| (i.api_version.clone(), i.kind.clone())).collect();
        let open = |interest: &Interest| match interest.kind.as_str() {
            EVERY => state.open_governed(&governors),
            kind => state.open(&interest.api_version, kind),
        };
        let feeds = interests.iter().map(|interest| (Cut::of(interest), open(interest))).collect();
        Resident { feeds, sent: HashMap::new(), instance: None, unsent: Vec::new() }
    }

    /// Sends what changed, or everything to an instance that has nothing.
    pub fn sync(&mut self, plugin: &dyn AdmissionPlugin) -> Result<(), CallError> {
        let changes = self.drain();
        self.unsent.extend(changes);
        let instance = plugin.instance();
        if self.instance != Some(instance) {
            self.unsent = self.sent.values().cloned().map(Delta::Upsert).collect();
            self.instance = Some(instance);
        }
        // What a failed call has taken in already does no harm a second time.
        for batch in self.unsent.chunks(BATCH) {
            plugin.sync(batch)?;
        }
        self.unsent.clear();
        Ok(())
    }

    /// Takes the feeds' changes into `sent`; what differs from before is returned.
    fn drain(&mut self) -> Vec<Delta> {
        let mut deltas = Vec::new();
        for (index, (cut, feed)) in self.feeds.iter_mut().enumerate() {
            let mut stale: HashMap<(usize, String), String> = HashMap::new();
            for change in feed.drain() {
                match change {
                    Change::Reset => {
                        let (old, kept) = std::mem::take(&mut self.sent)
                            .into_iter()
                            .partition(|((feed, _), _)| *feed == index);
                        stale.extend::<HashMap<_, _>>(old);
                        self.sent = kept;
                    }
                    Change::Upsert(object) => {
                        let id = (index, key(&object));
                        let text = cut.apply(&object);
                        let before = stale.remove(&id).or_else(|| self.sent.get(&id).cloned());
                        if before.as_ref() != Some(&text) {
                            deltas.push(Delta::Upsert(text.clone()));
                        }
                        self.sent.insert(id, text);
                    }
                    Change::Remove(object) => {
                        stale.remove(&(index, key(&object)));
                        if self.sent.remove(&(index, key(&object))).is_some() {
                            deltas.push(Delta::Remove(identity(&object)));
                        }
                    }
                }
            }
            // What a reset did not bring back is gone.
            for text in stale.into_values() {
                deltas.push(Delta::Remove(text));
            }
        }
        deltas
    }
}

/// Group, kind and place: unique in every feed, and the same in each version.
fn key(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let meta = &object["metadata"];
    let version = text(&object["apiVersion"]);
    let group = version.split_once('/').map_or("", |(group, _)| group);
    format!("{group}/{}/{}/{}", text(&object["kind"]), text(&meta["namespace"]), text(&meta["name"]))
}

fn identity(object: &Value) -> String {
    Cut::new(&["metadata.name"]).apply(object)
}
