//! What plugins log, and what the host logs about them: the latest lines of each, for
//! `plugins/NAME/log`.
//!
//! They are picked from the host's own log: every event with a field `plugin`.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::{Debug, Write};
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use jiff::Timestamp;
use orch_client::node::LogOptions;
use orch_client::plugin::PluginLogs;
use parking_lot::Mutex;
use tokio::sync::watch;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// Kept of one plugin: whichever is reached first.
const LINES: usize = 1000;
const BYTES: usize = 256 << 10;

#[derive(Debug, Clone)]
struct Line {
    at: Timestamp,
    text: String,
}

#[derive(Debug)]
struct Ring {
    lines: VecDeque<Line>,
    bytes: usize,
    /// How many lines there ever were: the number of the next one.
    end: watch::Sender<u64>,
}

impl Default for Ring {
    fn default() -> Self {
        Ring { lines: VecDeque::new(), bytes: 0, end: watch::Sender::new(0) }
    }
}

impl Ring {
    fn push(&mut self, line: Line) {
        self.bytes += line.text.len();
        self.lines.push_back(line);
        while self.lines.len() > LINES || self.bytes > BYTES {
            let Some(first) = self.lines.pop_front() else { break };
            self.bytes -= first.text.len();
        }
        self.end.send_modify(|end| *end += 1);
    }

    /// The number of the oldest line that is kept.
    fn start(&self) -> u64 {
        *self.end.borrow() - self.lines.len() as u64
    }

    fn after(&self, number: u64) -> Vec<Line> {
        let skip = number.saturating_sub(self.start()) as usize;
        self.lines.iter().skip(skip).cloned().collect()
    }
}

/// Cheap to clone; all clones hold the same lines.
#[derive(Debug, Clone, Default)]
pub struct PluginLines(Arc<Mutex<BTreeMap<String, Ring>>>);

impl PluginLines {
    fn push(&self, plugin: &str, line: Line) {
        let mut rings = self.0.lock();
        match rings.get_mut(plugin) {
            Some(ring) => ring.push(line),
            None => rings.entry(plugin.to_owned()).or_default().push(line),
        }
    }

    /// The plugin is gone; whoever follows its log reads to the end.
    pub fn forget(&self, plugin: &str) {
        self.0.lock().remove(plugin);
    }

    /// The lines from this number on, and the number of the one after them.
    fn after(&self, plugin: &str, number: u64) -> Option<(Vec<Line>, u64)> {
        let rings = self.0.lock();
        let ring = rings.get(plugin)?;
        Some((ring.after(number), *ring.end.borrow()))
    }

    fn subscribe(&self, plugin: &str) -> watch::Receiver<u64> {
        self.0.lock().entry(plugin.to_owned()).or_default().end.subscribe()
    }
}

impl PluginLogs for PluginLines {
    fn log(&self, plugin: &str, options: &LogOptions) -> BoxStream<'static, io::Result<Bytes>> {
        let end = self.subscribe(plugin);
        let (mut lines, next) = self.after(plugin, 0).unwrap_or_default();
        if let Some(since) = options.since_ms {
            lines.retain(|line| line.at.as_millisecond() >= since);
        }
        let tail = options.tail_lines.unwrap_or(usize::MAX);
        let lines = lines.split_off(lines.len().saturating_sub(tail));
        let past = stream::iter(lines);
        let timestamps = options.timestamps;
        let all = match options.follow {
            false => past.boxed(),
            true => past.chain(follow(self.clone(), plugin.to_owned(), next, end)).boxed(),
        };
        let chunks = all.map(move |line| render(&line, timestamps));
        limit(chunks.boxed(), options.limit_bytes).map(Ok).boxed()
    }
}

fn follow(
    lines: PluginLines,
    plugin: String,
    next: u64,
    end: watch::Receiver<u64>,
) -> impl futures::Stream<Item = Line> {
    let more = move |(mut next, mut end): (u64, watch::Receiver<u64>)| {
        let (lines, plugin) = (lines.clone(), plugin.clone());
        async move {
            end.wait_for(|end| *end > next).await.ok()?;
            let (new, after) = lines.after(&plugin, next)?;
            next = after;
            Some((stream::iter(new), (next, end)))
        }
    };
    stream::unfold((next, end), more).flatten()
}

