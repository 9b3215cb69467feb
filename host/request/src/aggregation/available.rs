//! Whether extension servers answer (`kube-aggregator/pkg/controllers/status/remote`).

use std::sync::Arc;
use std::time::Duration;

use orch_client::{Resource, Target, WriteOptions};
use orch_object::Status;
use serde_json::{Value, json};

use super::{Aggregator, Discovered, GROUP, PLURAL, Remote, condition, discovered};
use crate::definitions::call;
use crate::follow::Follower;
use crate::key;
use crate::outbound::slices_of;
use crate::verbs::{Api, Modification, Part, time};

/// Between checks while all answer.
const WHILE_WELL: Duration = Duration::from_secs(30);
/// Between checks while one does not.
const WHILE_ILL: Duration = Duration::from_secs(2);

/// What a check found: `status`, `reason`, `message` of the condition.
struct Finding {
    good: bool,
    reason: &'static str,
    message: String,
}

impl Finding {
    fn bad(reason: &'static str, message: String) -> Finding {
        Finding { good: false, reason, message }
    }
}

/// Checks the extension servers, tells it in their APIServices, and keeps what they say of themselves.
/// Does not return.
pub async fn follow(api: Arc<Api>) {
    let aggregator = &api.aggregator;
    let mut follower = Follower::new(api.cache(), &[key::prefix(GROUP, PLURAL, None)]);
    loop {
        let remotes = aggregator.remotes();
        let well = settle(&api, aggregator, &remotes).await;
        let again = (!remotes.is_empty()).then_some(if well { WHILE_WELL } else { WHILE_ILL });
        follower.changed(again).await;
    }
}

/// False: one does not answer.
async fn settle(api: &Api, aggregator: &Aggregator, remotes: &[Remote]) -> bool {
    let known = aggregator.discovered();
    let checks = remotes.iter().map(|remote| async {
        let finding = check(api, aggregator, remote).await;
        let version = match finding.good {
            true => discovered::ask(aggregator, remote).await,
            false => known.version(remote).map(discovered::RemoteVersion::gone_stale),
        };
        let version = version.unwrap_or_else(|| discovered::RemoteVersion::unknown(remote));
        (finding, version)
    });
    let (findings, versions): (Vec<_>, Vec<_>) = futures::future::join_all(checks).await.into_iter().unzip();
    // First: who has seen that a server is available finds what it serves.
    let fresh = Discovered::new(versions);
    if fresh != *known {
        aggregator.discovered.store(Arc::new(fresh));
    }
    let mut well = true;
    for (remote, finding) in remotes.iter().zip(findings) {
        well &= finding.good;
        if let Err(status) = tell(api, remote, &finding).await
            && !status.is_not_found()
        {
            tracing::warn!(service = %remote.name, %status, "cannot tell whether an extension server is available");
            well = false;
        }
    }
    well
}

async fn check(api: &Api, aggregator: &Aggregator, remote: &Remote) -> Finding {
    let Remote { namespace, service: name, port, .. } = remote;
    let Some(service) = api.cache().get(&key::object("", "services", namespace, name)) else {
        let message = format!("service/{name} in {namespace:?} is not present");
        return Finding::bad("ServiceNotFound", message);
    };
    if let Some(finding) = no_endpoint(api, remote, &service.value(), *port) {
        return finding;
    }
    let path = format!("/apis/{}/{}", remote.group, remote.version);
    match aggregator.get(remote, &path, "application/json").await {
        Ok(_) => Finding { good: true, reason: "Passed", message: "all checks passed".into() },
        Err(why) => Finding::bad("FailedDiscoveryCheck", why),
    }
}

/// What keeps a Service with a cluster IP from leading anywhere.
fn no_endpoint(api: &Api, remote: &Remote, service: &Value, port: u16) -> Option<Finding> {
    let Remote { namespace, service: name, .. } = remote;
    if service["spec"]["type"] != "ClusterIP" {
        return None;
    }
    let ports = service["spec"]["ports"].as_array().into_iter().flatten();
    let Some(entry) = ports.into_iter().find(|entry| entry["port"] == port) else {
        let message = format!("service/{name} in {namespace:?} is not listening on port {port}");
        return Some(Finding::bad("ServicePortError", message));
    };
    let slices = slices_of(api.cache(), namespace, name);
    if slices.is_empty() {
        let message = format!("cannot find endpointslices for service/{name} in {namespace:?}");
        return Some(Finding::bad("EndpointsNotFound", message));
    }
    let port_name = entry["name"].as_str().unwrap_or_default();
    crate::outbound::endpoint(name, port_name, &slices, |_| true).err().map(|_| {
        Finding::bad(
            "MissingEndpoints",
            format!("endpointslices for service/{name} in {namespace:?} have no addresses with port name {port_name:?}"),
        )
    })
}

async fn tell(api: &Api, remote: &Remote, finding: &Finding) -> Result<(), Status> {
    let target = Target::cluster(&Resource::new(GROUP, "v1", PLURAL), &remote.name).subresource("status");
    let kind = api.kind(&target.resource).await?;
    let now = time(api.clock.now());
    let change = |old: &Arc<Value>| {
        let mut new = (**old).clone();
        new["status"] = told(old, finding, &now);
        if let Some(metadata) = new["metadata"].as_object_mut() {
            metadata.remove("resourceVersion");
        }
        Ok(new)
    };
    let options = WriteOptions::default();
    let modification =
        Modification { part: Part::Status, options: &options, change: &change, keeps_managed_fields: false };
    api.modify(&call(), &kind, &target, &modification).await.map(drop)
}

/// The status with the finding; the time is that of the last turn.
fn told(object: &Value, finding: &Finding, now: &str) -> Value {
    let status = if finding.good { "True" } else { "False" };
    let before = condition(object);
    let since =
        before.filter(|before| before["status"] == status).map(|before| before["lastTransitionTime"].clone());
    let condition = json!({
        "type": "Available", "status": status, "reason": finding.reason, "message": finding.message,
        "lastTransitionTime": since.unwrap_or_else(|| now.into()),
    });
    let others = object["status"]["conditions"].as_array().into_iter().flatten();
    let others = others.filter(|condition| condition["type"] != "Available").cloned();
    json!({ "conditions": others.chain([condition]).collect::<Vec<Value>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_that_of_the_turn() {
        let good = Finding { good: true, reason: "Passed", message: "all checks passed".into() };
        let first = json!({ "status": told(&Value::Null, &good, "1") });
        let again = json!({ "status": told(&first, &good, "2") });
        assert_eq!(first, again);
        let bad = Finding::bad("ServiceNotFound", "x".into());
        let turned = told(&again, &bad, "3");
        assert_eq!(
            (&turned["conditions"][0]["status"], &turned["conditions"][0]["lastTransitionTime"]),
            (&json!("False"), &json!("3"))
        );
    }
}
