use std::net::IpAddr;
use std::path::Path;

use async_trait::async_trait;
use orch_network::{NetworkError, PodNetwork};
use orch_plugin::calls::cni::{Attachment, Pod};
use parking_lot::Mutex;

/// Gives the n-th sandbox the address 10.244.0.n.
#[derive(Default)]
pub struct FakeNetwork {
    attached: Mutex<Vec<String>>,
    pub detached: Mutex<Vec<String>>,
}

#[async_trait]
impl PodNetwork for FakeNetwork {
    async fn attach(&self, _namespace: &Path, pod: &Pod) -> Result<Attachment, NetworkError> {
        let mut attached = self.attached.lock();
        let known = attached.iter().position(|id| *id == pod.sandbox_id);
        let index = known.unwrap_or_else(|| {
            attached.push(pod.sandbox_id.clone());
            attached.len() - 1
        });
        Ok(Attachment {
            sandbox_id: pod.sandbox_id.clone(),
            ips: vec![format!("10.244.0.{}", index + 1)],
            node_interface: format!("veth{index}"),
        })
    }
    async fn detach(&self, _namespace: &Path, sandbox_id: &str) -> Result<(), NetworkError> {
        self.detached.lock().push(sandbox_id.to_string());
        Ok(())
    }
    fn cluster_dns(&self) -> Vec<IpAddr> {
        vec!["10.96.0.10".parse().unwrap()]
    }
    fn cluster_domain(&self) -> &str {
        "cluster.local"
    }
}
