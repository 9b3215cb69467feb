//! Consistent reads ask for the latest revision: one query answers all that wait for it.

use std::sync::Arc;

use sqlx::PgPool;
use tokio::sync::mpsc;

use super::statements;
use crate::Revision;
use crate::error::Cause;
use crate::queue::{Answer, GROUP};
use crate::recent::Recent;

/// A query serves only those who asked before it was sent.
pub async fn answer(pool: PgPool, recent: Arc<Recent>, mut asked: mpsc::Receiver<Answer<Revision>>) {
    let mut waiting = Vec::new();
    while asked.recv_many(&mut waiting, GROUP).await > 0 {
        let latest = statements::latest(&pool).await.map_err(Cause::from);
        if let Ok(revision) = latest {
            // Followers need not wait for the notification.
            recent.signal(revision);
        }
        for answer in waiting.drain(..) {
            // Who asked may be gone.
            let _ = answer.send(latest.clone().map_err(|cause| cause.stops("read the latest revision")));
        }
    }
}
