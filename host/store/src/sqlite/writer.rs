//! The one task that talks to the data file.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::Command;
use super::file::{self, File};
use super::statements::{self, Statements};
use super::upkeep::Upkeep;
use crate::commit::{self, Plan};
use crate::error::{Cause, sqlite_code};
use crate::queue::{Answer, GROUP, Pending, refuse, settle};
use crate::recent::Recent;
use crate::{Entry, Event, Options, Revision, StoreError, Write};

pub struct Writer {
    db: SqliteConnection,
    path: PathBuf,
    head: Revision,
    statements: Statements,
    recent: Arc<Recent>,
    upkeep: Upkeep,
    tick: Interval,
}

impl Writer {
    pub fn new(file: File, recent: Arc<Recent>, options: Options) -> Self {
        let mut tick = interval(options.interval);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let upkeep = Upkeep::new(&file.path, options, file.head, file.floor);
        let File { db, path, head, .. } = file;
        Writer { db, path, head, statements: Statements::new(), recent, upkeep, tick }
    }

    /// Runs until the store is closed or dropped.
    pub async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut gathered = Vec::with_capacity(GROUP);
        loop {
            let mut closing = None;
            tokio::select! {
                biased;
                count = commands.recv_many(&mut gathered, GROUP) => {
                    if count == 0 {
                        break;
                    }
                    closing = self.serve(gathered.drain(..)).await.break_value();
                }
                _ = std::future::ready(()), if self.upkeep.is_due() => {}
                _ = self.tick.tick() => self.upkeep.look(&mut self.db, self.head).await,
            }
            if let Some(answer) = closing {
                file::close(self.db).await;
                let _ = answer.send(Ok(()));
                return;
            }
            self.upkeep.step(&mut self.db).await;
            self.recent.forget(self.upkeep.floor);
        }
        file::close(self.db).await;
    }

    /// Commits what is gathered as one group, then answers the rest.
    async fn serve(&mut self, commands: impl Iterator<Item = Command>) -> ControlFlow<Answer<()>> {
        let mut group = Vec::new();
        let mut others = Vec::new();
        for command in commands {
            match command {
                Command::Commit(pending) => group.push(pending),
                other => others.push(other),
            }
        }
        if !group.is_empty() {
            self.commit(group).await;
        }
        for command in others {
            self.answer(command).await?;
        }
        ControlFlow::Continue(())
    }

    async fn answer(&mut self, command: Command) -> ControlFlow<Answer<()>> {
        // Whoever asked may be gone; nothing depends on it.
        match command {
            Command::Commit(pending) => self.commit(vec![pending]).await,
            Command::Snapshot(answer) => drop(answer.send(self.snapshot().await)),
            Command::History { after, limit, answer } => drop(answer.send(self.history(after, limit).await)),
            Command::Compact { up_to, answer } => drop(answer.send(self.compact(up_to).await)),
            Command::Close(answer) => return ControlFlow::Break(answer),
        }
        ControlFlow::Continue(())
    }

    async fn commit(&mut self, group: Vec<Pending>) {
        let writes: Vec<&Write> = group.iter().map(|pending| &pending.write).collect();
        match self.transact(&writes).await {
            Ok((plan, found)) => {
                self.head = plan.last();
                self.recent.push(plan.head, plan.events());
                settle(group, &plan, &found);
                let bytes = plan.rows.iter().map(|row| row.event.value.len() as u64).sum();
                self.upkeep.wrote(self.head, bytes);
            }
            Err(error) => {
                // It fails when the error has ended the transaction already.
                let _ = sqlx::query("ROLLBACK").execute(&mut self.db).await;
                let cause = self.cause(error);
                tracing::error!(writes = group.len(), %cause, "a commit failed; nothing of it was acknowledged");
                refuse(group, &cause);
            }
        }
    }

    async fn transact(&mut self, writes: &[&Write]) -> Result<(Plan, HashMap<Revision, Bytes>), sqlx::Error> {
        let db = &mut self.db;
        let keys: Vec<&str> = writes.iter().map(|write| write.key.as_str()).collect();
        let current = self.statements.begin(db, &keys).await?;
        let plan = commit::judge(self.head, current, writes);
        let found = statements::values(db, &plan.wanted()).await?;
        self.statements.commit(db, &plan).await?;
        Ok((plan, found))
    }

    async fn snapshot(&mut self) -> Result<(Revision, Vec<Entry>), StoreError> {
        match statements::snapshot(&mut self.db).await {
            Ok(entries) => Ok((self.head, entries)),
            Err(error) => Err(self.cause(error).stops("read the current objects")),
        }
    }

    async fn history(&mut self, after: Revision, limit: usize) -> Result<Vec<Event>, StoreError> {
        if after < self.upkeep.floor {
            return Err(StoreError::Compacted { asked: after, oldest: self.upkeep.floor });
        }
        if after >= self.head {
            return Ok(Vec::new());
        }
        let events = statements::history(&mut self.db, after, limit).await;
        events.map_err(|error| self.cause(error).stops("read the log"))
    }

    async fn compact(&mut self, up_to: Revision) -> Result<(), StoreError> {
        let up_to = up_to.min(self.head);
        self.recent.forget(up_to);
        let done = self.upkeep.compact(&mut self.db, up_to).await;
        done.map_err(|error| self.cause(error).stops("compact the log"))
    }

    fn cause(&self, error: sqlx::Error) -> Cause {
        const FULL: u32 = 13;
        match sqlite_code(&error) {
            Some(FULL) => Cause::DiskFull(self.path.display().to_string()),
            _ => error.into(),
        }
    }
}
