//! Plugins come and go while the scheduler runs: a plugin is prepared elsewhere with a snapshot, and
//! told here what changed meanwhile.

use std::sync::{Arc, Weak};
use std::time::Instant;

use orch_plugin::calls::CallError;
use tokio::sync::oneshot;

use super::{Core, Snapshot};
use crate::cluster::Change;
use crate::pod::PodInfo;
use crate::resident::Resident;

/// What has changed since a snapshot was given out.
pub(super) struct Journal {
    pub(super) lease: Weak<()>,
    pub(super) changes: Vec<Change>,
}

impl Core {
    pub(super) fn snapshot(&mut self, reply: oneshot::Sender<Snapshot>) {
        let lease = Arc::new(());
        let snapshot = Snapshot { changes: self.cluster.everything(), lease: lease.clone() };
        if reply.send(snapshot).is_ok() {
            self.journals.push(Journal { lease: Arc::downgrade(&lease), changes: Vec::new() });
        }
    }

    /// Brings the prepared plugin up to this moment, then lets it take the place of its namesake.
    pub(super) fn install(
        &mut self,
        mut resident: Resident,
        lease: &Arc<()>,
        now: Instant,
    ) -> Result<(), CallError> {
        let lease = Arc::downgrade(lease);
        if let Some(position) = self.journals.iter().position(|journal| journal.lease.ptr_eq(&lease)) {
            for change in self.journals.swap_remove(position).changes {
                resident.apply(&change);
            }
        }
        self.show_expected(&mut resident);
        resident.flush()?;
        let trial = resident.settings.role.is_trial();
        self.residents.retain(|other| other.name != resident.name || other.settings.role.is_trial() != trial);
        let ranks = resident.description().points.queue;
        self.residents.push(resident);
        self.residents.sort_by(|a, b| (a.order(), &a.name).cmp(&(b.order(), &b.name)));
        if ranks {
            self.rank_again(now);
        }
        // It may have brought a profile.
        let unclaimed: Vec<Arc<PodInfo>> = self.unclaimed.values().cloned().collect();
        unclaimed.into_iter().for_each(|info| self.pod(info, now));
        self.queue.wake_all(now);
        Ok(())
    }

    fn rank_again(&mut self, now: Instant) {
        for info in self.queue.pods() {
            let rank = self.rank(&info, now);
            self.queue.upsert(info, rank, false, now);
        }
    }

    pub(super) fn remove(&mut self, name: &str, only_trial: bool, now: Instant) -> bool {
        let before = self.residents.len();
        self.residents
            .retain(|resident| resident.name != name || (only_trial && !resident.settings.role.is_trial()));
        // With it a profile may have gone.
        self.queue.pods().into_iter().for_each(|info| self.pod(info, now));
        self.queue.wake_all(now);
        self.residents.len() < before
    }
}
