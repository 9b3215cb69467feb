//! The store that several hosts share.
//!
//! One row, `orch_head`, holds the last revision and is locked for the length of a commit: hosts
//! commit one after the other, so commit order is revision order. `NOTIFY` tells the others.

mod connect;
mod latest;
mod listen;
mod statements;
mod upkeep;
mod writer;

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::PgPool;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::error::Cause;
use crate::queue::{self, Answer, Pending, Queue};
use crate::recent::Recent;
use crate::{Entry, Event, OpenError, Options, Revision, Store, StoreError, Write};
use upkeep::Upkeep;

pub struct Postgres {
    commits: Queue<writer::Command>,
    latest: Queue<Answer<Revision>>,
    pool: PgPool,
    recent: Arc<Recent>,
    upkeep: Arc<Upkeep>,
    /// What runs beside the writer and has no end of its own.
    background: Vec<AbortHandle>,
}

impl Postgres {
    /// Connects, and creates the tables in a new database.
    pub async fn open(url: &str, options: Options) -> Result<Postgres, OpenError> {
        let server = connect::open(url).await?;
        let recent = Arc::new(Recent::new(server.head));
        let upkeep = Arc::new(Upkeep::new(server.pool.clone(), recent.clone(), options));
        let (commits, commands) = queue::channel();
        let writer = writer::Writer::new(&server, recent.clone(), upkeep.clone());
        tokio::spawn(writer.run(commands));
        let (latest, asked) = queue::channel();
        let background = vec![
            tokio::spawn(latest::answer(server.pool.clone(), recent.clone(), asked)).abort_handle(),
            tokio::spawn(listen::follow(server.pool.clone(), server.channel, recent.clone())).abort_handle(),
            tokio::spawn(upkeep.clone().run()).abort_handle(),
        ];
        Ok(Postgres { commits, latest, pool: server.pool, recent, upkeep, background })
    }

    fn stop(&self) {
        self.background.iter().for_each(AbortHandle::abort);
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

#[async_trait]
impl Store for Postgres {
    async fn commit(&self, write: Write) -> Result<Entry, StoreError> {
        self.commits.ask("commit", |answer| writer::Command::Commit(Pending { write, answer })).await
    }

    async fn snapshot(&self) -> Result<(Revision, Vec<Entry>), StoreError> {
        let read = statements::snapshot(&self.pool).await;
        read.map_err(|error| Cause::from(error).stops("read the current objects"))
    }

    async fn history(&self, after: Revision, limit: usize) -> Result<Vec<Event>, StoreError> {
        if let Some(events) = self.recent.after(after, limit) {
            return Ok(events);
        }
        let read = statements::history(&self.pool, after, limit).await;
        let (floor, events) = read.map_err(|error| Cause::from(error).stops("read the log"))?;
        if after < floor {
            return Err(StoreError::Compacted { asked: after, oldest: floor });
        }
        Ok(events)
    }

    async fn latest(&self) -> Result<Revision, StoreError> {
        self.latest.ask("read the latest revision", |answer| answer).await
    }

    async fn compact(&self, up_to: Revision) -> Result<(), StoreError> {
        let up_to = up_to.min(self.latest().await?);
        let done = self.upkeep.compact(up_to).await;
        done.map_err(|error| Cause::from(error).stops("compact the log"))
    }

    fn committed(&self) -> watch::Receiver<Revision> {
        self.recent.committed()
    }

    async fn close(&self) {
        // An error says that it is closed already.
        let _ = self.commits.ask("close", writer::Command::Close).await;
        self.stop();
        self.pool.close().await;
    }
}
