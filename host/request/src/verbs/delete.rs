//! Delete: at once, or after grace, or when the last finalizer is gone.

use std::sync::Arc;

use jiff::Timestamp;
use orch_admission::Options;
use orch_client::{DeleteOptions, Propagation, Target};
use orch_object::{FieldError, Kind, Status};
use orch_plugin::calls::admission::Operation;
use orch_store::{Change, Expect, StoreError, Write};
use orch_watch::Object;
use serde_json::{Value, json};

use super::api::{Api, Call, Written, namespace};
use super::modify::Reviewed;
use super::{metadata, stamp};
use crate::{causes, key};

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";
const TRIES: usize = 32;

/// What became of the object.
#[derive(Debug, Clone)]
pub enum Deleted {
    /// Gone; its last state.
    Gone(Written),
    /// Lives on until its grace ends or its finalizers are done.
    Pending(Written),
}

impl Deleted {
    pub fn object(&self) -> &Written {
        match self {
            Deleted::Gone(written) | Deleted::Pending(written) => written,
        }
    }
}

/// What a delete does, decided before anything is done.
#[derive(Debug, PartialEq)]
enum Plan {
    /// The same delete was asked before.
    Nothing,
    /// Marked, and left to whoever ends it.
    Mark(Value),
    Remove(Value),
}

impl Api {
    pub async fn delete(
        &self,
        call: &Call,
        target: &Target,
        options: &DeleteOptions,
    ) -> Result<Deleted, Status> {
        let kind = self.kind(&target.resource).await?;
        self.authorize(call, "delete", target)?;
        warn_of_orphans(call, &kind, options);
        self.delete_authorized(call, &kind, target, options, Reviewed::Object).await
    }

    pub(crate) async fn delete_authorized(
        &self,
        call: &Call,
        kind: &Kind,
        target: &Target,
        options: &DeleteOptions,
        reviewed: Reviewed<'_>,
    ) -> Result<Deleted, Status> {
        for _ in 0..TRIES {
            let current = self.current(kind, target).await?;
            if let Some(deleted) = self.try_delete(call, kind, target, options, reviewed, &current).await? {
                return Ok(deleted);
            }
        }
        Err(Status::conflict(kind, &target.name, causes::MODIFIED))
    }

    /// `None`: the object changed meanwhile.
    async fn try_delete(
        &self,
        call: &Call,
        kind: &Kind,
        target: &Target,
        options: &DeleteOptions,
        reviewed: Reviewed<'_>,
        current: &Object,
    ) -> Result<Option<Deleted>, Status> {
        let old = current.value();
        check_preconditions(options, &old, kind, &target.name)?;
        if !matches!(reviewed, Reviewed::Already) {
            let options = Options::Delete(options);
            let review = self.review(call, kind, target, Operation::Delete, Some(&old), options);
            self.mutate(call, &review, &mut Value::Null).await?;
            self.admit(call, &review, &Value::Null).await?;
        }
        let plan = plan(kind, &old, options, self.clock.now());
        let key = key::of(kind, namespace(target), &target.name);
        let expect = Expect::Revision(current.revision);
        let (change, new) = match plan {
            Plan::Nothing => return Ok(Some(Deleted::Pending(Written::from_object(current)))),
            Plan::Mark(new) => (Change::Put(self.converter.stamped(kind, &new).await?), new),
            Plan::Remove(new) => (Change::Delete(self.converter.stamped(kind, &new).await?), new),
        };
        let gone = matches!(change, Change::Delete(_));
        let written = if options.dry_run {
            let bytes = stamp::stamped_at(&new, &current.revision.to_string());
            Written { value: Arc::new(new), bytes, created: false }
        } else {
            match self.commit(kind, Write::new(key, expect, change), new).await {
                Ok(written) => written,
                Err(StoreError::Conflict { current: None, .. }) => {
                    return Err(Status::not_found(kind, &target.name));
                }
                Err(StoreError::Conflict { .. }) => return Ok(None),
                Err(other) => return Err(causes::store(other)),
            }
        };
        if gone && !options.dry_run {
            self.allocator.release_object(kind, &written.value).await;
        }
        Ok(Some(if gone { Deleted::Gone(written) } else { Deleted::Pending(written) }))
    }
}

