//! A pod's surroundings: sandbox, network, volumes and files come before its containers and go after them.

use std::net::IpAddr;
use std::path::Path;

use orch_client::{DeleteOptions, Precondition, Resource, Target};
use orch_container::runtime::SandboxConfig;
use orch_plugin::calls::cni;

use super::fields::Downward;
use super::files;
use super::inbox::{SandboxFailure, SetUpOutcome};
use super::labels;
use super::qos;
use super::record::{Sandbox, SandboxHandle};
use super::spec::Pod;
use crate::agent::Agent;
use crate::volume;

/// A feature that would be silently ignored: the pod is refused instead.
pub fn unsupported(pod: &Pod) -> Option<String> {
    let refuse = |what: &str| Some(format!("{what} is not supported by this node"));
    if pod.spec.share_process_namespace {
        return refuse("shareProcessNamespace");
    }
    if pod.spec.host_users == Some(false) {
        return refuse("hostUsers: false");
    }
    None
}

/// Makes what is missing. Sandbox and volumes do not depend on each other and are made together.
pub async fn set_up(agent: &Agent, pod: &Pod, known: Sandbox, keep: bool) -> SetUpOutcome {
    if let Err(error) = tokio::fs::create_dir_all(agent.paths.pod(&pod.metadata.uid)).await {
        let message = format!("pod directory: {error}");
        return SetUpOutcome {
            sandbox: Err(SandboxFailure { handle: known.handle().cloned(), message: message.clone() }),
            volumes: Err(volume::MountError { volume: String::new(), message }),
        };
    }
    let from =
        Downward { pod, pod_ips: &[], host_ips: &agent.config.addresses, node: &agent.machine.allocatable };
    let (sandbox, volumes) = tokio::join!(sandbox(agent, pod, known, keep), volume::set_up(agent, from));
    SetUpOutcome { sandbox, volumes }
}

async fn sandbox(
    agent: &Agent,
    pod: &Pod,
    known: Sandbox,
    keep: bool,
) -> Result<(SandboxHandle, Vec<IpAddr>), SandboxFailure> {
    let handle = match known.handle() {
        Some(handle) => handle.clone(),
        None => create(agent, pod).await.map_err(|message| SandboxFailure { handle: None, message })?,
    };
    let connected = async {
        let ips = connect(agent, pod, &handle).await?;
        write_files(agent, pod, &ips).map_err(|e| format!("failed to write the pod's files: {e}"))?;
        Ok(ips)
    };
    match connected.await {
        Ok(ips) => Ok((handle, ips)),
        // A sandbox with living containers is worth another try; an empty one is made afresh.
        Err(message) if keep => Err(SandboxFailure { handle: Some(handle), message }),
        Err(message) => {
            let removed = remove(agent, &handle).await;
            let handle = removed.is_err().then_some(handle);
            Err(SandboxFailure { handle, message })
        }
    }
}

async fn create(agent: &Agent, pod: &Pod) -> Result<SandboxHandle, String> {
    let spec = &pod.spec;
    let config = SandboxConfig {
        id: format!("{}-0", pod.metadata.uid),
        hostname: hostname(agent, pod),
        host_network: spec.host_network,
        host_ipc: spec.host_ipc,
        host_pid: spec.host_pid,
        sysctls: spec.security_context.sysctls.iter().map(|s| (s.name.clone(), s.value.clone())).collect(),
        cgroup_parent: qos::cgroup_parent(spec, &pod.metadata.uid),
        resources: qos::pod_resources(spec),
        labels: labels::of_pod(pod),
    };
    let (id, resources) = (config.id.clone(), config.resources.clone());
    match agent.runtime.create_sandbox(config).await {
        Ok(sandbox) => Ok(SandboxHandle { id, resources, network_namespace: sandbox.network_namespace }),
        Err(error) => {
            // Whatever a half-made one has left behind would stand in the next one's way.
            if let Err(error) = agent.runtime.remove_sandbox(&id).await {
                tracing::warn!(sandbox = id, %error, "a half-made sandbox could not be removed");
            }
            Err(error.to_string())
        }
    }
}

/// What `hostname` prints inside.
pub fn hostname(agent: &Agent, pod: &Pod) -> String {
    if pod.spec.host_network {
        return agent.machine.hostname.clone();
    }
    files::kernel_hostname(pod, agent.network.cluster_domain())
}

