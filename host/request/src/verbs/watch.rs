//! Watch: what a selection's objects do, from a revision on.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use orch_client::{ListOptions, Target};
use orch_object::{Kind, Status};
use orch_watch::{Event, Object, Revision};
use serde_json::{Value, json};

use super::api::{Api, Call};
use super::list::{Selection, revision};
use super::stamp;
use crate::{causes, key};

/// Between bookmarks of an idle watch.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(60);

/// An object on its way to a watcher: the cache's bytes, or, for an object that left the selection,
/// its former state with the revision of leaving.
#[derive(Debug, Clone)]
pub enum Payload {
    Shared(Arc<Object>),
    Own { value: Arc<Value>, bytes: Bytes },
}

impl Payload {
    pub fn bytes(&self) -> &Bytes {
        match self {
            Payload::Shared(object) => &object.bytes,
            Payload::Own { bytes, .. } => bytes,
        }
    }
    pub fn value(&self) -> Arc<Value> {
        match self {
            Payload::Shared(object) => object.value(),
            Payload::Own { value, .. } => value.clone(),
        }
    }
}

/// What a watcher is told.
#[derive(Debug, Clone)]
pub enum WatchItem {
    Added(Payload),
    Modified(Payload),
    Deleted(Payload),
    Bookmark(Payload),
}

/// Ends with an error when events are lost, without one at its timeout.
pub type WatchItems = BoxStream<'static, Result<WatchItem, Status>>;

struct State {
    kind: Arc<Kind>,
    selection: Selection,
    initial: VecDeque<Arc<Object>>,
    /// The bookmark that ends the initial events, and its revision.
    initial_end: Option<Revision>,
    events: orch_watch::Watch,
    bookmarks: Option<tokio::time::Interval>,
    /// One timer from event to event: to set one for each costs as much as to tell it.
    deadline: Option<Pin<Box<tokio::time::Sleep>>>,
    ended: bool,
}

impl Api {
    pub async fn watch(
        &self,
        call: &Call,
        target: &Target,
        options: &ListOptions,
    ) -> Result<WatchItems, Status> {
        let kind = self.kind(&target.resource).await?;
        let selection = Selection::parse(&kind, options, &self.converter)?;
        let named = Target { name: selection.name.clone().unwrap_or_default(), ..target.clone() };
        self.authorize(call, "watch", &named)?;
        let prefix = key::kind_prefix(&kind, target.namespace.as_deref());
        let version = options.resource_version.as_deref().filter(|v| !v.is_empty());
        let from_current = options.send_initial_events || version.is_none_or(|v| v == "0");
        let (initial, events, current) = if from_current {
            self.fresh_enough(version).await?;
            let (list, events) = self.cache.list_and_watch(&prefix);
            // All at once, where a webhook has to be asked.
            let items = match kind.conversion_webhook() {
                Some(_) => selection.present_all(list.items).await?,
                None => list.items,
            };
            (items.into(), events, list.revision)
        } else {
            let after = revision(version.unwrap_or_default())?;
            match self.cache.watch(&prefix, after) {
                Ok(events) => (VecDeque::new(), events, after),
                // Told inside the stream, as upstream does: clients look for it there.
                Err(expired) => {
                    let status = causes::expired(&expired);
                    return Ok(futures::stream::once(async { Err(status) }).boxed());
                }
            }
        };
        let ends = options.send_initial_events && options.allow_bookmarks;
        let state = State {
            kind,
            selection,
            initial,
            initial_end: ends.then_some(current),
            events,
            bookmarks: options.allow_bookmarks.then(bookmark_interval),
            deadline: options.timeout_seconds.map(|s| Box::pin(tokio::time::sleep(Duration::from_secs(s)))),
            ended: false,
        };
        Ok(futures::stream::unfold(state, next).boxed())
    }

    async fn fresh_enough(&self, version: Option<&str>) -> Result<(), Status> {
        match version {
            None => self.fresh().await,
            Some("0") => Ok(()),
            Some(version) => self.not_older_than(revision(version)?).await,
        }
    }
}

