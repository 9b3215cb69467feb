//! The routed network driver as a component, over a recorded sandbox.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use std::sync::Arc;

use orch_plugin::Limits;
use orch_plugin::calls::cni::{CniPlugin, Pod};
use orch_plugin::worlds::CniComponent;
use support::sandbox::Sandbox;

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
    let (driver, sandbox) = (routed().await, Arc::new(Sandbox::default()));
    let attachment = driver.add(sandbox.clone(), &pod("aabbccddeeff00")).await.unwrap();
    assert_eq!(attachment.ips, ["10.244.7.1"]);
    assert_eq!(attachment.node_interface, "orchaabbccddeef");
    let calls = sandbox.take_calls();
    assert_eq!(calls[0], "veth orchaabbccddeef eth0 1400");
    assert!(calls.contains(&"route Node 10.244.7.1/32".into()), "{calls:?}");
    driver.del(sandbox.clone(), &attachment).await.unwrap();
    assert_eq!(sandbox.take_calls(), ["remove orchaabbccddeef"]);
    assert!(driver.attachments().await.is_empty());
}

#[tokio::test]
async fn what_is_attached_survives_a_restart_of_the_driver() {
    let (first, sandbox) = (routed().await, Arc::new(Sandbox::default()));
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
