use serde_json::{Value, json};

use crate::fixture::{Api, config_map};

fn seen(events: &[Value]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    events.iter().map(|e| (text(&e["type"]), text(&e["object"]["metadata"]["name"]))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect()
}

#[tokio::test]
async fn a_watch_tells_everything_after_its_version() {
    let api = Api::start().await;
    let path = format!("/api/v1/namespaces/{}/configmaps", api.namespace().await);
    let start = api.post(&path, &config_map("a")).await.expect(201);
    let version = start["metadata"]["resourceVersion"].as_str().unwrap();
    api.post(&path, &config_map("b")).await.expect(201);
    api.patch(&format!("{path}/a"), "merge", &json!({ "data": { "a": "2" } })).await.expect(200);
    api.delete(&format!("{path}/b")).await.expect(200);
    let events = api
        .watch_until(&format!("{path}?watch=true&resourceVersion={version}"), |e| e["type"] == "DELETED")
        .await;
    assert_eq!(seen(&events), pairs(&[("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]));
}

#[tokio::test]
async fn a_watch_may_begin_with_what_there_is() {
    let api = Api::start().await;
    let path = format!("/api/v1/namespaces/{}/configmaps", api.namespace().await);
    api.post(&path, &config_map("a")).await.expect(201);
    let query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let events = api.watch_until(&format!("{path}?{query}"), |e| e["type"] == "BOOKMARK").await;
    assert_eq!(seen(&events), pairs(&[("ADDED", "a"), ("BOOKMARK", "")]));
    assert_eq!(events[1]["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    let incomplete = api.get(&format!("{path}?watch=1&sendInitialEvents=true")).await;
    assert_eq!(incomplete.code, 422);
    let events = api.watch_until(&format!("{path}?watch=1"), |_| true).await;
    assert_eq!(seen(&events), pairs(&[("ADDED", "a")]));
}

#[tokio::test]
async fn objects_enter_and_leave_a_selection() {
    let api = Api::start().await;
    let path = format!("/api/v1/namespaces/{}/configmaps", api.namespace().await);
    let start = api.post(&path, &config_map("a")).await.expect(201);
    let version = start["metadata"]["resourceVersion"].as_str().unwrap();
    let mut last = String::new();
    for labels in [json!({ "on": "1" }), json!({ "on": "1", "x": "y" }), json!({ "on": null })] {
        let patch = json!({ "metadata": { "labels": labels } });
        let patched = api.patch(&format!("{path}/a"), "merge", &patch).await.expect(200);
        last = patched["metadata"]["resourceVersion"].as_str().unwrap().to_string();
    }
    let query = format!("{path}?watch=true&labelSelector=on&resourceVersion={version}");
    let events = api.watch_until(&query, |e| e["type"] == "DELETED").await;
    assert_eq!(seen(&events), pairs(&[("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]));
    let left = &events[2]["object"]["metadata"];
    assert_eq!(left["labels"]["on"], "1", "as it last was in the selection");
    assert_eq!(left["resourceVersion"], last.as_str());
}

#[tokio::test]
async fn a_watch_ends_at_its_timeout() {
    let api = Api::start().await;
    let path = format!("/api/v1/namespaces/{}/configmaps", api.namespace().await);
    let ended = api.get(&format!("{path}?watch=true&timeoutSeconds=1")).await;
    assert_eq!((ended.code, ended.text.as_str()), (200, ""));
}