fn bookmark_interval() -> tokio::time::Interval {
    let start = tokio::time::Instant::now() + BOOKMARK_INTERVAL;
    let mut interval = tokio::time::interval_at(start, BOOKMARK_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    interval
}

async fn next(mut state: State) -> Option<(Result<WatchItem, Status>, State)> {
    if state.ended {
        return None;
    }
    while let Some(object) = state.initial.pop_front() {
        match state.shown(object).await {
            Ok(object) if state.selection.matches_at_a_glance(&object) => {
                return Some((Ok(WatchItem::Added(Payload::Shared(object))), state));
            }
            Ok(_) => {}
            Err(status) => {
                state.ended = true;
                return Some((Err(status), state));
            }
        }
    }
    if let Some(revision) = state.initial_end.take() {
        let bookmark = bookmark(&state.kind, revision, true);
        return Some((Ok(bookmark), state));
    }
    loop {
        let step = state.step().await;
        let item = match step {
            Step::Event(event) => match transition(&state.selection, &event).await {
                Ok(Some(item)) => Ok(item),
                Ok(None) => continue,
                Err(status) => {
                    state.ended = true;
                    Err(status)
                }
            },
            Step::Bookmark => Ok(bookmark(&state.kind, state.events.bookmark(), false)),
            Step::Lost(status) => {
                state.ended = true;
                Err(status)
            }
            Step::End => return None,
        };
        return Some((item, state));
    }
}

enum Step {
    Event(Arc<Event>),
    Bookmark,
    Lost(Status),
    End,
}

impl State {
    /// Initial objects of a webhook's have been shown already.
    async fn shown(&self, object: Arc<Object>) -> Result<Arc<Object>, Status> {
        match self.kind.conversion_webhook() {
            Some(_) => Ok(object),
            None => self.selection.present(object).await,
        }
    }

    async fn step(&mut self) -> Step {
        let expires = async {
            match &mut self.deadline {
                Some(deadline) => deadline.await,
                None => std::future::pending().await,
            }
        };
        let ticks = async {
            match &mut self.bookmarks {
                Some(interval) => drop(interval.tick().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = expires => Step::End,
            _ = ticks => Step::Bookmark,
            event = self.events.next() => match event {
                Some(Ok(event)) => Step::Event(event),
                Some(Err(expired)) => Step::Lost(causes::expired(&expired)),
                None => Step::End,
            },
        }
    }
}

/// An object that enters the selection is added, one that leaves it deleted.
async fn transition(selection: &Selection, event: &Event) -> Result<Option<WatchItem>, Status> {
    let before = match event.before.clone() {
        Some(before) => Some(selection.present(before).await?),
        None => None,
    };
    let before = before.filter(|before| selection.matches(before));
    let object = selection.present(event.object.clone()).await?;
    let now = !event.deleted && selection.matches(&object);
    let shared = || Payload::Shared(object.clone());
    Ok(match (before, now) {
        (None, true) => Some(WatchItem::Added(shared())),
        (Some(_), true) => Some(WatchItem::Modified(shared())),
        (Some(_), false) if event.deleted => Some(WatchItem::Deleted(shared())),
        (Some(before), false) => Some(WatchItem::Deleted(left(&before, event.revision()))),
        (None, false) => None,
    })
}

/// The object as it last was in the selection, at the revision it left it.
fn left(before: &Object, revision: Revision) -> Payload {
    let mut value = (*before.value()).clone();
    let revision = revision.to_string();
    value["metadata"]["resourceVersion"] = revision.clone().into();
    let bytes = stamp::stamped_at(&value, &revision);
    Payload::Own { value: Arc::new(value), bytes }
}

fn bookmark(kind: &Kind, revision: Revision, initial_end: bool) -> WatchItem {
    let mut metadata = json!({ "resourceVersion": revision.to_string(), "creationTimestamp": null });
    if initial_end {
        metadata["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
    }
    let value = json!({ "apiVersion": kind.api_version(), "kind": kind.kind, "metadata": metadata });
    WatchItem::Bookmark(Payload::Own { bytes: value.to_string().into(), value: Arc::new(value) })
}