fn render(line: &Line, timestamps: bool) -> Bytes {
    let Line { at, text } = line;
    if timestamps { format!("{at} {text}\n").into() } else { format!("{text}\n").into() }
}

fn limit(chunks: BoxStream<'static, Bytes>, bytes: Option<usize>) -> BoxStream<'static, Bytes> {
    let Some(limit) = bytes else { return chunks };
    let cut = move |left: &mut usize, chunk: Bytes| {
        let take = chunk.len().min(*left);
        *left -= take;
        futures::future::ready((take > 0).then(|| chunk.slice(..take)))
    };
    chunks.scan(limit, cut).boxed()
}

/// Whether a line is about a plugin.
pub fn is_about_a_plugin(metadata: &Metadata<'_>) -> bool {
    metadata.is_event() && metadata.fields().field("plugin").is_some()
}

impl<S: Subscriber> Layer<S> for PluginLines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut found = Found::default();
        event.record(&mut found);
        if !found.plugin.is_empty() {
            let text = format!("{} {}{}", event.metadata().level(), found.message, found.rest);
            self.push(&found.plugin, Line { at: Timestamp::now(), text });
        }
    }
}

#[derive(Default)]
struct Found {
    plugin: String,
    message: String,
    rest: String,
}

impl Visit for Found {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "plugin" => self.plugin = value.to_owned(),
            "message" => self.message = value.to_owned(),
            name => drop(write!(self.rest, " {name}={value}")),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    fn line(text: &str) -> Line {
        Line { at: Timestamp::UNIX_EPOCH, text: text.into() }
    }

    async fn read(lines: &PluginLines, options: &LogOptions) -> String {
        let chunks: Vec<Bytes> = lines.log("p", options).map(Result::unwrap).collect().await;
        String::from_utf8(chunks.concat()).unwrap()
    }

    #[tokio::test]
    async fn the_latest_lines_are_kept_and_chosen_from() {
        let lines = PluginLines::default();
        assert_eq!(read(&lines, &LogOptions::default()).await, "");
        for n in 0..LINES + 5 {
            lines.push("p", line(&format!("line {n}")));
        }
        assert!(read(&lines, &LogOptions::default()).await.starts_with("line 5\n"));
        let tail = LogOptions { tail_lines: Some(2), timestamps: true, ..LogOptions::default() };
        assert_eq!(
            read(&lines, &tail).await,
            "1970-01-01T00:00:00Z line 1003\n1970-01-01T00:00:00Z line 1004\n"
        );
        let limited = LogOptions { limit_bytes: Some(10), ..LogOptions::default() };
        assert_eq!(read(&lines, &limited).await, "line 5\nlin");
        let later = LogOptions { since_ms: Some(1), ..LogOptions::default() };
        assert_eq!(read(&lines, &later).await, "");
        lines.push("p", line(&"x".repeat(BYTES)));
        assert_eq!(read(&lines, &LogOptions::default()).await.len(), BYTES + 1);
    }

    #[tokio::test]
    async fn a_follower_gets_what_comes_and_ends_with_the_plugin() {
        let lines = PluginLines::default();
        lines.push("p", line("before"));
        let mut log = lines.log("p", &LogOptions { follow: true, ..LogOptions::default() });
        assert_eq!(log.next().await.unwrap().unwrap(), "before\n");
        assert!(log.next().now_or_never().is_none());
        lines.push("other", line("not this"));
        lines.push("p", line("after"));
        lines.push("p", line("and more"));
        assert_eq!(log.next().await.unwrap().unwrap(), "after\n");
        assert_eq!(log.next().await.unwrap().unwrap(), "and more\n");
        lines.forget("p");
        assert!(log.next().await.is_none());
    }

    #[tokio::test]
    async fn events_about_plugins_are_picked_from_the_log() {
        let lines = PluginLines::default();
        let subscriber = tracing_subscriber::registry().with(lines.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(plugin = "p", "hello");
            tracing::warn!(plugin = %"p", reason = "Because", "oh");
            tracing::info!("about nothing");
        });
        assert_eq!(read(&lines, &LogOptions::default()).await, "INFO hello\nWARN oh reason=Because\n");
    }
}
