//! The routed network driver as a component, over a recorded sandbox.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use std::sync::Arc;

use async_trait::async_trait;
use orch_plugin::Limits;
use orch_plugin::calls::cni::{CniPlugin, Pod, Route, SandboxNetwork, Side};
use orch_plugin::worlds::CniComponent;
use parking_lot::Mutex;

#[derive(Default)]
struct Recorder(Mutex<Vec<String>>);

impl Recorder {
    fn call(&self, call: String) -> Result<(), String> {
        self.0.lock().push(call);
        Ok(())
    }
}

#[async_trait]
impl SandboxNetwork for Recorder {
    async fn add_veth(&self, node: &str, sandbox: &str, mtu: u32) -> Result<(), String> {
        self.call(format!("veth {node} {sandbox} {mtu}"))
    }
    async fn remove_veth(&self, node: &str) -> Result<(), String> {
        self.call(format!("remove {node}"))
    }
    async fn add_address(&self, side: Side, cidr: &str) -> Result<(), String> {
        self.call(format!("address {side:?} {cidr}"))
    }
    async fn add_route(&self, side: Side, route: Route) -> Result<(), String> {
        self.call(format!("route {side:?} {}", route.destination))
    }
    async fn add_neighbour(&self, ip: &str) -> Result<(), String> {
        self.call(format!("neighbour {ip}"))
    }
    async fn set_sysctl(&self, side: Side, key: &str, value: &str) -> Result<(), String> {
        self.call(format!("sysctl {side:?} {key}={value}"))
    }
}

async fn routed() -> Arc<CniComponent> {
    let loaded = support::engine().load_cni("routed", &support::policy("routed"), Limits::default()).await;
    let driver = loaded.unwrap();
    driver.configure(r#"{"podCIDRs": ["10.244.7.0/24"], "mtu": 1400, "config": {}}"#).await.unwrap();
    driver
}

fn pod(id: &str) -> Pod {
    Pod { sandbox_id: id.into(), namespace: "default".into(), name: "web".into(), uid: "u".into() }
}

#[tokio::test]
async fn sandboxes_are_connected_through_the_hosts_capabilities() {
    let (driver, sandbox) = (routed().await, Arc::new(Recorder::default()));
    let attachment = driver.add(sandbox.clone(), &pod("aabbccddeeff00")).await.unwrap();
    assert_eq!(attachment.ips, ["10.244.7.1"]);
    assert_eq!(attachment.node_interface, "orchaabbccddeef");
    let calls = std::mem::take(&mut *sandbox.0.lock());
    assert_eq!(calls[0], "veth orchaabbccddeef eth0 1400");
    assert!(calls.contains(&"route Node 10.244.7.1/32".into()), "{calls:?}");
    driver.del(sandbox.clone(), &attachment).await.unwrap();
    assert_eq!(*sandbox.0.lock(), ["remove orchaabbccddeef"]);
    assert!(driver.attachments().await.is_empty());
}

#[tokio::test]
async fn what_is_attached_survives_a_restart_of_the_driver() {
    let (first, sandbox) = (routed().await, Arc::new(Recorder::default()));
    let attachment = first.add(sandbox.clone(), &pod("a")).await.unwrap();
    let second = routed().await;
    second.restore(&first.attachments().await).await.unwrap();
    assert_eq!(second.add(sandbox.clone(), &pod("a")).await.unwrap(), attachment);
    assert_ne!(second.add(sandbox, &pod("b")).await.unwrap().ips, attachment.ips);
}

#[tokio::test]
async fn settings_without_a_range_are_refused() {
    let driver = routed().await;
    let error = driver.configure(r#"{"podCIDRs": []}"#).await.unwrap_err().to_string();
    assert!(error.ends_with("podCIDRs: the node has none yet"), "{error}");
    let error = driver.configure("nonsense").await.unwrap_err().to_string();
    assert!(error.contains("settings:"), "{error}");
}
