//! Why a pod fits nowhere, in the words upstream's `FitError` uses.

use std::collections::{BTreeMap, BTreeSet};

use orch_plugin::calls::NodeSet;

use crate::nodeset;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Diagnosis {
    /// How many nodes there are.
    pub nodes: usize,
    /// Reason → number of nodes that the first rejecting plugin gave it for.
    pub reasons: BTreeMap<String, usize>,
    pub rejected_by: BTreeSet<String>,
    /// Nodes on which evicting pods could not help.
    pub unresolvable: NodeSet,
}

/// What preempting lower-priority pods could do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preemption {
    /// `preemptionPolicy: Never`.
    Never,
    /// Of the nodes where eviction could help, so many have pods of lower priority.
    Candidates(usize),
}

impl Diagnosis {
    /// `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint {a: b}. preemption: …`
    pub fn message(&self, preemption: Preemption) -> String {
        if self.nodes == 0 {
            return "no nodes available to schedule pods".into();
        }
        let reasons =
            fit_error(self.nodes, self.reasons.iter().map(|(reason, count)| (reason.as_str(), *count)));
        format!("{reasons} preemption: {}", self.preemption_message(preemption))
    }

    fn preemption_message(&self, preemption: Preemption) -> String {
        let Preemption::Candidates(candidates) = preemption else {
            return "not eligible due to preemptionPolicy=Never.".into();
        };
        let unresolvable = nodeset::count(&self.unresolvable);
        let counts = [
            ("No preemption victims found for incoming pod", self.nodes - unresolvable - candidates),
            ("Preemption is not helpful for scheduling", unresolvable),
            // Honest where upstream would evict: no plugin of this host can choose victims yet.
            ("Preemption is not implemented", candidates),
        ];
        fit_error(self.nodes, counts.into_iter())
    }
}

/// Sorted as text, counts included, as upstream sorts them.
fn fit_error<'a>(nodes: usize, reasons: impl Iterator<Item = (&'a str, usize)>) -> String {
    let mut counted: Vec<String> =
        reasons.filter(|(_, count)| *count > 0).map(|(reason, count)| format!("{count} {reason}")).collect();
    counted.sort();
    format!("0/{nodes} nodes are available: {}.", counted.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnosis(reasons: &[(&str, usize)], unresolvable: u64) -> Diagnosis {
        Diagnosis {
            nodes: 3,
            reasons: reasons.iter().map(|(reason, count)| (reason.to_string(), *count)).collect(),
            rejected_by: BTreeSet::new(),
            unresolvable: vec![unresolvable],
        }
    }

    #[test]
    fn reads_as_upstreams() {
        let taint = "node(s) had untolerated taint(s)";
        assert_eq!(
            diagnosis(&[("Insufficient cpu", 1), (taint, 2)], 0b110).message(Preemption::Candidates(0)),
            "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s). preemption: \
             0/3 nodes are available: 1 No preemption victims found for incoming pod, \
             2 Preemption is not helpful for scheduling."
        );
    }

    #[test]
    fn sorts_by_the_whole_text() {
        let message = diagnosis(&[("Insufficient cpu", 3), ("Insufficient memory", 1)], 0);
        assert!(message.message(Preemption::Never).starts_with(
            "0/3 nodes are available: 1 Insufficient memory, 3 Insufficient cpu. preemption: not"
        ));
    }

    #[test]
    fn no_node_at_all() {
        assert_eq!(
            Diagnosis::default().message(Preemption::Candidates(0)),
            "no nodes available to schedule pods"
        );
    }
}
