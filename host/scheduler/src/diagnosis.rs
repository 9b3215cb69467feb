//! Why a pod fits nowhere, in the words upstream's `FitError` uses.

use std::collections::{BTreeMap, BTreeSet};

use orch_plugin::calls::NodeSet;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Diagnosis {
    /// How many nodes there are.
    pub nodes: usize,
    /// The pod is rejected whatever the node.
    pub pod: Option<String>,
    /// Reason → number of nodes that the first rejecting plugin gave it for.
    pub reasons: BTreeMap<String, usize>,
    pub rejected_by: BTreeSet<String>,
    /// Nodes on which evicting pods could not help.
    pub unresolvable: NodeSet,
}

impl Diagnosis {
    pub fn new(nodes: usize, words: usize) -> Self {
        Diagnosis { nodes, unresolvable: vec![0; words], ..Diagnosis::default() }
    }

    /// `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint {a: b}. preemption: …`
    pub fn message(&self, preemption: Option<&str>) -> String {
        if self.nodes == 0 {
            return "no nodes available to schedule pods".into();
        }
        let reasons = match &self.pod {
            Some(reason) => format!("0/{} nodes are available: {reason}.", self.nodes),
            None => {
                fit_error(self.nodes, self.reasons.iter().map(|(reason, count)| (reason.as_str(), *count)))
            }
        };
        match preemption {
            Some(preemption) => format!("{reasons} preemption: {preemption}"),
            None => reasons,
        }
    }
}

/// Sorted as text, counts included, as upstream sorts them.
pub(crate) fn fit_error<'a>(nodes: usize, reasons: impl Iterator<Item = (&'a str, usize)>) -> String {
    let mut counted: Vec<String> =
        reasons.filter(|(_, count)| *count > 0).map(|(reason, count)| format!("{count} {reason}")).collect();
    counted.sort();
    format!("0/{nodes} nodes are available: {}.", counted.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diagnosis(reasons: &[(&str, usize)]) -> Diagnosis {
        let reasons = reasons.iter().map(|(reason, count)| (reason.to_string(), *count)).collect();
        Diagnosis { reasons, ..Diagnosis::new(3, 1) }
    }

    #[test]
    fn reads_as_upstreams() {
        let taint = "node(s) had untolerated taint(s)";
        let preemption = fit_error(
            3,
            [
                ("No preemption victims found for incoming pod", 1),
                ("Preemption is not helpful for scheduling", 2),
            ]
            .into_iter(),
        );
        assert_eq!(
            diagnosis(&[("Insufficient cpu", 1), (taint, 2)]).message(Some(&preemption)),
            "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s). preemption: \
             0/3 nodes are available: 1 No preemption victims found for incoming pod, \
             2 Preemption is not helpful for scheduling."
        );
    }

    #[test]
    fn sorts_by_the_whole_text() {
        let message = diagnosis(&[("Insufficient cpu", 3), ("Insufficient memory", 1)]);
        assert_eq!(
            message.message(None),
            "0/3 nodes are available: 1 Insufficient memory, 3 Insufficient cpu."
        );
    }

    #[test]
    fn no_node_at_all() {
        assert_eq!(Diagnosis::default().message(None), "no nodes available to schedule pods");
    }
}
