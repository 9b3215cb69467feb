//! Resident state of admission checks, from the watch cache.

use std::sync::Arc;

use crate::definitions::KindTable;
use futures::{FutureExt, StreamExt};
use orch_admission::{Change, Feed, State};
use orch_watch::{Cache, Watch};

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
            // Unconstrained: a request that has used up its share of polls must not see less.
            match tokio::task::coop::unconstrained(watch.next()).now_or_never() {
                Some(Some(Ok(event))) => changes.push(match event.deleted {
                    true => Change::Remove(event.object.value()),
                    false => Change::Upsert(event.object.value()),
                }),
                // Fell behind the window: begin again.
                Some(Some(Err(_))) => self.watch = None,
                Some(None) | None => return changes,
            }
        }
    }
}
