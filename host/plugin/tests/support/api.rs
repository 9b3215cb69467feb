//! A scripted API for controllers.

use async_trait::async_trait;
use orch_plugin::calls::controller::{ApiError, ControllerApi, PatchType, ServedResource};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::Notify;

/// Records what is written; a list waits until it is let go.
#[derive(Default)]
pub struct Recorder {
    /// What is there.
    pub objects: Vec<Value>,
    pub calls: Mutex<Vec<String>>,
    pub waiting: Notify,
    pub go: Notify,
}

fn refused(code: u16, reason: &str) -> ApiError {
    ApiError { code, reason: reason.into(), message: format!("{reason} it is") }
}

#[async_trait]
impl ControllerApi for Recorder {
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
        let is_it = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == name;
        let found = self.objects.iter().find(is_it);
        Ok(found.map(Value::to_string))
    }
    async fn list(&self, _: &str, _: &str, _: &str, _: &str, _: &str) -> Result<Vec<String>, ApiError> {
        self.waiting.notify_one();
        self.go.notified().await;
        Ok(Vec::new())
    }
    async fn dependents(&self, _: &str) -> Result<Vec<String>, ApiError> {
        Ok(Vec::new())
    }
    async fn create(&self, object: &str) -> Result<String, ApiError> {
        self.calls.lock().push(object.into());
        Ok(object.into())
    }
    async fn update(&self, _: &str, _: &str) -> Result<String, ApiError> {
        Err(refused(409, "Conflict"))
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
        Err(refused(404, "NotFound"))
    }
    async fn delete(&self, _: &str, _: &str, _: &str, _: &str, _: &str) -> Result<(), ApiError> {
        Ok(())
    }
    async fn delete_collection(&self, _: &str, _: &str, _: &str, _: &str) -> Result<(), ApiError> {
        Ok(())
    }
    async fn event(&self, _: &str, event_type: &str, reason: &str, message: &str) {
        self.calls.lock().push(format!("{event_type} {reason} {message}"));
    }
    fn now_ms(&self) -> u64 {
        77
    }
}
