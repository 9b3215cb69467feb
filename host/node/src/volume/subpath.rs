//! `subPath`: a part of a volume, found without ever following a link out of it.

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat, fstat, mkdirat};

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

/// All but the sticky and the set-user bit.
const PERMISSIONS: Mode = Mode::S_IRWXU.union(Mode::S_IRWXG).union(Mode::S_IRWXO).union(Mode::S_ISGID);

/// What is missing is made with the volume's own permissions, as by the kubelet: whoever may write to
/// the volume may write there.
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
                let mode = Mode::from_bits_truncate(fstat(&root)?.st_mode) & PERMISSIONS;
                mkdirat(parent.as_ref().unwrap_or(&root), parts[index], mode)?;
                let made = openat2(&root, walked.as_str(), how)?;
                // The umask took its part, and a directory is not made with the group's bit.
                let itself = format!("/proc/self/fd/{}", made.as_raw_fd());
                fchmodat(AT_FDCWD, itself.as_str(), mode, FchmodatFlags::FollowSymlink)?;
                made
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_made_has_the_volumes_permissions() {
        let volume = tempfile::tempdir().unwrap();
        for mode in [0o777, 0o2770] {
            fs::set_permissions(volume.path(), fs::Permissions::from_mode(mode)).unwrap();
            let name = format!("{mode:o}");
            let root = open(volume.path(), OFlag::O_PATH | OFlag::O_DIRECTORY, Mode::empty()).unwrap();
            descend(root, &[&name, "below"], true).unwrap();
            for made in [volume.path().join(&name), volume.path().join(&name).join("below")] {
                assert_eq!(made.metadata().unwrap().permissions().mode() & 0o7777, mode, "{made:?}");
            }
        }
        let root = open(volume.path(), OFlag::O_PATH | OFlag::O_DIRECTORY, Mode::empty()).unwrap();
        assert_eq!(descend(root, &["missing"], false).unwrap_err(), nix::Error::ENOENT);
    }
}
