//! What a component may answer: anything else is refused, so that a lie costs the host nothing.

use crate::calls::NodeSet;
use crate::calls::scheduler::{Advice, Normalization, Plan, Verdict};

/// Far above any cluster; keeps a component from handing back arbitrary amounts.
const MOST_NODES: usize = 1 << 20;
const MOST_REJECTIONS: usize = 1024;
const LONGEST_REASON: usize = 1024;
const MOST_PROPOSALS: usize = 10_000;
const MOST_PATCHES: usize = 256;
const MOST_PATCH_BYTES: usize = 1 << 20;

pub fn check_verdict(verdict: &Verdict) -> Result<(), String> {
    let rejections = match verdict {
        Verdict::Pod(reason) => return check_reason(reason),
        Verdict::Nodes(rejections) => rejections,
    };
    if rejections.len() > MOST_REJECTIONS {
        return Err(format!("{} rejections, at most {MOST_REJECTIONS} are read", rejections.len()));
    }
    for rejection in rejections {
        check_reason(&rejection.reason)?;
        if rejection.nodes.len() > MOST_NODES / 64 {
            return Err(format!("a set of {} words", rejection.nodes.len()));
        }
    }
    Ok(())
}

fn check_reason(reason: &str) -> Result<(), String> {
    if reason.is_empty() || reason.len() > LONGEST_REASON {
        return Err(format!("a reason of {} bytes, 1 to {LONGEST_REASON} are shown", reason.len()));
    }
    Ok(())
}

pub fn check_scores(scores: &[u32], nodes: &NodeSet, normalization: Normalization) -> Result<(), String> {
    if scores.is_empty() {
        return Ok(());
    }
    let asked: usize = nodes.iter().map(|word| word.count_ones() as usize).sum();
    if scores.len() != asked {
        return Err(format!("{} scores for {asked} nodes", scores.len()));
    }
    if normalization != Normalization::None {
        return Ok(());
    }
    match scores.iter().position(|score| *score > 100) {
        Some(position) => Err(format!(
            "score {} for node number {position} of those asked about, the highest is 100",
            scores[position]
        )),
        None => Ok(()),
    }
}

pub fn check_plan(plan: &Plan) -> Result<(), String> {
    match plan {
        Plan::NotEligible(reason) => check_reason(reason),
        Plan::Proposals(proposals) if proposals.len() > MOST_PROPOSALS => {
            Err(format!("{} proposals, at most {MOST_PROPOSALS} are read", proposals.len()))
        }
        Plan::Proposals(_) => Ok(()),
    }
}

pub fn check_choice(choice: Option<usize>, candidates: usize) -> Result<(), String> {
    match choice {
        Some(index) if index >= candidates => {
            Err(format!("candidate {index} chosen of {candidates}: positions begin at 0"))
        }
        Some(_) | None => Ok(()),
    }
}

pub fn check_advice(advice: &Advice) -> Result<(), String> {
    if advice.patches.len() > MOST_PATCHES {
        return Err(format!("{} patches, at most {MOST_PATCHES} are made", advice.patches.len()));
    }
    let bytes: usize = advice.patches.iter().map(|patch| patch.body.len()).sum();
    if bytes > MOST_PATCH_BYTES {
        return Err(format!("patches of {bytes} bytes, at most {MOST_PATCH_BYTES} are made"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::scheduler::Rejection;

    #[test]
    fn lies_are_refused() {
        assert!(check_scores(&[1, 2], &vec![0b11], Normalization::None).is_ok());
        assert!(check_scores(&[], &vec![0b11], Normalization::None).is_ok());
        assert!(check_scores(&[1, 2], &vec![0b1], Normalization::None).is_err());
        assert!(check_scores(&[101], &vec![0b1], Normalization::None).is_err());
        assert!(check_scores(&[101], &vec![0b1], Normalization::Highest).is_ok());
        assert!(check_choice(Some(2), 2).is_err());
        assert!(check_choice(None, 0).is_ok());
        let rejection = Rejection { reason: String::new(), nodes: vec![1], unresolvable: false };
        assert!(check_verdict(&Verdict::Nodes(vec![rejection])).is_err());
        assert!(check_verdict(&Verdict::Pod("x".repeat(2000))).is_err());
    }
}
