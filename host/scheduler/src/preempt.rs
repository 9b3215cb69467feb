//! Making room for a pod that fits nowhere. Which pods may go, and where, a plugin says; what fits
//! without them is found by asking the filters with those pods taken out of what they were told.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use orch_plugin::calls::scheduler::{Eviction, Plan, Scope, Verdict};
use orch_plugin::calls::{CallError, NodeSet};

use crate::cluster::{Change, Cluster};
use crate::core::{Core, Effect};
use crate::cycle::unless_ignored;
use crate::diagnosis::{Diagnosis, fit_error};
use crate::nodeset;
use crate::pod::PodInfo;
use crate::resident::Resident;
use crate::trace::Preemption;

/// How often another candidate is chosen when one does not hold on its own.
const CHOICES: usize = 5;

/// A pod for which room was made; until it is placed it counts as being there for pods of no higher
/// priority.
pub(crate) struct Nominated {
    pub pod: Arc<PodInfo>,
    pub node: u32,
    /// The plugins have been told that it is there.
    shown: bool,
}

/// The pods that the plugins think are on this node though they have yet to come.
pub(crate) fn expected_at(nominated: &HashMap<Arc<str>, Nominated>, node: u32) -> Vec<Expected> {
    expected(nominated).filter(|(_, at)| *at == node).collect()
}

fn expected(nominated: &HashMap<Arc<str>, Nominated>) -> impl Iterator<Item = Expected> + '_ {
    let shown = nominated.values().filter(|nominated| nominated.shown);
    shown.map(|nominated| (nominated.pod.clone(), nominated.node))
}

/// A pod and its node.
pub(crate) type Expected = (Arc<PodInfo>, u32);

pub(crate) fn pretend_that_none_come(residents: &mut [Resident], expected: &[Expected], cluster: &Cluster) {
    expected.iter().for_each(|(pod, _)| pretend(residents, &Change::PodGone(pod.uid.clone()), cluster));
}

/// Takes back [`pretend_that_none_come`].
pub(crate) fn pretend_that_they_came(residents: &mut [Resident], expected: &[Expected], cluster: &Cluster) {
    expected.iter().for_each(|(pod, node)| pretend(residents, &Change::Pod(pod.clone(), *node), cluster));
}

/// What came of it.
pub(crate) enum Preempted {
    /// No plugin of the profile preempts.
    NotTried,
    /// Why not, for the pod's condition.
    No(String),
    Evicts(Preemption),
}

impl Core {
    pub(crate) fn preempt(
        &mut self,
        lineup: &[usize],
        pod: &Arc<PodInfo>,
        diagnosis: &Diagnosis,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) -> Preempted {
        match self.room(lineup, pod, diagnosis, now) {
            None => Preempted::NotTried,
            Some(Ok(eviction)) => {
                let preemption = self.told(&eviction);
                self.evict(pod, eviction, now, effects);
                Preempted::Evicts(preemption)
            }
            Some(Err(why)) => Preempted::No(why),
        }
    }

    /// Who would have to go; the inner error: why nobody. `None`: no plugin of the profile preempts.
    pub(crate) fn room(
        &mut self,
        lineup: &[usize],
        pod: &Arc<PodInfo>,
        diagnosis: &Diagnosis,
        now: Instant,
    ) -> Option<Result<Eviction, String>> {
        let preempts = |position: &&usize| self.residents[**position].description().points.preemption;
        let policy = lineup.iter().find(preempts).copied()?;
        let tried = self.try_preempt(policy, lineup, pod, diagnosis, now);
        Some(tried.unwrap_or_else(|error| Err(error.to_string())))
    }

    /// As traces have it.
    pub(crate) fn told(&self, eviction: &Eviction) -> Preemption {
        let node = self.cluster.node_name(eviction.node).map_or_else(String::new, ToString::to_string);
        let mut victims = eviction.victims.clone();
        victims.sort();
        Preemption { node, victims }
    }

