//! The way from many callers to the one writer of a backend.

use bytes::Bytes;
use std::collections::HashMap;
use tokio::sync::{mpsc, oneshot};

use crate::commit::Plan;
use crate::error::Cause;
use crate::{Entry, Revision, StoreError, Write};

/// Writes that share one transaction at most, so that one fsync serves them all.
pub const GROUP: usize = 256;
/// Callers beyond this wait in line.
const LENGTH: usize = 4096;

pub type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// A write and who waits for it.
pub struct Pending {
    pub write: Write,
    pub answer: Answer<Entry>,
}

pub fn channel<C>() -> (Queue<C>, mpsc::Receiver<C>) {
    let (commands, receiver) = mpsc::channel(LENGTH);
    (Queue { commands }, receiver)
}

pub struct Queue<C> {
    commands: mpsc::Sender<C>,
}

impl<C> Queue<C> {
    /// Hands a command to the writer and waits for its answer.
    pub async fn ask<T>(
        &self,
        what: &'static str,
        command: impl FnOnce(Answer<T>) -> C,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let closed = || Cause::Closed.stops(what);
        self.commands.send(command(answer)).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }
}

/// Answers every write of a committed group.
pub fn settle(group: Vec<Pending>, plan: &Plan, found: &HashMap<Revision, Bytes>) {
    for (index, pending) in group.into_iter().enumerate() {
        // A caller that is gone has no use for the answer; the write stands.
        let _ = pending.answer.send(plan.answer(index, &pending.write, found));
    }
}

/// Nothing of the group was acknowledged.
pub fn refuse(group: Vec<Pending>, cause: &Cause) {
    for pending in group {
        let _ = pending.answer.send(Err(cause.clone().stops("commit")));
    }
}
