//! After a start of the daemon: which containers are there, and how they are.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::broadcast;

use super::client::ShimConnection;
use super::entry::{Entry, Status};
use super::{RECORD, Record, containers_dir, remove};
use crate::runtime::{Changed, Exit, State};
use crate::shim::protocol::{Reply, Request};
use crate::shim::record::{self, EXIT};

/// Every container of the data directory. What was being created when the daemon ended is removed.
pub async fn adopt_all(data_dir: &Path, changes: &broadcast::Sender<Changed>) -> io::Result<Vec<Arc<Entry>>> {
    let dir = containers_dir(data_dir);
    std::fs::create_dir_all(&dir)?;
    let mut entries = Vec::new();
    for found in std::fs::read_dir(&dir)? {
        let dir = found?.path();
        match record::read::<Record>(&dir.join(RECORD)) {
            Ok(record) => entries.extend(adopt(record, &dir, changes).await?),
            Err(_) => crate::blocking_io(move || remove::clean_up(&dir, None)).await?,
        }
    }
    Ok(entries)
}

async fn adopt(
    record: Record,
    dir: &Path,
    changes: &broadcast::Sender<Changed>,
) -> io::Result<Option<Arc<Entry>>> {
    let entry = |status| Entry::new(record.clone(), dir.to_owned(), status, changes.clone());
    if let Some((shim, status)) = ask(dir).await {
        let entry = entry(status);
        entry.follow(shim);
        return Ok(Some(entry));
    }
    let known = record::read::<Exit>(&dir.join(EXIT)).is_ok();
    if !known && !dir.join(record::STATE).exists() {
        // Never came to be.
        let (dir, cgroup) = (dir.to_owned(), record.cgroup.clone());
        crate::blocking_io(move || remove::clean_up(&dir, Some(&cgroup))).await?;
        return Ok(None);
    }
    let entry = entry(Status { state: State::Created, pid: None });
    let ended = entry.clone();
    let exit = crate::blocking_io(move || Ok(ended.last_word())).await?;
    entry.advance(State::Exited(exit));
    Ok(Some(entry))
}

/// The shim's own word; `None` when there is no shim.
async fn ask(dir: &Path) -> Option<(ShimConnection, Status)> {
    let shim = ShimConnection::open(dir).ok()?;
    let (reply, _) = shim.ask(&Request::Watch, &[]).await.ok()?;
    let Reply::State { pid, started_at_ms } = reply else { return None };
    let state = match started_at_ms {
        Some(started_at_ms) => State::Running { started_at_ms },
        None => State::Created,
    };
    Some((shim, Status { state, pid: Some(pid) }))
}
