//! The container's first process: made by libcontainer, held until it is started.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;

use libcontainer::container::Container;
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::syscall::syscall::SyscallType;
use libcontainer::workload::{Executor, ExecutorError, ExecutorSetEnvsError, ExecutorValidationError};
use nix::fcntl::OFlag;
use nix::unistd::{Pid, pipe2};
use oci_spec::runtime::Spec;

use super::confine::Confinement;
use super::stdio::{Output, Stdio};
use super::{ShimConfig, ShimError, io_error, log::Stream};
use super::{exec, payload};

/// Where libcontainer keeps its own state, below the container's directory.
pub const STATE_DIR: &str = "libcontainer";
const BUNDLE: &str = "bundle";
const CONSOLE_SOCKET: &str = "console.sock";

pub struct Init {
    pub container: Container,
    pub pid: Pid,
    pub stdio: Stdio,
    /// Says why the command could not be executed; ends empty when it was.
    pub start_errors: OwnedFd,
}

/// Creates the process with its namespaces, cgroup and root; it waits to be started.
///
/// Must be called from a process with a single thread: libcontainer changes the working directory
/// and allocates after `clone`. The working directory is the container's own.
pub fn create(dir: &Path, config: &ShimConfig) -> Result<Init, ShimError> {
    let oom_score = std::fs::read_to_string("/proc/self/oom_score_adj").ok();
    let created = build(dir, config);
    // libcontainer leaves the container's score on its caller.
    if let Some(score) = oom_score {
        let _ = std::fs::write("/proc/self/oom_score_adj", score.trim());
    }
    created
}

fn build(dir: &Path, config: &ShimConfig) -> Result<Init, ShimError> {
    let (start_errors, executor_end) = pipe2(OFlag::O_CLOEXEC).map_err(|e| io_error("pipe", e.into()))?;
    let confinement = Arc::new(write_bundle(dir)?);
    let builder = ContainerBuilder::new(config.id.clone(), SyscallType::Linux)
        .with_root_path(dir.join(STATE_DIR))?
        .with_executor(Payload { errors: executor_end.as_raw_fd(), confinement });
    let (container, stdio) =
        if config.tty { with_console(builder, dir)? } else { with_pipes(builder, dir, config)? };
    // Only the container's process may hold the writing end, so that its exec closes it.
    drop(executor_end);
    let pid = container
        .pid()
        .map(|pid| Pid::from_raw(pid.as_raw()))
        .ok_or_else(|| ShimError::Create("libcontainer made no process".to_owned()))?;
    Ok(Init { container, pid, stdio, start_errors })
}

/// libcontainer gets the specification without filter and capabilities: those are taken on by
/// [`Confinement`], when the command is executed.
fn write_bundle(dir: &Path) -> Result<Confinement, ShimError> {
    let mut spec = exec::load_spec(dir).map_err(ShimError::Create)?;
    let confinement = Confinement::load(dir, &spec).map_err(ShimError::Create)?;
    if let Some(linux) = spec.linux_mut() {
        linux.set_seccomp(None);
    }
    if let Some(process) = spec.process_mut() {
        process.set_capabilities(None);
    }
    let bundle = dir.join(BUNDLE);
    std::fs::create_dir_all(&bundle).map_err(|e| io_error("make bundle", e))?;
    spec.save(bundle.join("config.json")).map_err(|e| ShimError::Create(e.to_string()))?;
    Ok(confinement)
}

fn with_console(builder: ContainerBuilder, dir: &Path) -> Result<(Container, Stdio), ShimError> {
    // A relative name: the directory's path may be longer than a socket address. libcontainer itself
    // links to the absolute path.
    let _ = std::fs::remove_file(CONSOLE_SOCKET);
    let listener = UnixListener::bind(CONSOLE_SOCKET).map_err(|e| io_error("bind console socket", e))?;
    let container = builder
        .with_console_socket(Some(dir.join(CONSOLE_SOCKET)))
        .as_init(dir.join(BUNDLE))
        .with_systemd(false)
        .with_detach(true)
        .build()?;
    let (stream, _) = listener.accept().map_err(|e| io_error("accept console", e))?;
    let master = receive_master(&stream)?;
    let _ = std::fs::remove_file(CONSOLE_SOCKET);
    Ok((container, Stdio::with_master(master)?))
}

