//! This machine as a Node: registered once, its status told when it changes, its Lease renewed.

mod lease;
mod object;

use std::sync::Arc;
use std::time::Duration;

use orch_client::{Patch, PatchType, Resource, Status, Target, WriteOptions};
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::agent::Agent;
use crate::events::About;
use crate::machine;
use crate::time;

/// How often the machine is looked at and the Lease renewed.
const PERIOD: Duration = Duration::from_secs(10);
/// An unchanged status is told again after this long.
const REPORT: Duration = Duration::from_secs(300);

fn target(agent: &Agent) -> Target {
    Target::cluster(&Resource::core("nodes"), &agent.config.node_name)
}

pub async fn run(agent: Arc<Agent>) {
    let node = register_until_done(&agent).await;
    let uid = node["metadata"]["uid"].as_str().unwrap_or_default().to_string();
    let about = About::node(&agent.config.node_name);
    agent.events.normal(&about, "Starting", "Starting kubelet.");
    let mut reporter = Reporter { agent: agent.clone(), told: node["status"].clone(), told_at: None };
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let (told, renewed) = tokio::join!(reporter.report(), lease::renew(&agent, &uid));
        if let Err(status) = told {
            tracing::warn!(%status, "the node's status could not be written");
            if status.is_not_found() {
                // Deleted under a living agent: it comes back, as kubelet's does.
                register_until_done(&agent).await;
            }
        }
        if let Err(status) = renewed {
            tracing::warn!(%status, "the node's lease could not be renewed");
        }
    }
}

async fn register_until_done(agent: &Agent) -> Value {
    let mut backoff = Duration::from_millis(50);
    loop {
        match register(agent).await {
            Ok(node) => return node,
            Err(status) => tracing::warn!(%status, "the node could not be registered; trying again"),
        }
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(Duration::from_secs(7));
    }
}

async fn register(agent: &Agent) -> Result<Value, Status> {
    let options = WriteOptions { field_manager: "kubelet".into(), ..WriteOptions::default() };
    let existing = match agent.client.get(&target(agent)).await {
        Ok(node) => node,
        Err(status) if status.is_not_found() => {
            let node = object::node(&agent.config);
            return match agent.client.create(&target(agent), node, &options).await {
                Err(status) if status.is_already_exists() => {
                    agent.client.get(&target(agent)).await.map(|node| (*node).clone())
                }
                result => result,
            };
        }
        Err(status) => return Err(status),
    };
    let Some(body) = object::amendment(&agent.config, &existing) else { return Ok((*existing).clone()) };
    let patch = Patch { patch_type: PatchType::Merge, body };
    agent.client.patch(&target(agent), patch, &options).await
}

struct Reporter {
    agent: Arc<Agent>,
    /// The status as last told, with the conditions that the API has.
    told: Value,
    told_at: Option<Instant>,
}

impl Reporter {
    async fn report(&mut self) -> Result<(), Status> {
        let agent = self.agent.clone();
        // Others write conditions too: of a node that it does not hear of, the node controller.
        let shown = agent.client.get(&target(&agent)).await?;
        self.told["conditions"] = object::own_conditions(&shown["status"]);
        let images = agent.runtime.images().await.unwrap_or_default();
        let trouble = agent.runtime.sandboxes().await.err().map(|e| e.to_string());
        let pressure = machine::pressure(agent.paths.data_dir()).ok();
        let health = object::Health { trouble, pressure };
        let status =
            object::status(&agent.config, &agent.machine, &images, &health, &self.told, &time::now());
        let is_due = self.told_at.is_none_or(|at| at.elapsed() >= REPORT);
        if !is_due && object::is_same(&status, &self.told) {
            return Ok(());
        }
        let body = json!({ "status": status });
        let patch = Patch { patch_type: PatchType::Strategic, body };
        let options = WriteOptions { field_manager: "kubelet".into(), ..WriteOptions::default() };
        agent.client.patch(&target(&agent).subresource("status"), patch, &options).await?;
        self.tell_transitions(&status);
        self.told = status;
        self.told_at = Some(Instant::now());
        Ok(())
    }

    fn tell_transitions(&self, status: &Value) {
        let (was, is) = (object::is_ready(&self.told), object::is_ready(status));
        if was == is {
            return;
        }
        let name = &self.agent.config.node_name;
        let reason = if is { "NodeReady" } else { "NodeNotReady" };
        self.agent.events.normal(&About::node(name), reason, format!("Node {name} status is now: {reason}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, NODE};
    use orch_client::Client;

    async fn shown(bench: &Bench) -> Value {
        let node = bench.client.get(&Target::cluster(&Resource::core("nodes"), NODE)).await;
        node.map(|node| (*node).clone()).unwrap_or_default()
    }

    #[tokio::test(start_paused = true)]
    async fn what_others_say_of_the_node_meanwhile_is_put_right() {
        let bench = Bench::start();
        tokio::time::sleep(Duration::from_secs(15)).await;
        let mut node = shown(&bench).await;
        assert!(object::is_ready(&node["status"]));
        let quiet = node["metadata"]["resourceVersion"].clone();
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(
            shown(&bench).await["metadata"]["resourceVersion"],
            quiet,
            "unchanged, it is not told again"
        );
        for condition in node["status"]["conditions"].as_array_mut().unwrap() {
            condition["status"] = "Unknown".into();
        }
        node["status"]["conditions"]
            .as_array_mut()
            .unwrap()
            .push(json!({ "type": "Other", "status": "True" }));
        bench.client.put(&Target::cluster(&Resource::core("nodes"), NODE), node);
        tokio::time::sleep(Duration::from_secs(11)).await;
        let node = shown(&bench).await;
        assert!(object::is_ready(&node["status"]), "{node:#}");
        let conditions = node["status"]["conditions"].as_array().unwrap();
        assert!(conditions.iter().all(|condition| condition["status"] != "Unknown"), "{conditions:#?}");
        assert!(conditions.iter().any(|condition| condition["type"] == "Other"), "{conditions:#?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_node_is_ready_at_once_and_its_lease_is_renewed() {
        let bench = Bench::start();
        let before = Instant::now();
        let target = Target::cluster(&Resource::core("nodes"), NODE);
        let mut changed = bench.client.changed();
        let node = loop {
            match bench.client.get(&target).await {
                Ok(node) if object::is_ready(&node["status"]) => break node,
                Ok(_) | Err(_) => changed.changed().await.unwrap(),
            }
        };
        assert_eq!(before.elapsed(), Duration::ZERO);
        assert_eq!(node["status"]["nodeInfo"]["kubeletVersion"], "v1.37.0+orch");
        assert_eq!(node["status"]["capacity"]["pods"], "110");
        let lease =
            Target::named(&Resource::new("coordination.k8s.io", "v1", "leases"), "kube-node-lease", NODE);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let first = bench.client.get(&lease).await.unwrap();
        assert_eq!(first["metadata"]["ownerReferences"][0]["name"], NODE);
        tokio::time::sleep(Duration::from_secs(10)).await;
        let second = bench.client.get(&lease).await.unwrap();
        assert_ne!(first["spec"]["renewTime"], second["spec"]["renewTime"]);
    }
}
