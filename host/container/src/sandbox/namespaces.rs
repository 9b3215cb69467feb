//! Making namespaces and keeping them without a process: a bind mount of the namespace's file.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::sys::statfs::{FsType, statfs};
use nix::unistd::sethostname;

use crate::rootfs::{on_own_thread, unmount};
use crate::runtime::SandboxConfig;

/// `NSFS_MAGIC` of the kernel.
const NSFS: FsType = FsType(0x6e73_6673);
/// As other runtimes have it: any process may listen on low ports and send pings inside its pod.
const DEFAULT_SYSCTLS: [(&str, &str); 2] =
    [("net.ipv4.ip_unprivileged_port_start", "0"), ("net.ipv4.ping_group_range", "0 2147483647")];

/// Makes the sandbox's own namespaces and mounts each at `dir/{net,uts,ipc}`.
pub fn pin(config: &SandboxConfig, dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let (config, dir) = (config.clone(), dir.to_owned());
    on_own_thread("namespaces", move || {
        let mut kinds = Vec::new();
        let mut flags = CloneFlags::empty();
        if !config.host_network {
            flags |= CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUTS;
            kinds.extend(["net", "uts"]);
        }
        if !config.host_ipc {
            flags |= CloneFlags::CLONE_NEWIPC;
            kinds.push("ipc");
        }
        unshare(flags)?;
        if !config.host_network {
            sethostname(&config.hostname)?;
            bring_loopback_up()?;
            DEFAULT_SYSCTLS.iter().for_each(|(name, value)| drop(set_sysctl(name, value)));
        }
        for (name, value) in &config.sysctls {
            set_sysctl(name, value)
                .map_err(|e| io::Error::new(e.kind(), format!("sysctl {name}={value}: {e}")))?;
        }
        kinds.iter().try_for_each(|kind| bind(kind, &dir.join(kind)))
    })
}

fn bind(kind: &str, target: &Path) -> io::Result<()> {
    std::fs::File::create(target)?;
    let source = format!("/proc/thread-self/ns/{kind}");
    Ok(mount(Some(source.as_str()), target, None::<&str>, MsFlags::MS_BIND, None::<&str>)?)
}

/// The name as `net.core.somaxconn` or `net/core/somaxconn`; `/proc/sys` shows this thread's namespaces.
fn set_sysctl(name: &str, value: &str) -> io::Result<()> {
    let path = if name.contains('/') { name.to_owned() } else { name.replace('.', "/") };
    if path.split('/').any(|part| part.is_empty() || part == "..") {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    std::fs::write(Path::new("/proc/sys").join(path), value)
}

fn bring_loopback_up() -> io::Result<()> {
    let control = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    // SAFETY: an all-zero ifreq is valid; the name is shorter than its field; both ioctls read and
    // write that structure only.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
            *to = *from as libc::c_char;
        }
        if libc::ioctl(control.as_raw_fd(), libc::SIOCGIFFLAGS, &mut request) < 0 {
            return Err(io::Error::last_os_error());
        }
        request.ifr_ifru.ifru_flags |= libc::IFF_UP as libc::c_short;
        if libc::ioctl(control.as_raw_fd(), libc::SIOCSIFFLAGS, &request) < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// No error for what is not there.
pub fn unpin(dir: &Path) -> io::Result<()> {
    for kind in ["net", "uts", "ipc"] {
        unmount(&dir.join(kind));
    }
    match std::fs::remove_dir_all(dir) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// False for the plain file that a reboot leaves.
pub fn is_pinned(path: &Path) -> bool {
    statfs(path).is_ok_and(|fs| fs.filesystem_type() == NSFS)
}

/// Only for a thread that ends soon.
pub fn enter_network(namespace: &Path) -> io::Result<()> {
    let file = std::fs::File::open(namespace)?;
    Ok(setns(&file, CloneFlags::CLONE_NEWNET)?)
}

/// A socket belongs to the namespace it was made in, wherever it is used.
pub fn tcp_socket(v6: bool) -> io::Result<OwnedFd> {
    let family = if v6 { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    Ok(socket(family, SockType::Stream, flags, None)?)
}
