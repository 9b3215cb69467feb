//! What a pod wants of its node, prepared for many nodes.

use std::collections::BTreeSet;

use orch_sdk::pod::{NodeAffinity, NodeSelector, NodeSelectorTerm, PreferredTerm};
use orch_sdk::selector::{Operator, Requirement};

use crate::labels::{Labels, Prepared};

const NAME_FIELD: &str = "metadata.name";

/// The labels of all nodes and, as a column of its own, their names.
#[derive(Debug, Default)]
pub struct Nodes {
    pub labels: Labels,
    pub names: Labels,
}

/// Its requirements hold together.
pub struct Term<'a> {
    requirements: Vec<Prepared<'a>>,
}

impl<'a> Term<'a> {
    /// Nothing for a term that matches no node at all: an empty one, or one that upstream cannot read.
    fn read(nodes: &'a Nodes, term: &NodeSelectorTerm) -> Option<Self> {
        let expressions = term.match_expressions.iter().map(|wanted| Some(nodes.labels.prepare(wanted)));
        let fields = term.match_fields.iter().map(|wanted| match (wanted.operator, wanted.values.len()) {
            (Operator::In | Operator::NotIn, 1) => Some(nodes.names.prepare(wanted)),
            _ => None,
        });
        let requirements: Vec<Prepared> = expressions.chain(fields).collect::<Option<_>>()?;
        (!requirements.is_empty()).then_some(Term { requirements })
    }

    fn holds(&self, node: usize) -> bool {
        self.requirements.iter().all(|requirement| requirement.holds(node))
    }
}

/// Any of these terms.
pub struct AnyOf<'a> {
    terms: Vec<Term<'a>>,
}

impl<'a> AnyOf<'a> {
    pub fn read(nodes: &'a Nodes, selector: &NodeSelector) -> Self {
        AnyOf {
            terms: selector.node_selector_terms.iter().filter_map(|term| Term::read(nodes, term)).collect(),
        }
    }

    pub fn holds(&self, node: usize) -> bool {
        self.terms.iter().any(|term| term.holds(node))
    }
}

/// The sum of the weights of the terms that hold.
pub struct Preferences<'a> {
    terms: Vec<(u32, Term<'a>)>,
}

impl<'a> Preferences<'a> {
    pub fn read<'t>(nodes: &'a Nodes, terms: impl IntoIterator<Item = &'t PreferredTerm>) -> Self {
        let read = |term: &PreferredTerm| {
            Some((u32::try_from(term.weight).ok()?, Term::read(nodes, &term.preference)?))
        };
        Preferences { terms: terms.into_iter().filter_map(read).collect() }
    }

    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    pub fn weigh(&self, node: usize) -> u32 {
        self.terms.iter().filter(|(_, term)| term.holds(node)).map(|(weight, _)| weight).sum()
    }
}

/// Whether all terms name their nodes.
#[derive(Debug, PartialEq, Eq)]
pub enum Named {
    /// Some term leaves it open.
    No,
    /// Every term asks for two names at once.
    Conflict,
    Only(BTreeSet<String>),
}

/// As upstream's PreFilter, which looks at `metadata.name In` alone.
pub fn named(affinity: &NodeAffinity) -> Named {
    let terms = affinity.required.iter().flat_map(|required| &required.node_selector_terms);
    let mut all: Option<BTreeSet<String>> = None;
    for term in terms {
        let Some(names) = names_of(term) else { return Named::No };
        all.get_or_insert_default().extend(names);
    }
    match all {
        None => Named::No,
        Some(names) if names.is_empty() => Named::Conflict,
        Some(names) => Named::Only(names),
    }
}

/// Holds on the nodes of these names.
pub fn is_named(names: BTreeSet<String>) -> Requirement {
    Requirement { key: NAME_FIELD.into(), operator: Operator::In, values: names.into_iter().collect() }
}

fn names_of(term: &NodeSelectorTerm) -> Option<BTreeSet<String>> {
    let by_name = |wanted: &&Requirement| wanted.key == NAME_FIELD && wanted.operator == Operator::In;
    let lists = term.match_fields.iter().filter(by_name);
    lists.map(|wanted| wanted.values.iter().cloned().collect()).reduce(|a: BTreeSet<_>, b| &a & &b)
}
