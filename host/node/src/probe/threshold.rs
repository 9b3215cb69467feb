//! `successThreshold` and `failureThreshold`. Pure.

use crate::pod::spec::Probe;

#[derive(Debug)]
pub struct Threshold {
    success: u32,
    failure: u32,
    /// What was last reported.
    reported: Option<bool>,
    last: Option<bool>,
    streak: u32,
}

impl Threshold {
    pub fn new(probe: &Probe, reported: Option<bool>) -> Self {
        Threshold {
            success: probe.success_threshold.max(1),
            failure: if probe.failure_threshold == 0 { 3 } else { probe.failure_threshold },
            reported,
            last: None,
            streak: 0,
        }
    }

    /// Counts a result; the verdict when it has changed.
    pub fn count(&mut self, healthy: bool) -> Option<bool> {
        self.streak = if self.last == Some(healthy) { self.streak.saturating_add(1) } else { 1 };
        self.last = Some(healthy);
        let needed = if healthy { self.success } else { self.failure };
        if self.streak < needed || self.reported == Some(healthy) {
            return None;
        }
        self.reported = Some(healthy);
        Some(healthy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_needs_a_streak_and_a_change() {
        let probe = Probe { success_threshold: 2, failure_threshold: 3, ..Probe::default() };
        let mut threshold = Threshold::new(&probe, Some(false));
        let results = [true, false, true, true, true, false, false, false, false];
        let verdicts: Vec<_> = results.iter().map(|r| threshold.count(*r)).collect();
        let (t, f) = (Some(true), Some(false));
        assert_eq!(verdicts, [None, None, None, t, None, None, None, f, None]);
    }
}
