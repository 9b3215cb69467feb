//! A recorded trace against any set of plugins, offline: which decisions would differ, and how a
//! cluster that they alone fill ends up.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use orch_object::Quantity;
use orch_plugin::calls::CallError;
use orch_plugin::calls::scheduler::SchedulerPlugin;
use serde_json::Value;

use crate::cluster::{Change, Cluster};
use crate::cycle::{Cycle, Evaluation};
use crate::diagnosis::Diagnosis;
use crate::lineup;
use crate::pod::PodInfo;
use crate::resident::Resident;
use crate::settings::Settings;
use crate::trace::{Asked, Entry};

/// A plugin to replay with.
pub type Installed = (String, Arc<dyn SchedulerPlugin>, Settings);

/// A decision that would have been another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differing {
    /// `namespace/name`
    pub pod: String,
    /// A node, or why there was none.
    pub was: String,
    pub would_be: String,
}

/// How a cluster ended up that these plugins filled.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    pub placed: usize,
    /// Attempts that found no node.
    pub unschedulable: usize,
    /// Attempts that a plugin failed.
    pub failed: usize,
    /// Share of what nodes have that pods asked for, by resource, 0 to 1.
    pub utilisation: BTreeMap<String, f64>,
    /// Nodes without any pod.
    pub empty_nodes: usize,
    pub nodes: usize,
    /// For one decision, sorted.
    pub times: Vec<Duration>,
}

impl Outcome {
    /// The time that so many percent of the decisions did not exceed.
    pub fn time(&self, percent: usize) -> Duration {
        let at = (self.times.len() * percent / 100).min(self.times.len().saturating_sub(1));
        self.times.get(at).copied().unwrap_or_default()
    }
}

/// Would these plugins have decided otherwise at each recorded decision, the cluster being as it was?
pub fn compare(trace: &[Entry], plugins: Vec<Installed>) -> Result<(usize, Vec<Differing>), CallError> {
    let mut world = World::new(plugins);
    let (mut decisions, mut differing) = (0, Vec::new());
    for entry in trace {
        let Entry::Asked(asked) = entry else {
            world.take(entry);
            continue;
        };
        decisions += 1;
        let pod = info(&asked.pod);
        let evaluated = world.evaluate(&pod)?;
        let agrees = match (&asked.node, &evaluated) {
            (Some(node), Ok(evaluation)) => {
                world.cluster.index_of(node).is_some_and(|index| evaluation.would_choose(index))
            }
            (None, Err(_)) => true,
            (Some(_), Err(_)) | (None, Ok(_)) => false,
        };
        if !agrees {
            let would_be = match evaluated {
                Ok(evaluation) => world.name(evaluation.best()),
                Err(diagnosis) => diagnosis.message(None),
            };
            let was = asked.node.clone().or_else(|| asked.message.clone()).unwrap_or_default();
            differing.push(Differing { pod: named(&pod), was, would_be });
        }
        world.place(&pod, asked.node.as_deref());
    }
    Ok((decisions, differing))
}

/// Lets these plugins decide for themselves, each on the cluster that their earlier decisions made.
pub fn simulate(trace: &[Entry], plugins: Vec<Installed>) -> Outcome {
    let mut world = World::new(plugins);
    let mut outcome = Outcome::default();
    for entry in trace {
        match entry {
            Entry::Asked(asked) => world.decide(asked, &mut outcome),
            // Placed by the recorded policy after it was asked: here the own decision counts.
            Entry::Pod { pod, .. } if world.decided.contains_key(uid(pod)) => {}
            Entry::Plugin(_)
            | Entry::Node(_)
            | Entry::NodeGone(_)
            | Entry::Pod { .. }
            | Entry::PodGone(_)
            | Entry::Object(_)
            | Entry::ObjectGone(_) => world.take(entry),
        }
    }
    world.measure(&mut outcome);
    outcome.times.sort();
    outcome
}

struct World {
    cluster: Cluster,
    residents: Vec<Resident>,
    /// Pods that were asked about, and where they went.
    decided: HashMap<String, Option<String>>,
    placed: HashMap<String, (String, Arc<PodInfo>)>,
    nodes: BTreeMap<String, Value>,
}

