//! The end of a definition: its instances are deleted first, and the definition when none is left
//! (`apiextensions-apiserver/pkg/controller/finalizer`).

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use orch_client::{DeleteOptions, WriteOptions};
use orch_object::custom::{self, names};
use orch_object::{CLEANUP_FINALIZER, Kind, Status};
use serde_json::Value;

use super::{call, target};
use crate::key;
use crate::verbs::{Api, Modification, Part, Reviewed, time};

/// Between tries after a delete that failed.
const RETRY: Duration = Duration::from_secs(1);

/// Deletes the instances, waits until they are gone, and lets the definition go.
pub async fn run(api: Arc<Api>, definition: Arc<Value>) {
    let name = definition["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    while let Err(status) = clean(&api, &definition, &name).await {
        if status.is_not_found() {
            return;
        }
        tracing::warn!(definition = name, %status, "cannot delete the instances of a definition; trying again");
        tokio::time::sleep(RETRY).await;
    }
}

async fn clean(api: &Api, definition: &Value, name: &str) -> Result<(), Status> {
    let finalizers = definition["metadata"]["finalizers"].as_array();
    if !finalizers.is_some_and(|names| names.iter().any(|name| name == CLEANUP_FINALIZER)) {
        return Ok(());
    }
    if let Some(kind) = custom::stored_row(definition) {
        let message = "CustomResource deletion is in progress";
        say(api, name, ("True", "InstanceDeletionInProgress", message), false).await?;
        delete_instances(api, &kind).await?;
    }
    say(api, name, ("False", "InstanceDeletionCompleted", "removed all instances"), true).await
}

/// Returns when there is none left.
async fn delete_instances(api: &Api, kind: &Kind) -> Result<(), Status> {
    let prefix = key::kind_prefix(kind, None);
    let (list, mut changes) = api.cache().list_and_watch(&prefix);
    for object in list.items {
        let metadata = &object.value()["metadata"];
        let instance = orch_client::Target {
            resource: orch_client::Resource {
                group: kind.group.clone().into(),
                version: kind.version.clone().into(),
                plural: kind.plural.clone().into(),
            },
            namespace: metadata["namespace"].as_str().map(String::from),
            name: metadata["name"].as_str().unwrap_or_default().into(),
            subresource: String::new(),
        };
        let options = DeleteOptions::default();
        match api.delete_authorized(&call(), kind, &instance, &options, Reviewed::Object).await {
            Err(status) if !status.is_not_found() => return Err(status),
            _ => {}
        }
    }
    // Finalizers may hold some for as long as they like.
    while api.cache().count(&prefix) > 0 {
        match changes.next().await {
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Err(Status::new(504, "Timeout", "too many changes at once")),
        }
    }
    Ok(())
}

/// Writes the `Terminating` condition, and, at the end, takes the finalizer away.
async fn say(api: &Api, name: &str, what: (&str, &str, &str), done: bool) -> Result<(), Status> {
    let target = target(name);
    let kind = api.kind(&target.resource).await?;
    let now = time(api.clock.now());
    let (value, reason, message) = what;
    let change = |old: &Arc<Value>| {
        let mut new = (**old).clone();
        names::set_condition(&mut new["status"], "Terminating", value, reason, message, &now);
        if let Some(metadata) = new["metadata"].as_object_mut() {
            metadata.remove("resourceVersion");
        }
        if let Some(finalizers) = new["metadata"]["finalizers"].as_array_mut().filter(|_| done) {
            finalizers.retain(|name| name != CLEANUP_FINALIZER);
        }
        Ok(new)
    };
    let options = WriteOptions::default();
    let modification =
        Modification { part: Part::Any, options: &options, change: &change, keeps_managed_fields: false };
    api.modify(&call(), &kind, &target, &modification).await.map(drop)
}
