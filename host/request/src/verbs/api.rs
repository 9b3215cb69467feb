//! What the verbs work with, and what each call carries.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use orch_admission::{Chain, Notes, Options, Review};
use orch_client::{Identity, Resource, Target, WriteOptions};
use orch_object::{Kind, Kinds, Status};
use orch_plugin::calls::admission::Operation;
use orch_store::{Companion, Write};
use orch_watch::{Cache, Form, Object};
use parking_lot::Mutex;
use serde_json::Value;

use super::components::Components;
use super::stamp;
use super::turns::Turns;
use crate::aggregation::Aggregator;
use crate::allocate::Allocator;
use crate::audit::{Annotations, Auditor};
use crate::authn::Authenticator;
use crate::authz::{Attributes, Authorizer, Decision, Grant};
use crate::conversion::Converter;
use crate::definitions::KindTable;
use crate::fairness::Fairness;
use crate::metrics::Metrics;
use crate::tokens::Tokens;
use crate::{causes, key};

/// How long a request waits for the cache to see what the store has.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// Objects that are listed on one seat.
const OBJECTS_PER_SEAT: usize = 100;

/// The time; tests hold it still.
pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// What [`Api`] is made of.
pub struct Parts {
    pub kinds: Arc<KindTable>,
    pub cache: Cache,
    pub admission: Arc<Chain>,
    pub authorizer: Arc<Authorizer>,
    pub tokens: Arc<Tokens>,
    pub authenticator: Authenticator,
    pub allocator: Allocator,
    pub components: Components,
    pub aggregator: Aggregator,
    pub converter: Arc<Converter>,
    pub fairness: Fairness,
    pub metrics: Metrics,
    pub auditor: Auditor,
    pub clock: Arc<dyn Clock>,
}

/// The API without a transport.
pub struct Api {
    pub(crate) kinds: Arc<KindTable>,
    pub(crate) cache: Cache,
    pub(crate) admission: Arc<Chain>,
    pub(crate) authorizer: Arc<Authorizer>,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) authenticator: Authenticator,
    pub(crate) allocator: Allocator,
    pub(crate) components: Components,
    pub(crate) aggregator: Aggregator,
    pub(crate) converter: Arc<Converter>,
    pub(crate) fairness: Fairness,
    pub(crate) metrics: Metrics,
    pub(crate) auditor: Auditor,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) turns: Turns,
}

/// One request: who asks, and what it is told besides the answer.
pub struct Call {
    pub identity: Identity,
    /// The name under `metadata.managedFields` when the request gives none.
    pub default_manager: String,
    /// Names the request in admission reviews.
    pub uid: String,
    warnings: Mutex<Vec<String>>,
    /// `duplicate field …`, found while the body was parsed.
    duplicates: Mutex<Duplicates>,
    annotations: Annotations,
}

/// Fields that a body gives twice.
#[derive(Default)]
pub(crate) struct Duplicates {
    /// `duplicate field "spec.replicas"`
    pub problems: Vec<String>,
    /// The paths of all fields in the body's order; empty where no field is given twice.
    paths: Vec<String>,
}

impl Duplicates {
    /// Where the field that a problem names stands in the body: of one given twice, the second.
    pub fn position(&self, problem: &str) -> Option<usize> {
        let path = problem.split('"').nth(1)?;
        match problem.starts_with("duplicate") {
            true => self.paths.iter().rposition(|p| p == path),
            false => self.paths.iter().position(|p| p == path),
        }
    }
}

/// An object as it was stored (or would have been, for a dry run).
#[derive(Debug, Clone)]
pub struct Written {
    pub value: Arc<Value>,
    pub bytes: Bytes,
    /// There was no object before.
    pub created: bool,
}

impl Call {
    pub fn new(identity: Identity, default_manager: impl Into<String>) -> Self {
        Call {
            identity,
            default_manager: default_manager.into(),
            uid: uuid::Uuid::new_v4().to_string(),
            warnings: Mutex::default(),
            duplicates: Mutex::default(),
            annotations: Annotations::default(),
        }
    }

    /// A note for the audit log; the first of a key stays.
    pub fn annotate(&self, key: &str, value: impl Into<String>) {
        self.annotations.lock().entry(key.into()).or_insert_with(|| value.into());
    }

    /// Whether it was refused for want of a permission.
    pub fn is_forbidden(&self) -> bool {
        self.annotations.lock().get("authorization.k8s.io/decision").is_some_and(|told| told == "forbid")
    }

    pub fn warn(&self, warnings: impl IntoIterator<Item = String>) {
        self.warnings.lock().extend(warnings);
    }

    /// Fields that the body, in JSON, gives twice; told with the unknown ones.
    pub fn found_duplicates(&self, problems: Vec<String>, body: &[u8]) {
        if !problems.is_empty() {
            *self.duplicates.lock() = Duplicates { problems, paths: orch_object::schema::paths(body) };
        }
    }

