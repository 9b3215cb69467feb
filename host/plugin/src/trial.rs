//! Versions on trial beside the one that serves (`spec.rollout`): a canary decides about some
//! requests, a shadow about none, and what it would have decided otherwise is reported.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// What is decided about, as far as a canary's share goes by it.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Empty for what has none.
    pub namespace: &'a str,
    /// The same for every decision about one object: its uid, or its name.
    pub key: &'a str,
}

impl Subject<'_> {
    /// A number from 0 to 99 that stays the same for one object, on every host.
    pub fn percentile(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write(self.namespace.as_bytes());
        hasher.write(b"/");
        hasher.write(self.key.as_bytes());
        hasher.finish() % 100
    }
}

/// Which subjects a canary decides about.
pub type Selection = Arc<dyn Fn(Subject<'_>) -> bool + Send + Sync>;

/// What a version of a plugin does beside others of its name.
#[derive(Clone, Default)]
pub enum Role {
    /// Decides.
    #[default]
    Serves,
    /// Decides about the selected subjects in place of the version that serves.
    Canary(Selection),
    /// Decides nothing: where it would have decided otherwise is noted.
    Shadow(Arc<ShadowLog>),
}

impl Role {
    /// Versions of one plugin stand beside each other when this differs.
    pub fn is_trial(&self) -> bool {
        match self {
            Role::Serves => false,
            Role::Canary(_) | Role::Shadow(_) => true,
        }
    }

    pub fn selects(&self, subject: Subject<'_>) -> bool {
        match self {
            Role::Canary(selects) => selects(subject),
            Role::Serves | Role::Shadow(_) => false,
        }
    }
}

impl fmt::Debug for Role {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Role::Serves => "Serves",
            Role::Canary(_) => "Canary",
            Role::Shadow(_) => "Shadow",
        })
    }
}

/// Differences kept; older ones are only counted.
const KEPT: usize = 100;

/// One decision on which the two versions differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// `namespace/name` of the pod or object that was decided about.
    pub subject: String,
    pub live: String,
    pub shadow: String,
}

/// The report so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShadowReport {
    /// Decisions that both made.
    pub compared: u64,
    pub differing: u64,
    /// Decisions on which the shadow gave no answer.
    pub failed: u64,
    /// The latest differences, newest first.
    pub differences: Vec<Difference>,
}

/// Gathers the report; shared by whoever calls both versions and whoever reads it.
#[derive(Debug, Default)]
pub struct ShadowLog {
    report: Mutex<(ShadowReport, VecDeque<Difference>)>,
}

impl ShadowLog {
    pub fn agreed(&self) {
        self.report.lock().0.compared += 1;
    }

    pub fn failed(&self) {
        self.report.lock().0.failed += 1;
    }

    pub fn differed(&self, difference: Difference) {
        let (report, kept) = &mut *self.report.lock();
        report.compared += 1;
        report.differing += 1;
        kept.push_front(difference);
        kept.truncate(KEPT);
    }

    pub fn report(&self) -> ShadowReport {
        let (report, kept) = &*self.report.lock();
        ShadowReport { differences: kept.iter().cloned().collect(), ..report.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_keeps_its_percentile_and_subjects_spread() {
        let percentile = |key: &str| Subject { namespace: "default", key }.percentile();
        assert_eq!(percentile("a"), percentile("a"));
        let low = (0..1000).filter(|number| percentile(&number.to_string()) < 20).count();
        assert!((120..280).contains(&low), "{low} of 1000 are in a fifth");
    }

    #[test]
    fn the_latest_differences_are_kept() {
        let log = ShadowLog::default();
        log.agreed();
        for number in 0..KEPT + 5 {
            let subject = number.to_string();
            log.differed(Difference { subject, live: "a".into(), shadow: "b".into() });
        }
        let report = log.report();
        assert_eq!((report.compared, report.differing), (KEPT as u64 + 6, KEPT as u64 + 5));
        assert_eq!(report.differences.len(), KEPT);
        assert_eq!(report.differences[0].subject, (KEPT + 4).to_string());
    }
}
