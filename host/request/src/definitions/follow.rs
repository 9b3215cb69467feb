//! Follows the definitions: rows come and go, names are accepted, deletions are carried out. Every host
//! does so; what they write is the same, and of two equal writes one is none.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use orch_client::WriteOptions;
use orch_object::{Status, custom};
use orch_watch::Object;
use serde_json::Value;
use tokio::task::{AbortHandle, JoinSet};

use super::{GROUP, PLURAL, call, cleanup, target};
use crate::follow::{self, Follower};
use crate::key;
use crate::verbs::{Api, Modification, Part, time};

/// Does not return.
pub async fn follow(api: Arc<Api>) {
    let prefix = key::prefix(GROUP, PLURAL, None);
    let mut cleanups = Cleanups::default();
    let mut follower = Follower::new(api.cache(), std::slice::from_ref(&prefix));
    loop {
        api.kinds.sync();
        let again = settle(&api, &api.cache().list(&prefix).items, &mut cleanups).await;
        follower.changed(again).await;
    }
}

/// Deletions under way, by the definition's uid. They end with the follower.
#[derive(Default)]
struct Cleanups {
    tasks: JoinSet<()>,
    running: HashMap<String, AbortHandle>,
}

impl Cleanups {
    fn begin(&mut self, api: &Arc<Api>, definition: Arc<Value>) {
        self.running.retain(|_, task| !task.is_finished());
        while self.tasks.try_join_next().is_some() {}
        let uid = definition["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        if !self.running.contains_key(&uid) {
            let task = self.tasks.spawn(cleanup::run(api.clone(), definition));
            self.running.insert(uid, task);
        }
    }
}

/// When to look again without a change: soon, where something could not be written.
async fn settle(api: &Arc<Api>, definitions: &[Arc<Object>], cleanups: &mut Cleanups) -> Option<Duration> {
    let mut definitions: Vec<Arc<Value>> = definitions.iter().map(|object| object.value()).collect();
    // Of two that want a name the older one has it.
    definitions.sort_by_key(|d| {
        let text = |field: &str| d["metadata"][field].as_str().unwrap_or_default().to_owned();
        (text("creationTimestamp"), text("name"))
    });
    let mut again = None;
    for index in 0..definitions.len() {
        if definitions[index]["metadata"]["deletionTimestamp"].is_string() {
            cleanups.begin(api, definitions[index].clone());
            continue;
        }
        match accept(api, &definitions, index).await {
            Ok(None) => {}
            Ok(Some(accepted)) => definitions[index] = accepted,
            Err(status) if status.is_not_found() || status.is_conflict() => {}
            Err(status) => {
                tracing::warn!(%status, "cannot accept the names of a definition");
                again = follow::RETRY;
            }
        }
    }
    again
}

/// `None`: its status says already what is to be said.
async fn accept(api: &Api, definitions: &[Arc<Value>], index: usize) -> Result<Option<Arc<Value>>, Status> {
    let definition = &definitions[index];
    let others = definitions.iter().enumerate().filter(|(other, _)| *other != index);
    let others: Vec<&Value> = others.map(|(_, other)| &**other).collect();
    let now = time(api.clock.now());
    let status = custom::names::status(definition, &others, api.kinds.builtin(), &now);
    if status == definition["status"] {
        return Ok(None);
    }
    let name = definition["metadata"]["name"].as_str().unwrap_or_default();
    let target = target(name);
    let kind = api.kind(&target.resource).await?;
    let version = definition["metadata"]["resourceVersion"].clone();
    let change = |old: &Arc<Value>| {
        let mut new = (**old).clone();
        new["status"] = status.clone();
        new["metadata"]["resourceVersion"] = version.clone();
        Ok(new)
    };
    let target = orch_client::Target { subresource: "status".into(), ..target };
    let options = WriteOptions::default();
    let modification =
        Modification { part: Part::Status, options: &options, change: &change, keeps_managed_fields: false };
    Ok(Some(api.modify(&call(), &kind, &target, &modification).await?.value))
}
