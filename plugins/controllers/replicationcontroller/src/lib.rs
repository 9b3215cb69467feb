//! Keeps as many pods of a template as a ReplicationController asks for; see [`orch_sdk::replicas`].

use orch_sdk::Value;
use orch_sdk::controller::{Api, Change, Controller, Description, Error, Outcome};
use orch_sdk::replicas::Replicas;

#[derive(Default)]
pub struct ReplicationControllers;

orch_sdk::export_controller!(ReplicationControllers);

impl Controller for ReplicationControllers {
    fn describe() -> Description {
        Replicas::REPLICATION_CONTROLLERS.describe()
    }

    fn keys(&mut self, _: usize, change: Change, pod: &Value, _: Option<&Value>) -> Vec<String> {
        Replicas::REPLICATION_CONTROLLERS.keys(change, pod)
    }

    fn reconcile(&mut self, api: &dyn Api, key: &str) -> Result<Outcome, Error> {
        Replicas::REPLICATION_CONTROLLERS.reconcile(api, key)
    }
}
