//! Patch: JSON, merge, strategic merge and apply, on the object or a part of it.

use std::sync::Arc;

use orch_client::{Patch, PatchType, Target, WriteOptions};
use orch_object::managed_fields::{FieldManager, record_update, reset_fields};
use orch_object::{FieldError, Kind, Status};
use serde_json::Value;

use super::api::{Api, Call, Written};
use super::create::Ownership;
use super::decode;
use super::metadata;
use super::modify::{Modification, Part};
use crate::causes;

impl Api {
    pub async fn patch(
        &self,
        call: &Call,
        target: &Target,
        patch: &Patch,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        let kind = self.kind(&target.resource).await?;
        self.authorize(call, "patch", target)?;
        self.patch_part(call, &kind, target, patch, Part::Main, options).await
    }

    /// Patches a part of the object; authorized already.
    pub(crate) async fn patch_part(
        &self,
        call: &Call,
        kind: &Kind,
        target: &Target,
        patch: &Patch,
        part: Part,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        match patch.patch_type {
            PatchType::Apply => self.apply(call, kind, target, &patch.body, part, options).await,
            // Its schema has no merge keys that strategic merge knows.
            PatchType::Strategic if kind.custom.is_some() => Err(causes::patch_of_custom_resource()),
            PatchType::Json | PatchType::Merge | PatchType::Strategic if options.force => {
                let error = FieldError::forbidden("force", "may not be specified for non-apply patch");
                Err(Status::invalid_options("PatchOptions", &[error]))
            }
            PatchType::Json | PatchType::Merge | PatchType::Strategic => {
                let change = |old: &Arc<Value>| {
                    let mut new = patch.of(old, kind.node())?;
                    let read = decode::check(call, kind, &mut new, &options.field_validation);
                    read.map_err(|status| unreadable(status, patch, &new))?;
                    same_uid(&new, old, kind, target)?;
                    metadata::match_named_target(&mut new, kind, target)?;
                    Ok(new_or_same(new, old))
                };
                let modification =
                    Modification { part, options, change: &change, keeps_managed_fields: false };
                self.modify(call, kind, target, &modification).await
            }
        }
    }

    async fn apply(
        &self,
        call: &Call,
        kind: &Kind,
        target: &Target,
        configuration: &Value,
        part: Part,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        if options.field_manager.is_empty() {
            let error = FieldError::required("fieldManager", "is required for apply patch");
            return Err(Status::invalid_options("PatchOptions", &[error]));
        }
        let mut configuration = configuration.clone();
        same_type(&configuration, kind)?;
        decode::parse_validation(&options.field_validation)?;
        let api_version = kind.api_version();
        let manager = self.manager(call, kind, &api_version, &target.subresource, options);
        orch_object::apply::refuse_malformed(&configuration, kind.node(), &manager)?;
        if let Some(uid) = uid_of(&configuration)
            && part == Part::Main
            && self.current(kind, target).await.is_err_and(|status| status.is_not_found())
        {
            return Err(no_such_uid(kind, target, uid));
        }
        // What exists has its name; only a new object must be told it.
        let unnamed = metadata::of(&mut configuration)?.get("name").is_none_or(|name| name == "");
        match unnamed {
            true => metadata::match_target(&mut configuration, kind, target)?,
            false => metadata::match_named_target(&mut configuration, kind, target)?,
        }
        let applied = |live: Option<&Value>| -> Result<Value, Status> {
            orch_object::apply::apply(live, &configuration, kind.node(), &manager, options.force)
                .map_err(Status::from)
        };
        let change = |old: &Arc<Value>| Ok(new_or_same(applied(Some(&**old))?, old));
        let modification = Modification { part, options, change: &change, keeps_managed_fields: true };
        match self.modify(call, kind, target, &modification).await {
            Err(status) if status.is_not_found() && part == Part::Main => {
                if unnamed {
                    return Err(metadata::unnamed(target));
                }
                // Created by the apply; whoever creates it first makes this one an update.
                let created = self.create_applied(call, kind, target, applied(None)?, options).await;
                match created {
                    Err(status) if status.is_already_exists() => {
                        self.modify(call, kind, target, &modification).await
                    }
                    answer => answer,
                }
            }
            answer => answer,
        }
    }

    async fn create_applied(
        &self,
        call: &Call,
        kind: &Kind,
        target: &Target,
        object: Value,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        self.authorize(call, "create", target)?;
        self.create_authorized(call, kind, target, object, options, Ownership::Applied).await
    }

    /// Who writes, for `managedFields`.
    fn manager<'a>(
        &self,
        call: &'a Call,
        kind: &Kind,
        api_version: &'a str,
        subresource: &'a str,
        options: &'a WriteOptions,
    ) -> FieldManager<'a> {
        let given = options.field_manager.as_str();
        FieldManager {
            name: if given.is_empty() { &call.default_manager } else { given },
            api_version,
            subresource,
            now: self.clock.now(),
            ignored: reset_fields(kind, subresource),
        }
    }

    /// Records what a write other than apply changed.
    pub(crate) fn record_managed_fields(
        &self,
        call: &Call,
        kind: &Kind,
        new: &mut Value,
        old: Option<&Value>,
        subresource: &str,
        options: &WriteOptions,
    ) {
        let api_version = kind.api_version();
        let manager = self.manager(call, kind, &api_version, subresource, options);
        record_update(old, new, kind.node(), &manager);
    }
}

/// The uid that a configuration names.
fn uid_of(configuration: &Value) -> Option<&str> {
    configuration["metadata"]["uid"].as_str().filter(|uid| !uid.is_empty())
}

fn no_such_uid(kind: &Kind, target: &Target, uid: &str) -> Status {
    let why =
        format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
    Status::conflict(kind, &target.name, &why)
}

/// What is applied says what it is.
fn same_type(configuration: &Value, kind: &Kind) -> Result<(), Status> {
    let text = |field: &str| configuration[field].as_str().unwrap_or_default();
    let (api_version, name) = (text("apiVersion"), text("kind"));
    if api_version == kind.api_version() && name == kind.kind {
        return Ok(());
    }
    let slash = if api_version.contains('/') { "" } else { "/" };
    Err(Status::bad_request(format!("invalid object type: {slash}{api_version}, Kind={name}")))
}

/// The result of a patch that is no object of its kind; what is shown is what upstream tried to read.
fn unreadable(status: Status, patch: &Patch, patched: &Value) -> Status {
    let why = status.message.split_once(": ").map_or(status.message.as_str(), |(_, why)| why);
    let shown = match patch.patch_type {
        PatchType::Strategic => orch_object::patch::go_text(&patch.body),
        PatchType::Json | PatchType::Merge | PatchType::Apply => patched.to_string(),
    };
    Status::invalid_patch(shown, why)
}

/// A uid in a patch is no precondition: it cannot be changed.
fn same_uid(new: &Value, old: &Value, kind: &Kind, target: &Target) -> Result<(), Status> {
    let (new, old) = (&new["metadata"]["uid"], &old["metadata"]["uid"]);
    if new.is_null() || new == old {
        return Ok(());
    }
    let error = FieldError::invalid("metadata.uid", new.clone(), "field is immutable");
    Err(Status::invalid(kind, &target.name, &[error]))
}

/// A patch that sets nothing about the version patches whatever is current.
fn new_or_same(mut new: Value, old: &Value) -> Value {
    if new["metadata"]["resourceVersion"] == old["metadata"]["resourceVersion"]
        && let Some(metadata) = new["metadata"].as_object_mut()
    {
        metadata.remove("resourceVersion");
    }
    new
}