    /// The inner error: why nobody is evicted.
    fn try_preempt(
        &mut self,
        policy: usize,
        lineup: &[usize],
        pod: &Arc<PodInfo>,
        diagnosis: &Diagnosis,
        now: Instant,
    ) -> Result<Result<Eviction, String>, CallError> {
        let mut nodes = self.cluster.live().clone();
        nodeset::subtract(&mut nodes, &diagnosis.unresolvable);
        let question = self.residents[policy].cut(pod);
        self.residents[policy].bring_up_to_date(&self.cluster, now)?;
        let proposals = match self.residents[policy].plugin.propose(&question, &nodes)? {
            Plan::NotEligible(why) => return Ok(Err(why)),
            Plan::Proposals(proposals) => self.sane(proposals),
        };
        let filters = self.filters(lineup);
        let swayed = self.swayed(&filters, pod, &set_of(proposals.iter().map(|proposal| proposal.node)), now);
        let mut found = self.candidates(&swayed, pod, &proposals, diagnosis, now)?;
        for _ in 0..CHOICES {
            if found.is_empty() {
                break;
            }
            self.residents[policy].bring_up_to_date(&self.cluster, now)?;
            let Some(choice) = self.residents[policy].plugin.choose(&question, &found)? else { break };
            let eviction = found.swap_remove(choice);
            if self.holds(&filters, pod, &eviction, now)? {
                return Ok(Ok(eviction));
            }
        }
        Ok(Err(no_victims(diagnosis, &nodes)))
    }

    fn filters(&self, lineup: &[usize]) -> Vec<usize> {
        let filters = |position: &usize| self.residents[*position].description().points.filter;
        lineup.iter().copied().filter(filters).collect()
    }

    /// The filters that may let the pod onto these nodes when pods leave them: those that look beyond a
    /// node, and those that reject one. Another need not hear of hundreds of victims on hundreds of
    /// nodes: it is asked about the one choice ([`Core::holds`]).
    fn swayed(&mut self, filters: &[usize], pod: &PodInfo, nodes: &NodeSet, now: Instant) -> Vec<usize> {
        let (residents, cluster) = (&mut self.residents, &self.cluster);
        let swayed = |position: &usize| {
            let resident = &mut residents[*position];
            if resident.description().filter_scope == Scope::Cluster {
                return true;
            }
            let judged = resident
                .bring_up_to_date(cluster, now)
                .and_then(|()| resident.judge(pod, cluster.live(), cluster.live()));
            judged.map_or(true, |judged| {
                judged.pod.is_some() || !nodeset::is_empty(&nodeset::intersection(&judged.rejected, nodes))
            })
        };
        filters.iter().copied().filter(swayed).collect()
    }

    /// Proposals about pods that are where the plugin says, one for each node.
    fn sane(&self, proposals: Vec<Eviction>) -> Vec<Eviction> {
        let mut seen = BTreeSet::new();
        let mut sane = Vec::new();
        for Eviction { node, mut victims } in proposals {
            victims.retain(|uid| self.cluster.pod(uid).is_some_and(|(_, on)| on == node));
            if !victims.is_empty() && seen.insert(node) {
                sane.push(Eviction { node, victims });
            }
        }
        sane
    }

    /// The fewest victims on each node that let the pod fit there.
    fn candidates(
        &mut self,
        swayed: &[usize],
        pod: &Arc<PodInfo>,
        proposals: &[Eviction],
        diagnosis: &Diagnosis,
        now: Instant,
    ) -> Result<Vec<Eviction>, CallError> {
        // A plugin that looks beyond the node must not see the victims of all nodes gone at once.
        let looks_beyond = |position: &usize| {
            let resident = &self.residents[*position];
            resident.description().filter_scope == Scope::Cluster
                && diagnosis.rejected_by.contains(&resident.name)
        };
        if !swayed.iter().any(looks_beyond) {
            return self.simulate(swayed, pod, proposals, now);
        }
        let mut found = Vec::new();
        for proposal in proposals {
            found.extend(self.simulate(swayed, pod, std::slice::from_ref(proposal), now)?);
        }
        Ok(found)
    }