/// Of dependents that live on because nobody said what becomes of them.
pub(super) fn warn_of_orphans(call: &Call, kind: &Kind, options: &DeleteOptions) {
    let warning = kind.strategy.warn_of_orphans;
    if options.propagation.is_none() && !warning.is_empty() {
        call.warn([warning.to_owned()]);
    }
}

/// Refuses when the object is not the one, or not the version, that the options name.
pub(crate) fn check_preconditions(
    options: &DeleteOptions,
    old: &Value,
    kind: &Kind,
    name: &str,
) -> Result<(), Status> {
    let current = |field: &str| old["metadata"][field].as_str().unwrap_or_default();
    let preconditions = &options.preconditions;
    // Of these the deletion begins with a write, and fails as one.
    let failed = match (kind.strategy.is_namespace, kind.strategy.begin_delete) {
        (true, _) => Some("Precondition failed"),
        (false, Some(_)) => Some("precondition failed"),
        (false, None) => None,
    };
    if let Some(failed) = failed {
        let wanted = [
            ("UID", "uid", &preconditions.uid),
            ("ResourceVersion", "resourceVersion", &preconditions.resource_version),
        ];
        for (called, field, wanted) in wanted {
            if let Some(wanted) = wanted.as_deref().filter(|wanted| *wanted != current(field)) {
                let why = format!(
                    "{failed}: {called} in precondition: {wanted}, {called} in object meta: {}",
                    current(field)
                );
                return Err(Status::conflict(kind, name, &why));
            }
        }
    }
    if let Some(uid) = preconditions.uid.as_deref().filter(|uid| *uid != current("uid")) {
        let why = format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({}). \
             The object might have been deleted and then recreated",
            current("uid")
        );
        return Err(Status::conflict_of_kind(kind, name, &why));
    }
    let version = preconditions.resource_version.as_deref();
    if let Some(version) = version.filter(|v| *v != current("resourceVersion")) {
        let why = format!(
            "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({}). \
             The object might have been modified",
            current("resourceVersion")
        );
        return Err(Status::conflict_of_kind(kind, name, &why));
    }
    Ok(())
}

fn plan(kind: &Kind, old: &Value, options: &DeleteOptions, now: Timestamp) -> Plan {
    let mut new = old.clone();
    let marked = metadata::is_being_deleted(old);
    if let Some(begin) = kind.strategy.begin_delete.filter(|_| !marked) {
        begin(&mut new, &metadata::time(now));
        return Plan::Mark(new);
    }
    if is_collected(kind) {
        set_collector_finalizers(&mut new, options.propagation.or_else(|| usual_propagation(kind, old)));
    }
    let grace = grace(kind, old, options);
    let before = old["metadata"]["deletionGracePeriodSeconds"].as_i64();
    let held = metadata::has_finalizers(&new, kind);
    if grace == 0 && !held {
        // What goes at once and never was graceful is shown as it was.
        if !marked && (kind.strategy.grace_period)(old, options.grace_period_seconds).is_some() {
            mark(&mut new, kind, 0, now);
        }
        return Plan::Remove(new);
    }
    // A later delete may shorten the grace, never lengthen it.
    if !marked || before.is_some_and(|before| grace < before) {
        mark(&mut new, kind, grace, now);
    }
    if new == *old { Plan::Nothing } else { Plan::Mark(new) }
}

/// Seconds an agent gets to end the object; 0: none.
fn grace(kind: &Kind, old: &Value, options: &DeleteOptions) -> i64 {
    (kind.strategy.grace_period)(old, options.grace_period_seconds).unwrap_or(0)
}

fn mark(object: &mut Value, kind: &Kind, grace: i64, now: Timestamp) {
    let metadata = &mut object["metadata"];
    let at = now + jiff::SignedDuration::from_secs(grace.clamp(0, i64::from(i32::MAX)));
    metadata["deletionTimestamp"] = metadata::time(at).into();
    if !kind.strategy.is_namespace {
        metadata["deletionGracePeriodSeconds"] = grace.into();
    }
    if let Some(generation) = metadata["generation"].as_i64().filter(|g| *g > 0) {
        metadata["generation"] = (generation + 1).into();
    }
    if kind.strategy.is_namespace {
        object["status"]["phase"] = "Terminating".into();
    }
}

/// Events own nothing, and go at once.
fn is_collected(kind: &Kind) -> bool {
    kind.plural != "events" || !matches!(kind.group.as_str(), "" | "events.k8s.io")
}

