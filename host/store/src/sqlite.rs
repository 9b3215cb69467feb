//! The embedded store: one data file, one connection, one writer.
//!
//! The file is locked for this process alone, so that readers can neither hold back a checkpoint
//! nor be needed: what follows the log reads memory, the rest waits in the writer's queue.

mod file;
mod statements;
mod upkeep;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::queue::{self, Answer, Pending, Queue};
use crate::recent::Recent;
use crate::{Entry, Event, OpenError, Options, Revision, Store, StoreError, Write};

pub struct Sqlite {
    queue: Queue<Command>,
    recent: Arc<Recent>,
}

enum Command {
    Commit(Pending),
    Snapshot(Answer<(Revision, Vec<Entry>)>),
    History { after: Revision, limit: usize, answer: Answer<Vec<Event>> },
    Compact { up_to: Revision, answer: Answer<()> },
    Close(Answer<()>),
}

impl Sqlite {
    /// Opens the data file, or creates it with the folders above it.
    pub async fn open(path: impl Into<PathBuf>, options: Options) -> Result<Sqlite, OpenError> {
        let file = file::open(&path.into()).await?;
        let recent = Arc::new(Recent::new(file.head));
        let (queue, commands) = queue::channel();
        tokio::spawn(writer::Writer::new(file, recent.clone(), options).run(commands));
        Ok(Sqlite { queue, recent })
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn commit(&self, write: Write) -> Result<Entry, StoreError> {
        self.queue.ask("commit", |answer| Command::Commit(Pending { write, answer })).await
    }

    async fn snapshot(&self) -> Result<(Revision, Vec<Entry>), StoreError> {
        self.queue.ask("read the current objects", Command::Snapshot).await
    }

    async fn history(&self, after: Revision, limit: usize) -> Result<Vec<Event>, StoreError> {
        if let Some(events) = self.recent.after(after, limit) {
            return Ok(events);
        }
        if after >= self.recent.head() {
            return Ok(Vec::new());
        }
        self.queue.ask("read the log", |answer| Command::History { after, limit, answer }).await
    }

    async fn latest(&self) -> Result<Revision, StoreError> {
        Ok(self.recent.head())
    }

    async fn compact(&self, up_to: Revision) -> Result<(), StoreError> {
        self.queue.ask("compact the log", |answer| Command::Compact { up_to, answer }).await
    }

    fn committed(&self) -> watch::Receiver<Revision> {
        self.recent.committed()
    }

    async fn close(&self) {
        // An error says that it is closed already.
        let _ = self.queue.ask("close", Command::Close).await;
    }
}
