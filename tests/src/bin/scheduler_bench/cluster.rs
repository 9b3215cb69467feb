//! A control plane to play a load on, in the network namespace that this process stands in.

use orch_sim::{Access, Body, Connection};
use orch_tests::host::{Host, Network};
use orch_tests::upstream::{Settings, Upstream};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Orch,
    Upstream,
}

impl Side {
    pub fn word(self) -> &'static str {
        match self {
            Side::Orch => "orch",
            Side::Upstream => "upstream",
        }
    }
}

/// Running until it is dropped.
pub enum Cluster {
    Orch(Box<Host>),
    /// The network lives as long as what listens in it.
    Upstream {
        upstream: Upstream,
        _network: Network,
    },
}

impl Cluster {
    pub fn start(side: Side, network: Network) -> Cluster {
        match side {
            Side::Orch => {
                let host = Host::start_without_image(network, &["--log", "warn"]);
                // As at upstream's side: the simulated nodes take pods from the first moment on.
                host.orch(&["delete", "plugins", "taint-nodes-by-condition"])
                    .expect("a plugin can be deleted");
                Cluster::Orch(Box::new(host))
            }
            Side::Upstream => Cluster::Upstream { upstream: Upstream::start(&settings()), _network: network },
        }
    }

    pub fn access(&self) -> Access {
        match self {
            Cluster::Orch(host) => Access::read(&host.kubeconfig()).expect("the host wrote its kubeconfig"),
            Cluster::Upstream { upstream, .. } => upstream.access(),
        }
    }

    /// Whose processor time and memory count.
    pub fn processes(&self) -> Vec<u32> {
        match self {
            Cluster::Orch(host) => vec![host.pid()],
            Cluster::Upstream { upstream, .. } => upstream.processes(),
        }
    }

    /// Takes the host's own node out of the scheduler's sight: the simulated ones are what is measured.
    pub async fn prepare(&self, connection: &Connection) {
        match self {
            Cluster::Orch(_) => {
                let cordon = json!({ "spec": { "unschedulable": true } }).to_string().into_bytes();
                connection.patch("/api/v1/nodes/node-a", Body::MergePatch, cordon).await.expect("a cordon");
            }
            Cluster::Upstream { .. } => {}
        }
    }
}

/// No controllers run here: nobody makes service accounts or takes the taint of new nodes away.
fn settings() -> Settings {
    Settings { scheduler: true, without_admission: "ServiceAccount,TaintNodesByCondition".into() }
}