    /// Takes all victims out, then puts back as many as still let the pod fit, in the given order:
    /// the first victim of every node in one round, then the second ones, ….
    fn simulate(
        &mut self,
        swayed: &[usize],
        pod: &Arc<PodInfo>,
        proposals: &[Eviction],
        now: Instant,
    ) -> Result<Vec<Eviction>, CallError> {
        proposals.iter().flat_map(|p| &p.victims).for_each(|uid| self.pretend_gone(swayed, uid));
        let found = self.spare(swayed, pod, proposals, now);
        proposals.iter().flat_map(|p| &p.victims).for_each(|uid| self.pretend_back(swayed, uid));
        found
    }

    fn spare(
        &mut self,
        swayed: &[usize],
        pod: &Arc<PodInfo>,
        proposals: &[Eviction],
        now: Instant,
    ) -> Result<Vec<Eviction>, CallError> {
        let all: NodeSet = set_of(proposals.iter().map(|proposal| proposal.node));
        let fits = self.fits(swayed, pod, &all, now)?;
        let mut evictions: HashMap<u32, Vec<String>> =
            nodeset::indexes(&fits).map(|n| (n, Vec::new())).collect();
        let rounds = proposals.iter().map(|proposal| proposal.victims.len()).max().unwrap_or(0);
        for round in 0..rounds {
            let back: Vec<(u32, &String)> = proposals
                .iter()
                .filter(|proposal| evictions.contains_key(&proposal.node))
                .filter_map(|proposal| Some((proposal.node, proposal.victims.get(round)?)))
                .collect();
            back.iter().for_each(|(_, uid)| self.pretend_back(swayed, uid));
            let fits = self.fits(swayed, pod, &set_of(back.iter().map(|(node, _)| *node)), now)?;
            for (node, uid) in back.into_iter().filter(|(node, _)| !nodeset::contains(&fits, *node)) {
                self.pretend_gone(swayed, uid);
                evictions.entry(node).or_default().push(uid.clone());
            }
        }
        let in_order = proposals.iter().filter_map(|proposal| {
            let victims = evictions.remove(&proposal.node)?;
            (!victims.is_empty()).then_some(Eviction { node: proposal.node, victims })
        });
        Ok(in_order.collect())
    }

    /// Does the pod fit when just these are gone? Every filter is asked: one may want a pod that goes.
    fn holds(
        &mut self,
        filters: &[usize],
        pod: &Arc<PodInfo>,
        eviction: &Eviction,
        now: Instant,
    ) -> Result<bool, CallError> {
        eviction.victims.iter().for_each(|uid| self.pretend_gone(filters, uid));
        let fits = self.fits_either_way(filters, pod, eviction.node, now);
        eviction.victims.iter().for_each(|uid| self.pretend_back(filters, uid));
        fits
    }

    /// With the pods that are to come to the node, and without them.
    fn fits_either_way(
        &mut self,
        filters: &[usize],
        pod: &Arc<PodInfo>,
        node: u32,
        now: Instant,
    ) -> Result<bool, CallError> {
        let only = set_of([node]);
        let fits = nodeset::contains(&self.fits(filters, pod, &only, now)?, node);
        let expected = expected_at(&self.nominated, node);
        if !fits || expected.is_empty() {
            return Ok(fits);
        }
        pretend_that_none_come(&mut self.residents, &expected, &self.cluster);
        let alone = self.fits(filters, pod, &only, now);
        pretend_that_they_came(&mut self.residents, &expected, &self.cluster);
        Ok(nodeset::contains(&alone?, node))
    }

    /// Those of the nodes that none of these filters rejects in the state as it is told now.
    fn fits(
        &mut self,
        filters: &[usize],
        pod: &Arc<PodInfo>,
        nodes: &NodeSet,
        now: Instant,
    ) -> Result<NodeSet, CallError> {
        let mut feasible = nodes.clone();
        for position in filters {
            let resident = &mut self.residents[*position];
            if nodeset::is_empty(&feasible) {
                break;
            }
            let verdict = resident.filter_once(pod, &self.cluster, &feasible, now);
            match unless_ignored(&resident.name, resident.settings.failure_policy, verdict)? {
                Some(Verdict::Nodes(rejections)) => {
                    rejections
                        .iter()
                        .for_each(|rejection| nodeset::subtract(&mut feasible, &rejection.nodes));
                }
                Some(Verdict::Pod(_)) => feasible.iter_mut().for_each(|word| *word = 0),
                None => {}
            }
        }
        Ok(feasible)
    }

