//! The API in process: no HTTP, no TLS, the same authorization and admission.

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use orch_client::{
    Client, DeleteOptions, Document, Elsewhere, Identity, List, ListOptions, Object, Patch, Resource, Target,
    Watch, WatchEvent, WriteOptions,
};
use orch_object::{Kinds, Status};
use serde_json::Value;
use tokio::sync::watch;

use crate::aggregation::{Onward, Remote, delete_body, listed};
use crate::audit::{self, LastStage, Level, Stage, Trail};
use crate::fairness::Permit;
use crate::metrics::{About, Timing};
use crate::verbs::{Api, Call, Deleted, Listed, Payload, WatchItem, Written, attributes, success};
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
            Err(_) => entered(None).refuse(causes::too_many_requests()),
        }
    }

    /// Who serves the target, if it is not this server.
    fn remote(&self, target: &Target) -> Option<Remote> {
        self.api.aggregator.remote(&target.resource.group, &target.resource.version)
    }

    /// Hands a request on to who serves its target, once it is authorized here.
    async fn hand_on(
        &self,
        verb: &str,
        target: &Target,
        remote: &Remote,
        request: Onward,
    ) -> Result<Value, Status> {
        let entered = self.enter(verb, target).await?;
        if let Some(body) = request.body() {
            entered.tell(|| body.clone());
        }
        let answer = match self.api.authorize(&entered.call, verb, target) {
            Ok(()) => self.api.aggregator.ask(remote, &self.identity, request).await,
            Err(refused) => Err(refused),
        };
        entered.leave(answer)
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
    /// Tells the audit log what is sent, if it wants to know.
    fn tell(&self, body: impl FnOnce() -> Value) {
        if let Some(trail) = self.trail.as_ref().filter(|trail| trail.level() >= Level::Request) {
            trail.request_object(body());
        }
    }

    /// Frees its seats, counts it and tells the audit log what came of it.
    fn leave<T: Answer>(self, answer: Result<T, Status>) -> Result<T, Status> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(status) => return self.refuse(status),
        };
        let Entered { call, trail, permit, mut timing } = self;
        drop(permit);
        timing.answered(answer.code());
        if let Some(trail) = trail {
            trail.annotate(&call.annotations());
            trail.answered(answer.code(), None);
            if trail.level() >= Level::RequestResponse {
                trail.response_object(answer.body());
            }
            trail.tell(Stage::ResponseComplete);
        }
        Ok(answer)
    }

    fn refuse<T>(self, status: Status) -> Result<T, Status> {
        let Entered { call, trail, permit, mut timing } = self;
        drop(permit);
        timing.answered(status.code);
        if let Some(trail) = trail {
            let body = status.to_json();
            trail.annotate(&call.annotations());
            trail.answered(status.code, Some(&body));
            if trail.level() >= Level::RequestResponse {
                trail.response_object(body);
            }
            trail.tell(Stage::ResponseComplete);
        }
        Err(status)
    }

    /// Frees the seats of what lasts; it is counted, and its end told, when what is given back is dropped.
    fn begin_stream<T>(self, answer: Result<T, Status>) -> Result<(T, Timing, Option<LastStage>), Status> {
        let answer = match answer {
            Ok(answer) => answer,
            Err(status) => return self.refuse(status),
        };
        let Entered { call, trail, permit, mut timing } = self;
        drop(permit);
        timing.answered(200);
        let last = trail.map(|trail| {
            trail.annotate(&call.annotations());
            trail.answered(200, None);
            trail.tell(Stage::ResponseStarted);
            LastStage::of(Arc::new(trail))
        });
        Ok((answer, timing, last))
    }
}

/// A good answer, as it would be over HTTP.
trait Answer {
    fn code(&self) -> u16 {
        200
    }
    fn body(&self) -> Value;
}

impl Answer for Value {
    fn body(&self) -> Value {
        self.clone()
    }
}

impl Answer for Arc<Value> {
    fn body(&self) -> Value {
        (**self).clone()
    }
}

impl Answer for Written {
    fn code(&self) -> u16 {
        if self.created { 201 } else { 200 }
    }
    fn body(&self) -> Value {
        (*self.value).clone()
    }
}

impl Answer for Listed {
    fn body(&self) -> Value {
        let items: Vec<Value> = self.items.iter().map(|object| (*object.value()).clone()).collect();
        serde_json::json!({
            "apiVersion": self.kind.api_version(), "kind": self.kind.list_kind,
            "metadata": { "resourceVersion": self.revision.to_string() }, "items": items,
        })
    }
}

