//! How even the shares of a node's resources are.

/// The share that is taken, 0 to 1.
pub fn share(requested: i64, allocatable: i64) -> f64 {
    (requested as f64 / allocatable as f64).min(1.0)
}

/// 50 to 100: 75 where the pod changes nothing, more where it evens the node out (upstream's formula
/// since it compares before and after).
pub fn score(with: &[f64], without: &[f64]) -> u32 {
    (50 + (50 + evenness(with) - evenness(without)) / 2) as u32
}

/// 100 where all shares are alike, 50 where they differ most.
fn evenness(shares: &[f64]) -> i64 {
    ((1.0 - deviation(shares)) * 100.0) as i64
}

/// The standard deviation, at most one half.
fn deviation(shares: &[f64]) -> f64 {
    match shares {
        [] | [_] => 0.0,
        [one, other] => ((one - other) / 2.0).abs(),
        shares => {
            let count = shares.len() as f64;
            let mean = shares.iter().sum::<f64>() / count;
            let squares: f64 = shares.iter().map(|share| (share - mean) * (share - mean)).sum();
            (squares / count).sqrt()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(of_100: &[i64]) -> Vec<f64> {
        of_100.iter().map(|taken| share(*taken, 100)).collect()
    }

    #[test]
    fn evenness_falls_with_the_deviation() {
        let even = |of_100: &[i64]| evenness(&shares(of_100));
        assert_eq!(even(&[]), 100);
        assert_eq!(even(&[70]), 100);
        assert_eq!(even(&[50, 50]), 100);
        assert_eq!(even(&[0, 100]), 50);
        assert_eq!(even(&[0, 250]), 50);
        assert_eq!(even(&[20, 60]), 80);
        // Deviation of 0, 0.3, 0.6: the root of 0.06.
        assert_eq!(even(&[0, 30, 60]), 75);
    }

    #[test]
    fn what_evens_out_scores_above_75() {
        assert_eq!(score(&shares(&[50, 50]), &shares(&[0, 100])), 100);
        assert_eq!(score(&shares(&[0, 100]), &shares(&[50, 50])), 50);
        assert_eq!(score(&shares(&[10, 10]), &shares(&[20, 20])), 75);
    }
}
