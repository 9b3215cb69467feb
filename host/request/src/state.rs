//! Resident state of admission checks, from the watch cache.

mod governed;

use std::sync::Arc;

use futures::{FutureExt, Stream, StreamExt};
use orch_admission::{Change, Cluster, Feed, State};
use orch_client::Identity;
use orch_object::cel::{Decision, Question};
use orch_object::{Kind, Kinds};
use orch_watch::{Cache, Event, Object, Watch};
use serde_json::Value;

use crate::authz::{self, Attributes, Authorizer};
use crate::definitions::KindTable;
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
    fn namespace(&self, name: &str) -> Option<Arc<Value>> {
        let kind = self.kinds.current().by_kind("v1", "Namespace")?.clone();
        self.cache.get(&key::of(&kind, "", name)).map(|stored| stored.value())
    }

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
                changes.extend(list.items.iter().map(|object| Change::Upsert(object.glance())));
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

/// What policies look up, from the watch cache.
pub struct CachedCluster {
    pub cache: Cache,
    pub kinds: Arc<KindTable>,
    pub authorizer: Arc<Authorizer>,
}

impl Cluster for CachedCluster {
    fn kinds(&self) -> Arc<Kinds> {
        // Who has just seen a definition's acceptance may name its kind.
        self.kinds.sync();
        self.kinds.current()
    }

    fn get(&self, kind: &Kind, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.cache.get(&key::of(kind, namespace, name)).map(|stored| shown(kind, &stored))
    }

    fn list(&self, kind: &Kind, namespace: &str) -> Vec<Arc<Value>> {
        let prefix = key::kind_prefix(kind, (!namespace.is_empty()).then_some(namespace));
        self.cache.list(&prefix).items.iter().map(|stored| shown(kind, stored)).collect()
    }

    fn authorize(&self, identity: &Identity, question: &Question<'_>) -> Decision {
        let attributes = Attributes {
            verb: question.verb.into(),
            namespace: question.namespace.into(),
            group: question.group.into(),
            resource: question.resource.into(),
            subresource: question.subresource.into(),
            name: question.name.into(),
            path: question.path.map(String::from),
        };
        match self.authorizer.decide(identity, &attributes) {
            authz::Decision::Allow(reason) => Decision { allowed: true, reason, error: None },
            authz::Decision::NoOpinion => Decision::default(),
        }
    }
}

fn shown(kind: &Kind, stored: &Object) -> Arc<Value> {
    let value = stored.value();
    kind.present(&value).map_or(value, Arc::new)
}
