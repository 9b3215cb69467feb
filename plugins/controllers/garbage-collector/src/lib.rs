//! Deletes what its owners left behind, and carries out foreground and orphaning deletion.
//!
//! There is no graph in memory: the host keeps the index of dependents by owner uid, and what is
//! about to be deleted is read live first. Two sorts of keys: an object to look at ([`key::Key::Look`])
//! and an owner that is gone ([`key::Key::Gone`]).

mod collect;
mod key;

use orch_sdk::Value;
use orch_sdk::controller::{Api, Change, Controller, Description, Error, Kind, Outcome};

use key::Key;

#[derive(Default)]
pub struct GarbageCollector;

orch_sdk::export_controller!(GarbageCollector);

impl Controller for GarbageCollector {
    fn describe() -> Description {
        Description::new().concurrency(8).watches_mapped(
            Kind::ANY,
            &["metadata.ownerReferences", "metadata.finalizers", "metadata.deletionTimestamp"],
        )
    }

    fn keys(&mut self, _: usize, change: Change, object: &Value, before: Option<&Value>) -> Vec<String> {
        key::of_change(change, object, before).iter().map(Key::to_string).collect()
    }

    fn reconcile(&mut self, api: &dyn Api, key: &str) -> Result<Outcome, Error> {
        match Key::parse(key) {
            Some(Key::Look(at)) => collect::look(api, &at)?,
            Some(Key::Gone { uid }) => collect::owner_is_gone(api, &uid)?,
            None => return Err(Error::Other(format!("{key:?} is no key of this controller"))),
        }
        Ok(Outcome::done())
    }
}

#[cfg(test)]
mod tests;
