//! One container in the daemon's memory, kept current by its shim.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::RwLock;
use tokio::sync::{broadcast, watch};

use super::client::ShimConnection;
use super::{RECORD, Record};
use crate::cgroup::Cgroup;
use crate::runtime::{Changed, Container, Exit, Resources, State};
use crate::shim::protocol::Reply;
use crate::shim::record::{self, EXIT};

#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    pub state: State,
    pub pid: Option<i32>,
}

pub struct Entry {
    record: RwLock<Arc<Record>>,
    pub dir: PathBuf,
    status: watch::Sender<Status>,
    changes: broadcast::Sender<Changed>,
}

impl Entry {
    pub fn new(
        record: Record,
        dir: PathBuf,
        status: Status,
        changes: broadcast::Sender<Changed>,
    ) -> Arc<Self> {
        let record = RwLock::new(Arc::new(record));
        Arc::new(Self { record, dir, status: watch::Sender::new(status), changes })
    }

    pub fn record(&self) -> Arc<Record> {
        self.record.read().clone()
    }

    /// Sets other limits and keeps them for a later daemon. Blocking.
    pub fn update(&self, resources: Resources, labels: BTreeMap<String, String>) -> io::Result<()> {
        self.cgroup().set(&resources)?;
        let mut record = self.record.write();
        let mut fresh = (**record).clone();
        fresh.config.resources = resources;
        fresh.config.labels.extend(labels);
        record::write(&self.dir.join(RECORD), &fresh)?;
        *record = Arc::new(fresh);
        Ok(())
    }

    pub fn container(&self) -> Container {
        let Status { state, pid } = self.status.borrow().clone();
        let record = self.record();
        Container { config: record.config.clone(), state, pid, created_at_ms: record.created_at_ms }
    }

    pub fn state(&self) -> State {
        self.status.borrow().state.clone()
    }

    pub fn cgroup(&self) -> Cgroup {
        Cgroup::new(&self.record().cgroup)
    }

    /// Told only once: an exited container does not run again.
    pub fn advance(&self, state: State) {
        let changed = self.status.send_if_modified(|status| {
            let forward = matches!(
                (&status.state, &state),
                (State::Created, State::Running { .. } | State::Exited(_))
                    | (State::Running { .. }, State::Exited(_))
            );
            if forward {
                if matches!(state, State::Exited(_)) {
                    status.pid = None;
                }
                status.state = state;
            }
            forward
        });
        if changed {
            // Nobody listening is no error.
            let _ = self.changes.send(Changed { container_id: self.record().config.id.clone() });
        }
    }

    pub async fn exited(&self) -> Exit {
        let mut status = self.status.subscribe();
        loop {
            if let State::Exited(exit) = &status.borrow_and_update().state {
                return exit.clone();
            }
            // The sender lives as long as `self`.
            let _ = status.changed().await;
        }
    }

    /// Follows the shim until the container has exited, in the background.
    pub fn follow(self: &Arc<Self>, shim: ShimConnection) {
        let entry = self.clone();
        tokio::spawn(async move {
            loop {
                match shim.receive().await {
                    Ok(Some((Reply::Started { at_ms }, _))) => {
                        entry.advance(State::Running { started_at_ms: at_ms });
                    }
                    Ok(Some((Reply::Exited(exit), _))) => return entry.advance(State::Exited(exit)),
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => break,
                }
            }
            entry.shim_ended().await;
        });
    }

    async fn shim_ended(self: Arc<Self>) {
        let entry = self.clone();
        let exit = tokio::task::spawn_blocking(move || entry.last_word()).await;
        if let Ok(exit) = exit {
            self.advance(State::Exited(exit));
        }
    }

    /// The shim's exit file; without one the shim was killed, and its container goes with it. Blocking.
    pub fn last_word(&self) -> Exit {
        if let Ok(exit) = record::read::<Exit>(&self.dir.join(EXIT)) {
            return exit;
        }
        tracing::warn!(
            container = self.record().config.id,
            "the shim ended without an exit status: killing the container"
        );
        self.cgroup().kill_all();
        let state = record::read::<record::ShimState>(&self.dir.join(record::STATE)).ok();
        let exit = lost(state.and_then(|state| state.started_at_ms));
        if let Err(e) = record::write_exit(&self.dir, &exit) {
            tracing::warn!(container = self.record().config.id, error = %e, "exit status was not kept");
        }
        exit
    }
}

/// The end of a container whose shim is gone, as upstream reports one whose status is not known.
fn lost(started_at_ms: Option<i64>) -> Exit {
    Exit {
        code: 137,
        signal: Some(9),
        oom_killed: false,
        started_at_ms: started_at_ms.unwrap_or(0),
        finished_at_ms: record::now_ms(),
        start_error: None,
    }
}
