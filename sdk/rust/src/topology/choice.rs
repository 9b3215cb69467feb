//! What a question selects among the groups of pods.

use std::collections::BTreeSet;

use super::group::{Group, Tag};
use crate::selector::{Operator, Selector};

/// Something that pods carry beside their labels, named by a number of the policy's own.
pub type Mark = u32;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Choice {
    /// The pods that every clause matches.
    Matching(Vec<Clause>),
    /// The pods that carry any of these marks, each mark's weight times the factor given here.
    Carrying(Vec<(Mark, i32)>),
}

/// Pods of these namespaces whose labels match.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Clause {
    pub namespaces: Namespaces,
    pub selector: Selector,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Namespaces {
    All,
    These(BTreeSet<String>),
}

impl Namespaces {
    pub fn one(name: &str) -> Self {
        Namespaces::These([name.to_string()].into())
    }

    pub fn contain(&self, name: &str) -> bool {
        match self {
            Namespaces::All => true,
            Namespaces::These(names) => names.contains(name),
        }
    }
}

impl Choice {
    /// How often a pod of the group counts.
    pub(super) fn weigh(&self, group: &Group) -> i32 {
        match self {
            Choice::Matching(clauses) => i32::from(clauses.iter().all(|clause| {
                clause.namespaces.contain(&group.namespace) && clause.selector.matches_labels(&group.labels)
            })),
            Choice::Carrying(wanted) => {
                let factor = |mark: Mark| wanted.iter().filter(move |(known, _)| *known == mark);
                let worth = |(mark, weight): &(Mark, i32)| {
                    factor(*mark).map(|(_, factor)| factor.wrapping_mul(*weight)).sum::<i32>()
                };
                group.marks.iter().map(worth).sum()
            }
        }
    }

    /// Lists of tags, for each of which a group that is chosen has at least one. None: any group may
    /// be chosen.
    pub(super) fn tags(&self) -> Vec<Vec<Tag>> {
        match self {
            Choice::Matching(clauses) => {
                let requirements = clauses.iter().flat_map(|clause| clause.selector.requirements());
                let equal = requirements.filter(|wanted| wanted.operator == Operator::In);
                equal
                    .map(|wanted| wanted.values.iter().map(|value| Tag::label(&wanted.key, value)).collect())
                    .collect()
            }
            Choice::Carrying(marks) => vec![marks.iter().map(|(mark, _)| Tag::mark(*mark)).collect()],
        }
    }
}
