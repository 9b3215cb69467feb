//! Resident state of admission checks, from the watch cache.

mod governed;

use std::sync::Arc;

use crate::definitions::KindTable;
use futures::{FutureExt, Stream, StreamExt};
use orch_admission::{Change, Feed, State};
use orch_watch::{Cache, Event, Watch};

use crate::key;

pub struct CachedState {
    cache: Cache,
    kinds: Arc<KindTable>,
}

impl CachedState {
    pub fn new(cache: Cache, kinds: Arc<KindTable>) -> Self {
        CachedState { cache, kinds }
    }
}

impl State for CachedState {
    fn open(&self, api_version: &str, kind: &str) -> Box<dyn Feed> {
        let prefix = self.kinds.current().by_kind(api_version, kind).map(|kind| key::kind_prefix(kind, None));
        if prefix.is_none() {
            tracing::warn!(
                api_version,
                kind,
                "an admission check is interested in a kind that is not served"
            );
        }
        Box::new(CacheFeed { cache: self.cache.clone(), prefix, watch: None })
    }

    fn open_governed(&self, governors: &[(String, String)]) -> Box<dyn Feed> {
        let kinds = self.kinds.current();
        let served = governors.iter().filter_map(|(api_version, kind)| kinds.by_kind(api_version, kind));
        let prefixes = served.map(|kind| key::kind_prefix(kind, None)).collect();
        Box::new(governed::GovernedFeed::new(self.cache.clone(), prefixes))
    }
}

struct CacheFeed {
    cache: Cache,
    prefix: Option<String>,
    watch: Option<Watch>,
}

impl Feed for CacheFeed {
    fn drain(&mut self) -> Vec<Change> {
        let Some(prefix) = &self.prefix else { return Vec::new() };
        let mut changes = Vec::new();
        loop {
            let Some(watch) = &mut self.watch else {
                let (list, watch) = self.cache.list_and_watch(prefix);
                changes.push(Change::Reset);
                changes.extend(list.items.iter().map(|object| Change::Upsert(object.value())));
                self.watch = Some(watch);
                continue;
            };
            match next(watch) {
                Some(Some(Ok(event))) => changes.push(change(&event)),
                // Fell behind the window: begin again.
                Some(Some(Err(_))) => self.watch = None,
                Some(None) | None => return changes,
            }
        }
    }
}

/// What is there already; `None`: nothing yet.
fn next(watch: &mut Watch) -> Option<Option<<Watch as Stream>::Item>> {
    // Unconstrained: a request that has used up its share of polls must not see less.
    tokio::task::coop::unconstrained(watch.next()).now_or_never()
}

fn change(event: &Event) -> Change {
    match event.deleted {
        true => Change::Remove(event.object.value()),
        false => Change::Upsert(event.object.value()),
    }
}
