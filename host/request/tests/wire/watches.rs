use reqwest::Method;
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

/// Its connection takes what the kernel buffers; the rest is not kept for it, and it is told so.
#[tokio::test]
async fn a_watcher_that_does_not_read_is_cut() {
    let api = Api::start().await;
    let path = format!("/api/v1/namespaces/{}/configmaps", api.namespace().await);
    let start = api.post(&path, &config_map("a")).await.expect(201);
    let version = start["metadata"]["resourceVersion"].as_str().unwrap();
    let watch = format!("{path}?watch=1&resourceVersion={version}&timeoutSeconds=3600");
    let mut response = api.http1(Method::GET, &watch).send().await.unwrap();
    // More than the window and the kernel's buffers together.
    let changes = 50;
    let filler = "x".repeat(1_000_000);
    for n in 0..changes {
        let map = json!({ "metadata": { "name": "a" }, "data": { "n": n.to_string(), "filler": filler } });
        api.put(&format!("{path}/a"), &map).await.expect(200);
    }
    let (mut seen, mut text) = (Vec::new(), Vec::new());
    let end = 'reading: loop {
        let chunk = response.chunk().await.unwrap().expect("an error ends the watch");
        text.extend_from_slice(&chunk);
        while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = text.drain(..=end).collect();
            let event: Value = serde_json::from_slice(&line).unwrap();
            if event["type"] == "ERROR" {
                break 'reading event;
            }
            seen.push(event["object"]["data"]["n"].as_str().unwrap().parse::<usize>().unwrap());
        }
    };
    assert_eq!((&end["object"]["code"], &end["object"]["reason"]), (&json!(410), &json!("Expired")), "{end}");
    assert_eq!(seen, (0..seen.len()).collect::<Vec<_>>(), "until then nothing is missing");
    assert!(seen.len() < changes / 2, "{} changes were kept for it", seen.len());
    assert_eq!(response.chunk().await.unwrap(), None);
}
