//! What the clients do.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use memchr::memmem::Finder;
use serde_json::json;
use tokio::sync::Barrier;

use crate::client::{Connection, Connections, Request, get, post};

const MAPS: &str = "/api/v1/namespaces/bench/configmaps";
const PODS: &str = "/api/v1/namespaces/bench/pods";
const EVENTS: &str = "/api/v1/namespaces/bench/secrets";
const LISTS: usize = 10;
/// Stands before the time at which a change was sent, in microseconds since the watches began.
const SENT: &str = "\"sent\":\"";

/// In milliseconds.
pub struct Spread {
    pub p50: f64,
    pub p99: f64,
}

pub struct Rate {
    pub count: usize,
    pub per_second: f64,
    pub latency: Spread,
    /// Of all answers.
    pub bytes: u64,
}

pub struct Lists {
    /// Of one answer.
    pub bytes: u64,
    pub latency: Spread,
}

impl Spread {
    fn of(mut times: Vec<Duration>) -> Spread {
        times.sort();
        let at = |share: f64| match times.len() {
            0 => f64::NAN,
            length => times[((length - 1) as f64 * share).round() as usize].as_secs_f64() * 1e3,
        };
        Spread { p50: at(0.5), p99: at(0.99) }
    }
}

pub async fn namespace(connections: &Connections) {
    let namespace = json!({ "metadata": { "name": "bench" } });
    connections.open().await.ask(&post("/api/v1/namespaces", namespace.to_string())).await;
}

async fn open(connections: &Connections, count: usize) -> Vec<Connection> {
    join_all((0..count).map(|_| connections.open())).await
}

/// Runs each client as a task of its own.
async fn run<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    opened: Vec<Connection>,
    client: impl Fn(Connection) -> F,
) -> Vec<T> {
    let running: Vec<_> = opened.into_iter().map(|connection| tokio::spawn(client(connection))).collect();
    join_all(running).await.into_iter().map(|done| done.expect("a client that ends well")).collect()
}

/// Each client asks again as soon as it has its answer.
async fn busy(
    connections: &Connections,
    count: usize,
    seconds: u64,
    request: impl Fn(usize) -> Request + Send + Sync + 'static,
) -> Rate {
    let (next, request) = (Arc::new(AtomicUsize::new(0)), Arc::new(request));
    let opened = open(connections, count).await;
    let (begin, end) = (Instant::now(), Duration::from_secs(seconds));
    let one = |mut connection: Connection| {
        let (next, request) = (next.clone(), request.clone());
        async move {
            let (mut times, mut bytes) = (Vec::new(), 0);
            while begin.elapsed() < end {
                let request = request(next.fetch_add(1, Ordering::Relaxed));
                let asked = Instant::now();
                bytes += connection.ask(&request).await as u64;
                times.push(asked.elapsed());
            }
            (times, bytes)
        }
    };
    let done = run(opened, one).await;
    let elapsed = begin.elapsed().as_secs_f64();
    let bytes = done.iter().map(|(_, bytes)| bytes).sum();
    let times: Vec<Duration> = done.into_iter().flat_map(|(times, _)| times).collect();
    Rate { count: times.len(), per_second: times.len() as f64 / elapsed, latency: Spread::of(times), bytes }
}

pub async fn creates(connections: &Connections, clients: usize, seconds: u64) -> Rate {
    let filler = "x".repeat(1_024);
    let create = move |n: usize| {
        let map = json!({ "metadata": { "name": format!("map-{n}") }, "data": { "filler": filler } });
        post(MAPS, map.to_string())
    };
    busy(connections, clients, seconds, create).await
}

/// Of the first thousand maps, or of all `maps` where there are fewer.
pub async fn gets(connections: &Connections, clients: usize, seconds: u64, maps: usize) -> Rate {
    let read = move |n: usize| get(&format!("{MAPS}/map-{}", n % maps.clamp(1, 1_000)), "application/json");
    busy(connections, clients, seconds, read).await
}

/// Pods that no scheduler takes.
pub async fn pods(connections: &Connections, count: usize, at_once: usize) {
    let next = Arc::new(AtomicUsize::new(0));
    let one = |mut connection: Connection| {
        let next = next.clone();
        async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= count {
                    return;
                }
                connection.ask(&post(PODS, pod(n))).await;
            }
        }
    };
    run(open(connections, at_once).await, one).await;
}

fn pod(n: usize) -> String {
    let env: Vec<_> =
        (0..20).map(|n| json!({ "name": format!("VARIABLE_{n}"), "value": "a value" })).collect();
    json!({
        "metadata": { "name": format!("pod-{n}"), "labels": { "app": "bench" } },
        "spec": {
            "schedulingGates": [{ "name": "example.com/bench" }],
            "containers": [{ "name": "c", "image": "example.orch.dev/hello:1", "env": env }],
        },
    })
    .to_string()
}

pub async fn lists(connections: &Connections, accept: &str) -> Lists {
    let mut connection = connections.open().await;
    let mut bytes = 0;
    let mut times = Vec::new();
    for _ in 0..LISTS {
        let asked = Instant::now();
        bytes = connection.ask(&get(PODS, accept)).await as u64;
        times.push(asked.elapsed());
    }
    Lists { bytes, latency: Spread::of(times) }
}

/// From before a change is sent until each watcher has read it.
pub async fn watches(connections: &Connections, watchers: usize, events: usize) -> Spread {
    let (begin, ready) = (Instant::now(), Arc::new(Barrier::new(watchers + 1)));
    let each = |connection: Connection| {
        let ready = ready.clone();
        async move { watch(connection, begin, &ready, events).await }
    };
    let change = async {
        ready.wait().await;
        let mut connection = connections.open().await;
        for n in 0..events {
            let sent = begin.elapsed().as_micros().to_string();
            let secret =
                json!({ "metadata": { "name": format!("event-{n}"), "annotations": { "sent": sent } } });
            connection.ask(&post(EVENTS, secret.to_string())).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let (seen, ()) = tokio::join!(run(open(connections, watchers).await, each), change);
    Spread::of(seen.into_iter().flatten().collect())
}

async fn watch(mut connection: Connection, begin: Instant, ready: &Barrier, events: usize) -> Vec<Duration> {
    let path = format!("{EVENTS}?watch=1&resourceVersion=0");
    let (mut times, mut text) = (Vec::with_capacity(events), Vec::new());
    let finder = Finder::new(SENT);
    let take = |piece: &[u8]| {
        let now = begin.elapsed();
        text.extend_from_slice(piece);
        if let Some(end) = memchr::memrchr(b'\n', &text) {
            times.extend(sent(&finder, &text[..end]).map(|sent| now.saturating_sub(sent)));
            text.drain(..=end);
        }
        if times.len() < events { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let begun = async {
        ready.wait().await;
    };
    connection.follow(&get(&path, "application/json"), begun, take).await;
    times
}

/// When the changes of these events were sent.
fn sent(finder: &Finder<'_>, lines: &[u8]) -> impl Iterator<Item = Duration> {
    finder.find_iter(lines).filter_map(|at| {
        let digits = lines[at + SENT.len()..].iter().take_while(|byte| byte.is_ascii_digit());
        let text: String = digits.map(|byte| char::from(*byte)).collect();
        text.parse().ok().map(Duration::from_micros)
    })
}