    pub(crate) fn take_duplicates(&self) -> Duplicates {
        std::mem::take(&mut *self.duplicates.lock())
    }

    /// Takes in what checks said besides their verdict.
    fn note(&self, notes: Notes) {
        self.warn(notes.warnings);
        self.annotations.lock().extend(notes.annotations);
    }

    /// For the audit log.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        self.annotations.lock().clone()
    }

    /// For `Warning` headers.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.lock().clone()
    }
}

impl Written {
    pub(crate) fn from_object(object: &Object) -> Self {
        Written { value: object.value(), bytes: object.bytes.clone(), created: false }
    }

    /// An answer that is not stored.
    pub(crate) fn unstored(value: Value) -> Self {
        Written { bytes: value.to_string().into(), value: Arc::new(value), created: false }
    }
}

impl Api {
    pub fn new(parts: Parts) -> Self {
        let Parts {
            kinds,
            cache,
            admission,
            authorizer,
            tokens,
            authenticator,
            allocator,
            components,
            aggregator,
            fairness,
            metrics,
            auditor,
            converter,
            clock,
        } = parts;
        Api {
            kinds,
            cache,
            admission,
            authorizer,
            tokens,
            authenticator,
            allocator,
            components,
            aggregator,
            fairness,
            metrics,
            auditor,
            converter,
            clock,
            turns: Turns::default(),
        }
    }

    /// The table as it is now.
    pub fn kinds(&self) -> Arc<Kinds> {
        self.kinds.current()
    }

    /// The table with every definition that was committed before.
    pub async fn kinds_now(&self) -> Result<Arc<Kinds>, Status> {
        self.fresh().await?;
        self.kinds.sync();
        Ok(self.kinds.current())
    }

    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    pub fn authorizer(&self) -> &Authorizer {
        &self.authorizer
    }

    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// The row of a resource, or upstream's 404.
    pub async fn kind(&self, resource: &Resource) -> Result<Arc<Kind>, Status> {
        // Who has just seen a definition's acceptance finds its kind, on whichever host.
        let kinds = match self.kinds.is_builtin_group(&resource.group) {
            true => self.kinds(),
            false => self.kinds_now().await?,
        };
        kinds
            .by_plural(&resource.group, &resource.version, &resource.plural)
            .cloned()
            .ok_or_else(causes::no_such_resource)
    }

    /// Refuses what the identity may not do.
    pub fn authorize(&self, call: &Call, verb: &str, target: &Target) -> Result<(), Status> {
        self.authorize_attributes(call, &attributes(verb, target))
    }

    /// As [`Api::authorize`]; the audit log hears of the first decision.
    pub(crate) fn authorize_attributes(&self, call: &Call, attributes: &Attributes) -> Result<(), Status> {
        match self.authorizer.decide(&call.identity, attributes) {
            Decision::Allow(reason) => {
                call.annotate("authorization.k8s.io/decision", "allow");
                call.annotate("authorization.k8s.io/reason", reason);
                Ok(())
            }
            Decision::NoOpinion => {
                call.annotate("authorization.k8s.io/decision", "forbid");
                call.annotate("authorization.k8s.io/reason", "");
                Err(attributes.forbidden(&call.identity))
            }
        }
    }

    /// Waits until the cache has everything that was committed before.
    pub(crate) async fn fresh(&self) -> Result<(), Status> {
        match tokio::time::timeout(PATIENCE, self.cache.fresh()).await {
            Ok(reached) => reached.map(drop).map_err(causes::store),
            Err(_) => Err(causes::not_caught_up()),
        }
    }

    /// The current object, never stale.
    pub(crate) async fn current(&self, kind: &Kind, target: &Target) -> Result<Arc<Object>, Status> {
        self.fresh().await?;
        let found = self.cache.get(&key::of(kind, namespace(target), &target.name));
        let stored = found.ok_or_else(|| Status::not_found(kind, &target.name))?;
        self.converter.present(kind, stored).await
    }

    /// Seats that a request takes: a list of many objects is many requests' work.
    pub(crate) fn seats(&self, verb: &str, target: &Target, limit: usize) -> u32 {
        if verb != "list" {
            return 1;
        }
        let Resource { group, version, plural } = &target.resource;
        let kinds = self.kinds.current();
        let Some(kind) = kinds.by_plural(group, version, plural) else { return 1 };
        let stored = self.cache.count(&key::kind_prefix(kind, target.namespace.as_deref()));
        let read = if limit > 0 { stored.min(limit) } else { stored };
        u32::try_from(read / OBJECTS_PER_SEAT).unwrap_or(u32::MAX).max(1)
    }