fn with_pipes(
    builder: ContainerBuilder,
    dir: &Path,
    config: &ShimConfig,
) -> Result<(Container, Stdio), ShimError> {
    let pipe = || pipe2(OFlag::O_CLOEXEC).map_err(|e| io_error("pipe", e.into()));
    let (stdout, stdout_end) = pipe()?;
    let (stderr, stderr_end) = pipe()?;
    let (stdin, stdin_end) = if config.stdin {
        let (read, write) = pipe()?;
        (Some(write), read)
    } else {
        let null = std::fs::File::open("/dev/null").map_err(|e| io_error("open /dev/null", e))?;
        (None, null.into())
    };
    let container = builder
        .with_stdin(stdin_end)
        .with_stdout(stdout_end)
        .with_stderr(stderr_end)
        .as_init(dir.join(BUNDLE))
        .with_systemd(false)
        .with_detach(true)
        .build()?;
    let outputs = vec![Output::new(stdout, Stream::Stdout)?, Output::new(stderr, Stream::Stderr)?];
    Ok((container, Stdio::with_pipes(stdin, outputs)?))
}

fn receive_master(stream: &UnixStream) -> Result<OwnedFd, ShimError> {
    use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixAddr, recvmsg};
    let mut byte = [0u8; 64];
    let mut iov = [std::io::IoSliceMut::new(&mut byte)];
    let mut control = nix::cmsg_space!([RawFd; 1]);
    let message =
        recvmsg::<UnixAddr>(stream.as_raw_fd(), &mut iov, Some(&mut control), MsgFlags::MSG_CMSG_CLOEXEC)
            .map_err(|e| io_error("receive console", e.into()))?;
    for part in message.cmsgs().map_err(|e| io_error("receive console", e.into()))? {
        if let ControlMessageOwned::ScmRights(fds) = part
            && let Some(fd) = fds.first()
        {
            // SAFETY: the kernel has just installed this descriptor for us; nobody else owns it.
            return Ok(unsafe { OwnedFd::from_raw_fd(*fd) });
        }
    }
    Err(ShimError::Create("the console came without a descriptor".to_owned()))
}

/// Why the command could not be executed; `None` when it was.
pub fn start_error(errors: OwnedFd) -> Option<String> {
    let mut message = String::new();
    let _ = std::fs::File::from(errors).read_to_string(&mut message);
    Some(message).filter(|message| !message.is_empty())
}

/// Executes the command, telling the shim over a pipe when that fails.
#[derive(Clone)]
struct Payload {
    errors: RawFd,
    confinement: Arc<Confinement>,
}

impl Executor for Payload {
    fn exec(&self, spec: &Spec) -> Result<(), ExecutorError> {
        let process = spec.process().as_ref().ok_or(ExecutorError::InvalidArg)?;
        let message = payload::run(
            process.args().as_deref().unwrap_or_default(),
            process.env().as_deref().unwrap_or_default(),
            || self.confinement.take_on(),
        );
        // SAFETY: this runs in the cloned child, which inherited the descriptor and never returns to
        // the code that owns it; libcontainer marks it close-on-exec but does not close it.
        let mut errors = unsafe { std::fs::File::from_raw_fd(self.errors) };
        let _ = errors.write_all(message.as_bytes());
        super::exec::exit()
    }

    /// The command is judged when it is started, as users expect the failure there.
    fn validate(&self, _: &Spec) -> Result<(), ExecutorValidationError> {
        Ok(())
    }

    /// `exec` passes the specification's environment itself, in its order.
    fn setup_envs(&self, _: HashMap<String, String>) -> Result<(), ExecutorSetEnvsError> {
        Ok(())
    }
}
