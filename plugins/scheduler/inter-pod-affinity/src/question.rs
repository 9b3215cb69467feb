//! What counts for a pod, ready to be judged.

use std::collections::BTreeMap;

use orch_sdk::topology::{Choice, Clause, CounterId, KeyId, Labels, Mark, RawPod, Rule, Topology};

use crate::config::Config;
use crate::known::{KnownTerms, Role};
use crate::namespaces::NamespaceLabels;
use crate::term::{Term, Terms};

pub struct Question {
    /// Required affinity.
    pub near: Option<Near>,
    /// Pods that the pod must be apart from.
    pub apart: Vec<CounterId>,
    /// Pods that must be apart from the pod.
    pub kept_apart: Vec<CounterId>,
    /// What is preferred, either way: by key, the counters and the worth of what they count.
    pub preferences: Vec<(KeyId, Vec<(CounterId, i64)>)>,
    pub made_at: (u64, u64, u64),
}

/// Pods that every required term means, by the keys of the terms.
pub struct Near {
    pub counters: Vec<CounterId>,
    /// The pod itself is one of those it wants to be near: the first of them may go anywhere.
    pub means_itself: bool,
}

impl Question {
    pub fn make(
        raw: &RawPod<'_>,
        topology: &mut Topology,
        known: &KnownTerms,
        namespaces: &NamespaceLabels,
        config: &Config,
        made_at: (u64, u64, u64),
    ) -> Result<Self, String> {
        let labels = raw.labels()?;
        let terms = Terms::read(raw)?;
        let namespace = raw.metadata.namespace.as_ref();
        let meaning = known.meaning(namespace, namespaces.of(namespace), &labels);
        let hears = !config.ignore_preferred_terms_of_existing_pods || !terms.preferred.is_empty();
        let mut maker = Maker { topology, known, namespaces, preferences: BTreeMap::new() };
        let near = maker.near(&terms.required, |term| means(term, namespaces, namespace, &labels));
        let apart = terms.required_anti.iter().map(|term| maker.meant(&[term], &term.key)).collect();
        let kept_apart = maker.kept_apart(&meaning);
        terms.preferred.iter().for_each(|(term, weight)| maker.prefer(term, *weight));
        if hears {
            maker.hear(&meaning, config.hard_pod_affinity_weight);
        }
        let preferences = maker.preferences.into_iter().collect();
        Ok(Question { near, apart, kept_apart, preferences, made_at })
    }
}

/// As upstream reads the terms of a pod to be placed: namespaces that do not exist are not chosen.
fn means(term: &Term, namespaces: &NamespaceLabels, namespace: &str, labels: &Labels) -> bool {
    let selected = term.selector.as_ref().is_some_and(|selector| selector.matches_labels(labels));
    selected && namespaces.meant_by(term).contain(namespace)
}

struct Maker<'a> {
    topology: &'a mut Topology,
    known: &'a KnownTerms,
    namespaces: &'a NamespaceLabels,
    preferences: BTreeMap<KeyId, Vec<(CounterId, i64)>>,
}

impl Maker<'_> {
    fn count(&mut self, choice: Choice, key: &str) -> CounterId {
        let selection = self.topology.select(choice);
        let id = self.topology.key(key);
        let eligible = self.topology.eligible(Rule::labelled(key));
        self.topology.count_by(selection, id, eligible)
    }

    /// The pods that all these terms mean.
    fn meant(&mut self, terms: &[&Term], key: &str) -> CounterId {
        let clause = |term: &&Term| {
            let selector = term.selector.clone()?;
            Some(Clause { namespaces: self.namespaces.meant_by(term), selector })
        };
        let clauses = terms.iter().map(clause).collect::<Option<Vec<_>>>();
        self.count(clauses.map_or(Choice::Carrying(Vec::new()), Choice::Matching), key)
    }

    fn near(&mut self, terms: &[Term], means_itself: impl Fn(&Term) -> bool) -> Option<Near> {
        if terms.is_empty() {
            return None;
        }
        let all: Vec<&Term> = terms.iter().collect();
        let mut keys: Vec<&str> = terms.iter().map(|term| term.key.as_str()).collect();
        keys.sort_unstable();
        keys.dedup();
        Some(Near {
            counters: keys.into_iter().map(|key| self.meant(&all, key)).collect(),
            means_itself: terms.iter().all(means_itself),
        })
    }

    fn kept_apart(&mut self, meaning: &[(usize, &Term)]) -> Vec<CounterId> {
        let marks = marks_by_key(self.known, meaning, &[(Role::Apart, 1)]);
        marks.into_iter().map(|(key, marks)| self.count(Choice::Carrying(marks), key)).collect()
    }

    fn prefer(&mut self, term: &Term, weight: i32) {
        let counter = self.meant(&[term], &term.key);
        let key = self.topology.key(&term.key);
        self.preferences.entry(key).or_default().push((counter, weight.into()));
    }

    /// What placed pods prefer of the pod.
    fn hear(&mut self, meaning: &[(usize, &Term)], hard_weight: i32) {
        let roles = [(Role::Near, hard_weight), (Role::Preferred, 1)];
        for (key, marks) in marks_by_key(self.known, meaning, &roles) {
            let counter = self.count(Choice::Carrying(marks), key);
            let key = self.topology.key(key);
            self.preferences.entry(key).or_default().push((counter, 1));
        }
    }
}

/// The marks of these terms in these roles, each role with its factor, together for each key.
fn marks_by_key<'a>(
    known: &KnownTerms,
    terms: &[(usize, &'a Term)],
    roles: &[(Role, i32)],
) -> BTreeMap<&'a str, Vec<(Mark, i32)>> {
    let mut all: BTreeMap<&str, Vec<(Mark, i32)>> = BTreeMap::new();
    for (number, term) in terms {
        let used = roles.iter().filter(|(role, factor)| *factor != 0 && known.is_used(*number, *role));
        for (role, factor) in used {
            all.entry(&term.key).or_default().push((role.of(*number), *factor));
        }
    }
    all
}
