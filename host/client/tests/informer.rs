//! The informer over a scripted API: kinds that go and return.

#![allow(clippy::unwrap_used)] // a test fails by panicking

#[path = "../../scheduler/tests/fake/mod.rs"]
mod fake;

use std::sync::Arc;

use fake::{Fake, kind, until};
use orch_client::informer::{self, Event};
use orch_client::{Client, ListOptions, Resource, Target};
use orch_object::{Kind, Scope};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const WIDGETS: Resource = Resource::new("example.org", "v1", "widgets");

fn widgets() -> Vec<Kind> {
    vec![kind("example.org", "v1", "Widget", "widgets", Scope::Cluster)]
}

fn put(api: &Fake, name: &str) {
    let widget = json!({"apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": name}});
    api.put("widgets", widget);
}

/// What happened, and to whom.
fn told(event: Option<Event>) -> (&'static str, String) {
    let name = |object: &Value| object["metadata"]["name"].as_str().unwrap().to_string();
    match event.unwrap() {
        Event::Added(now) => ("added", name(&now)),
        Event::Modified { now, .. } => ("modified", name(&now)),
        Event::Deleted(last) => ("deleted", name(&last)),
        Event::Synced => ("synced", String::new()),
    }
}

#[tokio::test]
async fn a_kind_that_goes_takes_its_objects_and_returns_with_others() {
    let api = Fake::with_kinds(widgets());
    put(&api, "first");
    let (objects, mut events) = informer::start(
        Arc::new(api.clone()),
        Target::all(&WIDGETS),
        ListOptions::default(),
        CancellationToken::new(),
    );
    assert_eq!(told(events.recv().await), ("added", "first".into()));
    assert_eq!(told(events.recv().await), ("synced", String::new()));

    api.serve(Vec::new());
    assert_eq!(told(events.recv().await), ("deleted", "first".into()));
    assert!(objects.is_empty());
    api.remove("widgets", "first");
    put(&api, "second");
    assert!(events.try_recv().is_err(), "nothing is told of a kind that is not served");

    api.serve(widgets());
    assert_eq!(told(events.recv().await), ("added", "second".into()));
    put(&api, "third");
    assert_eq!(told(events.recv().await), ("added", "third".into()), "it is watched again");
    assert_eq!(objects.len(), 2);
    assert!(events.try_recv().is_err(), "synced is told once");
}

#[tokio::test]
async fn an_informer_of_a_kind_that_is_gone_ends_with_its_listener() {
    let api = Arc::new(Fake::with_kinds(widgets()));
    let client: Arc<dyn Client> = api.clone();
    let (_, mut events) =
        informer::start(client, Target::all(&WIDGETS), ListOptions::default(), CancellationToken::new());
    assert_eq!(told(events.recv().await), ("synced", String::new()));
    api.serve(Vec::new());
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    drop(events);
    until("the informer has ended", || Arc::strong_count(&api) == 1).await;
}
