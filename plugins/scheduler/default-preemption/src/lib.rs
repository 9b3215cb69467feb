//! Makes room for a pod that fits nowhere, by evicting pods of lower priority: as few as possible,
//! those least missed, and where a disruption budget forbids it only when nothing else helps.
//!
//! ```json
//! {"minCandidateNodesPercentage": 10, "minCandidateNodesAbsolute": 100}
//! ```

use orch_sdk::Value;
use orch_sdk::config::Field;
use orch_sdk::scheduler::{Delta, Description, Eviction, NodeSet, Plan, Policy};

mod budgets;
mod choice;
mod preemptor;
mod residents;
mod shortlist;

use budgets::Budgets;
use preemptor::Preemptor;
use residents::Residents;
use shortlist::Shortlist;

const NEVER: &str = "not eligible due to preemptionPolicy=Never.";
const TERMINATING: &str = "not eligible due to a terminating pod on the nominated node.";

#[derive(Default)]
pub struct DefaultPreemption {
    residents: Residents,
    budgets: Budgets,
    shortlist: Shortlist,
}

orch_sdk::export_scheduler!(DefaultPreemption);

impl Policy for DefaultPreemption {
    fn describe() -> Description {
        Description::new()
            .pod(&preemptor::FIELDS)
            .reads("v1", "Node", &["metadata.name"])
            .reads("v1", "Pod", &residents::FIELDS)
            .reads("policy/v1", "PodDisruptionBudget", &budgets::FIELDS)
            .preempts()
            .order(200)
    }

    fn configure(&mut self, config: &Value) -> Result<(), String> {
        self.shortlist = Shortlist::read(&Field::root(config))?;
        Ok(())
    }

    fn sync(&mut self, delta: Delta) -> Result<(), String> {
        match delta {
            Delta::NodeUpsert { index, node } => self.residents.upsert_node(index, &node)?,
            Delta::NodeRemove { index } => self.residents.remove_node(index),
            Delta::PodUpsert { key, node, pod } => self.residents.upsert_pod(key, node, &pod)?,
            Delta::PodRemove { key } => self.residents.remove_pod(&key),
            Delta::ObjectUpsert { object } => self.budgets.upsert(&object)?,
            Delta::ObjectRemove { identity } => self.budgets.remove(&identity)?,
        }
        Ok(())
    }

    fn propose(&mut self, pod: &str, nodes: &NodeSet) -> Result<Plan, String> {
        let pod = Preemptor::read(pod)?;
        if pod.never_preempts {
            return Ok(Plan::NotEligible(NEVER.into()));
        }
        if self.is_waiting(&pod, nodes) {
            return Ok(Plan::NotEligible(TERMINATING.into()));
        }
        let potential: Vec<usize> =
            nodes.iter().filter(|node| self.residents.has_below(*node, pod.priority)).collect();
        let seed = pod.seed.wrapping_add(self.residents.fingerprint());
        let chosen = self.shortlist.pick(&potential, nodes.count(), seed);
        Ok(Plan::Proposals(chosen.map(|node| self.proposal(node, pod.priority)).collect()))
    }

    fn choose(&mut self, pod: &str, candidates: &[Eviction]) -> Result<Option<usize>, String> {
        let pod = Preemptor::read(pod)?;
        Ok(choice::choose(&self.residents, &self.budgets, pod.priority, candidates))
    }
}

impl DefaultPreemption {
    /// Pods that were evicted for this one are still going from the node that it was promised.
    fn is_waiting(&self, pod: &Preemptor, nodes: &NodeSet) -> bool {
        let promised = pod.nominated_node.as_deref().and_then(|name| self.residents.node(name));
        // A node that filters call unresolvable is a promise no more.
        let promised = promised.filter(|node| nodes.contains(*node));
        promised.is_some_and(|node| {
            self.residents.below(node, pod.priority).any(|victim| victim.is_being_preempted)
        })
    }

    /// Those whose eviction breaks a budget are spared first, the more important ones before others.
    fn proposal(&self, node: usize, priority: i32) -> Eviction {
        let (breaking, others) = self.budgets.split(self.residents.below(node, priority));
        let victims = breaking.into_iter().chain(others).map(|victim| victim.key.clone()).collect();
        Eviction { node, victims }
    }
}

#[cfg(test)]
mod tests;
