//! Device nodes of a container: those asked for, and all of the host's when it is privileged.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::sys::stat::{major, minor};
use oci_spec::runtime::{LinuxDevice, LinuxDeviceBuilder, LinuxDeviceType};

use super::create_error;
use crate::runtime::{ContainerConfig, RuntimeError};

/// Made by the container's own mounts, or never shared.
const NOT_SHARED: [&str; 10] =
    ["pts", "shm", "fd", "mqueue", "console", "ptmx", ".lxc", ".lxd-mounts", ".udev", "core"];

pub struct Device {
    pub device: LinuxDevice,
}

pub fn collect(config: &ContainerConfig) -> Result<Vec<Device>, RuntimeError> {
    let mut devices = Vec::new();
    if config.security.privileged {
        for path in nodes_below(Path::new("/dev")) {
            // A device may vanish while we look.
            if let Ok(device) = device(&path) {
                devices.push(device);
            }
        }
    }
    for path in &config.devices {
        if !devices.iter().any(|d: &Device| d.device.path() == path) {
            devices.push(device(path)?);
        }
    }
    Ok(devices)
}

fn nodes_below(dir: &Path) -> Vec<PathBuf> {
    let mut nodes = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Ok(kind) = entry.file_type() else { continue };
        if NOT_SHARED.iter().any(|skipped| name == *skipped) {
            continue;
        }
        if kind.is_dir() {
            nodes.extend(nodes_below(&entry.path()));
        } else if kind.is_char_device() || kind.is_block_device() {
            nodes.push(entry.path());
        }
    }
    nodes
}

fn device(path: &Path) -> Result<Device, RuntimeError> {
    let fail = |why: String| create_error(format!("device {}: {why}", path.display()));
    let meta = std::fs::metadata(path).map_err(|e| fail(e.to_string()))?;
    let kind = match meta.file_type() {
        t if t.is_block_device() => LinuxDeviceType::B,
        t if t.is_char_device() => LinuxDeviceType::C,
        _ => return Err(fail("is not a device node".to_owned())),
    };
    let device = LinuxDeviceBuilder::default()
        .path(path)
        .typ(kind)
        .major(major(meta.rdev()) as i64)
        .minor(minor(meta.rdev()) as i64)
        .file_mode(meta.mode() & 0o777)
        .uid(meta.uid())
        .gid(meta.gid())
        .build()
        .map_err(|e| fail(e.to_string()))?;
    Ok(Device { device })
}
