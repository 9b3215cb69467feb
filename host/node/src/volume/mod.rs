//! A pod's volumes on this node.

mod atomic;
mod certificate;
mod content;
mod directory;
mod mounts;
mod source;
mod subpath;
mod token;
mod trust;

use std::path::PathBuf;

use tokio::time::Instant;

use crate::agent::Agent;
use crate::pod::env::{SourceKind, Sources};
use crate::pod::fields::Downward;
use crate::pod::spec::Pod;
use crate::references;

pub use certificate::CredentialCache;
pub use mounts::remove_tree;
pub use source::{Projection, Volume, VolumeSource, referenced_objects};
pub use subpath::bind as bind_subpath;
pub use token::TokenCache;

/// Why a volume is not there: kubelet's words for the event `FailedMount`.
#[derive(Debug, thiserror::Error, Clone, PartialEq)]
#[error("MountVolume.SetUp failed for volume \"{volume}\" : {message}")]
pub struct MountError {
    pub volume: String,
    pub message: String,
}

/// What was mounted, and until when its content is good.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mounted {
    pub refresh_at: Option<Instant>,
    /// `resourceVersion`s of the objects whose content is in the volumes.
    pub versions: Vec<((SourceKind, String), u64)>,
}

impl Mounted {
    /// The content is to be made again by then.
    fn refresh_by(&mut self, at: Instant) {
        self.refresh_at = Some(self.refresh_at.map_or(at, |before| before.min(at)));
    }
}

/// Makes every volume that a container mounts; idempotent, and renews contents that have changed.
pub async fn set_up(agent: &Agent, from: Downward<'_>) -> Result<Mounted, MountError> {
    let mut mounted = Mounted::default();
    for volume in mounted_volumes(from.pod) {
        let name = volume.name.clone();
        set_up_one(agent, from, volume, &mut mounted)
            .await
            .map_err(|message| MountError { volume: name, message })?;
    }
    Ok(mounted)
}

fn mounted_volumes(pod: &Pod) -> Vec<Volume> {
    let is_used = |name: &str| pod.all_containers().any(|c| c.volume_mounts.iter().any(|m| m.name == name));
    pod.spec.volumes.iter().map(Volume::read).filter(|v| is_used(&v.name)).collect()
}

async fn set_up_one(
    agent: &Agent,
    from: Downward<'_>,
    volume: Volume,
    mounted: &mut Mounted,
) -> Result<(), String> {
    let pod = from.pod;
    let path = path(agent, pod, &volume);
    let group = pod.spec.security_context.fs_group;
    match volume.source {
        VolumeSource::EmptyDir { memory, size_limit } => directory::empty(&path, memory, size_limit, group),
        VolumeSource::HostPath { path, kind } => directory::host_path(&path, &kind),
        VolumeSource::Content { projections, default_mode, confidential } => {
            let sources = fetch(agent, pod, &projections, mounted).await?;
            let mut issued = token::request_all(agent, pod, &projections, mounted).await?;
            issued.extend(trust::read_all(agent, &projections, mounted).await?);
            issued.extend(certificate::request_all(agent, pod, &volume.name, &projections, mounted).await?);
            let payload = content::payload(from, &projections, default_mode, &sources, &issued)?;
            directory::content(&path, confidential)?;
            atomic::write(&path, &payload, group).map_err(|e| format!("{}: {e}", path.display()))
        }
        VolumeSource::Unsupported(kind) => {
            Err(format!("volumes of type {kind} are not supported by this node"))
        }
    }
}

async fn fetch(
    agent: &Agent,
    pod: &Pod,
    projections: &[Projection],
    mounted: &mut Mounted,
) -> Result<Sources, String> {
    let names = projections.iter().filter_map(Projection::object).collect();
    let sources =
        agent.references.fetch(&pod.metadata.namespace, names).await.map_err(|status| status.message)?;
    for (key, object) in &sources {
        mounted.versions.push((key.clone(), references::version(object)));
    }
    Ok(sources)
}

/// Where the volume's root is on the host.
pub fn path(agent: &Agent, pod: &Pod, volume: &Volume) -> PathBuf {
    match &volume.source {
        VolumeSource::HostPath { path, .. } => path.clone(),
        source => agent.paths.volume(&pod.metadata.uid, source.folder(), &volume.name),
    }
}

/// The named volume of the pod.
pub fn find(pod: &Pod, name: &str) -> Option<Volume> {
    pod.spec.volumes.iter().find(|v| v["name"] == name).map(Volume::read)
}

/// Unmounts and removes everything below the pod's directory.
pub async fn tear_down(agent: &Agent, uid: &str) -> Result<(), String> {
    agent.tokens.forget(uid);
    agent.credentials.forget(uid);
    let pod_dir = agent.paths.pod(uid);
    tokio::task::spawn_blocking(move || {
        for part in ["volume-subpaths", "volumes"] {
            let tree = pod_dir.join(part);
            mounts::remove_tree(&tree).map_err(|e| format!("{}: {e}", tree.display()))?;
        }
        Ok(())
    })
    .await
    .map_err(|e| e.to_string())?
}
