//! The agent comes and goes; pods stay.

use serde_json::json;

use crate::testing::Bench;

#[tokio::test(start_paused = true)]
async fn a_new_agent_takes_over_what_runs() {
    let mut bench = Bench::start();
    bench.runtime.add_image("i:1");
    let spec = json!({"containers": [{"name": "c", "image": "i:1",
        "readinessProbe": {"exec": {"command": ["ready?"]}, "periodSeconds": 5}}]});
    bench.create("p", spec).await;
    let before = bench.until("p", "ready", |s| s["containerStatuses"][0]["ready"] == true).await;
    bench.kill_agent();
    bench.start_again();
    tokio::time::sleep(std::time::Duration::from_secs(30)).await;
    let after = bench.pod("p").await.unwrap()["status"].clone();
    assert_eq!(before["containerStatuses"], after["containerStatuses"]);
    assert_eq!(before["podIPs"], after["podIPs"]);
    assert_eq!(before["conditions"], after["conditions"], "no flapping");
    assert_eq!(bench.runtime.count("start c"), 1);
    assert_eq!(bench.runtime.count("create_sandbox"), 1);
    bench.runtime.exit("c", 1);
    bench.until("p", "restarted", |s| s["containerStatuses"][0]["restartCount"] == 1).await;
}

#[tokio::test(start_paused = true)]
async fn what_happened_meanwhile_is_caught_up_with() {
    let mut bench = Bench::start();
    bench.runtime.add_image("i:1");
    let spec = json!({"containers": [{"name": "c", "image": "i:1"}]});
    for name in ["deleted", "gone", "crashed"] {
        let mut spec = spec.clone();
        spec["containers"][0]["name"] = name.into();
        bench.create(name, spec).await;
        bench.until_phase(name, "Running").await;
    }
    bench.kill_agent();
    tokio::task::yield_now().await;
    bench.delete("deleted", None).await;
    bench.delete("gone", Some(0)).await;
    bench.runtime.exit("crashed", 1);
    bench.start_again();
    bench.until_gone("deleted").await;
    bench.until("crashed", "restarted", |s| s["containerStatuses"][0]["restartCount"] == 1).await;
    bench.delete("crashed", None).await;
    bench.until_gone("crashed").await;
    bench.until_clean().await;
    assert_eq!(bench.runtime.count("signal gone 15"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_completed_pod_is_not_touched_by_a_new_agent() {
    let mut bench = Bench::start();
    bench.runtime.add_image("i:1");
    let spec = json!({"restartPolicy": "Never", "containers": [{"name": "c", "image": "i:1"}]});
    bench.create("p", spec).await;
    bench.until_phase("p", "Running").await;
    bench.runtime.exit("c", 0);
    bench.until_phase("p", "Succeeded").await;
    bench.until_torn_down().await;
    let before = bench.pod("p").await.unwrap();
    bench.kill_agent();
    bench.start_again();
    tokio::time::sleep(std::time::Duration::from_secs(30)).await;
    assert_eq!(bench.pod("p").await.unwrap(), before);
    bench.delete("p", None).await;
    bench.until_gone("p").await;
    bench.until_clean().await;
}
