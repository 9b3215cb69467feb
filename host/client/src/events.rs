//! Events about objects, as `kubectl describe` shows them.
//!
//! Recording never waits and never fails its caller. What repeats is written once and counted, what
//! is merely alike is gathered under one message, what floods is dropped: the rules and numbers of
//! client-go's event correlator.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{Client, Patch, PatchType, Resource, Status, Target, WriteOptions};

/// Alike events (all but the message equal) within this window are gathered.
const SIMILAR_WINDOW: Duration = Duration::from_secs(600);
/// So many different messages are written before they are gathered.
const SIMILAR_LIMIT: usize = 10;
/// A source may write so many events about one object at once, …
const BURST: f64 = 25.0;
/// … and one more after so many seconds.
const REFILL_SECONDS: f64 = 300.0;
/// What the correlator remembers of each sort.
const MEMORY: usize = 4096;
/// Occurrences waiting to be written; more are dropped.
const WAITING: usize = 4096;

/// Records events in the name of one component. Cheap to clone; the writing task ends with the last clone.
#[derive(Clone)]
pub struct Recorder {
    waiting: mpsc::Sender<Occurrence>,
}

#[derive(Debug, Clone)]
struct Occurrence {
    /// An ObjectReference.
    regarding: Value,
    event_type: String,
    reason: String,
    message: String,
    at: Timestamp,
}

