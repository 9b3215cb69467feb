//! The host's capabilities, as far as the templates use them.

use async_trait::async_trait;
use orch_plugin::calls::cni::{Route, SandboxNetwork, Side};
use orch_plugin::calls::controller::{ApiError, ControllerApi, PatchType, ServedResource};
use serde_json::json;
use tokio::sync::Mutex;

/// An API with the namespace `shop`.
#[derive(Default)]
pub struct Api {
    pub events: Mutex<Vec<String>>,
}

fn unexpected() -> ApiError {
    ApiError { code: 500, reason: "Unexpected".into(), message: "the template does not do this".into() }
}

#[async_trait]
impl ControllerApi for Api {
    fn resources(&self) -> Vec<ServedResource> {
        Vec::new()
    }
    async fn get(
        &self,
        _: &str,
        kind: &str,
        _: &str,
        name: &str,
        _: bool,
    ) -> Result<Option<String>, ApiError> {
        let namespace = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}});
        Ok((kind == "Namespace" && name == "shop").then(|| namespace.to_string()))
    }
    async fn list(&self, _: &str, _: &str, _: &str, _: &str, _: &str) -> Result<Vec<String>, ApiError> {
        Err(unexpected())
    }
    async fn dependents(&self, _: &str) -> Result<Vec<String>, ApiError> {
        Err(unexpected())
    }
    async fn create(&self, _: &str) -> Result<String, ApiError> {
        Err(unexpected())
    }
    async fn update(&self, _: &str, _: &str) -> Result<String, ApiError> {
        Err(unexpected())
    }
    async fn patch(
        &self,
        _: &str,
        _: &str,
        _: &str,
        _: &str,
        _: &str,
        _: PatchType,
        _: &str,
    ) -> Result<String, ApiError> {
        Err(unexpected())
    }
    async fn delete(&self, _: &str, _: &str, _: &str, _: &str, _: &str) -> Result<(), ApiError> {
        Err(unexpected())
    }
    async fn delete_collection(&self, _: &str, _: &str, _: &str, _: &str) -> Result<(), ApiError> {
        Err(unexpected())
    }
    async fn event(&self, regarding: &str, event_type: &str, reason: &str, message: &str) {
        assert!(regarding.contains("shop"), "{regarding}");
        self.events.lock().await.push(format!("{event_type} {reason}: {message}"));
    }
    fn now_ms(&self) -> u64 {
        0
    }
}

/// Remembers what was done to it.
#[derive(Default)]
pub struct Sandbox {
    pub calls: Mutex<Vec<String>>,
}

impl Sandbox {
    async fn call(&self, call: String) -> Result<(), String> {
        self.calls.lock().await.push(call);
        Ok(())
    }
}

#[async_trait]
impl SandboxNetwork for Sandbox {
    async fn add_veth(&self, node: &str, sandbox: &str, mtu: u32) -> Result<(), String> {
        self.call(format!("veth {node} {sandbox} {mtu}")).await
    }
    async fn remove_veth(&self, node: &str) -> Result<(), String> {
        self.call(format!("remove {node}")).await
    }
    async fn add_address(&self, side: Side, cidr: &str) -> Result<(), String> {
        self.call(format!("address {side:?} {cidr}")).await
    }
    async fn add_route(&self, side: Side, route: Route) -> Result<(), String> {
        self.call(format!("route {side:?} {}", route.destination)).await
    }
    async fn add_neighbour(&self, ip: &str) -> Result<(), String> {
        self.call(format!("neighbour {ip}")).await
    }
    async fn set_sysctl(&self, side: Side, key: &str, value: &str) -> Result<(), String> {
        self.call(format!("sysctl {side:?} {key}={value}")).await
    }
}
