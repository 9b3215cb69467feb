//! A recorded trace against any set of plugins, offline: which decisions would differ, and how a
//! cluster that they alone fill ends up.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use orch_object::Quantity;
use orch_plugin::calls::CallError;
use orch_plugin::calls::scheduler::SchedulerPlugin;
use serde_json::Value;

use crate::core::{Core, Effect, Input};
use crate::cycle::{Cycle, Evaluation};
use crate::diagnosis::Diagnosis;
use crate::pod::PodInfo;
use crate::queue::Delays;
use crate::resident::Resident;
use crate::settings::Settings;
use crate::trace::{Asked, Entry, Preemption};

/// A trace has no times: a pod that backs off is tried again with the next entry, if something woke it.
const DELAYS: Delays = Delays {
    initial_backoff: Duration::from_millis(1),
    max_backoff: Duration::from_millis(1),
    flush: Duration::from_secs(365 * 24 * 3600),
};
const NEXT: Duration = Duration::from_millis(2);

/// A plugin to replay with.
pub type Installed = (String, Arc<dyn SchedulerPlugin>, Settings);

/// A decision that would have been another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differing {
    /// `namespace/name`
    pub pod: String,
    /// A node, or why there was none, or whom it evicts.
    pub was: String,
    pub would_be: String,
}

/// How a cluster ended up that these plugins filled.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// Pods that were given a node.
    pub placed: usize,
    /// Pods that wait for one at the end.
    pub waiting: usize,
    /// Attempts that found no node.
    pub unschedulable: usize,
    /// Pods that had to go for others.
    pub evicted: usize,
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
        let would_be = world.decide(&pod)?;
        if !would_be.agrees(asked, &world.core) {
            let was = asked.preemption.as_ref().map(evicts);
            let was = asked.node.clone().or(was).or_else(|| asked.message.clone()).unwrap_or_default();
            differing.push(Differing { pod: named(&pod), was, would_be: would_be.told(&world.core) });
        }
        world.follow(&pod, asked);
    }
    Ok((decisions, differing))
}

/// Lets these plugins decide for themselves, each on the cluster that their earlier decisions made.
pub fn simulate(trace: &[Entry], plugins: Vec<Installed>) -> Outcome {
    let mut world = World::new(plugins);
    let mut outcome = Outcome::default();
    for entry in trace {
        match entry {
            Entry::Asked(asked) => world.ask(asked),
            // Placed by the recorded policy after it was asked: here the own decision counts.
            Entry::Pod { pod, .. } if world.asked.contains(uid(pod)) => {}
            // Evicted by the recorded policy, not by this one.
            Entry::PodGone(uid) if world.spared.remove(uid) => {}
            Entry::Plugin(_)
            | Entry::Component { .. }
            | Entry::Node(_)
            | Entry::NodeGone(_)
            | Entry::Pod { .. }
            | Entry::PodGone(_)
            | Entry::Object(_)
            | Entry::ObjectGone(_) => world.take(entry),
        }
        world.settle(&mut outcome);
    }
    world.measure(&mut outcome);
    outcome.times.sort();
    outcome
}

/// What came of a decision in a comparison.
enum Decided {
    Feasible(Evaluation),
    Evicts(Preemption),
    Nowhere(Diagnosis),
}

impl Decided {
    fn agrees(&self, asked: &Asked, core: &Core) -> bool {
        match (&asked.node, self) {
            (Some(node), Decided::Feasible(evaluation)) => {
                core.cluster.index_of(node).is_some_and(|index| evaluation.would_choose(index))
            }
            (None, Decided::Evicts(preemption)) => asked.preemption.as_ref() == Some(preemption),
            (None, Decided::Nowhere(_)) => asked.preemption.is_none(),
            (Some(_), Decided::Evicts(_) | Decided::Nowhere(_)) | (None, Decided::Feasible(_)) => false,
        }
    }

    fn told(&self, core: &Core) -> String {
        match self {
            Decided::Feasible(evaluation) => {
                core.cluster.node_name(evaluation.best()).map_or_else(String::new, ToString::to_string)
            }
            Decided::Evicts(preemption) => evicts(preemption),
            Decided::Nowhere(diagnosis) => diagnosis.message(None),
        }
    }
}

fn evicts(preemption: &Preemption) -> String {
    format!("evicts {} from {}", preemption.victims.join(", "), preemption.node)
}

/// The scheduler itself, told what the trace tells.
struct World {
    core: Core,
    clock: Instant,
    /// Pods that this world's plugins were asked about.
    asked: HashSet<String>,
    /// Victims of the recorded policy.
    spared: HashSet<String>,
    placed: HashMap<String, (String, Arc<PodInfo>)>,
    nodes: BTreeMap<String, Value>,
}

impl World {
    fn new(plugins: Vec<Installed>) -> Self {
        let mut core = Core::new(DELAYS);
        let installed = plugins.into_iter();
        core.residents = installed.map(|(name, plugin, own)| Resident::new(&name, plugin, own)).collect();
        core.residents.sort_by(|a, b| (a.order(), &a.name).cmp(&(b.order(), &b.name)));
        let mut world = World {
            core,
            clock: Instant::now(),
            asked: HashSet::new(),
            spared: HashSet::new(),
            placed: HashMap::new(),
            nodes: BTreeMap::new(),
        };
        world.tell(Input::Synced); // nodes
        world.tell(Input::Synced); // pods
        world
    }