impl Recorder {
    /// `component`: `default-scheduler`, `kubelet`, `deployment-controller`; `host`: a node's name or empty.
    pub fn start(client: Arc<dyn Client>, component: &str, host: &str) -> Self {
        let (waiting, mut occurrences) = mpsc::channel::<Occurrence>(WAITING);
        let mut correlator = Correlator::new(component, host);
        tokio::spawn(async move {
            while let Some(occurrence) = occurrences.recv().await {
                for _ in 0..3 {
                    let write = correlator.correlate(&occurrence);
                    if perform(&client, &mut correlator, write).await {
                        break;
                    }
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        });
        Recorder { waiting }
    }

    /// `event_type`: `Normal` or `Warning`.
    pub fn event(&self, object: &Value, event_type: &str, reason: &str, message: &str) {
        self.record(reference(object, ""), event_type, reason, message);
    }

    /// As [`Recorder::event`], about a part of the object: `spec.containers{web}`.
    pub fn event_at(&self, object: &Value, field_path: &str, event_type: &str, reason: &str, message: &str) {
        self.record(reference(object, field_path), event_type, reason, message);
    }

    fn record(&self, regarding: Value, event_type: &str, reason: &str, message: &str) {
        let occurrence = Occurrence {
            regarding,
            event_type: event_type.into(),
            reason: reason.into(),
            message: truncated(message, 1024),
            at: Timestamp::now(),
        };
        if self.waiting.try_send(occurrence).is_err() {
            tracing::debug!(reason, message, "event dropped: too many are waiting");
        }
    }
}

/// The ObjectReference to an object; one that is a reference already stays as it is.
fn reference(object: &Value, field_path: &str) -> Value {
    let meta = &object["metadata"];
    let from = if meta.is_object() { meta } else { object };
    let mut regarding = json!({ "apiVersion": object["apiVersion"], "kind": object["kind"] });
    for field in ["namespace", "name", "uid", "resourceVersion"] {
        if let Some(text) = from[field].as_str().filter(|t| !t.is_empty()) {
            regarding[field] = text.into();
        }
    }
    if !field_path.is_empty() {
        regarding["fieldPath"] = field_path.into();
    }
    regarding
}

fn truncated(text: &str, limit: usize) -> String {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_string()
}

/// What the correlator decided about an occurrence.
#[derive(Debug, Clone, PartialEq)]
enum Write {
    Create { key: String, event: Value },
    Count { key: String, namespace: String, name: String, body: Value },
    Drop,
}

/// True when done, also when it failed for good.
async fn perform(client: &Arc<dyn Client>, correlator: &mut Correlator, write: Write) -> bool {
    const EVENTS: Resource = Resource::core("events");
    let options = WriteOptions::default();
    let (key, result) = match write {
        Write::Drop => return true,
        Write::Create { key, event } => {
            let namespace = event["metadata"]["namespace"].as_str().unwrap_or("default").to_string();
            (key, client.create(&Target::within(&EVENTS, &namespace), event, &options).await)
        }
        Write::Count { key, namespace, name, body } => {
            let patch = Patch { patch_type: PatchType::Merge, body };
            (key, client.patch(&Target::named(&EVENTS, &namespace, &name), patch, &options).await)
        }
    };
    match result {
        Ok(_) => true,
        Err(error) => {
            correlator.forget(&key);
            if error.is_not_found() && !namespace_is_gone(&error) {
                return false; // the counted event has expired: write it anew
            }
            let again = error.code >= 500;
            if !again {
                tracing::debug!(%error, "event not written");
            }
            !again
        }
    }
}

fn namespace_is_gone(error: &Status) -> bool {
    error.message.starts_with("namespaces ")
}

#[derive(Debug)]
struct Series {
    namespace: String,
    name: String,
    count: u64,
    seen: Timestamp,
}

#[derive(Debug)]
struct Similar {
    messages: HashSet<String>,
    seen: Timestamp,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    seen: Timestamp,
}

/// Decides, writes nothing.
struct Correlator {
    component: String,
    host: String,
    written: HashMap<String, Series>,
    similar: HashMap<String, Similar>,
    buckets: HashMap<String, Bucket>,
}

impl Correlator {
    fn new(component: &str, host: &str) -> Self {
        Correlator {
            component: component.into(),
            host: host.into(),
            written: HashMap::new(),
            similar: HashMap::new(),
            buckets: HashMap::new(),
        }
    }

    fn correlate(&mut self, occurrence: &Occurrence) -> Write {
        let object = identity(&occurrence.regarding);
        let group = format!("{object} {} {}", occurrence.event_type, occurrence.reason);
        let (key, message) = self.gather(&group, occurrence);
        if !self.take_token(&object, occurrence.at) {
            return Write::Drop;
        }
        prune(&mut self.written, |series| series.seen);
        match self.written.get_mut(&key) {
            Some(series) => {
                series.count += 1;
                series.seen = occurrence.at;
                Write::Count {
                    key,
                    namespace: series.namespace.clone(),
                    name: series.name.clone(),
                    body: json!({
                        "count": series.count, "lastTimestamp": seconds(occurrence.at), "message": message,
                    }),
                }
            }
            None => {
                let event = self.event(occurrence, &message);
                let series = Series {
                    namespace: event["metadata"]["namespace"].as_str().unwrap_or_default().into(),
                    name: event["metadata"]["name"].as_str().unwrap_or_default().into(),
                    count: 1,
                    seen: occurrence.at,
                };
                self.written.insert(key.clone(), series);
                Write::Create { key, event }
            }
        }
    }

    fn forget(&mut self, key: &str) {
        self.written.remove(key);
    }

    /// The key events are counted under, and the message they get.
    fn gather(&mut self, group: &str, occurrence: &Occurrence) -> (String, String) {
        prune(&mut self.similar, |similar| similar.seen);
        let similar = self
            .similar
            .entry(group.to_string())
            .or_insert_with(|| Similar { messages: HashSet::new(), seen: occurrence.at });
        if elapsed(similar.seen, occurrence.at) > SIMILAR_WINDOW.as_secs_f64() {
            similar.messages.clear();
        }
        similar.seen = occurrence.at;
        if similar.messages.len() < SIMILAR_LIMIT || similar.messages.contains(&occurrence.message) {
            similar.messages.insert(occurrence.message.clone());
            return (format!("{group} {}", occurrence.message), occurrence.message.clone());
        }
        (group.to_string(), format!("(combined from similar events): {}", occurrence.message))
    }

    fn take_token(&mut self, object: &str, at: Timestamp) -> bool {
        prune(&mut self.buckets, |bucket| bucket.seen);
        let bucket = self.buckets.entry(object.to_string()).or_insert(Bucket { tokens: BURST, seen: at });
        bucket.tokens = (bucket.tokens + elapsed(bucket.seen, at) / REFILL_SECONDS).min(BURST);
        bucket.seen = at;
        let granted = bucket.tokens >= 1.0;
        if granted {
            bucket.tokens -= 1.0;
        }
        granted
    }

    fn event(&self, occurrence: &Occurrence, message: &str) -> Value {
        let regarding = &occurrence.regarding;
        let name = regarding["name"].as_str().unwrap_or_default();
        let namespace = regarding["namespace"].as_str().unwrap_or("default");
        let at = seconds(occurrence.at);
        let mut source = json!({ "component": self.component });
        if !self.host.is_empty() {
            source["host"] = self.host.clone().into();
        }
        json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": format!("{name}.{:x}", occurrence.at.as_nanosecond()),
                "namespace": namespace,
            },
            "involvedObject": regarding,
            "type": occurrence.event_type,
            "reason": occurrence.reason,
            "message": message,
            "source": source,
            "reportingComponent": self.component,
            "reportingInstance": self.host,
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
        })
    }
}