/// Where the same request would go over HTTP.
pub(crate) fn uri(target: &Target) -> String {
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
        if let Some(remote) = self.remote(target) {
            return self.hand_on("get", target, &remote, Onward::get(target)).await.map(Arc::new);
        }
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
        if let Some(remote) = self.remote(target) {
            let told = self.hand_on("list", target, &remote, Onward::list(target, options)).await?;
            return Ok(listed(told).map(Object::from));
        }
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
        if let Some(remote) = self.remote(target) {
            let message = format!("{} is served by another server: it cannot be watched here", remote.name);
            return Err(Status::not_implemented(message));
        }
        let entered = self.enter("watch", target).await?;
        let items = self.api.watch(&entered.call, target, options).await;
        let (items, timing, last) = entered.begin_stream(items)?;
        let events = items.map(move |item| {
            let _told_when_the_stream_ends = (&timing, &last);
            item.map(event)
        });
        Ok(events.boxed())
    }

    async fn create(&self, target: &Target, object: Value, options: &WriteOptions) -> Result<Value, Status> {
        if let Some(remote) = self.remote(target) {
            return self.hand_on("create", target, &remote, Onward::create(target, object, options)).await;
        }
        let entered = self.enter("create", target).await?;
        entered.tell(|| object.clone());
        let written = match target.subresource.as_str() {
            "" => subresources::create_object(&self.api, &entered.call, target, object, options).await,
            _ => subresources::create(&self.api, &entered.call, target, object, options).await,
        };
        let written = written.map(|written| Written { created: true, ..written });
        Ok(owned(entered.leave(written)?.value))
    }

    async fn update(&self, target: &Target, object: Value, options: &WriteOptions) -> Result<Value, Status> {
        if let Some(remote) = self.remote(target) {
            return self.hand_on("update", target, &remote, Onward::update(target, object, options)).await;
        }
        let entered = self.enter("update", target).await?;
        entered.tell(|| object.clone());
        let written = match target.subresource.as_str() {
            "" => self.api.update(&entered.call, target, object, options).await,
            _ => subresources::update(&self.api, &entered.call, target, object, options).await,
        };
        Ok(owned(entered.leave(written)?.value))
    }

    async fn patch(&self, target: &Target, patch: Patch, options: &WriteOptions) -> Result<Value, Status> {
        if let Some(remote) = self.remote(target) {
            return self.hand_on("patch", target, &remote, Onward::patch(target, patch, options)).await;
        }
        let entered = self.enter("patch", target).await?;
        entered.tell(|| patch.body.clone());
        let written = match target.subresource.as_str() {
            "" => self.api.patch(&entered.call, target, &patch, options).await,
            _ => subresources::patch(&self.api, &entered.call, target, &patch, options).await,
        };
        Ok(owned(entered.leave(written)?.value))
    }

    async fn delete(&self, target: &Target, options: &DeleteOptions) -> Result<Value, Status> {
        if let Some(remote) = self.remote(target) {
            return self.hand_on("delete", target, &remote, Onward::delete(target, options)).await;
        }
        let kind = self.api.kind(&target.resource).await?;
        let entered = self.enter("delete", target).await?;
        entered.tell(|| delete_body(options));
        let deleted = self.api.delete(&entered.call, target, options).await;
        let answer = deleted.map(|deleted| match deleted {
            Deleted::Pending(written) => owned(written.value),
            Deleted::Gone(written) => success(&kind, &written.value),
        });
        entered.leave(answer)
    }

    async fn delete_collection(
        &self,
        target: &Target,
        list: &ListOptions,
        options: &DeleteOptions,
    ) -> Result<Value, Status> {
        if let Some(remote) = self.remote(target) {
            let request = Onward::delete_collection(target, list, options);
            return self.hand_on("deletecollection", target, &remote, request).await;
        }
        let entered = self.enter("deletecollection", target).await?;
        entered.tell(|| delete_body(options));
        let listed = self.api.delete_collection(&entered.call, target, list, options).await;
        entered.leave(listed).map(|listed| listed.body())
    }

    fn kinds(&self) -> watch::Receiver<Arc<Kinds>> {
        self.api.kinds.follow()
    }

    fn elsewhere(&self) -> Elsewhere {
        self.api.aggregator.elsewhere()
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
