//! How the host keeps something as objects say: all of them are looked at after each burst of changes.

use std::time::Duration;

use futures::stream::{SelectAll, select_all};
use futures::{FutureExt, StreamExt};
use orch_watch::{Cache, Watch};

/// Between lists that a watch cannot go on from.
const RELIST: Duration = Duration::from_millis(100);
/// What to wait for after a write that failed.
pub const RETRY: Option<Duration> = Some(Duration::from_secs(1));

/// Tells when to look again. What has changed is in the cache.
pub struct Follower<'a> {
    cache: &'a Cache,
    prefixes: Vec<String>,
    changes: SelectAll<Watch>,
}

impl<'a> Follower<'a> {
    /// Of what lies below the prefixes, from now on.
    pub fn new(cache: &'a Cache, prefixes: &[String]) -> Follower<'a> {
        Follower { cache, prefixes: prefixes.to_vec(), changes: watch(cache, prefixes) }
    }

    /// Returns after the next burst of changes, or after the time given (`None`: only after changes).
    pub async fn changed(&mut self, again: Option<Duration>) {
        let pause = async {
            match again {
                Some(pause) => tokio::time::sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        let follows = tokio::select! {
            change = self.changes.next() => matches!(change, Some(Ok(_))),
            () = pause => true,
        };
        if !follows {
            // Too slow for the window, or the cache is closing: the next list tells which.
            tokio::time::sleep(RELIST).await;
            self.changes = watch(self.cache, &self.prefixes);
        }
        while self.changes.next().now_or_never().flatten().is_some_and(|change| change.is_ok()) {}
    }
}

fn watch(cache: &Cache, prefixes: &[String]) -> SelectAll<Watch> {
    select_all(prefixes.iter().map(|prefix| cache.list_and_watch(prefix).1))
}
