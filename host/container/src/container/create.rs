//! Making a container: root, specification, shim.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::mount::MsFlags;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

use super::client::ShimConnection;
use super::{RECORD, ROOTFS, Record, remove};
use crate::cgroup::{Cgroup, Hierarchies};
use crate::images::rootdir::{RootDir, relative};
use crate::images::{Images, Unpacked, user};
use crate::rootfs::mount_overlay;
use crate::runtime::{ContainerConfig, Resources, RuntimeError, Sandbox};
use crate::sandbox::Sandboxes;
use crate::shim::confine::FILTER;
use crate::shim::protocol::Reply;
use crate::shim::{CONFIG, ShimConfig, record};
use crate::spec::{self, Namespaces, Sources, create_error};

/// Creating takes milliseconds; a file system that hangs must not hang the caller for ever.
const CREATE_PATIENCE: Duration = Duration::from_secs(60);

/// What is needed beside the container's own configuration.
pub struct Surroundings<'a> {
    pub images: &'a Images,
    pub sandboxes: &'a Sandboxes,
    pub sandbox: &'a Sandbox,
    /// The process whose namespace is shared.
    pub target: Option<i32>,
}

/// Everything on disk, the root mounted: the shim only has to be started. Blocking.
pub fn prepare(
    config: &ContainerConfig,
    dir: &Path,
    surroundings: &Surroundings<'_>,
) -> Result<Record, RuntimeError> {
    let image = surroundings.images.unpacked(&config.image_id)?;
    let parent = surroundings.sandboxes.cgroup_path(&surroundings.sandbox.config);
    let record = Record {
        config: config.clone(),
        created_at_ms: record::now_ms(),
        layers: image.layers.clone(),
        cgroup: format!("{parent}/{}", config.id),
    };
    let done = fill(dir, &record, &image, surroundings);
    if done.is_err() {
        let _ = remove::clean_up(dir, Some(&record.cgroup));
    }
    done.map(|()| record)
}

fn fill(
    dir: &Path,
    record: &Record,
    image: &Unpacked,
    surroundings: &Surroundings<'_>,
) -> Result<(), RuntimeError> {
    let fail = |what: &'static str| {
        move |source: io::Error| RuntimeError::Io { what: format!("create container: {what}"), source }
    };
    for name in [ROOTFS, "upper", "work", "empty"] {
        std::fs::create_dir_all(dir.join(name)).map_err(fail("make directory"))?;
    }
    record::write(&dir.join(RECORD), record).map_err(fail("write container.json"))?;
    let flags = root_flags(&record.config);
    mount_overlay(surroundings.images.layers_dir(), &record.layers, dir, flags)
        .map_err(fail("mount root"))?;
    // What the root shows of it must be there first.
    Cgroup::new(&record.cgroup).create(&Resources::default()).map_err(fail("make the cgroup"))?;
    let specification = specify(dir, record, image, surroundings)?;
    specification.save(dir.join("config.json")).map_err(|e| create_error(e.to_string()))?;
    if let Some(filter) = spec::compile_filter(&specification)? {
        std::fs::write(dir.join(FILTER), filter).map_err(fail("write seccomp filter"))?;
    }
    let config = &record.config;
    let shim = ShimConfig {
        id: config.id.clone(),
        cgroup: record.cgroup.clone(),
        log_path: config.log_path.clone(),
        stdin: config.stdin,
        stdin_once: config.stdin_once,
        tty: config.tty,
    };
    if let Some(parent) = config.log_path.parent() {
        std::fs::create_dir_all(parent).map_err(fail("make the log's directory"))?;
    }
    record::write(&dir.join(CONFIG), &shim).map_err(fail("write shim.json"))
}

/// Device nodes that an image brings along must not work. Under v1 the devices cgroup sees to that;
/// under v2 it would take a BPF program.
fn root_flags(config: &ContainerConfig) -> MsFlags {
    if Hierarchies::of_this_machine().is_v2() && !config.security.privileged {
        MsFlags::MS_NODEV
    } else {
        MsFlags::empty()
    }
}