    /// Nothing is asked here, so nothing comes of it.
    fn tell(&mut self, input: Input) {
        self.core.handle(input, self.clock, &mut Vec::new());
    }

    fn take(&mut self, entry: &Entry) {
        match entry {
            Entry::Plugin(_) | Entry::Component { .. } | Entry::Asked(_) => {}
            Entry::Node(node) => {
                let name = node["metadata"]["name"].as_str().unwrap_or_default();
                self.nodes.insert(name.into(), node.clone());
                self.tell(Input::Node(Arc::new(node.clone())));
            }
            Entry::NodeGone(name) => {
                self.nodes.remove(name);
                self.tell(Input::NodeGone(name.clone()));
            }
            Entry::Pod { pod, node } => self.place(&info(pod), node),
            Entry::PodGone(uid) => self.remove(uid),
            Entry::Object(object) => self.tell(Input::Object(Arc::new(object.clone()))),
            Entry::ObjectGone(object) => self.tell(Input::ObjectGone(Arc::new(object.clone()))),
        }
    }

    fn place(&mut self, pod: &PodInfo, node: &str) {
        let mut object = (*pod.object()).clone();
        object["spec"]["nodeName"] = node.into();
        let pod = info(&object);
        self.placed.insert(pod.uid.to_string(), (node.into(), pod.clone()));
        self.tell(Input::Pod(pod));
    }

    fn remove(&mut self, uid: &str) {
        self.placed.remove(uid);
        self.tell(Input::PodGone(uid.into()));
    }

    /// What these plugins would do with the pod now.
    fn decide(&mut self, pod: &Arc<PodInfo>) -> Result<Decided, CallError> {
        let now = self.clock;
        let lineup = self.core.lineup(pod);
        self.core.show_nominated(pod);
        let Core { cluster, nominated, residents, .. } = &mut self.core;
        let cycle = Cycle { cluster, lineup: &lineup, pod, nominated, now };
        Ok(match cycle.evaluate(residents)? {
            Ok(evaluation) => Decided::Feasible(evaluation),
            Err(diagnosis) => match self.core.room(&lineup, pod, &diagnosis, now) {
                Some(Ok(eviction)) => Decided::Evicts(self.core.told(&eviction)),
                Some(Err(_)) | None => Decided::Nowhere(diagnosis),
            },
        })
    }

    /// What was done with it.
    fn follow(&mut self, pod: &Arc<PodInfo>, asked: &Asked) {
        if let Some(node) = &asked.node {
            self.place(pod, node);
        }
        let node = asked.preemption.as_ref().and_then(|room| self.core.cluster.index_of(&room.node));
        if let Some(node) = node {
            self.core.nominate(pod.clone(), node);
        }
    }

    /// A pod wants a node; from then on it waits in the queue, whenever the recorded one was tried again.
    fn ask(&mut self, asked: &Asked) {
        if let Some(preemption) = &asked.preemption {
            self.spared.extend(preemption.victims.iter().cloned());
        }
        let pod = info(&asked.pod);
        if self.asked.insert(pod.uid.to_string()) {
            self.tell(Input::Pod(pod));
        }
    }

    /// Lets the scheduler try whoever can be tried. Who was evicted is gone at once.
    fn settle(&mut self, outcome: &mut Outcome) {
        let mut evicted = outcome.evicted;
        loop {
            self.clock += NEXT;
            self.try_all(outcome);
            if outcome.evicted == evicted {
                return;
            }
            evicted = outcome.evicted;
        }
    }

    fn try_all(&mut self, outcome: &mut Outcome) {
        let mut effects = Vec::new();
        loop {
            let started = Instant::now();
            if !self.core.step(self.clock, &mut effects) {
                return;
            }
            outcome.times.push(started.elapsed());
            effects.drain(..).for_each(|effect| self.perform(effect, outcome));
        }
    }

    fn perform(&mut self, effect: Effect, outcome: &mut Outcome) {
        match effect {
            Effect::Bind { pod, node } => {
                outcome.placed += 1;
                self.place(&pod, &node);
            }
            // What a plugin asks for before the binding comes true here.
            Effect::Write { pod, .. } => {
                let node = self.core.flights.get(&pod.uid).map(|flight| flight.node.clone());
                if let Some(node) = node {
                    outcome.placed += 1;
                    self.place(&pod, &node);
                }
            }
            Effect::Report { failure, .. } => match failure.reason {
                "Unschedulable" => outcome.unschedulable += 1,
                _ => outcome.failed += 1,
            },
            Effect::Preempt { victims, .. } => {
                outcome.evicted += victims.len();
                victims.iter().for_each(|victim| self.remove(&victim.uid));
            }
            Effect::Withdraw { .. } => {}
        }
    }

    fn measure(&self, outcome: &mut Outcome) {
        outcome.waiting = self.core.unplaced();
        outcome.nodes = self.nodes.len();
        let used: HashSet<&str> = self.placed.values().map(|(node, _)| node.as_str()).collect();
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
mod tests;
