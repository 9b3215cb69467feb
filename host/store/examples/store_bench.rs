//! Durable 2 KiB writes by N clients, each to keys of its own: half creations, half updates.
//!
//!     cargo run --release -p orch-store --example store_bench -- [ADDRESS] [CLIENTS] [SECONDS]
//!
//! ADDRESS: a path for SQLite (default: a new file in the working directory, removed afterwards)
//! or `postgres://…` (an empty database). Prints one line of JSON; latencies in microseconds.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use orch_store::{Change, Expect, Options, Stamped, Store, Write, open};

const VALUE: usize = 2048;
const WARM_UP: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "sqlite".into());
    let clients: usize = arguments.next().map_or(Ok(64), |given| given.parse())?;
    let seconds: u64 = arguments.next().map_or(Ok(5), |given| given.parse())?;
    let folder = tempfile::tempdir_in(".")?;
    let store = open(&address, &folder.path().join("bench.db"), Options::default()).await?;
    let latencies = measure(store.clone(), clients, Duration::from_secs(seconds)).await?;
    store.close().await;
    report(backend(&address), clients, seconds, latencies);
    Ok(())
}

fn backend(address: &str) -> &'static str {
    let postgres = address.starts_with("postgres") && !Path::new(address).exists();
    if postgres { "postgres" } else { "sqlite" }
}

async fn measure(
    store: Arc<dyn Store>,
    clients: usize,
    duration: Duration,
) -> Result<Vec<Duration>, Box<dyn Error>> {
    let begin = Instant::now() + WARM_UP;
    let end = begin + duration;
    let tasks: Vec<_> = (0..clients).map(|id| tokio::spawn(client(store.clone(), id, begin, end))).collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await??);
    }
    Ok(latencies)
}

async fn client(
    store: Arc<dyn Store>,
    id: usize,
    begin: Instant,
    end: Instant,
) -> Result<Vec<Duration>, orch_store::StoreError> {
    let mut latencies = Vec::new();
    let run = std::process::id();
    let mut sequence = 0;
    while Instant::now() < end {
        let key = format!("/configmaps/bench/{run}-{id}-{sequence}");
        sequence += 1;
        let mut expect = Expect::Absent;
        for _ in 0..2 {
            let write = Write::new(key.clone(), expect, Change::Put(value(&key)));
            let asked = Instant::now();
            let entry = store.commit(write).await?;
            let answered = Instant::now();
            if answered >= begin && answered < end {
                latencies.push(answered - asked);
            }
            expect = Expect::Revision(entry.revision);
        }
    }
    Ok(latencies)
}

fn value(key: &str) -> Stamped {
    let head = format!("{{\"metadata\":{{\"name\":\"{key}\",\"resourceVersion\":\"");
    let tail = format!("\"}},\"data\":\"{}\"}}", "x".repeat(VALUE - head.len()));
    Stamped { head: Bytes::from(head), tail: Bytes::from(tail) }
}

fn report(backend: &str, clients: usize, seconds: u64, mut latencies: Vec<Duration>) {
    latencies.sort_unstable();
    let percentile = |p: usize| latencies.get(latencies.len() * p / 100).map_or(0, Duration::as_micros);
    println!(
        "{{\"backend\":\"{backend}\",\"clients\":{clients},\"writes_per_second\":{},\"p50_us\":{},\"p99_us\":{}}}",
        latencies.len() as u64 / seconds.max(1),
        percentile(50),
        percentile(99),
    );
}
