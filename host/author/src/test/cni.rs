//! Cases of a network driver: sandboxes are attached and detached, and what it asked of each is told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use orch_plugin::calls::cni::{Attachment, CniPlugin, Pod, Route, SandboxNetwork, Side};
use orch_plugin::worlds::CniComponent;
use parking_lot::Mutex;
use serde_json::json;

use super::TestError;
use super::outcome::Outcome;
use super::script::{Case, Script};

pub struct Driver {
    component: Arc<CniComponent>,
    attached: BTreeMap<String, Attachment>,
}

impl Driver {
    /// Configured as on the script's node, where nothing is attached.
    pub async fn new(component: Arc<CniComponent>, script: &Script) -> Result<Self, TestError> {
        let node = &script.node;
        let settings = json!({"podCIDRs": node.pod_cidrs, "mtu": node.mtu, "config": script.config});
        component.configure(&settings.to_string()).await.map_err(TestError::Configure)?;
        component.restore(&[]).await.map_err(TestError::Configure)?;
        Ok(Driver { component, attached: BTreeMap::new() })
    }

    pub async fn ask(&mut self, case: &Case) -> Result<Outcome, TestError> {
        let (mut outcome, sandbox) = (Outcome::default(), Arc::new(Sandbox::default()));
        match (&case.attach, &case.detach) {
            (Some(pod), None) => self.attach(pod.clone().into(), case, sandbox.clone(), &mut outcome).await,
            (None, Some(id)) => self.detach(id, case, sandbox.clone(), &mut outcome).await?,
            (Some(_), Some(_)) | (None, None) => {
                return Err(TestError::Asks { case: case.name.clone(), what: "attach or detach" });
            }
        }
        let calls = sandbox.calls.lock();
        for expected in case.expect.calls.iter().flatten().filter(|expected| !calls.contains(expected)) {
            outcome.fail(format!("{expected:?} is not among the calls: {calls:#?}"));
        }
        Ok(outcome)
    }

    async fn attach(&mut self, pod: Pod, case: &Case, sandbox: Arc<Sandbox>, outcome: &mut Outcome) {
        let started = Instant::now();
        let added = self.component.add(sandbox, &pod).await;
        outcome.times.push(("add", started.elapsed()));
        if let Some(attachment) = outcome.result(case.expect.error.as_deref(), added) {
            outcome.same("ips", case.expect.ips.as_ref(), &attachment.ips);
            self.attached.insert(pod.sandbox_id, attachment);
        }
    }

    async fn detach(
        &mut self,
        id: &str,
        case: &Case,
        sandbox: Arc<Sandbox>,
        outcome: &mut Outcome,
    ) -> Result<(), TestError> {
        let attachment = self.attached.get(id).ok_or_else(|| TestError::NotThere(format!("sandbox {id}")))?;
        let started = Instant::now();
        let deleted = self.component.del(sandbox, attachment).await;
        outcome.times.push(("del", started.elapsed()));
        outcome.result(case.expect.error.as_deref(), deleted);
        Ok(())
    }
}

/// Everything works; the calls are written down in the words of `wit/cni`.
#[derive(Default)]
struct Sandbox {
    calls: Mutex<Vec<String>>,
}

impl Sandbox {
    fn note(&self, call: String) -> Result<(), String> {
        self.calls.lock().push(call);
        Ok(())
    }
}

fn word(side: Side) -> &'static str {
    match side {
        Side::Sandbox => "sandbox",
        Side::Node => "node",
    }
}

#[async_trait]
impl SandboxNetwork for Sandbox {
    async fn add_veth(&self, node_name: &str, sandbox_name: &str, mtu: u32) -> Result<(), String> {
        self.note(format!("add-veth {node_name} {sandbox_name} {mtu}"))
    }
    async fn remove_veth(&self, node_name: &str) -> Result<(), String> {
        self.note(format!("remove-veth {node_name}"))
    }
    async fn add_address(&self, side: Side, cidr: &str) -> Result<(), String> {
        self.note(format!("add-address {} {cidr}", word(side)))
    }
    async fn add_route(&self, side: Side, route: Route) -> Result<(), String> {
        let via = route.gateway.map(|gateway| format!(" via {gateway}")).unwrap_or_default();
        self.note(format!("add-route {} {}{via}", word(side), route.destination))
    }
    async fn add_neighbour(&self, ip: &str) -> Result<(), String> {
        self.note(format!("add-neighbour {ip}"))
    }
    async fn set_sysctl(&self, side: Side, key: &str, value: &str) -> Result<(), String> {
        self.note(format!("set-sysctl {} {key}={value}", word(side)))
    }
}
