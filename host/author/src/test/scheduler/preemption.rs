//! Room for a pod: the policy proposes who may go, its own filter tells who must, and it chooses.

use std::collections::BTreeMap;

use orch_plugin::calls::scheduler::{Delta, Eviction, Plan, SchedulerPlugin, Verdict};

use super::{Policy, has, set_of, text};
use crate::test::TestError;
use crate::test::outcome::Outcome;
use crate::test::script::Expect;

impl Policy {
    pub(super) fn make_room(
        &self,
        pod: &str,
        verdict: &Verdict,
        expect: &Expect,
        outcome: &mut Outcome,
    ) -> Result<(), TestError> {
        if !self.component.description().points.preemption {
            outcome.fail("the policy takes no part in preemption");
            return Ok(());
        }
        let asked =
            outcome.timed("propose", || self.component.propose(pod, &set_of(&self.resolvable(verdict))));
        let Some(plan) = outcome.result(expect.error.as_deref(), asked) else { return Ok(()) };
        let proposals = match (plan, &expect.not_eligible) {
            (Plan::NotEligible(why), Some(_)) => {
                outcome.same("notEligible", expect.not_eligible.as_ref(), &why);
                return Ok(());
            }
            (Plan::NotEligible(why), None) => {
                outcome.fail(format!("the pod may not preempt: {why}"));
                return Ok(());
            }
            (Plan::Proposals(_), Some(why)) => {
                outcome.fail(format!("the pod may preempt; expected was: {why}"));
                return Ok(());
            }
            (Plan::Proposals(proposals), None) => proposals,
        };
        let mut candidates = Vec::new();
        for proposal in proposals {
            candidates.extend(self.needed(pod, proposal)?);
        }
        outcome.same("evictions", expect.evictions.as_ref(), &self.named(&candidates));
        if expect.chosen.is_some() {
            let chosen = outcome.timed("choose", || self.component.choose(pod, &candidates));
            let Some(chosen) = outcome.result(expect.error.as_deref(), chosen) else { return Ok(()) };
            let chosen = chosen.and_then(|position| candidates.get(position));
            outcome.same("chosen", expect.chosen.as_ref(), &chosen.map(|chosen| self.node_name(chosen.node)));
        }
        Ok(())
    }

    /// Nodes where evicting pods could help.
    fn resolvable(&self, verdict: &Verdict) -> Vec<u32> {
        let rejections = match verdict {
            Verdict::Nodes(rejections) => rejections.as_slice(),
            Verdict::Pod(_) => &[],
        };
        let hopeless = |node: &u32| {
            rejections.iter().any(|rejection| rejection.unresolvable && has(&rejection.nodes, *node))
        };
        self.nodes.values().copied().filter(|node| !hopeless(node)).collect()
    }

    /// Those of the proposal without whom the pod fits, as many put back as can be; `None`: it does
    /// not fit even without them all. A policy that rules nothing out has nobody put back.
    fn needed(&self, pod: &str, proposal: Eviction) -> Result<Option<Eviction>, TestError> {
        if !self.component.description().points.filter {
            return Ok(Some(proposal));
        }
        let Eviction { node, victims } = proposal;
        self.without(&victims)?;
        let fits = self.fits(pod, node);
        let mut kept = Vec::new();
        for victim in victims.iter().filter(|_| fits) {
            self.back(victim)?;
            if self.fits(pod, node) {
                kept.push(victim);
            } else {
                self.without(std::slice::from_ref(victim))?;
            }
        }
        let gone: Vec<String> = victims.iter().filter(|victim| !kept.contains(victim)).cloned().collect();
        gone.iter().try_for_each(|victim| self.back(victim))?;
        Ok(fits.then_some(Eviction { node, victims: gone }))
    }

    fn fits(&self, pod: &str, node: u32) -> bool {
        match self.filtered(pod, &[node]) {
            Ok(Verdict::Nodes(rejections)) => !rejections.iter().any(|rejection| has(&rejection.nodes, node)),
            Ok(Verdict::Pod(_)) | Err(_) => false,
        }
    }

    fn without(&self, victims: &[String]) -> Result<(), TestError> {
        self.sync(&victims.iter().cloned().map(Delta::PodRemove).collect::<Vec<_>>())
    }

    fn back(&self, uid: &str) -> Result<(), TestError> {
        let Some(pod) = self.known.values().find(|object| object["metadata"]["uid"] == uid) else {
            return Err(TestError::NotThere(format!("the pod {uid}")));
        };
        let node = self.nodes.get(text(&pod["spec"]["nodeName"])).copied().unwrap_or_default();
        let json = self.cut(pod);
        self.sync(&json.map(|json| Delta::PodUpsert(uid.into(), node, json)).into_iter().collect::<Vec<_>>())
    }

    fn named(&self, candidates: &[Eviction]) -> BTreeMap<String, Vec<String>> {
        let pod = |uid: &String| {
            let known = self.known.iter().find(|(_, object)| object["metadata"]["uid"] == uid.as_str());
            known.map_or_else(|| uid.clone(), |(name, _)| name.trim_start_matches("Pod ").to_string())
        };
        let named = |one: &Eviction| (self.node_name(one.node), one.victims.iter().map(pod).collect());
        candidates.iter().map(named).collect()
    }

    fn node_name(&self, index: u32) -> String {
        let found = self.nodes.iter().find(|(_, known)| **known == index);
        found.map_or_else(|| format!("(no node has the index {index})"), |(name, _)| name.clone())
    }
}
