//! Port-forward over SPDY: each forwarded connection is a pair of streams, `error` and `data`, that
//! name the same request.

use std::collections::HashMap;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Target;
use crate::streams::spdy::{Connection, Stream};

/// How long half a pair may wait for the other.
const PAIRING: Duration = Duration::from_secs(30);

/// Ends when the client hangs up; then every forwarded connection is dropped.
pub(super) async fn serve(mut spdy: Connection, target: Target) {
    let mut pending = Pending::default();
    let mut forwards = JoinSet::new();
    loop {
        let stream = tokio::select! {
            stream = spdy.accept() => stream,
            Some(_) = forwards.join_next() => continue,
        };
        let Some(stream) = stream else { return };
        pending.drop_stale();
        if let Some(pair) = pending.add(stream).await {
            forwards.spawn(forward(pair, target.clone()));
        }
    }
}

struct Pair {
    port: u16,
    error: Stream,
    data: Stream,
}

/// Half pairs by request.
#[derive(Default)]
struct Pending(HashMap<String, Half>);

struct Half {
    since: Instant,
    port: u16,
    error: Option<Stream>,
    data: Option<Stream>,
}

impl Pending {
    /// The pair that this stream completes. What is no half of a pair is refused.
    async fn add(&mut self, stream: Stream) -> Option<Pair> {
        let port = stream.header("port").and_then(|port| port.parse::<u16>().ok()).filter(|p| *p > 0);
        let kind = stream.header("streamtype").map(str::to_owned);
        let (Some(port), Some(kind @ ("error" | "data"))) = (port, kind.as_deref()) else {
            stream.refuse().await;
            return None;
        };
        let request = request_of(&stream, kind);
        stream.accept().await;
        let half = self.0.entry(request.clone()).or_insert_with(|| Half {
            since: Instant::now(),
            port,
            error: None,
            data: None,
        });
        match kind {
            "error" => half.error = Some(stream),
            _ => half.data = Some(stream),
        }
        if half.error.is_none() || half.data.is_none() {
            return None;
        }
        let Half { port, error, data, .. } = self.0.remove(&request)?;
        Some(Pair { port, error: error?, data: data? })
    }

    fn drop_stale(&mut self) {
        self.0.retain(|_, half| half.since.elapsed() < PAIRING);
    }
}

/// Old clients send no request number; their data stream follows its error stream.
fn request_of(stream: &Stream, kind: &str) -> String {
    match stream.header("requestid") {
        Some(request) => request.to_owned(),
        None if kind == "data" => stream.id.saturating_sub(2).to_string(),
        None => stream.id.to_string(),
    }
}

async fn forward(pair: Pair, target: Target) {
    let Pair { port, error, data } = pair;
    let given_up = data.reset();
    let mut errors = error.writer();
    let mut end = data.writer();
    let writer = data.writer();
    let connection = Box::new(tokio::io::join(data.into_reader(), writer));
    if let Err(message) = unless(&given_up, target.forward(port, connection)).await {
        tracing::debug!(message, "port-forward");
        let _ = errors.write_all(message.as_bytes()).await;
    }
    let _ = errors.shutdown().await;
    let _ = end.shutdown().await;
}

/// A client that gives the stream up ends the forwarding without an error.
async fn unless(
    given_up: &CancellationToken,
    forwarding: impl Future<Output = Result<(), String>>,
) -> Result<(), String> {
    tokio::select! {
        result = forwarding => result,
        () = given_up.cancelled() => Ok(()),
    }
}
