//! Leases renewed and statuses reported, each node in its turn, spread evenly over the interval.

use std::time::Duration;

use futures::StreamExt;
use tokio::time::{Instant, MissedTickBehavior};

use crate::connection::{Body, Connection};
use crate::describe::Shape;
use crate::registration;

/// Turns are taken this often: fewer wake-ups, and requests of one turn share packets.
const TICK: Duration = Duration::from_millis(100);
const PARALLEL: usize = 32;

/// Round robin over so many nodes, one whole round per interval.
#[derive(Debug)]
struct Rota {
    count: usize,
    interval: Duration,
    begin: Instant,
    /// Turns taken since `begin`.
    taken: u64,
}

impl Rota {
    fn new(count: usize, interval: Duration, begin: Instant) -> Rota {
        Rota { count, interval, begin, taken: 0 }
    }

    /// Whose turn has come by now. Turns that were missed for longer than a round are not made up.
    fn due(&mut self, now: Instant) -> impl Iterator<Item = usize> + use<> {
        let count = self.count as u64;
        let passed = (now - self.begin).as_nanos() * u128::from(count) / self.interval.as_nanos().max(1);
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        let from = self.taken.max(passed.saturating_sub(count));
        self.taken = passed;
        (from..passed).map(move |turn| (turn % count) as usize)
    }
}

/// Runs until it is dropped.
pub async fn beat(connection: Connection, shape: Shape, count: usize, lease: Duration, status: Duration) {
    let begin = Instant::now();
    let (mut leases, mut reports) = (Rota::new(count, lease, begin), Rota::new(count, status, begin));
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let now = ticks.tick().await;
        let renew = leases.due(now).map(Beat::Renew);
        let report = reports.due(now).map(Beat::Report);
        futures::stream::iter(renew.chain(report))
            .for_each_concurrent(PARALLEL, |beat| perform(&connection, &shape, beat))
            .await;
    }
}

enum Beat {
    Renew(usize),
    Report(usize),
}

/// A beat that fails is not sent again: the next one comes.
async fn perform(connection: &Connection, shape: &Shape, beat: Beat) {
    let answer = match beat {
        Beat::Renew(index) => {
            let (path, body) = registration::renewal(shape, index);
            match connection.patch(&path, Body::MergePatch, body).await {
                Err(error) if error.code() == Some(404) => {
                    registration::lease(connection, shape, index).await
                }
                answer => answer.map(|_| ()),
            }
        }
        Beat::Report(index) => {
            let (path, body) = registration::report(shape, index);
            match connection.patch(&path, Body::StrategicPatch, body).await {
                // Somebody deleted the Node: a kubelet, too, leaves it so until it is restarted.
                Err(error) if error.code() == Some(404) => Ok(()),
                answer => answer.map(|_| ()),
            }
        }
    };
    if let Err(error) = answer {
        tracing::warn!(%error, "a heartbeat was not taken");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(begin: Instant, seconds: f64) -> Instant {
        begin + Duration::from_secs_f64(seconds)
    }

    #[test]
    fn every_node_has_one_turn_per_interval_evenly_spread() {
        let begin = Instant::now();
        let mut rota = Rota::new(100, Duration::from_secs(10), begin);
        let mut all = Vec::new();
        for tick in 1..=100 {
            let due: Vec<usize> = rota.due(after(begin, f64::from(tick) * 0.1)).collect();
            assert!((0..=2).contains(&due.len()), "{due:?}");
            all.extend(due);
        }
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_long_pause_is_made_up_by_one_round_at_most() {
        let begin = Instant::now();
        let mut rota = Rota::new(10, Duration::from_secs(10), begin);
        let mut due: Vec<usize> = rota.due(after(begin, 95.0)).collect();
        due.sort_unstable();
        assert_eq!(due, (0..10).collect::<Vec<_>>());
        assert_eq!(rota.due(after(begin, 95.5)).count(), 0);
        assert_eq!(rota.due(after(begin, 96.0)).collect::<Vec<_>>(), [5]);
    }
}
