//! Probes decide on readiness and restarts.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::testing::Bench;

#[tokio::test(start_paused = true)]
async fn readiness_follows_its_probe() {
    let bench = Bench::start();
    bench.runtime.add_image("i:1");
    bench.runtime.answer("ready?", 1, "not yet");
    let spec = json!({"containers": [{"name": "c", "image": "i:1",
        "readinessProbe": {"exec": {"command": ["ready?"]}, "periodSeconds": 2, "failureThreshold": 2}}]});
    bench.create("p", spec).await;
    let status = bench.until_phase("p", "Running").await;
    assert_eq!(status["containerStatuses"][0]["ready"], false);
    tokio::time::sleep(Duration::from_secs(5)).await;
    bench.runtime.answer("ready?", 0, "");
    bench.until("p", "ready", |s| s["containerStatuses"][0]["ready"] == true).await;
    bench.runtime.answer("ready?", 1, "broken");
    let before = Instant::now();
    bench.until("p", "unready", |s| s["containerStatuses"][0]["ready"] == false).await;
    assert!(before.elapsed() <= Duration::from_secs(4), "two failures, two seconds apart");
    assert_eq!(bench.runtime.count("signal"), 0);
    let events = bench.events("p").await;
    assert!(events.contains(&"Unhealthy: Readiness probe failed: broken".to_string()), "{events:#?}");
}

#[tokio::test(start_paused = true)]
async fn liveness_restarts_after_the_threshold() {
    let bench = Bench::start();
    bench.runtime.add_image("i:1");
    bench.runtime.answer("alive?", 1, "dead");
    let spec = json!({"containers": [{"name": "c", "image": "i:1", "livenessProbe":
        {"exec": {"command": ["alive?"]}, "initialDelaySeconds": 5, "periodSeconds": 10, "failureThreshold": 3}}]});
    let begun = Instant::now();
    bench.create("p", spec).await;
    bench.until("p", "restarted", |s| s["containerStatuses"][0]["restartCount"] == 1).await;
    // The start is known by the machine's clock, which does not stand still: what the test took is missing.
    assert!((24..=25).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    let events = bench.events("p").await;
    let killing = "Killing: Container c failed liveness probe, will be restarted".to_string();
    assert!(events.contains(&killing), "{events:#?}");
}

#[tokio::test(start_paused = true)]
async fn startup_holds_the_others_back() {
    let bench = Bench::start();
    bench.runtime.add_image("i:1");
    bench.runtime.answer("up?", 1, "");
    bench.runtime.answer("alive?", 1, "");
    let spec = json!({"containers": [{"name": "c", "image": "i:1",
        "startupProbe": {"exec": {"command": ["up?"]}, "periodSeconds": 1, "failureThreshold": 100},
        "livenessProbe": {"exec": {"command": ["alive?"]}, "periodSeconds": 1, "failureThreshold": 1}}]});
    bench.create("p", spec).await;
    let status = bench.until_phase("p", "Running").await;
    assert_eq!(status["containerStatuses"][0]["started"], false);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(bench.runtime.count("exec c alive?"), 0);
    bench.runtime.answer("alive?", 0, "");
    bench.runtime.answer("up?", 0, "");
    bench.until("p", "ready", |s| s["containerStatuses"][0]["ready"] == true).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(bench.runtime.count("exec c alive?") > 1);
}
