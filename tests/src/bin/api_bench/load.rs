//! What the clients do.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::join_all;
use http_body_util::BodyExt;
use kube::Client;
use serde_json::json;
use tokio::sync::Barrier;

use crate::client::{Connections, ask, get, post};

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
    ask(&connections.client(), post("/api/v1/namespaces", namespace.to_string())).await;
}

/// Each client asks again as soon as it has its answer.
async fn busy<F: Future<Output = usize>>(
    connections: &Connections,
    clients: usize,
    seconds: u64,
    request: impl Fn(Client, usize) -> F,
) -> Rate {
    let next = AtomicUsize::new(0);
    let (begin, end) = (Instant::now(), Duration::from_secs(seconds));
    let one = async |client: Client| {
        let (mut times, mut bytes) = (Vec::new(), 0);
        while begin.elapsed() < end {
            let asked = Instant::now();
            bytes += request(client.clone(), next.fetch_add(1, Ordering::Relaxed)).await as u64;
            times.push(asked.elapsed());
        }
        (times, bytes)
    };
    let done = join_all((0..clients).map(|_| one(connections.client()))).await;
    let elapsed = begin.elapsed().as_secs_f64();
    let bytes = done.iter().map(|(_, bytes)| bytes).sum();
    let times: Vec<Duration> = done.into_iter().flat_map(|(times, _)| times).collect();
    Rate { count: times.len(), per_second: times.len() as f64 / elapsed, latency: Spread::of(times), bytes }
}

pub async fn creates(connections: &Connections, clients: usize, seconds: u64) -> Rate {
    let filler = "x".repeat(1_024);
    let create = |client: Client, n: usize| {
        let map = json!({ "metadata": { "name": format!("map-{n}") }, "data": { "filler": filler } });
        async move { ask(&client, post(MAPS, map.to_string())).await }
    };
    busy(connections, clients, seconds, create).await
}

/// Of the first thousand maps, or of all `maps` where there are fewer.
pub async fn gets(connections: &Connections, clients: usize, seconds: u64, maps: usize) -> Rate {
    let read = |client: Client, n: usize| async move {
        ask(&client, get(&format!("{MAPS}/map-{}", n % maps.clamp(1, 1_000)), "application/json")).await
    };
    busy(connections, clients, seconds, read).await
}

/// Pods that no scheduler takes.
pub async fn pods(connections: &Connections, count: usize, clients: usize) {
    let next = AtomicUsize::new(0);
    let env: Vec<_> =
        (0..20).map(|n| json!({ "name": format!("VARIABLE_{n}"), "value": "a value" })).collect();
    let one = async |client: Client| loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        if n >= count {
            return;
        }
        let pod = json!({
            "metadata": { "name": format!("pod-{n}"), "labels": { "app": "bench" } },
            "spec": {
                "schedulingGates": [{ "name": "example.com/bench" }],
                "containers": [{ "name": "c", "image": "example.orch.dev/hello:1", "env": env }],
            },
        });
        ask(&client, post(PODS, pod.to_string())).await;
    };
    join_all((0..clients).map(|_| one(connections.client()))).await;
}

pub async fn lists(connections: &Connections, accept: &str) -> Lists {
    let client = connections.client();
    let mut bytes = 0;
    let mut times = Vec::new();
    for _ in 0..LISTS {
        let asked = Instant::now();
        bytes = ask(&client, get(PODS, accept)).await as u64;
        times.push(asked.elapsed());
    }
    Lists { bytes, latency: Spread::of(times) }
}

/// From before a change is sent until each watcher has read it.
pub async fn watches(connections: &Connections, watchers: usize, events: usize) -> Spread {
    let (begin, ready) = (Instant::now(), Arc::new(Barrier::new(watchers + 1)));
    let each = |client: Client| {
        let ready = ready.clone();
        tokio::spawn(async move { watch(&client, begin, &ready, events).await })
    };
    let watching: Vec<_> = (0..watchers).map(|_| each(connections.client())).collect();
    ready.wait().await;
    let client = connections.client();
    for n in 0..events {
        let sent = begin.elapsed().as_micros().to_string();
        let secret = json!({ "metadata": { "name": format!("event-{n}"), "annotations": { "sent": sent } } });
        ask(&client, post(EVENTS, secret.to_string())).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let seen = join_all(watching).await;
    Spread::of(seen.into_iter().flat_map(|times| times.expect("a watcher that ends well")).collect())
}

async fn watch(client: &Client, begin: Instant, ready: &Barrier, events: usize) -> Vec<Duration> {
    let path = format!("{EVENTS}?watch=1&resourceVersion=0");
    let response = client.send(get(&path, "application/json")).await.expect("a watch");
    assert!(response.status().is_success(), "{}", response.status());
    ready.wait().await;
    let mut frames = pin!(response.into_body().into_data_stream());
    let (mut times, mut text) = (Vec::with_capacity(events), Vec::new());
    while times.len() < events {
        let frame = frames.next().await.expect("a watch that goes on").expect("a frame");
        let now = begin.elapsed();
        text.extend_from_slice(&frame);
        let Some(end) = memchr::memrchr(b'\n', &text) else { continue };
        times.extend(sent(&text[..end]).map(|sent| now.saturating_sub(sent)));
        text.drain(..=end);
    }
    times
}

/// When the changes of these events were sent.
fn sent(lines: &[u8]) -> impl Iterator<Item = Duration> {
    memchr::memmem::find_iter(lines, SENT).filter_map(|at| {
        let digits = lines[at + SENT.len()..].iter().take_while(|byte| byte.is_ascii_digit());
        let text: String = digits.map(|byte| char::from(*byte)).collect();
        text.parse().ok().map(Duration::from_micros)
    })
}