/// What makes two references the same object: all but its revision.
fn identity(regarding: &Value) -> String {
    ["apiVersion", "kind", "namespace", "name", "uid", "fieldPath"]
        .map(|field| regarding[field].as_str().unwrap_or_default())
        .join("\u{1f}")
}

fn elapsed(from: Timestamp, to: Timestamp) -> f64 {
    (to.as_millisecond() - from.as_millisecond()).max(0) as f64 / 1000.0
}

fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Forgets the oldest quarter when the memory is full.
fn prune<T>(memory: &mut HashMap<String, T>, seen: impl Fn(&T) -> Timestamp) {
    if memory.len() < MEMORY {
        return;
    }
    let mut ages: Vec<Timestamp> = memory.values().map(&seen).collect();
    ages.sort_unstable();
    let oldest = ages[MEMORY / 4];
    memory.retain(|_, entry| seen(entry) > oldest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn occurrence(message: &str, second: i64) -> Occurrence {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": "web", "namespace": "shop", "uid": "u" },
        });
        Occurrence {
            regarding: reference(&pod, ""),
            event_type: "Normal".into(),
            reason: "Pulled".into(),
            message: message.into(),
            at: Timestamp::from_second(second).unwrap(),
        }
    }

    #[test]
    fn a_repeated_event_is_counted() {
        let mut correlator = Correlator::new("kubelet", "node-1");
        let Write::Create { event, .. } = correlator.correlate(&occurrence("image pulled", 100)) else {
            panic!("first is created");
        };
        assert_eq!(event["metadata"]["namespace"], "shop");
        assert_eq!(event["involvedObject"]["uid"], "u");
        assert_eq!(event["source"], json!({ "component": "kubelet", "host": "node-1" }));
        assert_eq!(event["firstTimestamp"], "1970-01-01T00:01:40Z");
        let Write::Count { name, body, .. } = correlator.correlate(&occurrence("image pulled", 160)) else {
            panic!("second is counted");
        };
        assert_eq!(name, event["metadata"]["name"].as_str().unwrap());
        assert_eq!(body["count"], 2);
        assert_eq!(body["lastTimestamp"], "1970-01-01T00:02:40Z");
    }

    #[test]
    fn similar_events_are_gathered_after_ten() {
        let mut correlator = Correlator::new("kubelet", "");
        for i in 0..10 {
            assert!(matches!(correlator.correlate(&occurrence(&format!("m{i}"), i)), Write::Create { .. }));
        }
        let Write::Create { event, .. } = correlator.correlate(&occurrence("m10", 10)) else { panic!() };
        assert_eq!(event["message"], "(combined from similar events): m10");
        assert!(matches!(correlator.correlate(&occurrence("m11", 11)), Write::Count { .. }));
        assert!(matches!(correlator.correlate(&occurrence("m3", 12)), Write::Count { .. }));
    }

    #[test]
    fn a_flood_is_dropped_and_refills() {
        let mut correlator = Correlator::new("kubelet", "");
        let dropped = (0..30).filter(|_| correlator.correlate(&occurrence("m", 0)) == Write::Drop).count();
        assert_eq!(dropped, 5);
        assert_ne!(correlator.correlate(&occurrence("m", 300)), Write::Drop);
        assert_eq!(correlator.correlate(&occurrence("m", 300)), Write::Drop);
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut correlator = Correlator::new("kubelet", "");
        for i in 0..(2 * MEMORY as i64) {
            let mut one = occurrence("m", i);
            one.regarding["uid"] = i.to_string().into();
            correlator.correlate(&one);
        }
        assert!(correlator.written.len() <= MEMORY && correlator.buckets.len() <= MEMORY);
    }
}
