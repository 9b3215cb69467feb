//! Ranks nodes by the label `example.com/rank`, and keeps pods off those that have none.

use std::collections::BTreeMap;

use orch_sdk::node::Node;
use orch_sdk::scheduler::{
    Delta, Description, NodeSet, Normalization, Policy, Rejection, Scope, Verdict,
};

const RANK: &str = "example.com/rank";

#[derive(Default)]
pub struct {{Pascal}} {
    ranks: BTreeMap<usize, u32>,
}

orch_sdk::export_scheduler!({{Pascal}});

impl Policy for {{Pascal}} {
    fn describe() -> Description {
        Description::new()
            .reads("v1", "Node", &["metadata.labels"])
            .filters(Scope::Node)
            .scores(Scope::Node, Normalization::Highest)
    }

    fn sync(&mut self, delta: Delta) -> Result<(), String> {
        match delta {
            Delta::NodeUpsert { index, node } => {
                let rank = Node::parse(&node)?.metadata.labels.get(RANK).and_then(|rank| rank.parse().ok());
                match rank {
                    Some(rank) => self.ranks.insert(index, rank),
                    None => self.ranks.remove(&index),
                };
            }
            Delta::NodeRemove { index } => {
                self.ranks.remove(&index);
            }
            // Nothing but nodes is asked for.
            Delta::PodUpsert { .. }
            | Delta::PodRemove { .. }
            | Delta::ObjectUpsert { .. }
            | Delta::ObjectRemove { .. } => {}
        }
        Ok(())
    }

    fn filter(&mut self, _pod: &str, nodes: &NodeSet) -> Result<Verdict, String> {
        let unranked: NodeSet = nodes.iter().filter(|node| !self.ranks.contains_key(node)).collect();
        if unranked.is_empty() {
            return Ok(Verdict::default());
        }
        let reason = format!("node(s) had no label {RANK}");
        Ok(vec![Rejection { reason, nodes: unranked, unresolvable: true }].into())
    }

    fn score(&mut self, _pod: &str, nodes: &NodeSet) -> Result<Vec<u32>, String> {
        Ok(nodes.iter().map(|node| self.ranks.get(&node).copied().unwrap_or(0)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::json;

    #[test]
    fn ranked_nodes_are_taken_in_order_of_rank() {
        let mut policy = {{Pascal}}::default();
        for (index, labels) in [json!({RANK: "1"}), json!({}), json!({RANK: "7"})].into_iter().enumerate() {
            let node = json!({"metadata": {"labels": labels}}).to_string();
            policy.sync(Delta::NodeUpsert { index, node }).unwrap();
        }
        let all: NodeSet = (0..3).collect();
        let Verdict::Nodes(rejections) = policy.filter("{}", &all).unwrap() else { panic!("nodes differ") };
        assert_eq!(rejections[0].nodes.iter().collect::<Vec<_>>(), [1]);
        assert_eq!(policy.score("{}", &[0, 2].into_iter().collect()).unwrap(), [1, 7]);
    }
}
