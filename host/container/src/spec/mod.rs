//! From a container's configuration to the OCI runtime specification that libcontainer carries out.

mod capabilities;
mod devices;
mod filter;
mod mounts;
mod privileges;
mod resources;
mod seccomp;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use oci_spec::OciSpecError;
use oci_spec::runtime::{
    LinuxBuilder, LinuxNamespace, LinuxNamespaceBuilder, LinuxNamespaceType, PosixRlimitBuilder,
    PosixRlimitType, Process, ProcessBuilder, RootBuilder, Spec, SpecBuilder, UserBuilder,
};

use crate::cgroup::Hierarchies;
use crate::images::user::User;
use crate::runtime::{ContainerConfig, RuntimeError, Sandbox, Seccomp};

/// Open files a process may have, as container runtimes commonly allow.
const OPEN_FILES: u64 = 1_048_576;
const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Paths that tell about the host or act on it; hidden or read-only unless asked otherwise.
const MASKED_PATHS: [&str; 12] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];
const READONLY_PATHS: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Everything the specification is made of.
pub struct Sources<'a> {
    pub config: &'a ContainerConfig,
    pub sandbox: &'a Sandbox,
    /// Pinned namespace files of the sandbox.
    pub namespaces: Namespaces,
    /// Shared by the pod's containers, mounted at `/dev/shm`.
    pub shm: &'a Path,
    pub rootfs: &'a Path,
    pub cgroup: &'a str,
    pub user: &'a User,
    /// Image and container together; the command is not empty.
    pub args: Vec<String>,
    pub env: Vec<String>,
    pub working_dir: &'a str,
}

/// `None`: the host's; of processes, one of its own.
pub struct Namespaces {
    pub process: Option<PathBuf>,
    pub network: Option<PathBuf>,
    pub ipc: Option<PathBuf>,
    pub uts: Option<PathBuf>,
}

pub fn build(sources: &Sources<'_>) -> Result<Spec, RuntimeError> {
    let invalid = |e: OciSpecError| create_error(format!("invalid container configuration: {e}"));
    let config = sources.config;
    let security = &config.security;
    let devices = devices::collect(config)?;
    let mut linux = LinuxBuilder::default()
        .namespaces(namespaces(sources).map_err(invalid)?)
        .cgroups_path(sources.cgroup)
        .resources(resources::build(config, &devices).map_err(invalid)?)
        .devices(devices.iter().map(|d| d.device.clone()).collect::<Vec<_>>());
    let unmasked = security.privileged || security.unmasked_proc;
    let paths = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
    linux = linux
        .masked_paths(if unmasked { Vec::new() } else { paths(&MASKED_PATHS) })
        .readonly_paths(if unmasked { Vec::new() } else { paths(&READONLY_PATHS) });
    let capabilities = capabilities::of(security)?;
    match &security.seccomp {
        _ if security.privileged => {}
        Seccomp::Unconfined => {}
        Seccomp::RuntimeDefault => {
            linux = linux.seccomp(seccomp::runtime_default(&capabilities).map_err(invalid)?);
        }
        Seccomp::Localhost(path) => linux = linux.seccomp(seccomp::from_file(path, &capabilities)?),
    }
    let mut spec = SpecBuilder::default()
        .version("1.0.2")
        .root(
            RootBuilder::default()
                .path(sources.rootfs)
                .readonly(security.read_only_root)
                .build()
                .map_err(invalid)?,
        )
        .mounts(mounts::build(sources)?)
        .process(process(sources, &capabilities).map_err(invalid)?)
        .linux(linux.build().map_err(invalid)?)
        .build()
        .map_err(invalid)?;
    // The default of the builder names a host; the sandbox's UTS namespace has one already.
    spec.set_hostname(None);
    Ok(spec)
}

/// The specification's system call filter in the kernel's form; `None` without one.
pub fn compile_filter(spec: &Spec) -> Result<Option<Arc<[u8]>>, RuntimeError> {
    let profile = spec.linux().as_ref().and_then(|linux| linux.seccomp().as_ref());
    profile.map(filter::compile).transpose().map_err(|e| create_error(e.to_string()))
}

pub(crate) fn create_error(message: String) -> RuntimeError {
    RuntimeError::Start { phase: crate::runtime::phase::CREATE, message }
}

fn process(
    sources: &Sources<'_>,
    capabilities: &oci_spec::runtime::Capabilities,
) -> Result<Process, OciSpecError> {
    let config = sources.config;
    let open_files = privileges::open_files(OPEN_FILES);
    let files = PosixRlimitBuilder::default()
        .typ(PosixRlimitType::RlimitNofile)
        .hard(open_files)
        .soft(open_files)
        .build()?;
    let user = UserBuilder::default()
        .uid(sources.user.uid)
        .gid(sources.user.gid)
        // Never empty: libcontainer would then keep the daemon's own groups.
        .additional_gids(sources.user.groups.clone())
        .build()?;
    let mut process = ProcessBuilder::default()
        .args(sources.args.clone())
        .env(environment(sources))
        .cwd(sources.working_dir)
        .terminal(config.tty)
        .user(user)
        .capabilities(capabilities::sets(capabilities)?)
        .rlimits(vec![files])
        .build()?;
    // Unset rather than `Some(false)`, which libcontainer treats in ways of its own.
    process.set_no_new_privileges(config.security.no_new_privileges.then_some(true));
    process.set_oom_score_adj(config.resources.oom_score_adj.map(privileges::oom_score));
    Ok(process)
}

fn environment(sources: &Sources<'_>) -> Vec<String> {
    let mut env = sources.env.clone();
    let has = |env: &[String], name: &str| env.iter().any(|entry| entry.starts_with(name));
    if !has(&env, "PATH=") {
        env.push(DEFAULT_PATH.to_owned());
    }
    if !has(&env, "HOME=") {
        env.push(format!("HOME={}", sources.user.home));
    }
    if sources.config.tty && !has(&env, "TERM=") {
        env.push("TERM=xterm".to_owned());
    }
    env
}

fn namespaces(sources: &Sources<'_>) -> Result<Vec<LinuxNamespace>, OciSpecError> {
    let own = |kind| LinuxNamespaceBuilder::default().typ(kind).build();
    let pinned = |kind, path: &Path| LinuxNamespaceBuilder::default().typ(kind).path(path).build();
    let mut list = vec![own(LinuxNamespaceType::Mount)?];
    match &sources.namespaces.process {
        Some(path) => list.push(pinned(LinuxNamespaceType::Pid, path)?),
        None if sources.sandbox.config.host_pid => {}
        None => list.push(own(LinuxNamespaceType::Pid)?),
    }
    // A privileged container sees the machine's groups, as with other runtimes under v1.
    if !sources.config.security.privileged || Hierarchies::of_this_machine().is_v2() {
        list.push(own(LinuxNamespaceType::Cgroup)?);
    }
    let shared = [
        (LinuxNamespaceType::Network, &sources.namespaces.network),
        (LinuxNamespaceType::Ipc, &sources.namespaces.ipc),
        (LinuxNamespaceType::Uts, &sources.namespaces.uts),
    ];
    for (kind, path) in shared {
        if let Some(path) = path {
            list.push(pinned(kind, path)?);
        }
    }
    Ok(list)
}
