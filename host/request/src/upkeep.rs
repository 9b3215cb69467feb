//! What goes on beside requests: lost reservations are found, old Events go, certificates are renewed,
//! the store is asked how it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use orch_store::{Change, Expect, StoreError, Write};
use orch_watch::Cache;
use serde_json::Value;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use crate::allocate::Allocator;
use crate::key;
use crate::routes::Health;
use crate::verbs::stamp;

/// How long an Event is kept after it was last seen (upstream's `--event-ttl`).
const EVENT_LIFE: SignedDuration = SignedDuration::from_hours(1);

/// Does not return.
pub async fn run(cache: Cache, allocator: Allocator, health: Health, renew: impl Fn()) {
    let reachable = Arc::new(AtomicBool::new(true));
    let seen = reachable.clone();
    health.add("store", move || match seen.load(Ordering::Relaxed) {
        true => Ok(()),
        false => Err("the store does not answer".into()),
    });
    let mut asks = interval(Duration::from_secs(5));
    let mut repairs = interval(Duration::from_secs(180));
    let mut expiries = interval(Duration::from_secs(300));
    let mut renewals = interval(Duration::from_secs(24 * 3600));
    loop {
        tokio::select! {
            _ = asks.tick() => {
                let answer = tokio::time::timeout(Duration::from_secs(4), cache.store().latest()).await;
                reachable.store(matches!(answer, Ok(Ok(_))), Ordering::Relaxed);
            }
            _ = repairs.tick() => {
                if let Err(error) = allocator.repair(Timestamp::now()).await {
                    tracing::warn!(%error, "cannot look for lost Service addresses and ports");
                }
            }
            _ = expiries.tick() => {
                if let Err(error) = expire_events(&cache, Timestamp::now()).await {
                    tracing::warn!(%error, "cannot remove old Events");
                }
            }
            _ = renewals.tick() => renew(),
        }
    }
}

/// The first tick comes after one period: everything was looked at when the server started.
fn interval(period: Duration) -> Interval {
    let mut interval = tokio::time::interval_at(Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

async fn expire_events(cache: &Cache, now: Timestamp) -> Result<(), StoreError> {
    for event in cache.list(&key::prefix("", "events", None)).items {
        let value = event.glance();
        if last_seen(&value).is_some_and(|seen| now.duration_since(seen) < EVENT_LIFE) {
            continue;
        }
        let change = Change::Delete(stamp(&value));
        let expect = Expect::Revision(event.revision);
        match cache.store().commit(Write::new(&*event.key, expect, change)).await {
            // Seen again, or removed by somebody else.
            Ok(_) | Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The latest of the times an Event tells.
fn last_seen(event: &Value) -> Option<Timestamp> {
    let times = [
        &event["metadata"]["creationTimestamp"],
        &event["lastTimestamp"],
        &event["eventTime"],
        &event["series"]["lastObservedTime"],
    ];
    times.iter().filter_map(|time| time.as_str()?.parse().ok()).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_latest_time_counts() {
        let event = json!({
            "metadata": { "creationTimestamp": "2026-01-01T00:00:00Z" },
            "lastTimestamp": null, "series": { "lastObservedTime": "2026-01-01T02:00:00.000001Z" },
        });
        assert_eq!(last_seen(&event).unwrap().to_string(), "2026-01-01T02:00:00.000001Z");
        assert_eq!(last_seen(&json!({})), None);
    }
}