/// For these the dependents live on unless the client says otherwise, as they did before collection.
fn usual_propagation(kind: &Kind, old: &Value) -> Option<Propagation> {
    let orphans = matches!(
        (kind.group.as_str(), kind.plural.as_str()),
        ("", "replicationcontrollers") | ("batch", "jobs")
    );
    let finalizers = old["metadata"]["finalizers"].as_array().map_or(&[][..], Vec::as_slice);
    let decided = finalizers.iter().any(|name| name == FOREGROUND || name == ORPHAN);
    (orphans && !decided).then_some(Propagation::Orphan)
}

/// The finalizers by which the garbage collector knows what to do with dependents.
fn set_collector_finalizers(object: &mut Value, propagation: Option<Propagation>) {
    let Some(propagation) = propagation else { return };
    let wanted = match propagation {
        Propagation::Background => None,
        Propagation::Foreground => Some(FOREGROUND),
        Propagation::Orphan => Some(ORPHAN),
    };
    let listed = object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    let mut finalizers: Vec<Value> =
        listed.iter().filter(|f| *f != FOREGROUND && *f != ORPHAN).cloned().collect();
    finalizers.extend(wanted.map(Value::from));
    if finalizers == listed || (finalizers.is_empty() && object["metadata"]["finalizers"].is_null()) {
        return;
    }
    match object["metadata"].as_object_mut() {
        Some(metadata) if finalizers.is_empty() => drop(metadata.remove("finalizers")),
        Some(metadata) => drop(metadata.insert("finalizers".into(), finalizers.into())),
        None => {}
    }
}

/// The answer to a delete that removed the object.
pub fn success(kind: &Kind, object: &Value) -> Value {
    let mut details = json!({
        "name": object["metadata"]["name"], "kind": kind.plural, "uid": object["metadata"]["uid"],
    });
    if !kind.group.is_empty() {
        details["group"] = kind.group.clone().into();
    }
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details })
}

fn dry_run(given: &Value) -> Result<bool, Status> {
    let stages = given.as_array().map_or(&[][..], Vec::as_slice);
    if stages.iter().any(|stage| stage != "All") {
        let error = FieldError::not_supported("dryRun", given.clone(), &["All"]);
        return Err(Status::invalid_options("DeleteOptions", &[error]));
    }
    Ok(!stages.is_empty())
}

/// A body that is options of another kind is no options.
fn check_type(body: &Value) -> Result<(), Status> {
    match body["kind"].as_str() {
        None | Some("" | "DeleteOptions") => Ok(()),
        Some(other) => Err(Status::bad_request(format!(
            "no kind {other:?} is registered for version {} in scheme \"pkg/runtime/scheme.go:111\"",
            body["apiVersion"]
        ))),
    }
}

/// Reads a `DeleteOptions` body; null: none given.
pub fn delete_options(body: &Value) -> Result<DeleteOptions, Status> {
    check_type(body)?;
    let text = |value: &Value| value.as_str().map(String::from);
    let orphan = body["orphanDependents"].as_bool();
    let propagation = match (body["propagationPolicy"].as_str(), orphan) {
        (None, None) => None,
        (None, Some(true)) | (Some("Orphan"), None) => Some(Propagation::Orphan),
        (None, Some(false)) | (Some("Background"), None) => Some(Propagation::Background),
        (Some("Foreground"), None) => Some(Propagation::Foreground),
        (Some(other), None) => {
            // In upstream's order, which is not that of the alphabet.
            let detail = "supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\"";
            let mut error = FieldError::not_supported("propagationPolicy", other, &[]);
            error.detail = detail.into();
            return Err(Status::invalid_options("DeleteOptions", &[error]));
        }
        (Some(policy), Some(_)) => {
            let detail = "orphanDependents and deletionPropagation cannot be both set";
            let error = FieldError::invalid("propagationPolicy", policy, detail);
            return Err(Status::invalid_options("DeleteOptions", &[error]));
        }
    };
    Ok(DeleteOptions {
        // As upstream: a negative grace is the shortest there is.
        grace_period_seconds: body["gracePeriodSeconds"].as_i64().map(|s| if s < 0 { 1 } else { s }),
        preconditions: orch_client::Precondition {
            uid: text(&body["preconditions"]["uid"]),
            resource_version: text(&body["preconditions"]["resourceVersion"]),
        },
        propagation,
        dry_run: dry_run(&body["dryRun"])?,
    })
}
