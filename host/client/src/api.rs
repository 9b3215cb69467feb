use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use orch_object::patch::{PatchError, json_patch, merge_patch, strategic_merge_patch};
use orch_object::{Kinds, Node, Status};
use serde_json::Value;

use crate::Object;

/// Who asks: what authentication found out (`user.Info`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// `system:node:NAME`, `system:serviceaccount:NAMESPACE:NAME`, `system:orch:scheduler`, …
    pub name: String,
    pub uid: String,
    /// `system:masters`, `system:authenticated`, …
    pub groups: Vec<String>,
    pub extra: Vec<(String, Vec<String>)>,
}

impl Identity {
    pub fn new(name: impl Into<String>, groups: &[&str]) -> Self {
        Identity {
            name: name.into(),
            groups: groups.iter().map(|g| g.to_string()).collect(),
            ..Default::default()
        }
    }
    /// The identity a service account's token carries.
    pub fn service_account(namespace: &str, name: &str) -> Self {
        Identity::new(
            format!("system:serviceaccount:{namespace}:{name}"),
            &[
                "system:serviceaccounts",
                &format!("system:serviceaccounts:{namespace}"),
                "system:authenticated",
            ],
        )
    }
}

/// A served resource: group (empty for core), version, plural.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Resource {
    pub group: Cow<'static, str>,
    pub version: Cow<'static, str>,
    pub plural: Cow<'static, str>,
}

impl Resource {
    pub const fn core(plural: &'static str) -> Self {
        Resource::new("", "v1", plural)
    }
    pub const fn new(group: &'static str, version: &'static str, plural: &'static str) -> Self {
        Resource {
            group: Cow::Borrowed(group),
            version: Cow::Borrowed(version),
            plural: Cow::Borrowed(plural),
        }
    }
    /// `v1`, `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_string()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}

/// What a request is about. `namespace` is `None` for cluster-scoped resources and for lists over
/// all namespaces; `name` is empty for list, create and deletecollection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub resource: Resource,
    pub namespace: Option<String>,
    pub name: String,
    /// `status`, `scale`, `binding`, `finalize`, `token`, `eviction`, … or empty.
    pub subresource: String,
}

impl Target {
    pub fn all(resource: &Resource) -> Self {
        Target {
            resource: resource.clone(),
            namespace: None,
            name: String::new(),
            subresource: String::new(),
        }
    }
    pub fn within(resource: &Resource, namespace: &str) -> Self {
        Target { namespace: Some(namespace.into()), ..Target::all(resource) }
    }
    pub fn cluster(resource: &Resource, name: &str) -> Self {
        Target { name: name.into(), ..Target::all(resource) }
    }
    pub fn named(resource: &Resource, namespace: &str, name: &str) -> Self {
        Target { name: name.into(), ..Target::within(resource, namespace) }
    }
    pub fn subresource(mut self, subresource: &str) -> Self {
        self.subresource = subresource.into();
        self
    }
}

/// Query parameters of list, watch and deletecollection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// kubectl's syntax: `app=web,tier in (a,b),!legacy`; empty for all.
    pub label_selector: String,
    /// `metadata.name=x,spec.nodeName!=y`; empty for all.
    pub field_selector: String,
    /// 0: no limit.
    pub limit: usize,
    pub continue_token: Option<String>,
    /// `None`: most recent; `Some("0")`: whatever the cache has.
    pub resource_version: Option<String>,
    /// `Exact` or `NotOlderThan`.
    pub resource_version_match: Option<String>,
    /// Watch: begin with the current objects and a bookmark annotated `k8s.io/initial-events-end`.
    pub send_initial_events: bool,
    pub allow_bookmarks: bool,
    /// Watch: end after this many seconds.
    pub timeout_seconds: Option<u64>,
}