async fn connect(agent: &Agent, pod: &Pod, handle: &SandboxHandle) -> Result<Vec<IpAddr>, String> {
    let Some(namespace) = &handle.network_namespace else { return Ok(agent.config.addresses.clone()) };
    let cni_pod = cni::Pod {
        sandbox_id: handle.id.clone(),
        namespace: pod.metadata.namespace.clone(),
        name: pod.metadata.name.clone(),
        uid: pod.metadata.uid.clone(),
    };
    let attachment = agent.network.attach(namespace, &cni_pod).await.map_err(|e| e.to_string())?;
    attachment.ips.iter().map(|ip| ip.parse().map_err(|_| format!("not an address: {ip}"))).collect()
}

fn write_files(agent: &Agent, pod: &Pod, ips: &[IpAddr]) -> std::io::Result<()> {
    let uid = &pod.metadata.uid;
    let domain = agent.network.cluster_domain();
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let hosts = files::etc_hosts(pod, ips, domain, &read("/etc/hosts"));
    let resolver = files::resolv_conf(pod, &agent.network.cluster_dns(), domain, &host_resolver());
    write_if_changed(&agent.paths.etc_hosts(uid), &hosts)?;
    write_if_changed(&agent.paths.resolv_conf(uid), &resolver)?;
    write_if_changed(&agent.paths.etc_hostname(uid), &format!("{}\n", hostname(agent, pod)))
}

/// systemd-resolved's stub listens on a loopback address that pods cannot reach.
fn host_resolver() -> String {
    let stub = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    if stub.contains("127.0.0.53") {
        return std::fs::read_to_string("/run/systemd/resolve/resolv.conf").unwrap_or(stub);
    }
    stub
}

/// In place, since running containers have the file mounted.
fn write_if_changed(path: &Path, text: &str) -> std::io::Result<()> {
    if std::fs::read_to_string(path).is_ok_and(|known| known == text) {
        return Ok(());
    }
    std::fs::write(path, text)?;
    // Whatever the daemon's umask: every user of the container reads it.
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o644))
}

pub async fn remove(agent: &Agent, handle: &SandboxHandle) -> Result<(), String> {
    if let Some(namespace) = &handle.network_namespace {
        agent.network.detach(namespace, &handle.id).await.map_err(|e| e.to_string())?;
    }
    agent.runtime.remove_sandbox(&handle.id).await.map_err(|e| e.to_string())
}

/// Undoes [`set_up`]; dead containers and logs stay.
pub async fn tear_down(agent: &Agent, uid: &str, handle: Option<SandboxHandle>) -> Result<(), String> {
    if let Some(handle) = &handle {
        remove(agent, handle).await?;
    }
    volume::tear_down(agent, uid).await
}

/// Removes what is left of a torn-down pod: the object first, so that its logs can be read to the last.
pub async fn delete(agent: &Agent, pod: &Pod, containers: Vec<String>, in_api: bool) -> Result<(), String> {
    let meta = &pod.metadata;
    if in_api {
        let target = Target::named(&Resource::core("pods"), &meta.namespace, &meta.name);
        let options = DeleteOptions {
            grace_period_seconds: Some(0),
            preconditions: Precondition { uid: Some(meta.uid.clone()), resource_version: None },
            ..DeleteOptions::default()
        };
        match agent.client.delete(&target, &options).await {
            Ok(_) => {}
            // Gone, or a new pod of that name is there.
            Err(status) if status.is_not_found() || status.is_conflict() => {}
            Err(status) => return Err(format!("delete pod {}: {}", pod.key(), status.message)),
        }
    }
    for id in containers {
        agent.runtime.remove_container(&id).await.map_err(|e| e.to_string())?;
    }
    let trees = [agent.paths.pod(&meta.uid), agent.paths.logs(&meta.namespace, &meta.name, &meta.uid)];
    tokio::task::spawn_blocking(move || {
        trees.iter().try_for_each(|tree| {
            volume::remove_tree(tree).map_err(|e| format!("remove {}: {e}", tree.display()))
        })
    })
    .await
    .map_err(|e| e.to_string())?
}
