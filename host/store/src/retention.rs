//! Up to where history may be forgotten: pure arithmetic over samples of the log's growth.

use std::collections::VecDeque;

use tokio::time::Instant;

use crate::{Options, Revision};

/// Samples are taken this many times within each bound.
const STEPS: u64 = 16;

#[derive(Debug)]
pub struct Retention {
    options: Options,
    bytes: u64,
    samples: VecDeque<Sample>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    revision: Revision,
    /// Written by this process when the revision was the last.
    bytes: u64,
}

impl Retention {
    /// What was there before counts as written now.
    pub fn new(options: Options, head: Revision) -> Self {
        let first = Sample { at: Instant::now(), revision: head, bytes: 0 };
        Retention { options, bytes: 0, samples: VecDeque::from([first]) }
    }

    pub fn wrote(&mut self, head: Revision, bytes: u64) {
        self.bytes += bytes;
        self.observe(head);
    }

    /// Takes a sample when enough has happened since the last.
    pub fn observe(&mut self, head: Revision) {
        let at = Instant::now();
        let Options { keep_age, keep_revisions, keep_bytes, .. } = self.options;
        let due = self.samples.back().is_none_or(|last| {
            head > last.revision
                && (at - last.at >= keep_age / STEPS as u32
                    || head - last.revision >= keep_revisions.div_ceil(STEPS)
                    || self.bytes - last.bytes >= keep_bytes.div_ceil(STEPS))
        });
        if due {
            self.samples.push_back(Sample { at, revision: head, bytes: self.bytes });
        }
    }

    /// The last revision that exceeds a bound, once for each.
    pub fn expired(&mut self, head: Revision) -> Option<Revision> {
        let now = Instant::now();
        let mut expired = None;
        while let Some(first) = self.samples.front() {
            let Options { keep_age, keep_revisions, keep_bytes, .. } = self.options;
            let within = now - first.at < keep_age
                && head.saturating_sub(first.revision) <= keep_revisions
                && self.bytes - first.bytes <= keep_bytes;
            if within {
                break;
            }
            expired = Some(first.revision);
            self.samples.pop_front();
        }
        expired
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn retention(keep_revisions: u64, keep_bytes: u64) -> Retention {
        let options = Options { keep_revisions, keep_bytes, ..Options::default() };
        Retention::new(options, 100)
    }

    #[tokio::test(start_paused = true)]
    async fn forgets_by_age() {
        let mut retention = retention(1 << 40, 1 << 40);
        tokio::time::advance(Duration::from_secs(60)).await;
        retention.wrote(110, 10);
        assert_eq!(retention.expired(110), None);
        tokio::time::advance(Duration::from_secs(240)).await;
        assert_eq!(retention.expired(110), Some(100));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(retention.expired(110), Some(110));
        assert_eq!(retention.expired(110), None);
    }

    #[tokio::test(start_paused = true)]
    async fn forgets_by_size() {
        let mut retention = retention(160, 1 << 40);
        (101..=300).for_each(|head| retention.wrote(head, 1));
        assert_eq!(retention.expired(300), Some(130));
        let mut retention = self::retention(1 << 40, 1600);
        (101..=300).for_each(|head| retention.wrote(head, 10));
        assert_eq!(retention.expired(300), Some(130));
    }
}
