//! Hears of commits by any host.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgListener;

use super::statements;
use crate::recent::Recent;

const RETRY: Duration = Duration::from_millis(500);

/// Listens for ever. What was notified while the connection was lost is made up for by a look at
/// the latest revision.
pub async fn follow(pool: PgPool, channel: String, recent: Arc<Recent>) {
    loop {
        if let Err(error) = listen(&pool, &channel, &recent).await {
            if pool.is_closed() {
                return;
            }
            tracing::warn!(%error, "Postgres does not notify; connecting again");
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn listen(pool: &PgPool, channel: &str, recent: &Recent) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(channel).await?;
    loop {
        recent.signal(statements::latest(pool).await?);
        // `None`: the connection was lost and is made anew.
        while let Some(notification) = listener.try_recv().await? {
            match notification.payload().parse() {
                Ok(revision) => recent.signal(revision),
                Err(_) => tracing::warn!(channel, "a notification that is no revision was ignored"),
            }
        }
    }
}
