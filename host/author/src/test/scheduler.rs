//! Cases of a scheduling policy: it is told of the cluster as the host tells it, then asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use orch_plugin::Cut;
use orch_plugin::calls::scheduler::{Delta, Normalization, SchedulerPlugin, Verdict};
use orch_plugin::calls::{CallError, NodeSet};
use orch_plugin::worlds::SchedulerComponent;
use serde_json::Value;

use super::TestError;
use super::objects::{name_of, node, pod, whole};
use super::outcome::Outcome;
use super::script::{Case, Expect, Objects};

mod placed;
mod preemption;

pub struct Policy {
    component: Arc<SchedulerComponent>,
    /// Indexes of nodes by name. They are not given again.
    nodes: BTreeMap<String, u32>,
    next: u32,
    known: BTreeMap<String, Value>,
}

impl Policy {
    pub fn new(component: Arc<SchedulerComponent>) -> Self {
        Policy { component, nodes: BTreeMap::new(), next: 0, known: BTreeMap::new() }
    }

    pub fn change(&mut self, objects: &Objects) -> Result<(), TestError> {
        let mut deltas = Vec::new();
        for source in &objects.nodes {
            deltas.extend(self.upsert(node(source)?)?);
        }
        for source in &objects.pods {
            deltas.extend(self.upsert(pod(source)?)?);
        }
        for source in &objects.objects {
            deltas.extend(self.upsert(whole(source)?)?);
        }
        self.sync(&deltas)
    }

    pub fn remove(&mut self, names: &[String]) -> Result<(), TestError> {
        names.iter().try_for_each(|name| self.forget(name))
    }

    fn forget(&mut self, name: &str) -> Result<(), TestError> {
        let object = self.known.remove(name).ok_or_else(|| TestError::NotThere(name.into()))?;
        let identity = Cut::new(&["metadata.uid"]).apply(&object);
        let delta = match kind(&object) {
            "Node" => self.nodes.remove(text(&object["metadata"]["name"])).map(Delta::NodeRemove),
            "Pod" => Some(Delta::PodRemove(text(&object["metadata"]["uid"]).into())),
            _ => Some(Delta::ObjectRemove(identity)),
        };
        let wanted = self.cut(&object).is_some();
        self.sync(&delta.filter(|_| wanted).into_iter().collect::<Vec<_>>())
    }

    pub fn ask(&mut self, case: &Case) -> Result<Outcome, TestError> {
        let Some(source) = &case.pod else {
            return Err(TestError::Asks { case: case.name.clone(), what: "pod" });
        };
        let pod = pod(source)?;
        let mut outcome = Outcome::default();
        match &case.on {
            Some(node) => self.place(&pod, node, case, &mut outcome)?,
            None => self.consider(&pod, &case.expect, &mut outcome)?,
        }
        Ok(outcome)
    }

    /// The questions of a cycle: its place in the queue, where it can go, where best, who would make room.
    fn consider(&self, pod: &Value, expect: &Expect, outcome: &mut Outcome) -> Result<(), TestError> {
        let (json, points) = (self.question(pod), self.component.description().points);
        if expect.rank.is_some() {
            if !points.queue {
                outcome.fail("the policy does not order the queue");
                return Ok(());
            }
            let rank = outcome.timed("rank", || self.component.rank(&json));
            let Some(rank) = outcome.result(expect.error.as_deref(), rank) else { return Ok(()) };
            outcome.same("rank", expect.rank.as_ref(), &rank);
        }
        let everywhere: Vec<u32> = self.nodes.values().copied().collect();
        let verdict = match points.filter {
            true => outcome.timed("filter", || self.filtered(&json, &everywhere)),
            false => Ok(Verdict::Nodes(Vec::new())),
        };
        let verdict = match verdict {
            Ok(verdict) => verdict,
            Err(error) => {
                outcome.result::<(), _>(expect.error.as_deref(), Err(error));
                return Ok(());
            }
        };
        let Some(feasible) = self.judged(&verdict, expect, outcome) else { return Ok(()) };
        if expect.asks_for_room() {
            return self.make_room(&json, &verdict, expect, outcome);
        }
        self.ranked(&json, &feasible, expect, outcome);
        Ok(())
    }

    /// The pod to be placed, as the policy asked for it.
    fn question(&self, pod: &Value) -> String {
        Cut::new(&self.component.description().pod).apply(pod)
    }

    fn filtered(&self, pod: &str, nodes: &[u32]) -> Result<Verdict, CallError> {
        self.component.filter(pod, &set_of(nodes))
    }

