//! How many nodes are looked at: upstream's `DefaultPreemptionArgs`.

use orch_sdk::config::Field;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortlist {
    percentage: usize,
    absolute: usize,
}

impl Default for Shortlist {
    fn default() -> Self {
        Shortlist { percentage: 10, absolute: 100 }
    }
}

impl Shortlist {
    pub fn read(config: &Field) -> Result<Self, String> {
        let config = config.clone().only(&["minCandidateNodesPercentage", "minCandidateNodesAbsolute"])?;
        let percentage = config.child("minCandidateNodesPercentage");
        let absolute = config.child("minCandidateNodesAbsolute");
        let read = Shortlist {
            percentage: percentage.integer_or(10, 0..=100)? as usize,
            absolute: absolute.integer_or(100, 0..=i32::MAX.into())? as usize,
        };
        match read {
            Shortlist { percentage: 0, absolute: 0 } => {
                Err(percentage.invalid("cannot be zero at the same time as minCandidateNodesAbsolute"))
            }
            read => Ok(read),
        }
    }

    /// A share of all nodes out of those that have victims, from a place that the seed says: with no
    /// luck there, the next attempt, when other pods have come or gone, looks elsewhere.
    pub fn pick(&self, potential: &[usize], all: usize, seed: u64) -> impl Iterator<Item = usize> {
        let count = (all * self.percentage / 100).max(self.absolute).min(potential.len());
        let offset = (seed % potential.len().max(1) as u64) as usize;
        potential.iter().copied().cycle().skip(offset).take(count)
    }
}