impl World {
    fn new(plugins: Vec<Installed>) -> Self {
        let mut residents: Vec<Resident> = plugins
            .into_iter()
            .map(|(name, plugin, settings)| Resident::new(&name, plugin, settings))
            .collect();
        residents.sort_by(|a, b| (a.order(), &a.name).cmp(&(b.order(), &b.name)));
        World {
            cluster: Cluster::default(),
            residents,
            decided: HashMap::new(),
            placed: HashMap::new(),
            nodes: BTreeMap::new(),
        }
    }

    fn take(&mut self, entry: &Entry) {
        match entry {
            Entry::Plugin(_) | Entry::Asked(_) => {}
            Entry::Node(node) => {
                let name = node["metadata"]["name"].as_str().unwrap_or_default();
                self.nodes.insert(name.into(), node.clone());
                let changes = self.cluster.upsert_node(Arc::new(node.clone()));
                self.tell(changes);
            }
            Entry::NodeGone(name) => {
                self.nodes.remove(name);
                let changes = self.cluster.remove_node(name);
                self.tell(changes);
            }
            Entry::Pod { pod, node } => self.place(&info(pod), Some(node)),
            Entry::PodGone(uid) => {
                self.placed.remove(uid);
                let changes = self.cluster.remove_pod(uid);
                self.tell(changes);
            }
            Entry::Object(object) => {
                let changes = self.cluster.upsert_object(Arc::new(object.clone()));
                self.tell(changes);
            }
            Entry::ObjectGone(object) => {
                let changes = self.cluster.remove_object(Arc::new(object.clone()));
                self.tell(changes);
            }
        }
    }

    fn tell(&mut self, changes: Vec<Change>) {
        for resident in &mut self.residents {
            changes.iter().for_each(|change| {
                let _ = resident.apply(change);
            });
        }
    }

    fn place(&mut self, pod: &Arc<PodInfo>, node: Option<&str>) {
        let Some(node) = node else { return };
        self.placed.insert(pod.uid.to_string(), (node.into(), pod.clone()));
        let changes = self.cluster.place(pod.clone(), node, false);
        self.tell(changes);
    }

    fn evaluate(&mut self, pod: &PodInfo) -> Result<Result<Evaluation, Diagnosis>, CallError> {
        let lineup = lineup::lineup(&self.residents, pod);
        let cycle = Cycle { cluster: &self.cluster, lineup: &lineup, pod, now: Instant::now() };
        cycle.evaluate(&mut self.residents)
    }

    fn decide(&mut self, asked: &Asked, outcome: &mut Outcome) {
        let pod = info(&asked.pod);
        let started = Instant::now();
        let evaluated = self.evaluate(&pod);
        outcome.times.push(started.elapsed());
        let node = match evaluated {
            Ok(Ok(evaluation)) => Some(self.name(evaluation.best())),
            Ok(Err(_)) => {
                outcome.unschedulable += 1;
                None
            }
            Err(_) => {
                outcome.failed += 1;
                None
            }
        };
        outcome.placed += usize::from(node.is_some());
        self.place(&pod, node.as_deref());
        self.decided.insert(pod.uid.to_string(), node);
    }

    fn name(&self, index: u32) -> String {
        self.cluster.node_name(index).map_or_else(String::new, |name| name.to_string())
    }

    fn measure(&self, outcome: &mut Outcome) {
        outcome.nodes = self.nodes.len();
        let used: std::collections::HashSet<&str> =
            self.placed.values().map(|(node, _)| node.as_str()).collect();
        outcome.empty_nodes = self.nodes.keys().filter(|name| !used.contains(name.as_str())).count();
        for resource in ["cpu", "memory"] {
            let has: f64 =
                self.nodes.values().map(|node| amount(&node["status"]["allocatable"][resource])).sum();
            let asked: f64 = self.placed.values().map(|(_, pod)| requested(&pod.object(), resource)).sum();
            if has > 0.0 {
                outcome.utilisation.insert(resource.into(), asked / has);
            }
        }
    }
}

