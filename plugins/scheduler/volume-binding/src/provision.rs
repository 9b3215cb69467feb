//! Where a volume could be made: the class must allow the place, and the driver have room there.

use orch_sdk::node::Quantity;
use orch_sdk::scheduler::NodeSet;
use orch_sdk::volume::{Claim, StorageClass};

use crate::plan::{Plan, Provision};
use crate::state::State;

impl State {
    /// `nodes`: where every claim could be served so far. The first objection of a node counts.
    pub fn check_provisions<'a>(
        &'a self,
        claims: Vec<(&'a Claim, NodeSet)>,
        mut nodes: NodeSet,
        plan: &mut Plan<'a>,
    ) -> Result<(), String> {
        for (claim, wanted) in claims {
            let asked = wanted.intersection(&nodes);
            if asked.is_empty() {
                continue;
            }
            let name = claim.class();
            let class = self.classes.get(name);
            let class = class.ok_or_else(|| format!("failed to find storage class {name:?}"))?;
            let allowed =
                if class.provisions() { self.reach.of_class(class, &asked) } else { NodeSet::new() };
            let refused = asked.difference(&allowed);
            nodes = nodes.difference(&refused);
            plan.conflicts.matching.extend(&refused);
            let (roomy, room) = self.room_for(claim, class, &allowed);
            let full = allowed.difference(&roomy);
            nodes = nodes.difference(&full);
            plan.conflicts.space.extend(&full);
            plan.provisions.push(Provision { claim, room });
        }
        Ok(())
    }

    /// The nodes with room for the claim's volume, and which room that is. Drivers that do not publish
    /// their capacity are taken to have it.
    fn room_for(
        &self,
        claim: &Claim,
        class: &StorageClass,
        nodes: &NodeSet,
    ) -> (NodeSet, Vec<(i64, NodeSet)>) {
        let driver = self.drivers.get(&class.provisioner);
        let publishes = driver.is_some_and(|driver| driver.spec.storage_capacity);
        let Some(requested) = claim.requested().filter(|_| publishes) else {
            return (nodes.clone(), Vec::new());
        };
        let (mut open, mut room) = (nodes.clone(), Vec::new());
        for capacity in self.capacities_of(&class.metadata.name) {
            if capacity.limit().is_none_or(|limit| limit < requested) {
                continue;
            }
            let Some(topology) = capacity.topology() else { continue };
            let near = self.reach.of_selector(&topology, &open);
            if !near.is_empty() {
                open = open.difference(&near);
                room.push((capacity.capacity.as_ref().map_or(0, Quantity::whole), near));
            }
            if open.is_empty() {
                break;
            }
        }
        (nodes.difference(&open), room)
    }
}
