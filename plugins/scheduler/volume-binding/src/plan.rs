//! What each node would do for a pod's claims: the volume for each, or that one is made; and why not.
//!
//! Nodes are judged together, as sets: a volume serves the nodes that reach it and have no better one.

use std::collections::HashMap;

use orch_sdk::scheduler::{NodeSet, Rejection};
use orch_sdk::selector::Selector;
use orch_sdk::volume::{Claim, PersistentVolume};

use crate::claims::PodClaims;
use crate::state::State;

/// Why nodes are no good, in the order in which the reasons are given.
#[derive(Debug, Default)]
pub struct Conflicts {
    /// A bound volume is out of reach.
    pub affinity: NodeSet,
    /// No volume matches, and none can be made.
    pub matching: NodeSet,
    /// One could be made, but there is no room.
    pub space: NodeSet,
    /// A claim is bound to a volume that is not there.
    pub missing: NodeSet,
}

impl Conflicts {
    pub fn into_rejections(self) -> Vec<Rejection> {
        let reasons = [
            ("node(s) had volume node affinity conflict", self.affinity),
            ("node(s) didn't find available persistent volumes to bind", self.matching),
            ("node(s) did not have enough free storage", self.space),
            ("node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)", self.missing),
        ];
        let found = reasons.into_iter().filter(|(_, nodes)| !nodes.is_empty());
        // Evicting pods frees no volume.
        found.map(|(reason, nodes)| Rejection { reason: reason.into(), nodes, unresolvable: true }).collect()
    }
}

/// A volume for a claim, on the nodes where no smaller one serves.
pub struct Match<'a> {
    pub claim: &'a Claim,
    pub volume: &'a PersistentVolume,
    pub nodes: NodeSet,
}

/// A claim whose volume is to be made, on some of the nodes at least.
pub struct Provision<'a> {
    pub claim: &'a Claim,
    /// Room that the driver tells of, in bytes, and the nodes that have access to it. Empty where
    /// drivers do not tell.
    pub room: Vec<(i64, NodeSet)>,
}

#[derive(Default)]
pub struct Plan<'a> {
    pub conflicts: Conflicts,
    pub matches: Vec<Match<'a>>,
    pub provisions: Vec<Provision<'a>>,
}

impl State {
    pub fn plan<'a>(&'a self, claims: &PodClaims<'a>, nodes: &NodeSet) -> Result<Plan<'a>, String> {
        let nodes = self.reach.present(nodes);
        let mut plan = Plan::default();
        self.check_bound(&claims.bound, &nodes, &mut plan.conflicts);
        if claims.delayed.is_empty() {
            return Ok(plan);
        }
        // A claim with a node goes there and nowhere else; the others may find a volume.
        let (mut rest, mut to_make, mut to_match) = (nodes, Vec::new(), Vec::new());
        for claim in &claims.delayed {
            match self.selected_node(claim) {
                None => to_match.push(*claim),
                Some(name) => {
                    let only = self.reach.named(name, &rest);
                    plan.conflicts.matching.extend(&rest.difference(&only));
                    rest = only;
                    to_make.push(*claim);
                }
            }
        }
        let mut to_make: Vec<(&Claim, NodeSet)> =
            to_make.into_iter().map(|claim| (claim, rest.clone())).collect();
        // Small claims first, lest they take the volumes that the large ones need.
        to_match.sort_by_cached_key(|claim| claim.requested().unwrap_or(0));
        to_make.extend(self.find_matches(&to_match, &rest, &mut plan.matches)?);
        self.check_provisions(to_make, rest, &mut plan)?;
        Ok(plan)
    }

    fn check_bound(&self, bound: &[&Claim], nodes: &NodeSet, conflicts: &mut Conflicts) {
        let mut rest = nodes.clone();
        for claim in bound {
            let Some(volume) = self.volumes.get(&claim.spec.volume_name) else {
                conflicts.missing = rest;
                return;
            };
            let near = self.reach.of_volume(volume, &rest);
            conflicts.affinity.extend(&rest.difference(&near));
            rest = near;
        }
    }

    /// The claims that find no volume, and on which nodes.
    fn find_matches<'a>(
        &'a self,
        claims: &[&'a Claim],
        nodes: &NodeSet,
        matches: &mut Vec<Match<'a>>,
    ) -> Result<Vec<(&'a Claim, NodeSet)>, String> {
        let mut unmatched = Vec::new();
        let mut taken: HashMap<&str, NodeSet> = HashMap::new();
        for claim in claims.iter().copied() {
            let mut open = nodes.clone();
            for volume in self.candidates(claim)? {
                if open.is_empty() {
                    break;
                }
                let taken = taken.entry(&volume.metadata.name).or_default();
                let near = self.reach.of_volume(volume, &open).difference(taken);
                if near.is_empty() {
                    continue;
                }
                taken.extend(&near);
                open = open.difference(&near);
                matches.push(Match { claim, volume, nodes: near });
            }
            if !open.is_empty() {
                unmatched.push((claim, open));
            }
        }
        Ok(unmatched)
    }

    /// Volumes that could be bound to the claim, the smallest first. One that is meant for it is the only
    /// one.
    fn candidates<'a>(&'a self, claim: &Claim) -> Result<Vec<&'a PersistentVolume>, String> {
        let selector = claim.spec.selector.as_ref().map(Selector::from_label_selector).transpose();
        let selector = selector.map_err(|error| {
            format!("error creating internal label selector for claim: {}: {error}", claim.metadata.key())
        })?;
        let mut found = Vec::new();
        for volume in self.volumes_of(claim.class()).filter(|volume| volume.can_hold(claim)) {
            match self.claim_of(volume) {
                Some(theirs) if theirs.is_to(claim) => return Ok(vec![volume]),
                Some(_) => {}
                None if is_free(volume, claim, selector.as_ref()) => found.push(volume),
                None => {}
            }
        }
        found.sort_by_cached_key(|volume| volume.capacity());
        Ok(found)
    }
}

fn is_free(volume: &PersistentVolume, claim: &Claim, selector: Option<&Selector>) -> bool {
    volume.is_available()
        && volume.offers_modes_of(claim)
        && selector.is_none_or(|selector| selector.matches(&volume.metadata.labels))
}
