//! ComponentStatuses: how the parts of this host are, asked when somebody asks. Nothing of it is stored.
//! Deprecated since 1.19; `kubectl get componentstatuses` still shows them (`pkg/registry/core/componentstatus`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use orch_client::Target;
use orch_object::{Kind, Status};
use orch_watch::Object;
use parking_lot::RwLock;
use serde_json::json;

use super::api::Api;
use super::list::{Listed, Selection};
use crate::key;

/// How long a part may take to answer.
const PATIENCE: Duration = Duration::from_secs(4);

type Check = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// The parts, each with the question that it is asked.
#[derive(Clone, Default)]
pub struct Components(Arc<RwLock<BTreeMap<String, Check>>>);

impl Components {
    /// Adds a part. An error is shown as its message.
    pub fn add<A>(&self, name: &str, check: impl Fn() -> A + Send + Sync + 'static)
    where
        A: Future<Output = Result<(), String>> + Send + 'static,
    {
        let check: Check = Arc::new(move || Box::pin(check()));
        self.0.write().insert(name.into(), check);
    }

    /// The ComponentStatuses, by name.
    async fn ask(&self, kind: &Kind) -> Vec<Arc<Object>> {
        let checks: Vec<(String, Check)> =
            self.0.read().iter().map(|(name, check)| (name.clone(), check.clone())).collect();
        let asked = checks.into_iter().map(|(name, check)| async move {
            let answer = tokio::time::timeout(PATIENCE, check()).await;
            let answer = answer.unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}")));
            let condition = match answer {
                Ok(()) => json!({ "type": "Healthy", "status": "True", "message": "ok" }),
                Err(why) => json!({ "type": "Healthy", "status": "False", "message": why }),
            };
            let value = json!({ "apiVersion": kind.api_version(), "kind": kind.kind,
                "metadata": { "name": name }, "conditions": [condition] });
            Object::unstored(&key::of(kind, "", &name), &value)
        });
        futures::future::join_all(asked).await
    }
}

impl Api {
    pub(super) async fn component(&self, kind: &Kind, target: &Target) -> Result<Arc<Object>, Status> {
        let found = self.components.ask(kind).await;
        let found = found.into_iter().find(|status| status.value()["metadata"]["name"] == *target.name);
        found.ok_or_else(|| {
            let message = format!("componentstatus {:?} not found", target.name);
            let details = json!({ "name": target.name, "kind": "componentstatus" });
            Status { details: Some(details), ..Status::new(404, "NotFound", message) }
        })
    }

    pub(super) async fn all_components(&self, kind: &Arc<Kind>, selection: &Selection) -> Listed {
        let mut items = self.components.ask(kind).await;
        items.retain(|status| selection.matches(status));
        Listed { kind: kind.clone(), revision: 0, items, continue_token: None, remaining: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_part_is_well_when_it_answers() {
        let components = Components::default();
        components.add("store", || async { Ok(()) });
        components.add("deaf", std::future::pending::<Result<(), String>>);
        components.add("ill", || async { Err("no disk".into()) });
        let kinds = orch_object::Kinds::builtin();
        let kind = kinds.by_plural("", "v1", "componentstatuses").unwrap();
        assert_eq!(kind.strategy.source, orch_object::Source::Components);
        let told: Vec<_> =
            components.ask(kind).await.iter().map(|status| status.value()["conditions"][0].clone()).collect();
        let condition = |status: &str| json!({ "type": "Healthy", "status": status });
        let with = |mut condition: serde_json::Value, field: &str, text: &str| {
            condition[field] = text.into();
            condition
        };
        assert_eq!(
            told,
            [
                with(condition("False"), "message", "no answer within 4s"),
                with(condition("False"), "message", "no disk"),
                with(condition("True"), "message", "ok"),
            ]
        );
    }
}
