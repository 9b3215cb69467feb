//! File systems of a container: the usual ones, the pod's shared memory, and its volumes.

use std::path::{Path, PathBuf};

use oci_spec::OciSpecError;
use oci_spec::runtime::{Mount, MountBuilder};

use super::{Sources, create_error};
use crate::cgroup::Hierarchies;
use crate::runtime::RuntimeError;

const CGROUPS: &str = "/sys/fs/cgroup";

pub fn build(sources: &Sources<'_>) -> Result<Vec<Mount>, RuntimeError> {
    let volumes = &sources.config.mounts;
    let given = |destination: &Path| volumes.iter().any(|volume| volume.destination == destination);
    let mut mounts = usual(sources).map_err(|e| create_error(e.to_string()))?;
    mounts.retain(|mount| !given(mount.destination()));
    if given(Path::new(CGROUPS)) {
        mounts.retain(|mount| !mount.destination().starts_with(CGROUPS));
    }
    // A volume inside another one must be mounted after it.
    let mut volumes: Vec<_> = volumes.iter().collect();
    volumes.sort_by_key(|volume| volume.destination.components().count());
    for volume in volumes {
        mounts.push(bind(volume)?);
    }
    Ok(mounts)
}

fn mount(destination: &str, kind: &str, source: &str, options: &[&str]) -> Result<Mount, OciSpecError> {
    MountBuilder::default()
        .destination(destination)
        .typ(kind)
        .source(source)
        .options(options.iter().map(|option| (*option).to_owned()).collect::<Vec<_>>())
        .build()
}

fn usual(sources: &Sources<'_>) -> Result<Vec<Mount>, OciSpecError> {
    let privileged = sources.config.security.privileged;
    let sys: &[&str] =
        if privileged { &["nosuid", "noexec", "nodev", "rw"] } else { &["nosuid", "noexec", "nodev", "ro"] };
    let mut mounts = vec![
        mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"])?,
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"])?,
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        )?,
        mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"])?,
        mount("/sys", "sysfs", "sysfs", sys)?,
    ];
    match Hierarchies::of_this_machine() {
        Hierarchies::V2(_) => {
            let access = if privileged { "rw" } else { "ro" };
            let options = ["nosuid", "noexec", "nodev", "relatime", access];
            mounts.push(mount(CGROUPS, "cgroup", "cgroup", &options)?);
        }
        Hierarchies::V1(controllers) if !privileged => {
            mounts.push(mount(
                CGROUPS,
                "tmpfs",
                "tmpfs",
                &["nosuid", "noexec", "nodev", "mode=755", "size=64k"],
            )?);
            for (controller, root) in controllers {
                mounts.push(own_group(controller, &root.join(sources.cgroup.trim_start_matches('/')))?);
            }
        }
        Hierarchies::V1(_) => {}
    }
    let shm = sources.shm.display().to_string();
    mounts.push(mount("/dev/shm", "bind", &shm, &["rbind", "nosuid", "noexec", "nodev", "rw"])?);
    Ok(mounts)
}

/// A container's own group, to read: a hierarchy mounted anew would let its root raise its limits.
fn own_group(controller: &str, group: &Path) -> Result<Mount, OciSpecError> {
    let options = ["bind", "nosuid", "noexec", "nodev", "ro"].map(String::from).to_vec();
    let destination = Path::new(CGROUPS).join(controller);
    MountBuilder::default().destination(destination).typ("bind").source(group).options(options).build()
}

fn bind(volume: &crate::runtime::Mount) -> Result<Mount, RuntimeError> {
    if !volume.source.exists() {
        return Err(create_error(format!(
            "failed to generate spec: failed to stat {:?}: stat {}: no such file or directory",
            volume.source,
            volume.source.display()
        )));
    }
    let mut options = vec!["rbind".to_owned(), "rprivate".to_owned()];
    options.push(if volume.read_only { "ro" } else { "rw" }.to_owned());
    if volume.recursive_read_only {
        options.push("rro".to_owned());
    }
    MountBuilder::default()
        .destination(absolute(&volume.destination))
        .typ("bind")
        .source(volume.source.as_path())
        .options(options)
        .build()
        .map_err(|e| create_error(e.to_string()))
}

/// Relative mount paths are taken from the container's root.
fn absolute(path: &Path) -> PathBuf {
    Path::new("/").join(path)
}
