//! What becomes of nodes and of what runs there (`pkg/controller/nodelifecycle`, `pkg/controller/tainteviction`):
//! a node that is no longer heard of is unknown ([`health`]); that it is not ready, under pressure, without
//! network or cordoned keeps new pods away by taints ([`taints`]); of nodes that are lost the pods are
//! evicted, not too many nodes at once ([`zones`], [`eviction`]).
//! <https://kubernetes.io/docs/concepts/architecture/nodes/#node-controller>

mod eviction;
mod health;
mod taints;
mod unready;
mod zones;

use orch_sdk::Value;
use orch_sdk::config::Field;
use orch_sdk::controller::{Api, Change, Controller, Description, Error, Kind, Outcome, split_key};
use orch_sdk::object::Object;

use eviction::{Evictions, node_of};
use health::{Grace, Health};

const LEASE: Kind = Kind::new("coordination.k8s.io/v1", "Lease");
/// Where the Leases of nodes are.
const LEASES: &str = "kube-node-lease";
/// The key that stands for the health of all nodes; no node has such a name.
const ALL: &str = "*";
const SECONDS: std::ops::RangeInclusive<i64> = 1..=365 * 86_400;

#[derive(Default)]
pub struct Nodes {
    health: Health,
    evictions: Evictions,
}

orch_sdk::export_controller!(Nodes);

impl Controller for Nodes {
    /// One worker: who is heard of and whose time is running is known in one place. A key is a node's
    /// name, a pod's, or [`ALL`].
    fn describe() -> Description {
        let of_nodes = [
            "metadata.labels",
            "status.conditions[*].type",
            "status.conditions[*].status",
            "status.conditions[*].lastHeartbeatTime",
            "spec.unschedulable",
            "spec.taints",
        ];
        let of_pods = ["metadata.deletionTimestamp", "spec.nodeName", "spec.tolerations"];
        Description::new()
            .watches_mapped(Kind::NODE, &of_nodes)
            .watches_mapped(Kind::POD, &of_pods)
            .watches_mapped(LEASE, &["spec.renewTime"])
            .counter("node_evictions", "Nodes whose pods began to be evicted since they were lost.")
    }

    fn configure(&mut self, config: &Value) -> Result<(), String> {
        let names = ["nodeMonitorGracePeriodSeconds", "nodeStartupGracePeriodSeconds"];
        let root = Field::root(config).only(&names)?;
        let default = Grace::default();
        let millis = |name: &str, default: u64| {
            let seconds = root.child(name).integer_or(default as i64 / 1000, SECONDS)?;
            Ok::<u64, String>(seconds.unsigned_abs() * 1000)
        };
        self.health.grace = Grace {
            monitor_ms: millis(names[0], default.monitor_ms)?,
            startup_ms: millis(names[1], default.startup_ms)?,
        };
        Ok(())
    }

    /// Leases concern no key: that they are renewed is only noted, for there are many of them.
    fn keys(&mut self, watch: usize, change: Change, object: &Value, before: Option<&Value>) -> Vec<String> {
        match watch {
            0 if self.health.has_looked() => vec![object.name().into()],
            0 => vec![object.name().into(), ALL.into()],
            1 => {
                let is_new = before.is_none_or(|before| node_of(before) != node_of(object));
                let is_lost = is_new && self.health.is_unready(node_of(object));
                if is_lost || self.evictions.concern(object) { vec![object.key()] } else { Vec::new() }
            }
            _ => {
                if object.namespace() == LEASES {
                    self.health.hear(object, change);
                }
                Vec::new()
            }
        }
    }

    fn reconcile(&mut self, api: &dyn Api, key: &str) -> Result<Outcome, Error> {
        if key == ALL {
            self.health.look(api)?;
            return Ok(Outcome::requeue_after_ms(health::PERIOD_MS));
        }
        let next = match key.contains('/') {
            true => self.look_at_pod(api, key)?,
            false => self.look_at_node(api, key)?,
        };
        Ok(next.map_or_else(Outcome::done, Outcome::requeue_after_ms))
    }
}

impl Nodes {
    fn look_at_node(&mut self, api: &dyn Api, name: &str) -> Result<Option<u64>, Error> {
        let Some(node) = api.get(Kind::NODE.object("", name))? else {
            self.health.forget(api, name);
            self.evictions.forget_node(name);
            return Ok(None);
        };
        self.health.observe(api, &node);
        taints::settle(api, &node, taints::kept(&node))?;
        self.evictions.of_node(api, &node)
    }

    fn look_at_pod(&mut self, api: &dyn Api, key: &str) -> Result<Option<u64>, Error> {
        let (namespace, name) = split_key(key);
        let Some(pod) = api.get(Kind::POD.object(namespace, name))? else {
            self.evictions.forget_pod(key);
            return Ok(None);
        };
        let is_first = !self.evictions.is_doomed(key);
        if is_first && self.health.is_unready(node_of(&pod)) {
            unready::mark(api, &pod)?;
        }
        self.evictions.of_pod(api, &pod)
    }
}

#[cfg(test)]
mod tests;
