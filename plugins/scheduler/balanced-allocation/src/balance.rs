//! How even the shares of a node's resources are.

/// Sums over the share of each resource that is taken, 0 to 1.
#[derive(Debug, Clone, Default)]
pub struct Shares {
    shares: [f64; 2],
    /// From the third on.
    more: Vec<f64>,
    count: usize,
}

impl Shares {
    pub fn add(&mut self, requested: i64, allocatable: i64) {
        let share = (requested as f64 / allocatable as f64).min(1.0);
        match self.shares.get_mut(self.count) {
            Some(place) => *place = share,
            None => self.more.push(share),
        }
        self.count += 1;
    }

    /// The standard deviation: 0 when all are alike, at most one half.
    fn deviation(&self) -> f64 {
        match self.count {
            0 | 1 => 0.0,
            2 => ((self.shares[0] - self.shares[1]) / 2.0).abs(),
            count => {
                let all = || self.shares.iter().chain(&self.more);
                let mean = all().sum::<f64>() / count as f64;
                let squares: f64 = all().map(|share| (share - mean) * (share - mean)).sum();
                (squares / count as f64).sqrt()
            }
        }
    }

    /// 50 to 100.
    fn evenness(&self) -> i64 {
        ((1.0 - self.deviation()) * 100.0) as i64
    }
}

/// 50 to 100: 75 where the pod changes nothing, more where it evens the node out (upstream from 1.35 on).
pub fn score(with: &Shares, without: &Shares) -> u32 {
    (50 + (50 + with.evenness() - without.evenness()) / 2) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(of_100: &[i64]) -> Shares {
        let mut shares = Shares::default();
        of_100.iter().for_each(|taken| shares.add(*taken, 100));
        shares
    }

    #[test]
    fn evenness_falls_with_the_deviation() {
        assert_eq!(shares(&[]).evenness(), 100);
        assert_eq!(shares(&[70]).evenness(), 100);
        assert_eq!(shares(&[50, 50]).evenness(), 100);
        assert_eq!(shares(&[0, 100]).evenness(), 50);
        assert_eq!(shares(&[0, 250]).evenness(), 50);
        assert_eq!(shares(&[20, 60]).evenness(), 80);
        // Deviation of 0, 0.3, 0.6: the root of 0.06.
        assert_eq!(shares(&[0, 30, 60]).evenness(), 75);
    }

    #[test]
    fn what_evens_out_scores_above_75() {
        assert_eq!(score(&shares(&[50, 50]), &shares(&[0, 100])), 100);
        assert_eq!(score(&shares(&[0, 100]), &shares(&[50, 50])), 50);
        assert_eq!(score(&shares(&[10, 10]), &shares(&[20, 20])), 75);
    }
}
