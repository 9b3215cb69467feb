//! From a commit to its event at a watcher in the same process, over SQLite.
//!
//!     cargo run --release -p orch-watch --example watch_bench -- [WATCHERS] [WRITES]
//!
//! One writer; each watcher sees each event. Prints one line of JSON; times in microseconds, from
//! the moment the commit is acknowledged to the moment the watcher has the event (0: before).

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use orch_store::{Change, Expect, Revision, Sqlite, Stamped, Store, Write};
use orch_watch::{Cache, Options, Watch};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let watchers: usize = arguments.next().map_or(Ok(10), |given| given.parse())?;
    let writes: Revision = arguments.next().map_or(Ok(2000), |given| given.parse())?;
    let folder = tempfile::tempdir_in(".")?;
    let store = Arc::new(Sqlite::open(folder.path().join("bench.db"), orch_store::Options::default()).await?);
    let cache = Cache::start(store.clone(), Options::default()).await?;
    let seen: Vec<_> = (0..watchers).map(|_| cache.watch("bench/", 0)).collect::<Result<Vec<_>, _>>()?;
    let seen: Vec<_> = seen.into_iter().map(|watch| tokio::spawn(arrivals(watch, writes))).collect();
    let acknowledged = write(&*store, writes).await?;
    let mut delays = Vec::new();
    for watcher in seen {
        let arrivals = watcher.await?;
        delays
            .extend(arrivals.iter().zip(&acknowledged).map(|(at, from)| at.saturating_duration_since(*from)));
    }
    report(watchers, writes, delays);
    store.close().await;
    Ok(())
}

async fn write(store: &dyn Store, writes: Revision) -> Result<Vec<Instant>, Box<dyn Error>> {
    let mut acknowledged = Vec::new();
    for n in 0..writes {
        let text = format!("\"}},\"data\":\"{}\"}}", "x".repeat(2000));
        let head = Bytes::from_static(b"{\"metadata\":{\"resourceVersion\":\"");
        let change = Change::Put(Stamped { head, tail: text.into() });
        store.commit(Write::new(format!("bench/{n}"), Expect::Absent, change)).await?;
        acknowledged.push(Instant::now());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(acknowledged)
}

async fn arrivals(watch: Watch, writes: Revision) -> Vec<Instant> {
    watch.take(writes as usize).map(|_| Instant::now()).collect().await
}

fn report(watchers: usize, writes: Revision, mut delays: Vec<Duration>) {
    delays.sort_unstable();
    let percentile = |p: usize| delays.get(delays.len() * p / 100).map_or(0, Duration::as_micros);
    println!(
        "{{\"watchers\":{watchers},\"writes\":{writes},\"p50_us\":{},\"p99_us\":{}}}",
        percentile(50),
        percentile(99),
    );
}