fn info(pod: &Value) -> Arc<PodInfo> {
    Arc::new(PodInfo::new(Arc::new(pod.clone())))
}

fn uid(pod: &Value) -> &str {
    crate::pod::uid(pod)
}

fn named(pod: &PodInfo) -> String {
    format!("{}/{}", pod.namespace, pod.name)
}

fn amount(quantity: &Value) -> f64 {
    Quantity::from_json(quantity).map_or(0.0, |quantity| quantity.milli_value() as f64 / 1000.0)
}

/// By its containers; for a summary that is near enough.
fn requested(pod: &Value, resource: &str) -> f64 {
    let containers = pod["spec"]["containers"].as_array();
    containers.into_iter().flatten().map(|c| amount(&c["resources"]["requests"][resource])).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_plugin::calls::scheduler::{Delta, Description, Points, Scope};
    use orch_plugin::calls::{Interest, NodeSet};
    use serde_json::json;

    /// Prefers nodes by their index, forwards or backwards.
    struct ByIndex {
        description: Description,
        backwards: bool,
    }

    impl ByIndex {
        fn plugin(backwards: bool) -> Installed {
            let interests = vec![Interest {
                api_version: "v1".into(),
                kind: "Node".into(),
                fields: vec!["status.allocatable".into()],
            }];
            let points = Points { filter: true, score: true, ..Points::default() };
            let description =
                Description { points, interests, score_scope: Scope::Node, ..Description::default() };
            ("order".into(), Arc::new(ByIndex { description, backwards }), Settings::default())
        }
    }

    impl SchedulerPlugin for ByIndex {
        fn name(&self) -> &str {
            "order"
        }
        fn description(&self) -> &Description {
            &self.description
        }
        fn instance(&self) -> u64 {
            1
        }
        fn sync(&self, _: &[Delta]) -> Result<(), CallError> {
            Ok(())
        }
        fn score(&self, _: &str, nodes: &NodeSet) -> Result<Vec<u32>, CallError> {
            let score = |index: u32| if self.backwards { index } else { 100 - index };
            Ok(crate::nodeset::indexes(nodes).map(score).collect())
        }
    }

    fn trace() -> Vec<Entry> {
        let node = |name: &str| {
            Entry::Node(json!({"metadata": {"name": name}, "status": {"allocatable": {"cpu": "4"}}}))
        };
        let pod = |name: &str| {
            json!({
                "metadata": {"name": name, "namespace": "default", "uid": name},
                "spec": {"containers": [{"resources": {"requests": {"cpu": "1"}}}]},
            })
        };
        let asked = |name: &str, node: &str| {
            Entry::Asked(Asked { pod: pod(name), node: Some(node.into()), message: None, nanoseconds: 1 })
        };
        let placed = |name: &str, node: &str| Entry::Pod { pod: pod(name), node: node.into() };
        vec![
            node("a"),
            node("b"),
            asked("p", "a"),
            placed("p", "a"),
            asked("q", "b"),
            placed("q", "b"),
            Entry::PodGone("q".into()),
        ]
    }

    #[test]
    fn differing_decisions_are_found() {
        let (decisions, differing) = compare(&trace(), vec![ByIndex::plugin(false)]).unwrap();
        let expected = Differing { pod: "default/q".into(), was: "b".into(), would_be: "a".into() };
        assert_eq!((decisions, differing), (2, vec![expected]));
    }

    #[test]
    fn a_policy_fills_a_cluster_of_its_own() {
        let outcome = simulate(&trace(), vec![ByIndex::plugin(true)]);
        assert_eq!((outcome.placed, outcome.unschedulable, outcome.nodes), (2, 0, 2));
        assert_eq!(outcome.empty_nodes, 1, "both went to the last node");
        assert_eq!(outcome.utilisation["cpu"], 1.0 / 8.0);
        assert_eq!(outcome.times.len(), 2);
    }

    #[test]
    fn a_trace_is_read_as_it_is_written() {
        for entry in trace() {
            let line = serde_json::to_string(&entry).unwrap();
            let read: Entry = serde_json::from_str(&line).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), line);
        }
    }
}
