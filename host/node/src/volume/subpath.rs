//! `subPath`: a part of a volume, found without ever following a link out of it.

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, mkdirat};

use super::mounts;

/// Binds `volume/subpath` at `target`. The container could exchange a directory for a link between
/// check and mount, so the mount is made from the open file itself.
pub fn bind(volume: &Path, subpath: &str, may_create: bool, target: &Path) -> Result<(), String> {
    let fails = |what: &str, error: &dyn std::fmt::Display| {
        format!("failed to prepare subPath for volumeMount: {what} {subpath}: {error}")
    };
    let parts: Vec<&str> = subpath.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") || subpath.starts_with('/') {
        return Err(fails("check", &"must be relative and not contain '..'"));
    }
    let root = open(volume, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
        .map_err(|e| fails("open volume of", &e))?;
    let found = descend(root, &parts, may_create).map_err(|e| fails("open", &e))?;
    prepare_target(&found, target).map_err(|e| fails("prepare mount of", &e))?;
    if mounts::is_mounted(target)? {
        return Ok(());
    }
    let source = format!("/proc/self/fd/{}", found.as_raw_fd());
    mount(Some(source.as_str()), target, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
        .map_err(|e| fails("mount", &e))
}

fn descend(root: OwnedFd, parts: &[&str], may_create: bool) -> nix::Result<OwnedFd> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        // Links that stay inside the volume are fine: content volumes are made of them.
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let mut parent: Option<OwnedFd> = None;
    for index in 0..parts.len() {
        let walked = parts[..=index].join("/");
        let next = match openat2(&root, walked.as_str(), how) {
            Err(nix::Error::ENOENT) if may_create => {
                mkdirat(parent.as_ref().unwrap_or(&root), parts[index], Mode::from_bits_truncate(0o755))?;
                openat2(&root, walked.as_str(), how)?
            }
            result => result?,
        };
        parent = Some(next);
    }
    Ok(parent.unwrap_or(root))
}

/// A mount point of the same sort as what is mounted on it.
fn prepare_target(found: &OwnedFd, target: &Path) -> std::io::Result<()> {
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    let is_dir = fs::metadata(format!("/proc/self/fd/{}", found.as_raw_fd()))?.is_dir();
    if is_dir {
        fs::create_dir_all(target)
    } else {
        fs::OpenOptions::new().create(true).append(true).open(target).map(drop)
    }
}
