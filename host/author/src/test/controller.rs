//! Cases of a controller: keys are reconciled against a cluster in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use orch_plugin::calls::CallError;
use orch_plugin::calls::controller::{Change, ControllerPlugin, Keys, WatchOf};
use orch_plugin::worlds::ControllerComponent;
use serde_json::Value;

use super::TestError;
use super::api::Scripted;
use super::objects::{name_of, node, pod, whole};
use super::outcome::Outcome;
use super::script::{Case, Event, Expect, Objects};

pub struct Controller {
    component: Arc<ControllerComponent>,
    api: Arc<Scripted>,
    events_seen: usize,
    metrics_dropped: u64,
}

impl Controller {
    pub fn new(component: Arc<ControllerComponent>, api: Arc<Scripted>) -> Self {
        Controller { component, api, events_seen: 0, metrics_dropped: 0 }
    }

    pub fn change(&mut self, objects: &Objects) -> Result<(), TestError> {
        let nodes = objects.nodes.iter().map(node);
        let pods = objects.pods.iter().map(pod);
        for object in nodes.chain(pods).chain(objects.objects.iter().map(whole)) {
            self.api.put(object?);
        }
        Ok(())
    }

    pub fn remove(&mut self, names: &[String]) -> Result<(), TestError> {
        for name in names {
            let object = self.api.named(name).ok_or_else(|| TestError::NotThere(name.clone()))?;
            self.api.delete_named(&object).map_err(|error| TestError::Object(error.to_string()))?;
        }
        Ok(())
    }

    pub async fn ask(&mut self, case: &Case) -> Result<Outcome, TestError> {
        let mut outcome = Outcome::default();
        match (&case.reconcile, &case.event) {
            (Some(key), None) => self.reconcile(key, &case.expect, &mut outcome).await,
            (None, Some(event)) => self.keys(event, &case.expect, &mut outcome).await?,
            (Some(_), Some(_)) | (None, None) => {
                return Err(TestError::Asks { case: case.name.clone(), what: "reconcile or event" });
            }
        }
        Ok(outcome)
    }

    async fn reconcile(&mut self, key: &str, expect: &Expect, outcome: &mut Outcome) {
        self.api.take_writes();
        let started = Instant::now();
        let result = self.component.reconcile(key).await;
        outcome.times.push(("reconcile", started.elapsed()));
        if let Some(result) = outcome.result(expect.error.as_deref(), result)
            && expect.requeue_after_ms.is_some()
        {
            outcome.same("requeueAfterMs", Some(&expect.requeue_after_ms), &result.requeue_after_ms);
        }
        outcome.same("writes", expect.writes.as_ref(), &self.api.take_writes());
        let events = self.api.events();
        let new = events[self.events_seen..].iter();
        let new =
            new.map(|event| format!("{} {} {}", event.event_type, event.reason, event.message)).collect();
        self.events_seen = events.len();
        outcome.same("events", expect.events.as_ref(), &new);
        self.objects(expect, outcome);
        self.compare_metrics(expect, outcome);
    }

    /// Samples of its own metrics.
    pub fn metrics(&self) -> BTreeMap<String, f64> {
        self.component.own_metrics().samples()
    }

    fn compare_metrics(&mut self, expect: &Expect, outcome: &mut Outcome) {
        let found = self.metrics();
        let differs = |expected: &BTreeMap<String, Option<f64>>| {
            expected.iter().any(|(name, expected)| found.get(name) != expected.as_ref())
        };
        if let Some(expected) = expect.metrics.as_ref().filter(|expected| differs(expected)) {
            let found = found.iter().map(|(name, value)| (name.clone(), Some(*value))).collect();
            outcome.same("metrics", Some(expected), &found);
        }
        let stats = self.component.stats();
        if stats.dropped_metrics > self.metrics_dropped {
            outcome.fail(stats.last_error.unwrap_or_default());
        }
        self.metrics_dropped = stats.dropped_metrics;
    }

    fn objects(&self, expect: &Expect, outcome: &mut Outcome) {
        for expected in expect.objects.iter().flatten() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
            let metadata = &expected["metadata"];
            let (namespace, name) = (text(&metadata["namespace"]), text(&metadata["name"]));
            let (api_version, kind) = (text(&expected["apiVersion"]), text(&expected["kind"]));
            match self.api.find(&api_version, &kind, &namespace, &name) {
                Some(found) => outcome.part(&name_of(expected), expected, &found),
                None => outcome.fail(format!("there is no {}", name_of(expected))),
            }
        }
        for gone in expect.gone.iter().flatten() {
            if self.api.named(gone).is_some() {
                outcome.fail(format!("{gone} is still there"));
            }
        }
    }

    /// The keys that the host would queue.
    async fn keys(&self, event: &Event, expect: &Expect, outcome: &mut Outcome) -> Result<(), TestError> {
        let object = whole(&event.object)?;
        let mut keys = Vec::new();
        for (index, watch) in self.component.description().watches.iter().enumerate() {
            if watches(watch, &object) {
                let started = Instant::now();
                let found = self.mapped(index as u32, watch, &object, event).await;
                outcome.times.push(("keys", started.elapsed()));
                keys.extend(outcome.result(expect.error.as_deref(), found).into_iter().flatten());
            }
        }
        keys.sort();
        keys.dedup();
        let sorted = expect.keys.clone().map(|mut keys| {
            keys.sort();
            keys
        });
        outcome.same("keys", sorted.as_ref(), &keys);
        Ok(())
    }

    async fn mapped(
        &self,
        index: u32,
        watch: &WatchOf,
        object: &Value,
        event: &Event,
    ) -> Result<Vec<String>, CallError> {
        match &watch.keys {
            Keys::Itself => Ok(vec![key(object, object["metadata"]["name"].as_str().unwrap_or_default())]),
            Keys::ControllerOwner(kind) => {
                let owners = object["metadata"]["ownerReferences"].as_array().into_iter().flatten();
                let controller = owners
                    .filter(|owner| owner["controller"] == true && owner["kind"] == kind.as_str())
                    .filter_map(|owner| owner["name"].as_str());
                Ok(controller.map(|name| key(object, name)).collect())
            }
            Keys::Custom => {
                let change = match (&event.before, event.deleted) {
                    (_, true) => Change::Deleted,
                    (Some(_), false) => Change::Modified,
                    (None, false) => Change::Added,
                };
                let before = event.before.as_ref().map(Value::to_string);
                self.component.keys(index, change, &object.to_string(), before.as_deref()).await
            }
        }
    }
}

fn watches(watch: &WatchOf, object: &Value) -> bool {
    let is = |wanted: &str, found: &Value| wanted == "*" || *found == wanted;
    is(&watch.interest.api_version, &object["apiVersion"]) && is(&watch.interest.kind, &object["kind"])
}

fn key(object: &Value, name: &str) -> String {
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) if !namespace.is_empty() => format!("{namespace}/{name}"),
        _ => name.into(),
    }
}
