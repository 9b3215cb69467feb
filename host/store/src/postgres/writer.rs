//! This host's one writer: a group of writes, one transaction.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::sync::mpsc;

use super::connect::{Server, patiently};
use super::statements;
use super::upkeep::Upkeep;
use crate::commit::{self, Plan};
use crate::error::Cause;
use crate::queue::{Answer, GROUP, Pending, refuse, settle};
use crate::recent::Recent;
use crate::{Revision, Write};

/// A commit waits for those of other hosts, but not for ever.
const PATIENCE: Duration = Duration::from_secs(15);

pub enum Command {
    Commit(Pending),
    Close(Answer<()>),
}

pub struct Writer {
    options: PgConnectOptions,
    /// Gone after an error: the next group connects anew.
    db: Option<PgConnection>,
    channel: String,
    recent: Arc<Recent>,
    upkeep: Arc<Upkeep>,
}

type Done = (Plan, HashMap<Revision, Bytes>);

enum Failure {
    /// Nothing was committed: it may be tried again.
    Before(Cause),
    /// The server may or may not have committed.
    During(Cause),
}

impl Writer {
    pub fn new(server: &Server, recent: Arc<Recent>, upkeep: Arc<Upkeep>) -> Self {
        let (options, channel) = (server.options.clone(), server.channel.clone());
        Writer { options, db: None, channel, recent, upkeep }
    }

    /// Runs until the store is closed or dropped.
    pub async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut gathered = Vec::with_capacity(GROUP);
        let mut closing = None;
        while closing.is_none() && commands.recv_many(&mut gathered, GROUP).await > 0 {
            let mut group = Vec::with_capacity(gathered.len());
            for command in gathered.drain(..) {
                match command {
                    Command::Commit(pending) => group.push(pending),
                    Command::Close(answer) => closing = Some(answer),
                }
            }
            if !group.is_empty() {
                self.commit(group).await;
            }
        }
        if let Some(db) = self.db.take() {
            // A failure to say goodbye is the server's to notice.
            let _ = db.close().await;
        }
        if let Some(answer) = closing {
            let _ = answer.send(Ok(()));
        }
    }

    async fn commit(&mut self, group: Vec<Pending>) {
        let writes: Vec<&Write> = group.iter().map(|pending| &pending.write).collect();
        match self.attempts(&writes).await {
            Ok((plan, found)) => {
                self.recent.push(plan.head, plan.events());
                settle(group, &plan, &found);
                let bytes = plan.rows.iter().map(|row| row.event.value.len() as u64).sum();
                self.upkeep.wrote(plan.last(), bytes);
            }
            Err(Failure::Before(cause) | Failure::During(cause)) => {
                tracing::error!(writes = group.len(), %cause, "a commit failed; nothing of it was acknowledged");
                refuse(group, &cause);
            }
        }
    }

    /// A connection that has been idle may have died unnoticed: then a new one gets a try.
    async fn attempts(&mut self, writes: &[&Write]) -> Result<Done, Failure> {
        let reused = self.db.is_some();
        match self.attempt(writes).await {
            Err(Failure::Before(_)) if reused => self.attempt(writes).await,
            outcome => outcome,
        }
    }

    async fn attempt(&mut self, writes: &[&Write]) -> Result<Done, Failure> {
        let before = |error: sqlx::Error| Failure::Before(error.into());
        let mut db = match self.db.take() {
            Some(db) => db,
            None => patiently(self.options.connect()).await.map_err(before)?,
        };
        let prepared = tokio::time::timeout(PATIENCE, prepare(&mut db, writes, &self.channel)).await;
        let done = prepared.map_err(|_| Failure::Before(Cause::Timeout))?.map_err(before)?;
        let committed = tokio::time::timeout(PATIENCE, sqlx::query("COMMIT").execute(&mut db)).await;
        committed
            .map_err(|_| Failure::During(Cause::Timeout))?
            .map_err(|error| Failure::During(error.into()))?;
        // Kept only now: a connection with an open transaction is dropped, which rolls it back.
        self.db = Some(db);
        Ok(done)
    }
}

/// Everything but the commit.
async fn prepare(db: &mut PgConnection, writes: &[&Write], channel: &str) -> Result<Done, sqlx::Error> {
    let head = statements::begin(db).await?;
    let keys: Vec<&str> = writes.iter().map(|write| write.key.as_str()).collect();
    let current = statements::revisions(db, &keys).await?;
    let plan = commit::judge(head, current, writes);
    let found = statements::values(db, &plan.wanted()).await?;
    if !plan.rows.is_empty() {
        statements::write(db, &plan, channel).await?;
    }
    Ok((plan, found))
}
