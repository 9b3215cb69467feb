//! A scripted API, runtime and network for tests of the agent.

pub mod client;
pub mod network;
pub mod runtime;

use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use orch_client::{Client, DeleteOptions, ListOptions, Resource, Target, WatchEvent, WriteOptions};
use orch_container::runtime::Runtime;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{Config, NodeAgent};
use client::FakeClient;
use network::FakeNetwork;
use runtime::FakeRuntime;

pub const NODE: &str = "n1";

/// An agent over fakes. The fakes outlive it, as the machine outlives a daemon.
pub struct Bench {
    pub client: Arc<FakeClient>,
    pub runtime: Arc<FakeRuntime>,
    pub network: Arc<FakeNetwork>,
    pub agent: Arc<NodeAgent>,
    pub dir: tempfile::TempDir,
    stop: CancellationToken,
}

impl Bench {
    pub fn start() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let (client, runtime, network) = (Arc::default(), Arc::new(FakeRuntime::new()), Arc::default());
        let (agent, stop) = start_agent(&client, &runtime, &network, &dir);
        Bench { client, runtime, network, agent, dir, stop }
    }

    /// The agent goes away; containers stay.
    pub fn kill_agent(&self) {
        self.stop.cancel();
    }

    pub fn start_again(&mut self) {
        let (agent, stop) = start_agent(&self.client, &self.runtime, &self.network, &self.dir);
        (self.agent, self.stop) = (agent, stop);
    }

    pub async fn create(&self, name: &str, spec: Value) {
        let mut spec = spec;
        spec["nodeName"] = NODE.into();
        let pod = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "default"}, "spec": spec});
        self.client.create(&pod_target(name), pod, &WriteOptions::default()).await.unwrap();
    }

    pub async fn delete(&self, name: &str, grace: Option<i64>) {
        let options = DeleteOptions { grace_period_seconds: grace, ..DeleteOptions::default() };
        self.client.delete(&pod_target(name), &options).await.unwrap();
    }

    /// Another image for the first container.
    pub async fn set_image(&self, name: &str, image: &str) {
        let mut containers = self.pod(name).await.unwrap()["spec"]["containers"].take();
        containers[0]["image"] = image.into();
        self.set_spec(name, "containers", containers).await;
    }

    pub async fn set_spec(&self, name: &str, field: &str, value: Value) {
        let mut pod = self.pod(name).await.unwrap();
        pod["spec"][field] = value;
        self.client.put(&pod_target(name), pod);
    }

    /// Every status the pod has had.
    pub async fn history(&self, name: &str) -> Vec<Value> {
        let watch = self.client.watch(&pod_target(name), &ListOptions::default()).await.unwrap();
        let events = watch.map(|event| event.unwrap()).filter_map(|event| async move {
            match event {
                WatchEvent::Added(pod) | WatchEvent::Modified(pod) => Some(pod),
                WatchEvent::Deleted(_) | WatchEvent::Bookmark(_) => None,
            }
        });
        let mut events = std::pin::pin!(events);
        let mut history = Vec::new();
        while let Some(pod) = events.next().now_or_never().flatten() {
            if pod["metadata"]["name"] == name {
                history.push(pod["status"].clone());
            }
        }
        history
    }

    pub async fn pod(&self, name: &str) -> Option<Value> {
        self.client.get(&pod_target(name)).await.ok().map(|pod| (*pod).clone())
    }

    /// Waits, in the paused clock's time, until the pod's status is as wanted.
    pub async fn until(&self, name: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let wait = async {
            loop {
                let mut changed = self.client.changed();
                if let Some(pod) = self.pod(name).await {
                    if wanted(&pod["status"]) {
                        return pod["status"].clone();
                    }
                    last = pod["status"].clone();
                }
                changed.changed().await.unwrap();
            }
        };
        match tokio::time::timeout(Duration::from_secs(1800), wait).await {
            Ok(status) => status,
            Err(_) => panic!("never {what}: {last:#}\ncalls: {:#?}", self.runtime.calls()),
        }
    }

    pub async fn until_phase(&self, name: &str, phase: &str) -> Value {
        self.until(name, phase, |status| status["phase"] == phase).await
    }

    pub async fn until_gone(&self, name: &str) {
        let wait = async {
            loop {
                let mut changed = self.client.changed();
                if self.pod(name).await.is_none() {
                    return;
                }
                changed.changed().await.unwrap();
            }
        };
        let gone = tokio::time::timeout(Duration::from_secs(1800), wait).await;
        assert!(gone.is_ok(), "{name} is never gone; calls: {:#?}", self.runtime.calls());
    }

    /// Nothing of any pod is left on the machine.
    pub async fn until_clean(&self) {
        let has_files = |part: &str| {
            std::fs::read_dir(self.dir.path().join(part)).is_ok_and(|mut entries| entries.next().is_some())
        };
        self.poll("clean", || self.runtime.is_empty() && !has_files("pods") && !has_files("logs/pods")).await;
    }

    pub async fn until_torn_down(&self) {
        self.poll("torn down", || self.runtime.count("remove_sandbox") > 0).await;
    }

    pub async fn until_event(&self, name: &str, event: &str) {
        let wait = async {
            loop {
                let mut changed = self.client.changed();
                if self.events(name).await.iter().any(|e| e == event) {
                    return;
                }
                changed.changed().await.unwrap();
            }
        };
        let seen = tokio::time::timeout(Duration::from_secs(600), wait).await;
        assert!(seen.is_ok(), "no event {event}: {:#?}", self.events(name).await);
    }

    /// For what tells nobody when it happens; the paused clock makes it cheap.
    async fn poll(&self, what: &str, done: impl Fn() -> bool) {
        for _ in 0..1000 {
            if done() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("never {what}: {:#?}", self.runtime.calls());
    }

    /// `reason: message` of the pod's events so far.
    pub async fn events(&self, name: &str) -> Vec<String> {
        let events = self.client.all("events");
        let about = events.iter().filter(|e| e["involvedObject"]["name"] == name);
        about
            .map(|e| format!("{}: {}", e["reason"].as_str().unwrap(), e["message"].as_str().unwrap()))
            .collect()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn start_agent(
    client: &Arc<FakeClient>,
    runtime: &Arc<FakeRuntime>,
    network: &Arc<FakeNetwork>,
    dir: &tempfile::TempDir,
) -> (Arc<NodeAgent>, CancellationToken) {
    let stop = CancellationToken::new();
    let config = Config {
        node_name: NODE.into(),
        data_dir: dir.path().into(),
        addresses: vec!["192.0.2.1".parse().unwrap()],
        version: "v1.37.0+orch".into(),
        ..Config::default()
    };
    let runtime: Arc<dyn Runtime> = runtime.clone();
    let agent = NodeAgent::start(config, client.clone(), runtime, network.clone(), stop.clone()).unwrap();
    (agent, stop)
}

pub fn pod_target(name: &str) -> Target {
    Target::named(&Resource::core("pods"), "default", name)
}