    fn pretend_gone(&mut self, swayed: &[usize], uid: &str) {
        let change = Change::PodGone(uid.into());
        swayed.iter().for_each(|position| self.residents[*position].pretend(&change, &self.cluster));
    }

    fn pretend_back(&mut self, swayed: &[usize], uid: &str) {
        let Some((pod, node)) = self.cluster.pod(uid) else { return };
        let change = Change::Pod(pod.clone(), node);
        swayed.iter().for_each(|position| self.residents[*position].pretend(&change, &self.cluster));
    }

    fn evict(&mut self, pod: &Arc<PodInfo>, eviction: Eviction, now: Instant, effects: &mut Vec<Effect>) {
        let Some(node) = self.cluster.node_name(eviction.node).cloned() else { return };
        let victim = |uid: &String| self.cluster.pod(uid).map(|(victim, _)| victim.clone());
        let victims = eviction.victims.iter().filter_map(victim).collect();
        self.metrics.preempted(eviction.victims.len());
        effects.push(Effect::Preempt { pod: pod.clone(), node, victims });
        // Lower ones that had the same room in view look for another.
        let outranked = |(_, other): &(&Arc<str>, &Nominated)| {
            other.node == eviction.node && other.pod.priority < pod.priority
        };
        let outranked: Vec<Arc<str>> =
            self.nominated.iter().filter(outranked).map(|(uid, _)| uid.clone()).collect();
        for uid in outranked {
            if let Some(other) = self.withdraw(&uid, now) {
                effects.push(Effect::Withdraw { pod: other.pod });
            }
        }
        self.nominate(pod.clone(), eviction.node);
    }

    pub(crate) fn nominate(&mut self, pod: Arc<PodInfo>, node: u32) {
        let nominated = Nominated { pod: pod.clone(), node, shown: false };
        self.nominated.insert(pod.uid.clone(), nominated);
    }

    /// It is placed, gone, or outranked.
    pub(crate) fn withdraw(&mut self, uid: &str, now: Instant) -> Option<Nominated> {
        let nominated = self.nominated.remove(uid)?;
        if nominated.shown {
            let gone = Change::PodGone(nominated.pod.uid.clone());
            match self.cluster.pod(uid) {
                None => self.pass_on_to_plugins(&[gone], now),
                // It has come. That is news for those who waited for it, though it was told before.
                Some(_) => {
                    for resident in &mut self.residents {
                        resident.apply(&gone);
                    }
                }
            }
        }
        Some(nominated)
    }

    /// Lets the plugins see just those nominated pods that this one must leave room for.
    pub(crate) fn show_nominated(&mut self, pod: &PodInfo) {
        for nominated in self.nominated.values_mut() {
            let show = nominated.pod.uid != pod.uid && nominated.pod.priority >= pod.priority;
            if show == nominated.shown {
                continue;
            }
            nominated.shown = show;
            let change = match show {
                true => Change::Pod(nominated.pod.clone(), nominated.node),
                false => Change::PodGone(nominated.pod.uid.clone()),
            };
            pretend(&mut self.residents, &change, &self.cluster);
        }
    }

    /// To one that comes after the others were told.
    pub(crate) fn show_expected(&self, resident: &mut Resident) {
        for (pod, node) in expected(&self.nominated) {
            resident.pretend(&Change::Pod(pod, node), &self.cluster);
        }
    }
}

/// What is only pretended wakes nobody.
fn pretend(residents: &mut [Resident], change: &Change, cluster: &Cluster) {
    residents.iter_mut().for_each(|resident| resident.pretend(change, cluster));
}

fn set_of(nodes: impl IntoIterator<Item = u32>) -> NodeSet {
    let mut set = NodeSet::new();
    nodes.into_iter().for_each(|node| nodeset::insert(&mut set, node));
    set
}

/// As upstream counts them.
fn no_victims(diagnosis: &Diagnosis, tried: &NodeSet) -> String {
    let tried = nodeset::count(tried);
    fit_error(
        diagnosis.nodes,
        [
            ("No preemption victims found for incoming pod", tried),
            ("Preemption is not helpful for scheduling", diagnosis.nodes - tried),
        ]
        .into_iter(),
    )
}