/// Query parameters of create, update and patch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// The name under `metadata.managedFields`; empty: derived from the user agent or identity.
    pub field_manager: String,
    /// Apply only: take over fields that others own.
    pub force: bool,
    pub dry_run: bool,
    /// `Strict`, `Warn` or `Ignore`; empty: `Warn`.
    pub field_validation: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchType {
    Json,
    Merge,
    Strategic,
    Apply,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Patch {
    pub patch_type: PatchType,
    pub body: Value,
}

impl Patch {
    /// The object after a patch that is not an apply. `node`: the schema of its kind.
    pub fn of(&self, object: &Value, node: Option<Node<'_>>) -> Result<Value, PatchError> {
        match self.patch_type {
            PatchType::Json => json_patch(object, &self.body),
            PatchType::Merge | PatchType::Apply => merge_patch(object, &self.body),
            PatchType::Strategic => strategic_merge_patch(object, &self.body, node),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Precondition {
    pub uid: Option<String>,
    pub resource_version: Option<String>,
}

/// `propagationPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    Background,
    Foreground,
    Orphan,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    pub grace_period_seconds: Option<i64>,
    pub preconditions: Precondition,
    pub propagation: Option<Propagation>,
    pub dry_run: bool,
}

/// A list with the revision it is true at. Items carry `apiVersion` and `kind`.
#[derive(Debug, Clone)]
pub struct List<T = Arc<Value>> {
    pub items: Vec<T>,
    pub resource_version: String,
    pub continue_token: Option<String>,
}

impl<T> List<T> {
    pub fn map<U>(self, item: impl FnMut(T) -> U) -> List<U> {
        let List { items, resource_version, continue_token } = self;
        List { items: items.into_iter().map(item).collect(), resource_version, continue_token }
    }
}

#[derive(Debug, Clone)]
pub enum WatchEvent<T = Arc<Value>> {
    Added(T),
    Modified(T),
    /// The object as it last was, with the revision of its deletion.
    Deleted(T),
    /// Nothing up to this `metadata.resourceVersion` is missing; carries `initial-events-end` when asked for.
    Bookmark(T),
}

impl<T> WatchEvent<T> {
    pub fn map<U>(self, object: impl FnOnce(T) -> U) -> WatchEvent<U> {
        match self {
            WatchEvent::Added(it) => WatchEvent::Added(object(it)),
            WatchEvent::Modified(it) => WatchEvent::Modified(object(it)),
            WatchEvent::Deleted(it) => WatchEvent::Deleted(object(it)),
            WatchEvent::Bookmark(it) => WatchEvent::Bookmark(object(it)),
        }
    }
}

/// What other API servers serve behind this one (APIService).
#[derive(Debug, Clone, Default)]
pub struct Elsewhere {
    /// Rows of what they serve, with what discovery tells: names, scope, verbs.
    pub kinds: Kinds,
    /// `apiVersion`s whose servers do not answer: what is in them is not known now.
    pub unknown: Vec<String>,
}

/// Ends with an error only when events may be missing (410: list again); plain end: watch again.
pub type Watch<T = Arc<Value>> = BoxStream<'static, Result<WatchEvent<T>, Status>>;

/// The API as one identity sees it.
#[async_trait]
pub trait Client: Send + Sync + 'static {
    /// Most recent, never stale.
    async fn get(&self, target: &Target) -> Result<Arc<Value>, Status>;
    async fn list(&self, target: &Target, options: &ListOptions) -> Result<List, Status>;
    async fn watch(&self, target: &Target, options: &ListOptions) -> Result<Watch, Status>;
    /// As [`Client::list`], for those who keep what they are given.
    async fn list_objects(&self, target: &Target, options: &ListOptions) -> Result<List<Object>, Status> {
        Ok(self.list(target, options).await?.map(Object::from))
    }
    /// As [`Client::watch`], for those who keep what they are given.
    async fn watch_objects(&self, target: &Target, options: &ListOptions) -> Result<Watch<Object>, Status> {
        let events = self.watch(target, options).await?;
        Ok(events.map(|event| event.map(|event| event.map(Object::from))).boxed())
    }
    /// Creates the object, or posts to a sub-resource (`binding`, `token`, `eviction`); returns the answer's body.
    async fn create(&self, target: &Target, object: Value, options: &WriteOptions) -> Result<Value, Status>;
    /// Replaces the object, or its sub-resource. A set `metadata.resourceVersion` must match.
    async fn update(&self, target: &Target, object: Value, options: &WriteOptions) -> Result<Value, Status>;
    async fn patch(&self, target: &Target, patch: Patch, options: &WriteOptions) -> Result<Value, Status>;
    /// Returns the object when it lives on (finalizers, grace), else the Status of success.
    async fn delete(&self, target: &Target, options: &DeleteOptions) -> Result<Value, Status>;
    async fn delete_collection(
        &self,
        target: &Target,
        list: &ListOptions,
        options: &DeleteOptions,
    ) -> Result<Value, Status>;
    /// Every served kind, now and whenever a definition changes them.
    fn kinds(&self) -> tokio::sync::watch::Receiver<Arc<Kinds>>;
    /// What other servers serve behind this one. Their objects are read and written as any others; they
    /// are not watched.
    fn elsewhere(&self) -> Elsewhere {
        Elsewhere::default()
    }
    /// Metadata of the objects whose `ownerReferences` name this uid, from the cache.
    async fn dependents(&self, owner_uid: &str) -> Result<Vec<Arc<Value>>, Status>;
}
