//! A control plane to play a load on, in the network namespace that this process stands in.

use orch_sim::{Body, Connection};
use orch_tests::host::{Host, Network};
use orch_tests::side::{Cluster, Side};
use orch_tests::upstream::{Settings, Upstream};
use serde_json::json;

pub fn start(side: Side, network: Network) -> Cluster {
    match side {
        Side::Orch => {
            let host = Host::start_without_image(network, &["--log", "warn"]);
            // As at upstream's side: the simulated nodes take pods from the first moment on.
            host.orch(&["delete", "plugins", "taint-nodes-by-condition"]).expect("a plugin can be deleted");
            Cluster::Orch(Box::new(host))
        }
        Side::Upstream => Cluster::Upstream { upstream: Upstream::start(&settings()), network },
    }
}

/// No controllers run here: nobody makes service accounts or takes the taint of new nodes away.
fn settings() -> Settings {
    Settings { scheduler: true, without_admission: "ServiceAccount,TaintNodesByCondition".into() }
}

/// Takes the host's own node out of the scheduler's sight: the simulated ones are what is measured.
pub async fn prepare(cluster: &Cluster, connection: &Connection) {
    match cluster {
        Cluster::Orch(_) => {
            let cordon = json!({ "spec": { "unschedulable": true } }).to_string().into_bytes();
            connection.patch("/api/v1/nodes/node-a", Body::MergePatch, cordon).await.expect("a cordon");
        }
        Cluster::Upstream { .. } => {}
    }
}
