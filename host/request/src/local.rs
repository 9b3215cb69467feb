//! The API in process: no HTTP, no TLS, the same authorization and admission.

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use orch_client::{
    Client, DeleteOptions, Identity, List, ListOptions, Patch, Target, Watch, WatchEvent, WriteOptions,
};
use orch_object::{Kind, Status};
use serde_json::Value;

use crate::subresources;
use crate::verbs::{Api, Call, Deleted, WatchItem, success};

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

    fn call(&self) -> Call {
        Call::new(self.identity.clone(), self.manager.clone())
    }
}

/// In-process callers own what they are given.
fn owned(value: Arc<Value>) -> Value {
    Arc::try_unwrap(value).unwrap_or_else(|shared| (*shared).clone())
}

#[async_trait]
impl Client for LocalClient {
    async fn get(&self, target: &Target) -> Result<Arc<Value>, Status> {
        if target.subresource.is_empty() {
            return Ok(self.api.get(&self.call(), target, None).await?.value());
        }
        Ok(subresources::get(&self.api, &self.call(), target).await?.value)
    }

    async fn list(&self, target: &Target, options: &ListOptions) -> Result<List, Status> {
        let listed = self.api.list(&self.call(), target, options).await?;
        Ok(List {
            items: listed.items.iter().map(|object| object.value()).collect(),
            resource_version: listed.revision.to_string(),
            continue_token: listed.continue_token,
        })
    }

    async fn watch(&self, target: &Target, options: &ListOptions) -> Result<Watch, Status> {
        let items = self.api.watch(&self.call(), target, options).await?;
        Ok(items.map(|item| item.map(event)).boxed())
    }

    async fn create(&self, target: &Target, object: Value, options: &WriteOptions) -> Result<Value, Status> {
        let call = self.call();
        let written = match target.subresource.as_str() {
            "" => subresources::create_object(&self.api, &call, target, object, options).await?,
            _ => subresources::create(&self.api, &call, target, object, options).await?,
        };
        Ok(owned(written.value))
    }

    async fn update(&self, target: &Target, object: Value, options: &WriteOptions) -> Result<Value, Status> {
        let call = self.call();
        let written = match target.subresource.as_str() {
            "" => self.api.update(&call, target, object, options).await?,
            _ => subresources::update(&self.api, &call, target, object, options).await?,
        };
        Ok(owned(written.value))
    }

    async fn patch(&self, target: &Target, patch: Patch, options: &WriteOptions) -> Result<Value, Status> {
        let call = self.call();
        let written = match target.subresource.as_str() {
            "" => self.api.patch(&call, target, &patch, options).await?,
            _ => subresources::patch(&self.api, &call, target, &patch, options).await?,
        };
        Ok(owned(written.value))
    }

    async fn delete(&self, target: &Target, options: &DeleteOptions) -> Result<Value, Status> {
        let kind = self.api.kind(&target.resource).await?;
        match self.api.delete(&self.call(), target, options).await? {
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
        let listed = self.api.delete_collection(&self.call(), target, list, options).await?;
        let items: Vec<Value> = listed.items.iter().map(|object| (*object.value()).clone()).collect();
        Ok(serde_json::json!({
            "apiVersion": listed.kind.api_version(), "kind": listed.kind.list_kind,
            "metadata": { "resourceVersion": listed.revision.to_string() }, "items": items,
        }))
    }

    fn kinds(&self) -> Vec<Arc<Kind>> {
        self.api.kinds().rows().to_vec()
    }

    async fn dependents(&self, owner_uid: &str) -> Result<Vec<Arc<Value>>, Status> {
        self.api.dependents(&self.call(), owner_uid).await
    }
}

fn event(item: WatchItem) -> WatchEvent {
    match item {
        WatchItem::Added(payload) => WatchEvent::Added(payload.value()),
        WatchItem::Modified(payload) => WatchEvent::Modified(payload.value()),
        WatchItem::Deleted(payload) => WatchEvent::Deleted(payload.value()),
        WatchItem::Bookmark(payload) => WatchEvent::Bookmark(payload.value()),
    }
}
