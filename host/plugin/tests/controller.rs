//! Controllers as components, over a scripted API.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use std::sync::Arc;
use std::time::Duration;

use orch_plugin::calls::CallError;
use orch_plugin::calls::controller::{Change, ControllerPlugin, Keys};
use orch_plugin::worlds::ControllerComponent;
use orch_plugin::{Limits, LoadError};
use serde_json::{Value, json};
use support::api::Recorder;

async fn load(api: Arc<Recorder>, config: Value, millis: u64) -> Result<Arc<ControllerComponent>, LoadError> {
    let limits = Limits { deadline: Duration::from_millis(millis), ..Limits::default() };
    let artifact = support::fixture("probe-controller");
    support::engine().load_controller("probe", &artifact, &config, limits, api).await
}

#[tokio::test]
async fn it_says_what_it_watches_and_reconciles_through_the_api() {
    let api = Arc::new(Recorder::default());
    let probe = load(api.clone(), json!({"greeting": "hi"}), 1000).await.unwrap();
    let description = probe.description();
    assert_eq!(description.concurrency, 4);
    let keys: Vec<&Keys> = description.watches.iter().map(|watch| &watch.keys).collect();
    assert_eq!(keys, [&Keys::Itself, &Keys::ControllerOwner("Deployment".into()), &Keys::Custom]);
    assert_eq!(description.watches[0].interest.fields, ["spec"]);

    let object = json!({"metadata": {"namespace": "a", "name": "b"}}).to_string();
    let keys = probe.keys(2, Change::Modified, &object, Some("{}")).await.unwrap();
    assert_eq!(keys, ["a/b", "2 Modified true"]);

    assert_eq!(probe.reconcile("web").await.unwrap().requeue_after_ms, Some(77));
    let calls = std::mem::take(&mut *api.calls.lock());
    assert!(calls[0].contains(r#""greeting":"hi""#), "{calls:?}");
    assert_eq!(calls[1], "Normal Created hi");
    assert_eq!(probe.reconcile("missing").await.unwrap().requeue_after_ms, None);
}

#[tokio::test]
async fn errors_of_the_api_and_of_the_guest_come_back_as_errors() {
    let probe = load(Arc::default(), json!({}), 1000).await.unwrap();
    let error = probe.reconcile("conflict").await.unwrap_err();
    assert_eq!(error.to_string(), "probe: reconcile: Conflict it is (409 Conflict)");
    let error = probe.reconcile("trap").await.unwrap_err();
    assert!(matches!(&error, CallError::Trapped { trap, .. } if trap.contains("told to")), "{error}");
    let stats = probe.stats();
    assert_eq!((stats.traps, stats.refusals), (1, 1));
    assert!(probe.reconcile("web").await.is_ok());
    let error = load(Arc::default(), json!({"greeting": 1}), 1000).await.err().unwrap();
    assert!(error.to_string().ends_with("greeting: must be a string"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_loop_ends_and_lets_others_run() {
    let probe = load(Arc::default(), json!({}), 100).await.unwrap();
    let looping = tokio::spawn({
        let probe = probe.clone();
        async move { probe.reconcile("loop").await }
    });
    assert!(probe.reconcile("web").await.is_ok());
    assert!(matches!(looping.await.unwrap(), Err(CallError::Deadline { millis: 100, .. })));
}

/// What a reconciliation waits for in the API is not its own time, and other keys go on meanwhile.
#[tokio::test]
async fn waiting_for_the_api_does_not_count() {
    let api = Arc::new(Recorder::default());
    let probe = load(api.clone(), json!({}), 20).await.unwrap();
    let waiting = tokio::spawn({
        let probe = probe.clone();
        async move { probe.reconcile("wait").await }
    });
    api.waiting.notified().await;
    let started = std::time::Instant::now();
    while started.elapsed() < Duration::from_millis(60) {
        probe.reconcile("web").await.unwrap();
    }
    api.go.notify_one();
    assert!(waiting.await.unwrap().is_ok());
}

#[tokio::test]
async fn a_new_configuration_reaches_every_instance() {
    let api = Arc::new(Recorder::default());
    let probe = load(api.clone(), json!({"greeting": "hi"}), 1000).await.unwrap();
    probe.configure(&json!({"greeting": "hey"})).await.unwrap();
    assert!(probe.configure(&json!({"greeting": 1})).await.is_err());
    probe.reconcile("web").await.unwrap();
    assert!(api.calls.lock()[0].contains(r#""greeting":"hey""#));
}

#[tokio::test]
async fn what_it_counts_is_kept_through_traps_and_across_instances() {
    let probe = load(Arc::default(), json!({"greeting": "\"hi\""}), 1000).await.unwrap();
    probe.reconcile("measure").await.unwrap();
    probe.reconcile("trap").await.unwrap_err();
    probe.reconcile("measure").await.unwrap();
    let expected = [
        ("depth", 1.0), // of the instance after the trap
        ("probe_seconds_count", 2.0),
        ("probe_seconds_sum", 1.5),
        (r#"probes_total{greeting="\"hi\""}"#, 2.0),
    ];
    assert_eq!(probe.own_metrics().samples(), expected.map(|(name, value)| (name.to_string(), value)).into());
    assert_eq!(probe.stats().dropped_metrics, 0);
}

#[tokio::test]
async fn endless_series_are_contained_and_named() {
    let probe = load(Arc::default(), json!({}), 5000).await.unwrap();
    probe.reconcile("flood").await.unwrap();
    let stats = probe.stats();
    assert!((3000..3100).contains(&stats.dropped_metrics), "{}", stats.dropped_metrics);
    let samples = probe.own_metrics().samples();
    assert!((1900..2000).contains(&samples.len()), "{}", samples.len());
    assert!(samples.keys().all(|name| name.starts_with("flood{")), "{samples:?}");
    assert!(stats.last_error.unwrap().contains("a metric was dropped"));
    probe.reconcile("measure").await.unwrap();
    assert!(probe.stats().dropped_log_lines > 2000, "its complaints flood no log either");
}

/// A caller that gives up takes the instance with it; the next one gets another.
#[tokio::test]
async fn a_dropped_call_leaves_the_plugin_usable() {
    let api = Arc::new(Recorder::default());
    let probe = load(api.clone(), json!({}), 1000).await.unwrap();
    for _ in 0..8 {
        let call = tokio::time::timeout(Duration::from_millis(5), probe.reconcile("wait")).await;
        assert!(call.is_err());
    }
    assert!(probe.reconcile("web").await.is_ok());
}
