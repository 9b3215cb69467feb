//! From a container's spec to what the runtime is given.

use std::path::{Path, PathBuf};

use orch_container::runtime::{ContainerConfig, Image, Mount};

use super::env::ConfigError;
use super::expand::expand;
use super::labels;
use super::qos;
use super::sandbox;
use super::security;
use super::spec::{Container, Pod, VolumeMount};
use crate::agent::Agent;
use crate::image;
use crate::volume;

/// What one start of a container is made from.
pub struct Start<'a> {
    pub pod: &'a Pod,
    pub container: &'a Container,
    pub image: &'a Image,
    pub sandbox_id: &'a str,
    /// The container whose processes it is to see.
    pub target: Option<String>,
    pub restart_count: u32,
    pub env: Vec<(String, String)>,
}

pub fn build(agent: &Agent, start: Start) -> Result<ContainerConfig, ConfigError> {
    let Start { pod, container, image, sandbox_id, target, restart_count, mut env } = start;
    refuse_unsupported(container)?;
    let security = security::merge(pod, container, image, &agent.paths)?;
    let mounts = mounts(agent, pod, container, restart_count, &env)?;
    let mut labels = labels::of_container(pod, container, restart_count);
    labels.insert(labels::IMAGE_ID.into(), image::shown_id(image));
    let signal = container.lifecycle.stop_signal.clone().or_else(|| image.stop_signal.clone());
    labels.extend(signal.map(|signal| (labels::STOP_SIGNAL.to_string(), signal)));
    let expanded = |words: &[String]| -> Vec<String> {
        words.iter().map(|word| expand(word, |n| lookup(&env, n))).collect()
    };
    let (command, args) = (expanded(&container.command), expanded(&container.args));
    if lookup(&env, "HOSTNAME").is_none() {
        env.push(("HOSTNAME".into(), sandbox::hostname(agent, pod)));
    }
    let meta = &pod.metadata;
    Ok(ContainerConfig {
        id: new_id(),
        sandbox_id: sandbox_id.to_string(),
        process_namespace_of: target,
        image_id: image.id.clone(),
        command,
        args,
        working_dir: container.working_dir.clone(),
        mounts,
        devices: vec![],
        resources: qos::container_resources(&pod.spec, container, agent.machine.memory_bytes),
        security,
        stdin: container.stdin,
        stdin_once: container.stdin_once,
        tty: container.tty,
        log_path: agent.paths.log(&meta.namespace, &meta.name, &meta.uid, &container.name, restart_count),
        labels,
        env,
    })
}

fn lookup<'a>(env: &'a [(String, String)], name: &str) -> Option<&'a str> {
    env.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// 64 hex digits.
fn new_id() -> String {
    format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}

fn refuse_unsupported(container: &Container) -> Result<(), ConfigError> {
    let refuse = |what: &str| Err(ConfigError::Other(format!("{what} is not supported by this node")));
    if !container.volume_devices.is_empty() {
        return refuse("volumeDevices");
    }
    let propagates = |m: &&VolumeMount| m.mount_propagation.as_deref().is_some_and(|p| p != "None");
    match container.volume_mounts.iter().find(propagates) {
        Some(mount) => {
            refuse(&format!("mountPropagation {}", mount.mount_propagation.as_deref().unwrap_or_default()))
        }
        None => Ok(()),
    }
}

fn mounts(
    agent: &Agent,
    pod: &Pod,
    container: &Container,
    restart_count: u32,
    env: &[(String, String)],
) -> Result<Vec<Mount>, ConfigError> {
    let mut out = Vec::new();
    for (index, mount) in container.volume_mounts.iter().enumerate() {
        out.push(volume_mount(agent, pod, container, index, mount, env)?);
    }
    let uid = &pod.metadata.uid;
    let is_covered =
        |path: &str| container.volume_mounts.iter().any(|m| Path::new(&m.mount_path) == Path::new(path));
    let managed = [
        ("/etc/hosts", agent.paths.etc_hosts(uid)),
        ("/etc/resolv.conf", agent.paths.resolv_conf(uid)),
        ("/etc/hostname", agent.paths.etc_hostname(uid)),
    ];
    for (destination, source) in managed {
        if !is_covered(destination) {
            out.push(bind(source, destination.into(), false));
        }
    }
    if let Some(path) = container.termination_message_path.as_ref().filter(|p| !p.is_empty()) {
        let file = agent.paths.termination_log(uid, &container.name, restart_count);
        make_termination_log(&file)
            .map_err(|e| ConfigError::Other(format!("termination log {}: {e}", file.display())))?;
        out.push(bind(file, path.into(), false));
    }
    // A mount below another has to come after it.
    out.sort_by_key(|m| m.destination.components().count());
    Ok(out)
}

/// Any user of the container may write its last words.
fn make_termination_log(file: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if let Some(parent) = file.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::write(file, b"")?;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o666))
}

fn volume_mount(
    agent: &Agent,
    pod: &Pod,
    container: &Container,
    index: usize,
    mount: &VolumeMount,
    env: &[(String, String)],
) -> Result<Mount, ConfigError> {
    let volume = volume::find(pod, &mount.name)
        .ok_or_else(|| ConfigError::Other(format!("cannot find volume \"{}\" to mount", mount.name)))?;
    let root = volume::path(agent, pod, &volume);
    let subpath = if mount.sub_path_expr.is_empty() {
        mount.sub_path.clone()
    } else {
        expand(&mount.sub_path_expr, |name| lookup(env, name))
    };
    let source = if subpath.is_empty() {
        root
    } else {
        let target = agent
            .paths
            .subpaths(&pod.metadata.uid)
            .join(&mount.name)
            .join(&container.name)
            .join(index.to_string());
        volume::bind_subpath(&root, &subpath, volume.source.is_writable(), &target)
            .map_err(ConfigError::Other)?;
        target
    };
    let destination = Path::new("/").join(&mount.mount_path);
    let recursive = mount.recursive_read_only.as_deref().is_some_and(|r| r != "Disabled");
    Ok(Mount {
        recursive_read_only: recursive && mount.read_only,
        ..bind(source, destination, mount.read_only)
    })
}

fn bind(source: PathBuf, destination: PathBuf, read_only: bool) -> Mount {
    Mount { source, destination, read_only, recursive_read_only: false }
}
