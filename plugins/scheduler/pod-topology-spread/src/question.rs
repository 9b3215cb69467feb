//! A pod's constraints, ready to be judged.

use orch_sdk::node::or_default;
use orch_sdk::pod::NodeSelector;
use orch_sdk::selector::Selector;
use orch_sdk::serde::Deserialize;
use orch_sdk::toleration::Toleration;
use orch_sdk::topology::{
    Choice, Clause, CounterId, KeyId, Labels, Namespaces, RawPod, Rule, SelectionId, Topology,
};

use crate::config::{Defaults, HOSTNAME};
use crate::constraint::{Action, Written};
use crate::workloads::{Owner, Workloads};

pub struct Question {
    pub hard: Vec<Hard>,
    pub soft: Vec<Soft>,
    /// Nodes that lack the label of any soft constraint are not scored.
    pub needs_all_labels: bool,
    epoch: u64,
    /// When the workloads of the namespace had last changed, if they decided anything.
    workloads: Option<(String, u64)>,
}

/// `DoNotSchedule`
pub struct Hard {
    pub max_skew: i64,
    pub min_domains: usize,
    /// 1 when the pod itself will count.
    pub itself: i64,
    pub counter: CounterId,
}

/// `ScheduleAnyway`
pub struct Soft {
    pub max_skew: i32,
    pub key: KeyId,
    pub tally: Tally,
}

/// Where its pods are counted.
pub enum Tally {
    /// Each node for itself, eligible or not.
    Nodes(SelectionId),
    Domains(CounterId),
}

#[derive(Default, Deserialize)]
#[serde(crate = "orch_sdk::serde", default, rename_all = "camelCase")]
struct Spec {
    #[serde(deserialize_with = "or_default")]
    topology_spread_constraints: Vec<Written>,
    #[serde(deserialize_with = "or_default")]
    node_selector: Labels,
    #[serde(deserialize_with = "or_default")]
    affinity: Affinity,
    #[serde(deserialize_with = "or_default")]
    tolerations: Vec<Toleration>,
}

#[derive(Default, Deserialize)]
#[serde(crate = "orch_sdk::serde", default, rename_all = "camelCase")]
struct Affinity {
    #[serde(deserialize_with = "or_default")]
    node_affinity: NodeAffinity,
}

#[derive(Default, Deserialize)]
#[serde(crate = "orch_sdk::serde", default)]
struct NodeAffinity {
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    required: Option<NodeSelector>,
}

impl Question {
    pub fn make(
        raw: &RawPod<'_>,
        topology: &mut Topology,
        workloads: &Workloads,
        defaults: &Defaults,
    ) -> Result<Self, String> {
        let (labels, mut spec) = (raw.labels()?, raw.spec::<Spec>()?);
        let namespace = raw.metadata.namespace.as_ref();
        let own = std::mem::take(&mut spec.topology_spread_constraints);
        let defaulted = own.is_empty();
        let constraints = if defaulted {
            let owners: Vec<Owner> = raw.owner_references()?;
            defaulted_constraints(defaults, || workloads.selector(namespace, &labels, &owners))
        } else {
            own
        };
        let needs_all_labels = !(defaulted && defaults.are_system);
        let mut maker = Maker { namespace, labels: &labels, spec: &spec, topology };
        Ok(Question {
            hard: maker.hard(&constraints),
            soft: maker.soft(&constraints, needs_all_labels),
            needs_all_labels,
            epoch: maker.topology.epoch(),
            workloads: defaulted.then(|| (namespace.to_string(), workloads.changed(namespace))),
        })
    }

    pub fn is_current(&self, epoch: u64, workloads: &Workloads) -> bool {
        let unchanged = |(namespace, at): &(String, u64)| workloads.changed(namespace) == *at;
        self.epoch == epoch && self.workloads.as_ref().is_none_or(unchanged)
    }
}

/// The defaults with the selector of the workload that a pod belongs to; nothing when it has none.
fn defaulted_constraints(defaults: &Defaults, selector: impl FnOnce() -> Selector) -> Vec<Written> {
    if defaults.constraints.is_empty() {
        return Vec::new();
    }
    let selector = selector();
    if selector.is_empty() {
        return Vec::new();
    }
    defaults.constraints.iter().map(|constraint| constraint.selecting(&selector)).collect()
}

struct Maker<'a> {
    namespace: &'a str,
    labels: &'a Labels,
    spec: &'a Spec,
    topology: &'a mut Topology,
}

impl Maker<'_> {
    fn hard(&mut self, constraints: &[Written]) -> Vec<Hard> {
        let hard: Vec<&Written> = of(constraints, Action::DoNotSchedule).collect();
        let labels = keys(&hard);
        hard.iter()
            .map(|constraint| {
                let selector = constraint.selector(self.labels);
                let itself = selector.as_ref().is_some_and(|selector| selector.matches_labels(self.labels));
                let (key, selection) = (self.topology.key(&constraint.topology_key), self.select(selector));
                Hard {
                    max_skew: constraint.max_skew.into(),
                    min_domains: constraint.min_domains.unwrap_or(1).max(1) as usize,
                    itself: itself.into(),
                    counter: self.counter(constraint, key, selection, &labels),
                }
            })
            .collect()
    }

    fn soft(&mut self, constraints: &[Written], needs_all_labels: bool) -> Vec<Soft> {
        let soft: Vec<&Written> = of(constraints, Action::ScheduleAnyway).collect();
        let labels = if needs_all_labels { keys(&soft) } else { Vec::new() };
        soft.iter()
            .map(|constraint| {
                let selector = constraint.selector(self.labels);
                let (key, selection) = (self.topology.key(&constraint.topology_key), self.select(selector));
                let tally = if constraint.topology_key == HOSTNAME {
                    Tally::Nodes(selection)
                } else {
                    Tally::Domains(self.counter(constraint, key, selection, &labels))
                };
                Soft { max_skew: constraint.max_skew, key, tally }
            })
            .collect()
    }

    /// Pods of the pod's namespace. Upstream counts none for the selector that matches everything.
    fn select(&mut self, selector: Option<Selector>) -> SelectionId {
        let choice = match selector.filter(|selector| !selector.is_empty()) {
            Some(selector) => {
                let namespaces = Namespaces::one(self.namespace);
                Choice::Matching(vec![Clause { namespaces, selector: selector.canonical() }])
            }
            None => Choice::Carrying(Vec::new()),
        };
        self.topology.select(choice)
    }

    /// Over nodes that have these labels and that the constraint's policies let count.
    fn counter(
        &mut self,
        constraint: &Written,
        key: KeyId,
        selection: SelectionId,
        labels: &[String],
    ) -> CounterId {
        let mut rule = Rule { keys: labels.to_vec(), ..Rule::default() };
        if constraint.honors_affinity() {
            rule.node_selector = self.spec.node_selector.clone().into_iter().collect();
            rule.node_affinity = self.spec.affinity.node_affinity.required.clone();
        }
        if constraint.honors_taints() {
            rule.tolerations = Some(self.spec.tolerations.clone());
        }
        let eligible = self.topology.eligible(rule);
        self.topology.count_by(selection, key, eligible)
    }
}

fn of(constraints: &[Written], action: Action) -> impl Iterator<Item = &Written> {
    constraints.iter().filter(move |constraint| constraint.action == action)
}

fn keys(constraints: &[&Written]) -> Vec<String> {
    constraints.iter().map(|constraint| constraint.topology_key.clone()).collect()
}