    /// The feasible nodes; `None` where the pod can go nowhere.
    fn judged(&self, verdict: &Verdict, expect: &Expect, outcome: &mut Outcome) -> Option<Vec<String>> {
        let mut reasons = BTreeMap::new();
        match verdict {
            Verdict::Pod(reason) => {
                match &expect.rejected {
                    Some(_) => outcome.same("rejected", expect.rejected.as_ref(), reason),
                    None => outcome.fail(format!("the pod can go nowhere: {reason}")),
                }
                return None;
            }
            Verdict::Nodes(rejections) => {
                for rejection in rejections {
                    let ruled_out = self.nodes.iter().filter(|(_, index)| has(&rejection.nodes, **index));
                    for (name, _) in ruled_out {
                        reasons.entry(name.clone()).or_insert_with(|| rejection.reason.clone());
                    }
                }
            }
        }
        if let Some(reason) = &expect.rejected {
            outcome.fail(format!("the pod can go somewhere; expected was: {reason}"));
        }
        let feasible: Vec<String> =
            self.nodes.keys().filter(|name| !reasons.contains_key(*name)).cloned().collect();
        let sorted = expect.feasible.clone().map(|mut names| {
            names.sort();
            names
        });
        outcome.same("feasible", sorted.as_ref(), &feasible);
        outcome.same("reasons", expect.reasons.as_ref(), &reasons);
        Some(feasible)
    }

    fn ranked(&self, json: &str, feasible: &[String], expect: &Expect, outcome: &mut Outcome) {
        let description = self.component.description();
        let mut by_index: Vec<(u32, &String)> =
            feasible.iter().map(|name| (self.nodes[name], name)).collect();
        by_index.sort_unstable();
        let indexes: Vec<u32> = by_index.iter().map(|(index, _)| *index).collect();
        let raw = if description.points.score && !indexes.is_empty() {
            outcome.timed("score", || self.component.score(json, &set_of(&indexes)))
        } else {
            Ok(vec![0; indexes.len()])
        };
        let Some(raw) = outcome.result(expect.error.as_deref(), raw) else { return };
        let scores = normalized(&raw, description.normalization);
        let scores: BTreeMap<String, u32> =
            by_index.iter().zip(scores).map(|((_, name), score)| ((*name).clone(), score)).collect();
        outcome.same("scores", expect.scores.as_ref(), &scores);
        let mut order: Vec<String> = scores.keys().cloned().collect();
        order.sort_by_key(|name| std::cmp::Reverse(scores[name]));
        outcome.same("order", expect.order.as_ref(), &order);
    }

    fn upsert(&mut self, object: Value) -> Result<Option<Delta>, TestError> {
        let delta = self.delta(&object)?;
        self.known.insert(name_of(&object), object);
        Ok(delta)
    }

    fn delta(&mut self, object: &Value) -> Result<Option<Delta>, TestError> {
        let json = self.cut(object);
        match kind(object) {
            "Node" => {
                let index = self.index(text(&object["metadata"]["name"]));
                Ok(json.map(|json| Delta::NodeUpsert(index, json)))
            }
            "Pod" => {
                let node = text(&object["spec"]["nodeName"]);
                let Some(index) = self.nodes.get(node).copied() else {
                    return Err(TestError::NotPlaced { pod: name_of(object), node: node.into() });
                };
                let uid = text(&object["metadata"]["uid"]);
                Ok(json.map(|json| Delta::PodUpsert(uid.into(), index, json)))
            }
            _ => Ok(json.map(Delta::ObjectUpsert)),
        }
    }

    fn index(&mut self, name: &str) -> u32 {
        *self.nodes.entry(name.into()).or_insert_with(|| {
            self.next += 1;
            self.next - 1
        })
    }

    /// The object as the policy asked for it; `None` where it did not.
    fn cut(&self, object: &Value) -> Option<String> {
        let interests = self.component.description().interests.iter();
        let mut wanted = interests
            .filter(|interest| interest.kind == kind(object) && interest.api_version == object["apiVersion"])
            .peekable();
        wanted.peek()?;
        Some(Cut::union(wanted).apply(object))
    }

    fn sync(&self, deltas: &[Delta]) -> Result<(), TestError> {
        if deltas.is_empty() {
            return Ok(());
        }
        deltas.chunks(100).try_for_each(|deltas| self.component.sync(deltas)).map_err(TestError::Sync)
    }
}

fn kind(object: &Value) -> &str {
    text(&object["kind"])
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn set_of(indexes: &[u32]) -> NodeSet {
    let highest = indexes.iter().max().map_or(0, |index| *index as usize / 64 + 1);
    let mut words = vec![0; highest];
    for index in indexes {
        words[*index as usize / 64] |= 1 << (index % 64);
    }
    words
}

fn has(nodes: &NodeSet, index: u32) -> bool {
    nodes.get(index as usize / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
}

fn normalized(raw: &[u32], how: Normalization) -> Vec<u32> {
    let highest = u64::from(raw.iter().copied().max().unwrap_or(0));
    let share = |score: &u32| (u64::from(*score) * 100).checked_div(highest).unwrap_or(0) as u32;
    match how {
        Normalization::None => raw.to_vec(),
        Normalization::Highest => raw.iter().map(share).collect(),
        Normalization::HighestReversed => raw.iter().map(|score| 100 - share(score)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_and_scores() {
        let nodes = set_of(&[0, 63, 64]);
        assert_eq!(nodes, [1 | 1 << 63, 1]);
        assert!(has(&nodes, 63) && has(&nodes, 64) && !has(&nodes, 1) && !has(&nodes, 900));
        assert_eq!(normalized(&[1, 7], Normalization::Highest), [14, 100]);
        assert_eq!(normalized(&[1, 7], Normalization::HighestReversed), [86, 0]);
        assert_eq!(normalized(&[0, 0], Normalization::HighestReversed), [100, 100]);
    }
}
