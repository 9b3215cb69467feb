//! Keeps as many pods of a template as a ReplicaSet asks for; see [`orch_sdk::replicas`].

use orch_sdk::Value;
use orch_sdk::controller::{Api, Change, Controller, Description, Error, Outcome};
use orch_sdk::replicas::Replicas;

#[derive(Default)]
pub struct ReplicaSets;

orch_sdk::export_controller!(ReplicaSets);

impl Controller for ReplicaSets {
    fn describe() -> Description {
        Replicas::REPLICA_SETS.describe()
    }

    fn keys(&mut self, _: usize, change: Change, pod: &Value, _: Option<&Value>) -> Vec<String> {
        Replicas::REPLICA_SETS.keys(change, pod)
    }

    fn reconcile(&mut self, api: &dyn Api, key: &str) -> Result<Outcome, Error> {
        Replicas::REPLICA_SETS.reconcile(api, key)
    }
}
