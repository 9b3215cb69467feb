//! The different terms of the pods that are placed. Each pod's group carries marks for its terms, so
//! that who said what, and where, is counted as any other pods are.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use orch_sdk::selector::Operator;
use orch_sdk::topology::{Labels, Mark};

use crate::term::{Term, Terms};

/// What a pod's term is to it. Together with the term's number this is a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Required anti-affinity, weighing 1.
    Apart,
    /// Required affinity, weighing 1.
    Near,
    /// Preferences, with their weight.
    Preferred,
}

const ROLES: usize = 3;

impl Role {
    pub fn of(self, term: usize) -> Mark {
        (term * ROLES + self as usize) as Mark
    }
}

#[derive(Default)]
pub struct KnownTerms {
    terms: Vec<Option<Term>>,
    numbers: HashMap<Term, usize>,
    /// How many groups have it, in each role.
    uses: Vec<[usize; ROLES]>,
    free: Vec<usize>,
    /// By a label of which a pod that is meant has one.
    by_label: HashMap<(String, String), BTreeSet<usize>>,
    /// Those that tell nothing of that kind.
    unlabelled: BTreeSet<usize>,
    changes: u64,
}

impl KnownTerms {
    /// The marks for a new group of pods that say this.
    pub fn marks(&mut self, terms: Terms) -> Vec<(Mark, i32)> {
        let Terms { required, required_anti, preferred } = terms;
        let all = (required.into_iter().map(|term| (term, Role::Near, 1)))
            .chain(required_anti.into_iter().map(|term| (term, Role::Apart, 1)))
            .chain(preferred.into_iter().map(|(term, weight)| (term, Role::Preferred, weight)));
        let mut weights: BTreeMap<Mark, i32> = BTreeMap::new();
        for (term, role, weight) in all {
            let sum = weights.entry(role.of(self.number_of(term))).or_default();
            *sum = sum.saturating_add(weight);
        }
        weights.keys().for_each(|mark| self.occupy(*mark));
        weights.into_iter().collect()
    }

    fn occupy(&mut self, mark: Mark) {
        let uses = &mut self.uses[mark as usize / ROLES][mark as usize % ROLES];
        *uses += 1;
        self.changes += u64::from(*uses == 1);
    }

    /// A group that had this mark is gone.
    pub fn release(&mut self, mark: Mark) {
        let number = mark as usize / ROLES;
        let uses = &mut self.uses[number][mark as usize % ROLES];
        *uses -= 1;
        self.changes += u64::from(*uses == 0);
        if self.uses[number] == [0; ROLES] {
            self.forget(number);
        }
    }

    /// Whether any pod has the term in this role.
    pub fn is_used(&self, term: usize, role: Role) -> bool {
        self.uses[term][role as usize] > 0
    }

    fn forget(&mut self, number: usize) {
        let Some(term) = self.terms[number].take() else { return };
        for label in labels_of(&term).unwrap_or_default() {
            if let Some(numbers) = self.by_label.get_mut(&label) {
                numbers.remove(&number);
                if numbers.is_empty() {
                    self.by_label.remove(&label);
                }
            }
        }
        self.unlabelled.remove(&number);
        self.numbers.remove(&term);
        self.free.push(number);
    }

    fn number_of(&mut self, term: Term) -> usize {
        if let Some(number) = self.numbers.get(&term) {
            return *number;
        }
        let number = self.free.pop().unwrap_or_else(|| {
            self.terms.push(None);
            self.uses.push([0; ROLES]);
            self.terms.len() - 1
        });
        match labels_of(&term) {
            Some(labels) => labels.into_iter().for_each(|label| {
                self.by_label.entry(label).or_default().insert(number);
            }),
            None => {
                self.unlabelled.insert(number);
            }
        }
        self.numbers.insert(term.clone(), number);
        self.terms[number] = Some(term);
        number
    }

    /// Another number once there are other terms.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// The terms that mean a pod like this.
    pub fn meaning(
        &self,
        namespace: &str,
        namespace_labels: &Labels,
        labels: &Labels,
    ) -> Vec<(usize, &Term)> {
        let labelled =
            labels.iter().filter_map(|(key, value)| self.by_label.get(&(key.clone(), value.clone())));
        let numbers: BTreeSet<usize> = labelled.flatten().chain(&self.unlabelled).copied().collect();
        let known = numbers.into_iter().filter_map(|number| Some((number, self.terms[number].as_ref()?)));
        known.filter(|(_, term)| term.matches(namespace, namespace_labels, labels)).collect()
    }
}

/// Labels of which a pod must have one to be meant; as few as can be told.
fn labels_of(term: &Term) -> Option<Vec<(String, String)>> {
    let Some(selector) = &term.selector else { return Some(Vec::new()) };
    let equal = selector.requirements().iter().filter(|wanted| wanted.operator == Operator::In);
    let fewest = equal.min_by_key(|wanted| wanted.values.len())?;
    let label = |value: &String| (fewest.key.clone(), value.clone());
    Some(fewest.values.iter().map(label).collect())
}
