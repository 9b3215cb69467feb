//! Mutating and validating webhooks: whom a request concerns, what they are sent, what their answers do.
//!
//! ```text
//! selectors ─► rules (the client's version, then equivalent ones) ─► match conditions ─► call ─► verdict
//! ```

mod exchange;
mod hook;
mod matching;
mod stage;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use orch_object::client_config::ClientConfig;
use orch_object::{Kind, Kinds};
use serde_json::Value;

use crate::Cluster;

pub use hook::{Hooks, Webhook};
pub use stage::Webhooks;

/// What webhooks need of the API around them; a server, or a fake.
#[async_trait]
pub trait Surroundings: Send + Sync + 'static {
    /// The webhooks configured now.
    fn hooks(&self) -> Arc<Hooks>;

    /// What match conditions may ask about.
    fn cluster(&self) -> Arc<dyn Cluster>;

    /// `None`: there is no such namespace.
    fn namespace(&self, name: &str) -> Option<Arc<Value>>;

    /// Every kind served now.
    fn kinds(&self) -> Arc<Kinds>;

    /// An object as another of its kind's versions shows it; the error says why it cannot be shown.
    async fn convert(&self, object: &Value, from: &Kind, to: &Kind) -> Result<Value, String>;

    /// Posts JSON and gives back the body of a good answer; the error says why there is none. Ends
    /// after `within`, which the callee is told of.
    async fn call(&self, whom: &ClientConfig, body: Vec<u8>, within: Duration) -> Result<Bytes, String>;
}