    /// What admission is told of this write.
    pub(crate) fn review<'a>(
        &self,
        call: &'a Call,
        kind: &'a Kind,
        target: &'a Target,
        operation: Operation,
        old: Option<&'a Value>,
        options: Options<'a>,
    ) -> Review<'a> {
        Review {
            uid: &call.uid,
            kind,
            subresource: &target.subresource,
            namespace: namespace(target),
            name: &target.name,
            operation,
            identity: &call.identity,
            old,
            dry_run: options.is_dry_run(),
            options,
        }
    }

    /// Refuses what the row lets only some write: a role that gives more than its writer has, a
    /// certificate by who may not sign.
    pub(crate) fn check_permissions(
        &self,
        call: &Call,
        kind: &Kind,
        target: &Target,
        new: &Value,
        old: Option<&Value>,
    ) -> Result<(), Status> {
        if let Some(grants) = kind.strategy.grants {
            let grant = Grant { kind, grants, namespace: namespace(target), new, old };
            self.authorizer.check_grant(&call.identity, &grant)?;
        }
        let Some(demand) = (kind.strategy.demands)(new, old, &target.subresource) else { return Ok(()) };
        let allowed = demand.names.iter().any(|name| {
            let attributes = Attributes {
                verb: demand.verb.into(),
                group: demand.group.into(),
                resource: demand.resource.into(),
                name: name.clone(),
                ..Attributes::default()
            };
            self.authorizer.decide(&call.identity, &attributes) != Decision::NoOpinion
        });
        if allowed { Ok(()) } else { Err(Status::forbidden(kind, &target.name, &demand.refusal)) }
    }

    /// Asks the checks that may change the object.
    pub(crate) async fn mutate(
        &self,
        call: &Call,
        review: &Review<'_>,
        object: &mut Value,
    ) -> Result<(), Status> {
        let mut notes = Notes::default();
        let verdict = self.admission.mutate(review, object, &mut notes).await;
        call.note(notes);
        verdict
    }

    /// Asks the checks that only say yes or no.
    pub(crate) async fn admit(&self, call: &Call, review: &Review<'_>, object: &Value) -> Result<(), Status> {
        let mut notes = Notes::default();
        let verdict = self.admission.validate(review, object, &mut notes).await;
        call.note(notes);
        verdict
    }

    /// Admission of what is posted to a sub-resource and has a kind of its own.
    pub(crate) async fn admit_posted(
        &self,
        call: &Call,
        kind: &Kind,
        target: &Target,
        posted: &mut Value,
        options: &WriteOptions,
    ) -> Result<(), Status> {
        let review = self.review(call, kind, target, Operation::Create, None, Options::Create(options));
        self.mutate(call, &review, posted).await?;
        self.admit(call, &review, posted).await
    }

    /// Commits and gives the object back as clients will see it.
    pub(crate) async fn commit(
        &self,
        kind: &Kind,
        write: Write,
        mut object: Value,
    ) -> Result<Written, orch_store::StoreError> {
        let created = write.expect == orch_store::Expect::Absent;
        if is_stored_form(kind, &object) {
            let form = Form::new(object);
            let entry = self.cache.store().commit(write.with(Companion::new(form.clone()))).await?;
            let value = form.at(entry.revision).unwrap_or_else(|| {
                Arc::new(serde_json::from_slice(&entry.value).expect("the bytes were made of JSON"))
            });
            return Ok(Written { value, bytes: entry.value, created });
        }
        let entry = self.cache.store().commit(write).await?;
        let revision = entry.revision.to_string();
        object["metadata"]["resourceVersion"] = revision.clone().into();
        if kind.conversion_webhook().is_some() {
            object = self.shown_again(kind, &entry.value, object).await;
        }
        let bytes = stamp::stamped_at(&object, &revision);
        Ok(Written { value: Arc::new(object), bytes, created })
    }

    /// What was stored as a webhook shows it, which may be less than what the client sent. It is stored
    /// by now: a webhook that fails does not make the write one that failed.
    async fn shown_again(&self, kind: &Kind, stored: &[u8], sent: Value) -> Value {
        let Ok(stored) = serde_json::from_slice::<Value>(stored) else { return sent };
        self.converter.shown(kind, &stored).await.unwrap_or(sent)
    }
}

fn is_stored_form(kind: &Kind, object: &Value) -> bool {
    let renamed = kind.custom.as_ref().is_some_and(|custom| object["apiVersion"] != custom.stored_as);
    !renamed && kind.conversion.is_none()
}

/// The target's namespace, or empty.
pub(crate) fn namespace(target: &Target) -> &str {
    target.namespace.as_deref().unwrap_or_default()
}

/// What RBAC is asked.
pub(crate) fn attributes(verb: &str, target: &Target) -> Attributes {
    // A request about a namespace is authorized in that namespace.
    let about_namespace = target.resource.group.is_empty() && target.resource.plural == "namespaces";
    Attributes {
        verb: verb.into(),
        namespace: if about_namespace { target.name.clone() } else { namespace(target).to_string() },
        group: target.resource.group.to_string(),
        resource: target.resource.plural.to_string(),
        subresource: target.subresource.clone(),
        name: target.name.clone(),
        path: None,
    }
}
