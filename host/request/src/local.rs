//! The API in process: no HTTP, no TLS, the same authorization and admission.

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use orch_client::{
    Client, DeleteOptions, Document, Identity, List, ListOptions, Object, Patch, Resource, Target, Watch,
    WatchEvent, WriteOptions,
};
use orch_object::{Kinds, Status};
use serde_json::Value;
use tokio::sync::watch;

use crate::audit::{self, Stage, Trail};
use crate::fairness::Permit;
use crate::metrics::{About, Timing};
use crate::verbs::{Api, Call, Deleted, Payload, WatchItem, attributes, success};
use crate::{causes, subresources};

/// One identity's access.
pub struct LocalClient {
    api: Arc<Api>,
    identity: Identity,
    /// The name under `managedFields` when a request gives none.
    manager: String,
}

impl LocalClient {
    pub fn new(api: Arc<Api>, identity: Identity) -> Self {
        let manager = identity.name.rsplit(':').next().unwrap_or_default().to_string();
        LocalClient { api, identity, manager }
    }

    /// Waits for the caller's turn, as every request does.
    async fn enter(&self, verb: &str, target: &Target) -> Result<Entered, Status> {
        let about = About::resource(&self.api.kinds.current(), verb, target);
        let timing = self.api.metrics.requests.begin(about, "");
        let call = Call::new(self.identity.clone(), self.manager.clone());
        let attributes = attributes(verb, target);
        let uri = uri(target);
        let request = audit::Request {
            audit_id: &call.uid,
            uri: &uri,
            source: None,
            user_agent: &self.manager,
            version: &target.resource.version,
        };
        let trail = self.api.auditor.begin(&self.identity, &attributes, request);
        let seats = self.api.seats(verb, target, 0);
        let (_, permit) = self.api.fairness.admit(&self.identity, &attributes, seats).await;
        let entered = |permit| Entered { call, trail, permit, timing };
        match permit {
            Ok(permit) => Ok(entered(Some(permit))),
            Err(_) => entered(None).leave(Err(causes::too_many_requests())),
        }
    }
}

/// A request under way.
struct Entered {
    call: Call,
    trail: Option<Trail>,
    permit: Option<Permit>,
    timing: Timing,
}

impl Entered {
    /// Frees its seats, counts it and tells the audit log what came of it.
    fn leave<T>(self, answer: Result<T, Status>) -> Result<T, Status> {
        self.begin_stream(answer).map(|(answer, _)| answer)
    }

    /// The same for an answer that lasts: it is counted when the timing is dropped.
    fn begin_stream<T>(self, answer: Result<T, Status>) -> Result<(T, Timing), Status> {
        drop(self.permit);
        let mut timing = self.timing;
        timing.answered(answer.as_ref().map_or_else(|status| status.code, |_| 200));
        let answer = answer.map(|answer| (answer, timing));
        let Some(trail) = self.trail else { return answer };
        trail.annotate(&self.call.annotations());
        match &answer {
            Ok(_) => trail.answered(200, None),
            Err(status) => trail.answered(status.code, Some(&status.to_json())),
        }
        trail.tell(Stage::ResponseComplete);
        answer
    }
}

/// Where the same request would go over HTTP.
fn uri(target: &Target) -> String {
    let Resource { group, version, plural } = &target.resource;
    let root = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
    let namespace =
        target.namespace.as_ref().map_or(String::new(), |namespace| format!("/namespaces/{namespace}"));
    let rest =
        [target.name.as_str(), target.subresource.as_str()].into_iter().filter(|part| !part.is_empty());
    let rest: String = rest.map(|part| format!("/{part}")).collect();
    format!("{root}{namespace}/{plural}{rest}")
}

/// In-process callers own what they are given.
fn owned(value: Arc<Value>) -> Value {
    Arc::try_unwrap(value).unwrap_or_else(|shared| (*shared).clone())
}

#[async_trait]
impl Client for LocalClient {
    async fn get(&self, target: &Target) -> Result<Arc<Value>, Status> {
        let entered = self.enter("get", target).await?;
        let found = match target.subresource.as_str() {
            "" => self.api.get(&entered.call, target, None).await.map(|object| object.value()),
            _ => subresources::get(&self.api, &entered.call, target).await.map(|written| written.value),
        };
        entered.leave(found)
    }

    async fn list(&self, target: &Target, options: &ListOptions) -> Result<List, Status> {
        Ok(self.list_objects(target, options).await?.map(|object| object.value()))
    }

