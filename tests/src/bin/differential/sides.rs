//! The two that are compared, beside one another in one network namespace.

use std::time::Duration;

use orch_sim::Access;
use orch_tests::eventually;
use orch_tests::host::{Host, Network};
use orch_tests::upstream::{Settings, Upstream};
use serde_json::Value;

pub struct Sides {
    pub upstream: Upstream,
    pub orch: Host,
}

/// Worlds whose plugins act by themselves; upstream's API server is alone too.
const ACTING: &[&str] = &["controller", "scheduler"];

impl Sides {
    /// The calling thread, and those it makes, stand in the namespace from now on.
    pub fn start() -> Sides {
        let network = Network::new();
        network.enter();
        let upstream = Upstream::start(&Settings::default());
        let orch = Host::start_without_image(network, &["--log", "warn", "--listen", "0.0.0.0:7443"]);
        let sides = Sides { upstream, orch };
        sides.leave_the_api_alone();
        sides
    }

    pub fn access(&self) -> [Access; 2] {
        let orch = Access::read(&self.orch.kubeconfig()).expect("the host wrote its kubeconfig");
        [self.upstream.access(), orch]
    }

    fn leave_the_api_alone(&self) {
        for name in self.acting().expect("the host lists its plugins") {
            self.orch.orch(&["delete", "plugins", &name]).expect("a plugin can be deleted");
        }
        eventually("the controllers' end", Duration::from_secs(20), || match self.acting()? {
            none if none.is_empty() => Ok(()),
            some => Err(format!("{some:?}")),
        });
    }

    fn acting(&self) -> Result<Vec<String>, String> {
        let listed: Value = serde_json::from_str(&self.orch.orch(&["get", "plugins", "-o", "json"])?)
            .map_err(|error| error.to_string())?;
        let items = listed["items"].as_array().ok_or("no items")?;
        let acts = |plugin: &&Value| {
            ACTING.iter().any(|world| plugin["spec"]["world"].as_str().is_some_and(|w| w.contains(world)))
        };
        let name = |plugin: &Value| plugin["metadata"]["name"].as_str().unwrap_or_default().to_string();
        Ok(items.iter().filter(acts).map(name).collect())
    }
}