fn specify(
    dir: &Path,
    record: &Record,
    image: &Unpacked,
    surroundings: &Surroundings<'_>,
) -> Result<oci_spec::runtime::Spec, RuntimeError> {
    let config = &record.config;
    let rootfs = dir.join(ROOTFS);
    let root = RootDir::open(&rootfs)
        .map_err(|source| RuntimeError::Io { what: "open container root".to_owned(), source })?;
    let execution = &image.config.config;
    let args = execution.command_line(&config.command, &config.args);
    if args.is_empty() {
        return Err(create_error("failed to generate spec: no command specified".to_owned()));
    }
    let user = user::resolve(&root, &execution.user, &config.security)?;
    let working_dir = [config.working_dir.as_str(), execution.working_dir.as_str(), "/"]
        .into_iter()
        .find(|dir| !dir.is_empty())
        .unwrap_or("/");
    make_working_dir(&root, working_dir, config)?;
    let sandbox = surroundings.sandbox;
    spec::build(&Sources {
        config,
        sandbox,
        namespaces: Namespaces {
            process: surroundings.target.map(|pid| format!("/proc/{pid}/ns/pid").into()),
            ..surroundings.sandboxes.namespaces(&sandbox.config)
        },
        shm: &surroundings.sandboxes.shm(&sandbox.config),
        rootfs: &rootfs,
        cgroup: &record.cgroup,
        user: &user,
        args,
        env: execution.environment(&config.env),
        working_dir,
    })
}

/// Other runtimes make a missing working directory; so do we, in the root or in the volume it is in.
fn make_working_dir(root: &RootDir, path: &str, config: &ContainerConfig) -> Result<(), RuntimeError> {
    let fail = |why: String| {
        create_error(format!(
            "OCI runtime create failed: unable to start container process: chdir to cwd ({path:?}) set in config.json failed: {why}"
        ))
    };
    if !path.starts_with('/') {
        return Err(fail("Cwd must be an absolute path".to_owned()));
    }
    let volume = config
        .mounts
        .iter()
        .filter(|mount| Path::new(path).starts_with(&mount.destination))
        .max_by_key(|mount| mount.destination.components().count());
    let made = match volume {
        Some(volume) => {
            let below = Path::new(path).strip_prefix(&volume.destination).unwrap_or(Path::new(""));
            if volume.read_only || below.as_os_str().is_empty() {
                return Ok(());
            }
            RootDir::open(&volume.source).and_then(|root| make_dir(&root, below))
        }
        None => make_dir(root, Path::new(path)),
    };
    made.map_err(|e| {
        fail(crate::shim::payload::reason(nix::errno::Errno::from_raw(e.raw_os_error().unwrap_or(libc::EIO))))
    })
}

fn make_dir(root: &RootDir, path: &Path) -> io::Result<()> {
    let path = relative(path).ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
    root.create_dir_all(&path, 0o755, &mut |_, _| {}).map(drop)
}

/// Starts the shim and waits until the container's process is made. The connection tells what comes.
pub async fn start_shim(program: &Path, dir: &Path) -> Result<(ShimConnection, i32), RuntimeError> {
    let fail = |what: &'static str| {
        move |source: io::Error| RuntimeError::Io { what: format!("start shim: {what}"), source }
    };
    let (own, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
        .map_err(|e| fail("socketpair")(e.into()))?;
    let shim = ShimConnection::new(own).map_err(fail("connection"))?;
    let mut child = spawn(program, dir, theirs).map_err(fail("execute"))?;
    let Ok(answer) = tokio::time::timeout(CREATE_PATIENCE, shim.receive()).await else {
        child.kill().await.map_err(fail("kill"))?;
        return Err(create_error("timed out creating the container".to_owned()));
    };
    // From here on tokio reaps the shim whenever it ends.
    drop(child);
    match answer.map_err(fail("receive"))? {
        Some((Reply::Created { pid }, _)) => Ok((shim, pid)),
        Some((Reply::CreateFailed { message }, _)) => Err(create_error(message)),
        Some((other, _)) => Err(create_error(format!("the shim answered {other:?}"))),
        None => Err(create_error(last_words(dir))),
    }
}

fn spawn(program: &Path, dir: &Path, connection: OwnedFd) -> io::Result<tokio::process::Child> {
    let log = std::fs::File::create(dir.join("shim.log"))?;
    tokio::process::Command::new(program)
        .arg(crate::shim::COMMAND)
        .arg(dir)
        // Its own: the daemon's may hold what libcontainer acts upon (LISTEN_FDS).
        .env_clear()
        .current_dir(dir)
        .stdin(Stdio::from(connection))
        .stdout(Stdio::null())
        .stderr(Stdio::from(log))
        .spawn()
}

fn last_words(dir: &Path) -> String {
    let path: PathBuf = dir.join("shim.log");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no reason given");
    format!("the shim ended: {last}")
}
