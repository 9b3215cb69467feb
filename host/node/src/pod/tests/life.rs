//! Start, end, order, back-off.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::testing::Bench;
use crate::testing::runtime::Behaviour;

fn exit(after: u64, code: i32) -> Behaviour {
    Behaviour::Exit { after: Duration::from_secs(after), code }
}

fn one() -> Value {
    json!({"containers": [{"name": "c", "image": "i:1"}]})
}

fn condition_reason(status: &Value, name: &str) -> Option<String> {
    let found = status["conditions"].as_array()?.iter().find(|c| c["type"] == name)?;
    Some(found["reason"].as_str().unwrap_or_default().into())
}

fn condition<'a>(status: &'a Value, name: &str) -> &'a Value {
    status["conditions"].as_array().unwrap().iter().find(|c| c["type"] == name).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_pod_runs_and_is_deleted() {
    let bench = Bench::start();
    bench.runtime.add_image("i:1");
    bench.create("p", one()).await;
    let status = bench.until_phase("p", "Running").await;
    let container = &status["containerStatuses"][0];
    assert_eq!(container["ready"], true);
    assert_eq!(container["started"], true);
    assert_eq!(container["restartCount"], 0);
    assert!(container["containerID"].as_str().unwrap().starts_with("orch://"));
    assert_eq!(status["podIP"], "10.244.0.1");
    assert_eq!(status["hostIPs"], json!([{"ip": "192.0.2.1"}]));
    assert_eq!(status["qosClass"], "BestEffort");
    assert_eq!(condition(&status, "Ready")["status"], "True");
    assert_eq!(condition(&status, "PodReadyToStartContainers")["status"], "True");

    bench.delete("p", None).await;
    bench.until_gone("p").await;
    bench.until_clean().await;
    assert_eq!(bench.runtime.count("signal c 15"), 1);
    assert_eq!(bench.runtime.count("signal c 9"), 0);
    assert_eq!(bench.network.detached.lock().len(), 1);
    let events = bench.events("p").await;
    for reason in ["Pulled:", "Created:", "Started:", "Killing: Stopping container c"] {
        assert!(events.iter().any(|e| e.starts_with(reason)), "{reason} in {events:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_path_to_running_waits_for_nothing() {
    let bench = Bench::start();
    bench.runtime.add_image("i:1");
    let before = Instant::now();
    bench.create("p", one()).await;
    bench.until_phase("p", "Running").await;
    assert_eq!(before.elapsed(), Duration::ZERO, "no timer lies on the way");
}

#[tokio::test(start_paused = true)]
async fn a_stubborn_container_is_killed_after_its_grace() {
    let bench = Bench::start();
    bench.runtime.add_image("i:1");
    bench.runtime.script("c", [Behaviour::Stubborn]);
    bench.create("p", one()).await;
    bench.until_phase("p", "Running").await;
    let before = Instant::now();
    bench.delete("p", Some(7)).await;
    bench.until_gone("p").await;
    assert_eq!(before.elapsed().as_secs(), 7);
    assert_eq!(bench.runtime.count("signal c 9"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_shorter_grace_replaces_the_one_in_force() {
    let bench = Bench::start();
    bench.runtime.add_image("i:1");
    bench.runtime.script("c", [Behaviour::Stubborn]);
    bench.create("p", one()).await;
    bench.until_phase("p", "Running").await;
    let before = Instant::now();
    bench.delete("p", Some(600)).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    bench.delete("p", Some(2)).await;
    bench.until_gone("p").await;
    assert_eq!(before.elapsed().as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn pre_stop_runs_before_the_signal() {
    let bench = Bench::start();
    bench.runtime.add_image("i:1");
    let mut spec = one();
    spec["containers"][0]["lifecycle"] = json!({"preStop": {"exec": {"command": ["bye"]}}});
    bench.create("p", spec).await;
    bench.until_phase("p", "Running").await;
    bench.delete("p", None).await;
    bench.until_gone("p").await;
    let calls = bench.runtime.calls();
    let at = |what: &str| calls.iter().position(|c| c == what).unwrap();
    assert!(at("exec c bye") < at("signal c 15"));
}

#[tokio::test(start_paused = true)]
async fn crashes_back_off_and_keep_the_last_state() {
    let bench = Bench::start();
    bench.runtime.add_image("i:1");
    bench.runtime.script("c", [exit(1, 3)]);
    let begun = Instant::now();
    bench.create("p", one()).await;
    let status = bench
        .until("p", "in back-off", |s| {
            s["containerStatuses"][0]["state"]["waiting"]["reason"] == "CrashLoopBackOff"
        })
        .await;
    let container = &status["containerStatuses"][0];
    let message = container["state"]["waiting"]["message"].as_str().unwrap();
    assert!(message.starts_with("back-off 10s restarting failed container=c pod=p_default("), "{message}");
    assert_eq!(container["lastState"]["terminated"]["exitCode"], 3);
    assert_eq!(container["lastState"]["terminated"]["reason"], "Error");
    assert_eq!(status["phase"], "Running");
    assert_eq!(condition(&status, "Ready")["reason"], "ContainersNotReady");
    // 1 s of life, an immediate restart, 1 s; then 10, 20 and 40 s of back-off with a second of life each.
    for (restarts, seconds) in [(2, 12), (3, 33), (4, 74)] {
        let what = format!("restarted {restarts} times");
        bench.until("p", &what, |s| s["containerStatuses"][0]["restartCount"] == restarts).await;
        assert_eq!(begun.elapsed().as_secs(), seconds, "{what}");
    }
    assert!(bench.runtime.ids().len() <= 3, "dead containers are collected");
    let events = bench.events("p").await;
    assert!(
        events
            .iter()
            .any(|e| e.starts_with("BackOff: Back-off restarting failed container c in pod p_default("))
    );
}

#[tokio::test(start_paused = true)]
async fn restart_policies_end_pods() {
    for (policy, code, phase, starts) in
        [("Never", 0, "Succeeded", 1), ("Never", 1, "Failed", 1), ("OnFailure", 0, "Succeeded", 1)]
    {
        let bench = Bench::start();
        bench.runtime.add_image("i:1");
        bench.runtime.script("c", [exit(1, code)]);
        let mut spec = one();
        spec["restartPolicy"] = policy.into();
        bench.create("p", spec).await;
        let status = bench.until_phase("p", phase).await;
        assert_eq!(status["containerStatuses"][0]["state"]["terminated"]["exitCode"], code);
        assert_eq!(bench.runtime.count("start c"), starts);
        assert_eq!(status["podIP"], "10.244.0.1", "a completed pod shows where it was");
        let reason = if code == 0 { "PodCompleted" } else { "PodFailed" };
        assert_eq!(condition(&status, "Ready")["reason"], reason);
        bench.delete("p", None).await;
        bench.until_gone("p").await;
        bench.until_clean().await;
    }
}

#[tokio::test(start_paused = true)]
async fn on_failure_restarts_only_failures() {
    let bench = Bench::start();
    bench.runtime.add_image("i:1");
    bench.runtime.script("c", [exit(1, 1), exit(1, 0)]);
    let mut spec = one();
    spec["restartPolicy"] = "OnFailure".into();
    bench.create("p", spec).await;
    let status = bench.until_phase("p", "Succeeded").await;
    assert_eq!(status["containerStatuses"][0]["restartCount"], 1);
}

#[tokio::test(start_paused = true)]
async fn init_containers_run_in_order_and_sidecars_stay() {
    let bench = Bench::start();
    bench.runtime.add_image("i:1");
    bench.runtime.script("first", [exit(5, 1), exit(5, 0)]);
    bench.runtime.script("third", [exit(5, 0)]);
    let spec = json!({
        "initContainers": [
            {"name": "first", "image": "i:1"},
            {"name": "side", "image": "i:1", "restartPolicy": "Always"},
            {"name": "third", "image": "i:1"}],
        "containers": [{"name": "c", "image": "i:1"}]});
    bench.create("p", spec).await;
    let early = bench.until("p", "told", |s| s["containerStatuses"].is_array()).await;
    assert_eq!(early["containerStatuses"][0]["state"]["waiting"]["reason"], "PodInitializing");
    assert_eq!(condition(&early, "Initialized")["reason"], "ContainersNotInitialized");
    assert_eq!(
        condition(&early, "Initialized")["message"],
        "containers with incomplete status: [first side third]"
    );
    let status = bench.until_phase("p", "Running").await;
    assert_eq!(condition(&status, "Initialized")["status"], "True");
    assert_eq!(status["initContainerStatuses"][0]["restartCount"], 1);
    assert_eq!(status["initContainerStatuses"][0]["ready"], true);
    assert_eq!(status["initContainerStatuses"][1]["started"], true);
    let starts: Vec<_> = bench.runtime.calls().into_iter().filter(|c| c.starts_with("start")).collect();
    assert_eq!(starts, ["start first", "start first", "start side", "start third", "start c"]);

    bench.runtime.exit("side", 1);
    bench.until("p", "a restarted sidecar", |s| s["initContainerStatuses"][1]["restartCount"] == 1).await;
    bench.delete("p", None).await;
    bench.until_gone("p").await;
    let signals: Vec<_> = bench.runtime.calls().into_iter().filter(|c| c.starts_with("signal")).collect();
    assert_eq!(signals, ["signal c 15", "signal side 15"], "sidecars go last");
}

#[tokio::test(start_paused = true)]
async fn a_failed_init_container_fails_the_pod() {
    let bench = Bench::start();
    bench.runtime.add_image("i:1");
    bench.runtime.script("first", [exit(1, 9)]);
    let spec = json!({"restartPolicy": "Never", "initContainers": [{"name": "first", "image": "i:1"}],
        "containers": [{"name": "c", "image": "i:1"}]});
    bench.create("p", spec).await;
    bench.until_phase("p", "Failed").await;
    assert_eq!(bench.runtime.count("start c"), 0);
}

#[tokio::test(start_paused = true)]
async fn pulls_back_off_in_upstreams_words() {
    let bench = Bench::start();
    bench.create("p", one()).await;
    let reason = |s: &Value| s["containerStatuses"][0]["state"]["waiting"]["reason"].clone();
    bench.until("p", "ErrImagePull", |s| reason(s) == "ErrImagePull").await;
    let status = bench.until("p", "ImagePullBackOff", |s| reason(s) == "ImagePullBackOff").await;
    let message = status["containerStatuses"][0]["state"]["waiting"]["message"].as_str().unwrap();
    assert!(message.starts_with("Back-off pulling image \"i:1\""));
    assert_eq!(status["phase"], "Pending");
    bench.runtime.make_pullable("i:1");
    bench.until_phase("p", "Running").await;
    assert_eq!(bench.runtime.count("pull"), 2);
    let events = bench.events("p").await;
    for reason in ["Pulling: Pulling image", "Failed: Failed to pull image", "BackOff: Back-off pulling"] {
        assert!(events.iter().any(|e| e.starts_with(reason)), "{reason} in {events:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn images_that_cannot_be_are_named() {
    let bench = Bench::start();
    for (image, policy, reason) in
        [("i:1", "Never", "ErrImageNeverPull"), ("Not An Image", "IfNotPresent", "InvalidImageName")]
    {
        let name = reason.to_lowercase();
        bench
            .create(&name, json!({"containers": [{"name": "c", "image": image, "imagePullPolicy": policy}]}))
            .await;
        bench
            .until(&name, reason, |s| s["containerStatuses"][0]["state"]["waiting"]["reason"] == reason)
            .await;
        bench.delete(&name, None).await;
        bench.until_gone(&name).await;
    }
    bench.until_clean().await;
}

#[tokio::test(start_paused = true)]
async fn a_command_that_does_not_exist_crashes_the_container() {
    let bench = Bench::start();
    bench.runtime.add_image("i:1");
    bench.runtime.script("c", [Behaviour::FailToStart("exec: \"/nope\": no such file or directory")]);
    bench.create("p", one()).await;
    let reason = |s: &Value| s["containerStatuses"][0]["state"]["waiting"]["reason"].clone();
    let status = bench.until("p", "RunContainerError", |s| reason(s) == "RunContainerError").await;
    let last = &status["containerStatuses"][0]["lastState"]["terminated"];
    assert_eq!((&last["reason"], &last["exitCode"]), (&json!("StartError"), &json!(127)));
    bench.until("p", "CrashLoopBackOff", |s| reason(s) == "CrashLoopBackOff").await;
}

#[tokio::test(start_paused = true)]
async fn a_deadline_fails_the_pod() {
    let bench = Bench::start();
    bench.runtime.add_image("i:1");
    let mut spec = one();
    spec["activeDeadlineSeconds"] = 20.into();
    bench.create("p", spec).await;
    let status = bench.until_phase("p", "Failed").await;
    assert_eq!(status["reason"], "DeadlineExceeded");
    assert_eq!(bench.runtime.count("signal c 15"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pod_deleted_while_pulling_or_waiting_goes_at_once() {
    let bench = Bench::start();
    bench.create("p", one()).await;
    bench.until("p", "ErrImagePull", |s| !s["containerStatuses"][0]["state"]["waiting"].is_null()).await;
    let before = Instant::now();
    bench.delete("p", None).await;
    bench.until_gone("p").await;
    assert!(before.elapsed() < Duration::from_secs(1));
    bench.until_clean().await;
}

#[tokio::test(start_paused = true)]
async fn another_image_is_one_restart_and_no_failure() {
    let bench = Bench::start();
    bench.runtime.add_image("i:1");
    bench.runtime.add_image("i:2");
    bench.create("p", one()).await;
    bench.until_phase("p", "Running").await;
    bench.set_image("p", "i:2").await;
    let status = bench.until("p", "restarted", |s| s["containerStatuses"][0]["restartCount"] == 1).await;
    assert_eq!(status["containerStatuses"][0]["image"], "i:2");
    assert_eq!(condition(&status, "Ready")["status"], "True");
    let told = bench.history("p").await;
    let first = told.iter().position(|status| status["phase"] == "Running").unwrap();
    for status in &told[first..] {
        assert_eq!(condition(status, "Ready")["status"], "True", "{status:#}");
    }

    bench.set_image("p", "i:none").await;
    let status = bench
        .until("p", "without an image", |s| !s["containerStatuses"][0]["state"]["waiting"].is_null())
        .await;
    assert_eq!(condition(&status, "Ready")["status"], "False");
}

fn with_requests(cpu: &str, policy: &str) -> Value {
    json!([{"name": "c", "image": "i:1", "resources": {"requests": {"cpu": cpu}},
        "resizePolicy": [{"resourceName": "cpu", "restartPolicy": policy}]}])
}

#[tokio::test(start_paused = true)]
async fn resources_change_in_place() {
    let bench = Bench::start();
    bench.runtime.add_image("i:1");
    bench.create("p", json!({"containers": with_requests("100m", "NotRequired")})).await;
    bench.until_phase("p", "Running").await;
    bench.set_spec("p", "containers", with_requests("200m", "NotRequired")).await;
    let resized = |s: &Value| s["containerStatuses"][0]["resources"]["requests"]["cpu"] == "200m";
    let status = bench.until("p", "resized", resized).await;
    assert_eq!(status["containerStatuses"][0]["allocatedResources"]["cpu"], "200m");
    assert_eq!(status["containerStatuses"][0]["restartCount"], 0);
    assert_eq!(bench.runtime.config_of("c").resources.cpu_shares, Some(204));
    assert_eq!(bench.runtime.count("start c"), 1);
    let over =
        |s: &Value| s["conditions"].as_array().unwrap().iter().all(|c| c["type"] != "PodResizeInProgress");
    bench.until("p", "over", over).await;
}

#[tokio::test(start_paused = true)]
async fn what_the_kernel_refuses_of_a_resize_is_told_and_tried_again() {
    let bench = Bench::start();
    bench.runtime.add_image("i:1");
    bench.create("p", json!({"containers": with_requests("100m", "NotRequired")})).await;
    bench.until_phase("p", "Running").await;
    bench.runtime.refuse_resizes("c", "write cpu.weight: Invalid argument");
    bench.set_spec("p", "containers", with_requests("200m", "NotRequired")).await;
    let told = |s: &Value| condition_reason(s, "PodResizeInProgress").is_some_and(|reason| reason == "Error");
    let status = bench.until("p", "refused", told).await;
    let in_progress = condition(&status, "PodResizeInProgress");
    assert_eq!(in_progress["status"], "True");
    assert_eq!(in_progress["message"], "resize c: write cpu.weight: Invalid argument");
    let container = &status["containerStatuses"][0];
    assert_eq!(container["resources"]["requests"]["cpu"], "100m", "what it has");
    assert_eq!(container["allocatedResources"]["cpu"], "200m", "what it is to have");
    assert_eq!(
        (&status["resources"]["requests"]["cpu"], &status["allocatedResources"]["cpu"]),
        (&json!("100m"), &json!("200m"))
    );
    assert_eq!(condition(&status, "Ready")["status"], "True", "it goes on as it was");
    let events = bench.events("p").await;
    let asked = r#"{"containers":[{"name":"c","resources":{"requests":{"cpu":"200m"}}}],"generation":"#;
    let has = |what: &str| {
        let found = events.iter().find(|event| event.starts_with(&format!("{what}: {asked}")));
        found.unwrap_or_else(|| panic!("no {what} in {events:#?}")).clone()
    };
    has("ResizeStarted: Pod resize started");
    let error = has("ResizeError: Pod resize error");
    assert!(error.contains(r#""error":"resize c: write cpu.weight: Invalid argument"}"#), "{error}");
    let told = bench.history("p").await.len();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(bench.runtime.count("resize pod") > 2, "it is tried again");
    assert_eq!(bench.history("p").await.len(), told, "and told once");

    bench.runtime.take_resizes("c");
    let resized = |s: &Value| s["containerStatuses"][0]["resources"]["requests"]["cpu"] == "200m";
    let over = |s: &Value| resized(s) && condition_reason(s, "PodResizeInProgress").is_none();
    let status = bench.until("p", "resized", over).await;
    assert_eq!(status["resources"]["requests"]["cpu"], "200m");
    assert_eq!(bench.runtime.count("start c"), 1);
    let completed = |event: &String| event.starts_with("ResizeCompleted: Pod resize completed");
    let events = bench.events("p").await;
    assert!(events.iter().any(completed), "{events:#?}");
}

#[tokio::test(start_paused = true)]
async fn what_others_say_of_a_pod_is_put_right() {
    let bench = Bench::start();
    bench.runtime.add_image("i:1");
    bench.create("p", one()).await;
    let ready = |s: &Value| s["conditions"].is_array() && condition(s, "Ready")["status"] == "True";
    bench.until("p", "ready", ready).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let quiet = bench.history("p").await.len();
    // As the node controller does while it does not hear of the node.
    let mut pod = bench.pod("p").await.unwrap();
    let conditions = pod["status"]["conditions"].as_array_mut().unwrap();
    conditions.iter_mut().find(|c| c["type"] == "Ready").unwrap()["status"] = "False".into();
    bench.client.put(&crate::testing::pod_target("p"), pod);
    bench.until("p", "ready again", ready).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(bench.history("p").await.len(), quiet + 2, "told once");
}

#[tokio::test(start_paused = true)]
async fn a_resize_restarts_where_the_policy_wants_it() {
    let bench = Bench::start();
    bench.runtime.add_image("i:1");
    bench.create("p", json!({"containers": with_requests("100m", "RestartContainer")})).await;
    bench.until_phase("p", "Running").await;
    bench.set_spec("p", "containers", with_requests("200m", "RestartContainer")).await;
    let resized = |s: &Value| s["containerStatuses"][0]["restartCount"] == 1;
    let status = bench.until("p", "restarted", resized).await;
    assert_eq!(status["containerStatuses"][0]["resources"]["requests"]["cpu"], "200m");
    let events = bench.events("p").await;
    let why = "Killing: Container c resize requires restart";
    assert!(events.iter().any(|event| event.starts_with(why)), "{events:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_resize_without_room_waits_and_says_so() {
    let bench = Bench::start();
    bench.runtime.add_image("i:1");
    bench.create("p", json!({"containers": with_requests("100m", "NotRequired")})).await;
    bench.until_phase("p", "Running").await;
    bench.set_spec("p", "containers", with_requests("100000", "NotRequired")).await;
    let pending =
        |s: &Value| s["conditions"].as_array().unwrap().iter().any(|c| c["type"] == "PodResizePending");
    let status = bench.until("p", "pending", pending).await;
    assert_eq!(condition(&status, "PodResizePending")["reason"], "Infeasible");
    let message = condition(&status, "PodResizePending")["message"].as_str().unwrap();
    assert!(message.starts_with("Node didn't have enough capacity: cpu, requested: 100000000"), "{message}");
    assert_eq!(status["containerStatuses"][0]["resources"]["requests"]["cpu"], "100m");
    assert_eq!(status["containerStatuses"][0]["allocatedResources"]["cpu"], "100m");
    assert_eq!(condition(&status, "Ready")["status"], "True");
    // Taken back.
    bench.set_spec("p", "containers", with_requests("100m", "NotRequired")).await;
    bench.until("p", "no longer pending", |s| !pending(s)).await;
    assert_eq!(bench.runtime.count("resize c"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_resize_waits_for_room_that_others_have() {
    let bench = Bench::start();
    bench.runtime.add_image("i:1");
    let processors = std::thread::available_parallelism().unwrap().get();
    let most = format!("{}m", processors * 1000 - 200);
    bench.create("other", json!({"containers": with_requests(&most, "NotRequired")})).await;
    bench.until_phase("other", "Running").await;
    bench.create("p", json!({"containers": with_requests("100m", "NotRequired")})).await;
    bench.until_phase("p", "Running").await;
    bench.set_spec("p", "containers", with_requests("300m", "NotRequired")).await;
    let pending =
        |s: &Value| s["conditions"].as_array().unwrap().iter().any(|c| c["type"] == "PodResizePending");
    let status = bench.until("p", "pending", pending).await;
    assert_eq!(condition(&status, "PodResizePending")["reason"], "Deferred");
    // Less than before, and not enough.
    let somewhat = format!("{}m", processors * 1000 - 250);
    bench.set_spec("other", "containers", with_requests(&somewhat, "NotRequired")).await;
    let has = |cpu: &str| {
        let cpu = cpu.to_string();
        move |s: &Value| s["containerStatuses"][0]["resources"]["requests"]["cpu"] == cpu.as_str()
    };
    bench.until("other", "smaller", has(&somewhat)).await;
    bench.until("p", "still pending", |s| pending(s) && has("100m")(s)).await;
    bench.delete("other", None).await;
    bench.until_gone("other").await;
    let gone = Instant::now();
    bench.until("p", "resized", has("300m")).await;
    assert!(gone.elapsed() < Duration::from_secs(1), "it was told, and did not look every few seconds");
}

#[tokio::test(start_paused = true)]
async fn an_ephemeral_container_joins_once() {
    let bench = Bench::start();
    bench.runtime.add_image("i:1");
    bench.runtime.script("look", [exit(5, 3)]);
    bench.create("p", one()).await;
    bench.until_phase("p", "Running").await;
    let debuggers = json!([{"name": "look", "image": "i:1", "targetContainerName": "c"}]);
    bench.set_spec("p", "ephemeralContainers", debuggers).await;
    let status = bench
        .until("p", "looked at", |s| {
            s["ephemeralContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 3
        })
        .await;
    assert_eq!(status["phase"], "Running");
    assert_eq!(condition(&status, "Ready")["status"], "True");
    let target = bench.runtime.config_of("look").process_namespace_of;
    assert_eq!(target, Some(bench.runtime.config_of("c").id));
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(bench.runtime.count("start look"), 1, "{:#?}", bench.runtime.calls());

    bench.delete("p", None).await;
    bench.until_gone("p").await;
    bench.until_clean().await;
}

#[tokio::test(start_paused = true)]
async fn an_ephemeral_container_waits_for_its_target() {
    let bench = Bench::start();
    bench.runtime.add_image("i:1");
    let mut spec = one();
    spec["ephemeralContainers"] = json!([{"name": "look", "image": "i:1", "targetContainerName": "c"}]);
    bench.create("p", spec).await;
    let running = |s: &Value| s["ephemeralContainerStatuses"][0]["state"]["running"].is_object();
    bench.until("p", "looked at", running).await;
    let events = bench.events("p").await;
    let missing = "Failed: Error: unable to find target container c";
    assert!(events.iter().any(|event| event.starts_with(missing)), "{events:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_force_deleted_pod_is_still_stopped() {
    let bench = Bench::start();
    bench.runtime.add_image("i:1");
    bench.create("p", one()).await;
    bench.until_phase("p", "Running").await;
    bench.delete("p", Some(0)).await;
    bench.until_clean().await;
    assert_eq!(bench.runtime.count("signal c 15"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_post_start_hook_restarts_the_container() {
    let bench = Bench::start();
    bench.runtime.add_image("i:1");
    bench.runtime.answer("hello", 1, "no");
    let mut spec = one();
    spec["containers"][0]["lifecycle"] = json!({"postStart": {"exec": {"command": ["hello"]}}});
    bench.create("p", spec).await;
    bench.until("p", "restarted", |s| s["containerStatuses"][0]["restartCount"] == 1).await;
    let events = bench.events("p").await;
    assert!(events.iter().any(|e| e.starts_with("FailedPostStartHook")), "{events:#?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_built_is_refused_by_name() {
    let bench = Bench::start();
    bench.runtime.add_image("i:1");
    let mut spec = one();
    spec["shareProcessNamespace"] = true.into();
    bench.create("p", spec).await;
    let status = bench.until_phase("p", "Failed").await;
    assert_eq!(status["message"], "shareProcessNamespace is not supported by this node");
    assert_eq!(bench.runtime.count("start"), 0);
}
