//! Exponential back-off as kubelet does it: 10 s doubling to 5 min, forgotten after 10 min.

use std::time::Duration;

use tokio::time::Instant;

const INITIAL: Duration = Duration::from_secs(10);
const MAXIMUM: Duration = Duration::from_secs(300);

#[derive(Debug, Clone, Default)]
pub struct Backoff {
    /// Zero: nothing has failed yet.
    delay: Duration,
    last_step: Option<Instant>,
}

impl Backoff {
    /// When the next try may be made after a failure at `failed_at`.
    pub fn ready_at(&self, failed_at: Instant) -> Instant {
        if self.is_forgotten(failed_at) { failed_at } else { failed_at + self.delay }
    }

    /// The wait in force, for messages.
    pub fn delay(&self) -> Duration {
        self.delay
    }

    /// Counts one more try.
    pub fn step(&mut self, now: Instant) {
        self.delay = if self.delay.is_zero() || self.is_forgotten(now) {
            INITIAL
        } else {
            (self.delay * 2).min(MAXIMUM)
        };
        self.last_step = Some(now);
    }

    fn is_forgotten(&self, at: Instant) -> bool {
        self.last_step.is_none_or(|last| at.saturating_duration_since(last) > MAXIMUM * 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_five_minutes_and_forgets() {
        let start = Instant::now();
        let mut backoff = Backoff::default();
        assert_eq!(backoff.ready_at(start), start, "the first restart does not wait");
        let mut seen = Vec::new();
        for _ in 0..7 {
            backoff.step(start);
            seen.push(backoff.delay().as_secs());
        }
        assert_eq!(seen, [10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(backoff.ready_at(start), start + MAXIMUM);
        let later = start + Duration::from_secs(601);
        assert_eq!(backoff.ready_at(later), later);
        backoff.step(later);
        assert_eq!(backoff.delay(), INITIAL);
    }
}