    async fn list_objects(&self, target: &Target, options: &ListOptions) -> Result<List<Object>, Status> {
        let entered = self.enter("list", target).await?;
        let listed = self.api.list(&entered.call, target, options).await;
        let listed = entered.leave(listed)?;
        Ok(List {
            items: listed.items.into_iter().map(stored).collect(),
            resource_version: listed.revision.to_string(),
            continue_token: listed.continue_token,
        })
    }

    async fn watch(&self, target: &Target, options: &ListOptions) -> Result<Watch, Status> {
        let events = self.watch_objects(target, options).await?;
        Ok(events.map(|event| event.map(|event| event.map(|object| object.value()))).boxed())
    }

    async fn watch_objects(&self, target: &Target, options: &ListOptions) -> Result<Watch<Object>, Status> {
        let entered = self.enter("watch", target).await?;
        let items = self.api.watch(&entered.call, target, options).await;
        let (items, timing) = entered.begin_stream(items)?;
        let events = items.map(move |item| {
            let _counted_when_the_stream_ends = &timing;
            item.map(event)
        });
        Ok(events.boxed())
    }

    async fn create(&self, target: &Target, object: Value, options: &WriteOptions) -> Result<Value, Status> {
        let entered = self.enter("create", target).await?;
        let written = match target.subresource.as_str() {
            "" => subresources::create_object(&self.api, &entered.call, target, object, options).await,
            _ => subresources::create(&self.api, &entered.call, target, object, options).await,
        };
        Ok(owned(entered.leave(written)?.value))
    }

    async fn update(&self, target: &Target, object: Value, options: &WriteOptions) -> Result<Value, Status> {
        let entered = self.enter("update", target).await?;
        let written = match target.subresource.as_str() {
            "" => self.api.update(&entered.call, target, object, options).await,
            _ => subresources::update(&self.api, &entered.call, target, object, options).await,
        };
        Ok(owned(entered.leave(written)?.value))
    }

    async fn patch(&self, target: &Target, patch: Patch, options: &WriteOptions) -> Result<Value, Status> {
        let entered = self.enter("patch", target).await?;
        let written = match target.subresource.as_str() {
            "" => self.api.patch(&entered.call, target, &patch, options).await,
            _ => subresources::patch(&self.api, &entered.call, target, &patch, options).await,
        };
        Ok(owned(entered.leave(written)?.value))
    }

    async fn delete(&self, target: &Target, options: &DeleteOptions) -> Result<Value, Status> {
        let kind = self.api.kind(&target.resource).await?;
        let entered = self.enter("delete", target).await?;
        let deleted = self.api.delete(&entered.call, target, options).await;
        match entered.leave(deleted)? {
            Deleted::Pending(written) => Ok(owned(written.value)),
            Deleted::Gone(written) => Ok(success(&kind, &written.value)),
        }
    }

    async fn delete_collection(
        &self,
        target: &Target,
        list: &ListOptions,
        options: &DeleteOptions,
    ) -> Result<Value, Status> {
        let entered = self.enter("deletecollection", target).await?;
        let listed = self.api.delete_collection(&entered.call, target, list, options).await;
        let listed = entered.leave(listed)?;
        let items: Vec<Value> = listed.items.iter().map(|object| (*object.value()).clone()).collect();
        Ok(serde_json::json!({
            "apiVersion": listed.kind.api_version(), "kind": listed.kind.list_kind,
            "metadata": { "resourceVersion": listed.revision.to_string() }, "items": items,
        }))
    }

    fn kinds(&self) -> watch::Receiver<Arc<Kinds>> {
        self.api.kinds.follow()
    }

    async fn dependents(&self, owner_uid: &str) -> Result<Vec<Arc<Value>>, Status> {
        let call = Call::new(self.identity.clone(), self.manager.clone());
        self.api.dependents(&call, owner_uid).await
    }
}

/// The cache's own object.
struct Stored(Arc<orch_watch::Object>);

impl Document for Stored {
    fn value(&self) -> Arc<Value> {
        self.0.value()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.bytes).into_owned()
    }
}

fn stored(object: Arc<orch_watch::Object>) -> Object {
    Object::of(Arc::new(Stored(object)))
}

fn event(item: WatchItem) -> WatchEvent<Object> {
    let object = |payload: Payload| match payload {
        Payload::Shared(object) => stored(object),
        Payload::Own { value, .. } => value.into(),
    };
    match item {
        WatchItem::Added(payload) => WatchEvent::Added(object(payload)),
        WatchItem::Modified(payload) => WatchEvent::Modified(object(payload)),
        WatchItem::Deleted(payload) => WatchEvent::Deleted(object(payload)),
        WatchItem::Bookmark(payload) => WatchEvent::Bookmark(object(payload)),
    }
}
