use super::NodeSet;

/// The best score of a node.
pub const MAX_SCORE: i64 = 100;

/// Scales counts so that the highest among the feasible nodes becomes 100 (upstream's
/// `DefaultNormalizeScore`). All zero stays zero.
pub fn normalize(counts: &[i64], feasible: &NodeSet) -> Vec<u8> {
    scale(counts, feasible, |score, max| if max == 0 { 0 } else { score * MAX_SCORE / max })
}

/// As [`normalize`], with fewer being better: the lowest count scores 100 when it is zero.
pub fn normalize_reversed(counts: &[i64], feasible: &NodeSet) -> Vec<u8> {
    scale(counts, feasible, |score, max| MAX_SCORE - if max == 0 { 0 } else { score * MAX_SCORE / max })
}

fn scale(counts: &[i64], feasible: &NodeSet, formula: impl Fn(i64, i64) -> i64) -> Vec<u8> {
    let max = feasible.iter().filter_map(|node| counts.get(node)).copied().max().unwrap_or(0);
    let mut scores = vec![0; feasible.len()];
    for node in feasible.iter() {
        let count = counts.get(node).copied().unwrap_or(0);
        scores[node] = formula(count, max).clamp(0, MAX_SCORE) as u8;
    }
    scores
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_scale_over_the_feasible_nodes_alone() {
        let feasible: NodeSet = [0, 1].into_iter().collect();
        assert_eq!(normalize(&[1, 4, 1000], &feasible), [25, 100]);
        assert_eq!(normalize_reversed(&[1, 4, 1000], &feasible), [75, 0]);
        assert_eq!(normalize(&[0, 0], &feasible), [0, 0]);
        assert_eq!(normalize_reversed(&[0, 0], &feasible), [100, 100]);
    }
}
