//! The shim's event loop: the container's process, its streams, and the connections of the daemon.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use libcontainer::container::Container;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, accept4, bind, listen, socket};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::exec;
use super::init::{self, Init};
use super::log::LogFile;
use super::protocol::{self, Reply};
use super::record::{self, ProcessIdentity, ShimState};
use super::stdio::{Attachment, Pumped, Sink, Stdio, any_full, read_some};
use super::{SOCKET, START_FAILED, ShimConfig, ShimError, io_error};
use crate::cgroup::Cgroup;
use crate::runtime::Exit;

/// How long attached clients may take the last output after the container's exit, in milliseconds.
const FAREWELL_MS: u16 = 2000;

/// Creates the container, tells the daemon, serves until the container has exited.
pub fn serve(dir: &Path, config: ShimConfig, daemon: OwnedFd) -> Result<(), ShimError> {
    // Both before any child exists, so that no exit is missed and a new daemon can always connect.
    let signals = child_signals()?;
    let listener = listen_at(Path::new(SOCKET))?;
    let created = LogFile::open(&config.log_path)
        .map_err(|e| io_error(&format!("open log {}", config.log_path.display()), e))
        .and_then(|log| Ok((log, init::create(dir, &config)?)));
    let mut shim = match created {
        Ok((log, init)) => Shim::new(dir, config, signals, listener, log, init)?,
        Err(e) => {
            let _ = protocol::send(daemon.as_fd(), &Reply::CreateFailed { message: e.to_string() }, &[]);
            return Err(e);
        }
    };
    shim.save_state()?;
    shim.greet(daemon);
    let exit = shim.run()?;
    shim.depart(exit);
    Ok(())
}

fn child_signals() -> Result<SignalFd, ShimError> {
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGCHLD);
    mask.thread_block().map_err(|e| io_error("block SIGCHLD", e.into()))?;
    SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .map_err(|e| io_error("signalfd", e.into()))
}

/// The name is relative to the working directory, as a socket address is short.
fn listen_at(name: &Path) -> Result<OwnedFd, ShimError> {
    let _ = std::fs::remove_file(name);
    let fail = |e: Errno| io_error("listen", e.into());
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).map_err(fail)?;
    bind(fd.as_raw_fd(), &UnixAddr::new(name).map_err(fail)?).map_err(fail)?;
    listen(&fd, Backlog::MAXCONN).map_err(fail)?;
    Ok(fd)
}

pub(super) enum Role {
    /// Has not said what it wants, or asks one thing after another.
    Asking,
    Watching,
    Starting,
    Exec(Pid),
    Attached(Attachment),
}

pub(super) struct Connection {
    pub(super) socket: OwnedFd,
    pub(super) role: Role,
}

impl Connection {
    pub(super) fn reply(&self, reply: &Reply, fds: &[i32]) -> bool {
        protocol::send(self.socket.as_fd(), reply, fds).is_ok()
    }
}

/// What a ready descriptor stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Children,
    Listener,
    StartErrors,
    Output(usize),
    Stdin,
    Request(u64),
    AttachedStdin(u64),
    AttachedSink(u64),
}

pub(super) struct Shim {
    pub(super) dir: PathBuf,
    pub(super) config: ShimConfig,
    pub(super) cgroup: Cgroup,
    pub(super) signals: SignalFd,
    pub(super) listener: OwnedFd,
    pub(super) log: LogFile,
    pub(super) container: Container,
    pub(super) identity: ProcessIdentity,
    pub(super) init: Pid,
    pub(super) init_fd: OwnedFd,
    pub(super) stdio: Stdio,
    /// Open while the start is pending.
    pub(super) start_errors: Option<OwnedFd>,
    pub(super) starting: bool,
    pub(super) started_at_ms: Option<i64>,
    pub(super) start_error: Option<String>,
    pub(super) status: Option<WaitStatus>,
    pub(super) connections: BTreeMap<u64, Connection>,
    pub(super) next_connection: u64,
}

impl Shim {
    fn new(
        dir: &Path,
        config: ShimConfig,
        signals: SignalFd,
        listener: OwnedFd,
        log: LogFile,
        init: Init,
    ) -> Result<Self, ShimError> {
        let identity =
            ProcessIdentity::of(init.pid.as_raw()).map_err(|e| io_error("read the process's stat", e))?;
        Ok(Self {
            dir: dir.to_owned(),
            cgroup: Cgroup::new(&config.cgroup),
            config,
            signals,
            listener,
            log,
            container: init.container,
            identity,
            init_fd: exec::pidfd(init.pid).map_err(|e| io_error("pidfd_open", e.into()))?,
            init: init.pid,
            stdio: init.stdio,
            start_errors: Some(init.start_errors),
            starting: false,
            started_at_ms: None,
            start_error: None,
            status: None,
            connections: BTreeMap::new(),
            next_connection: 0,
        })
    }

    pub(super) fn save_state(&self) -> Result<(), ShimError> {
        let own = std::process::id() as i32;
        let state = ShimState {
            shim: ProcessIdentity::of(own).map_err(|e| io_error("read own stat", e))?,
            init: self.identity.clone(),
            started_at_ms: self.started_at_ms,
        };
        record::write(&self.dir.join(record::STATE), &state).map_err(|e| io_error("write state.json", e))
    }

    /// The daemon that made this shim watches from the start.
    fn greet(&mut self, daemon: OwnedFd) {
        let connection = Connection { socket: daemon, role: Role::Watching };
        if connection.reply(&Reply::Created { pid: self.init.as_raw() }, &[]) {
            self.add(connection);
        }
    }

    fn add(&mut self, connection: Connection) {
        self.connections.insert(self.next_connection, connection);
        self.next_connection += 1;
    }

    fn run(&mut self) -> Result<Exit, ShimError> {
        while self.status.is_none() {
            for source in self.wait(PollTimeout::NONE)? {
                self.handle(source);
            }
        }
        Ok(self.end())
    }

    fn attachments(&mut self) -> impl Iterator<Item = &mut Attachment> {
        self.connections.values_mut().filter_map(|connection| match &mut connection.role {
            Role::Attached(attachment) => Some(attachment),
            _ => None,
        })
    }

    fn wait(&self, timeout: PollTimeout) -> Result<Vec<Source>, ShimError> {
        let mut fds = Vec::with_capacity(8);
        let mut sources = Vec::with_capacity(8);
        let mut watch = |fd, flags, source| {
            fds.push(PollFd::new(fd, flags));
            sources.push(source);
        };
        watch(self.signals.as_fd(), PollFlags::POLLIN, Source::Children);
        watch(self.listener.as_fd(), PollFlags::POLLIN, Source::Listener);
        if let Some(errors) = self.start_errors.as_ref().filter(|_| self.starting) {
            watch(errors.as_fd(), PollFlags::POLLIN, Source::StartErrors);
        }
        if !any_full(self.connections.values().filter_map(|c| match &c.role {
            Role::Attached(attachment) => Some(attachment),
            _ => None,
        })) {
            for (index, output) in self.stdio.outputs.iter().enumerate() {
                watch(output.fd(), PollFlags::POLLIN, Source::Output(index));
            }
        }
        let stdin_waits = self.stdio.stdin.as_ref().is_some_and(Sink::is_waiting);
        if let Some(stdin) = self.stdio.stdin.as_ref().filter(|_| stdin_waits) {
            watch(stdin.fd(), PollFlags::POLLOUT, Source::Stdin);
        }
        for (id, connection) in &self.connections {
            watch(connection.socket.as_fd(), PollFlags::POLLIN, Source::Request(*id));
            let Role::Attached(attachment) = &connection.role else { continue };
            if let Some(stdin) = attachment.stdin.as_ref().filter(|_| !stdin_waits) {
                watch(stdin.as_fd(), PollFlags::POLLIN, Source::AttachedStdin(*id));
            }
            for sink in [&attachment.stdout, &attachment.stderr].into_iter().flatten() {
                if sink.is_waiting() {
                    watch(sink.fd(), PollFlags::POLLOUT, Source::AttachedSink(*id));
                }
            }
        }
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(e) => return Err(io_error("poll", e.into())),
        }
        let ready = fds.iter().zip(sources).filter(|(fd, _)| fd.any().unwrap_or(false));
        Ok(ready.map(|(_, source)| source).collect())
    }

    fn handle(&mut self, source: Source) {
        match source {
            Source::Children => self.reap(),
            Source::Listener => self.accept(),
            Source::StartErrors => self.start_settled(),
            Source::Output(index) => self.pump(index),
            Source::Stdin => self.flush_stdin(),
            Source::Request(id) => self.request(id),
            Source::AttachedStdin(id) => self.take_stdin(id),
            Source::AttachedSink(id) => self.flush_sinks(id),
        }
    }

    fn reap(&mut self) {
        while let Ok(Some(_)) = self.signals.read_signal() {}
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(status @ (WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, _, _))) => {
                    self.reaped(pid, status);
                }
                Ok(WaitStatus::StillAlive) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }

    fn reaped(&mut self, pid: Pid, status: WaitStatus) {
        if pid == self.init {
            self.status = Some(status);
        }
        let code = exit_code(status);
        self.connections.retain(|_, connection| {
            let ended = matches!(connection.role, Role::Exec(exec) if exec == pid);
            if ended {
                connection.reply(&Reply::ExecExited { code }, &[]);
            }
            !ended
        });
    }

    fn accept(&mut self) {
        while let Ok(fd) =
            accept4(self.listener.as_raw_fd(), SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK)
        {
            // SAFETY: accept4 has just returned this descriptor; nobody else owns it.
            let socket = unsafe { OwnedFd::from_raw_fd(fd) };
            self.add(Connection { socket, role: Role::Asking });
        }
    }

    fn pump(&mut self, index: usize) {
        let attachments = self.connections.values_mut().filter_map(|c| match &mut c.role {
            Role::Attached(attachment) => Some(attachment),
            _ => None,
        });
        // One that has ended would be ready for ever.
        if index < self.stdio.outputs.len()
            && self.stdio.pump(index, &mut self.log, attachments) == Pumped::Ended
        {
            self.stdio.outputs.remove(index);
        }
    }

    fn flush_stdin(&mut self) {
        if self.stdio.stdin.as_mut().is_some_and(|stdin| !stdin.flush()) {
            self.stdio.stdin = None;
        }
    }

    fn flush_sinks(&mut self, id: u64) {
        let Some(Connection { role: Role::Attached(attachment), .. }) = self.connections.get_mut(&id) else {
            return;
        };
        for sink in attachment.sinks() {
            if sink.as_mut().is_some_and(|sink| !sink.flush()) {
                *sink = None;
            }
        }
    }

    /// Input of an attached client goes to the container; its end closes the container's input when
    /// that was asked for (`stdinOnce`).
    fn take_stdin(&mut self, id: u64) {
        let Some(Connection { role: Role::Attached(attachment), .. }) = self.connections.get_mut(&id) else {
            return;
        };
        let Some(source) = &attachment.stdin else { return };
        let mut buffer = [0u8; 16 * 1024];
        match read_some(source.as_fd(), &mut buffer) {
            Some(n) => {
                if self.stdio.stdin.as_mut().is_some_and(|stdin| !stdin.push(&buffer[..n])) {
                    self.stdio.stdin = None;
                }
            }
            None => {
                attachment.stdin = None;
                if self.config.stdin_once && self.stdio.master.is_none() {
                    self.stdio.stdin = None;
                }
            }
        }
    }

    /// The process has ended: what else runs in the container ends too, and its output is kept.
    fn end(&mut self) -> Exit {
        if self.starting {
            self.start_settled();
        }
        let oom_kills = self.cgroup.oom_kills();
        self.cgroup.kill_all();
        for index in (0..self.stdio.outputs.len()).rev() {
            self.drain(index);
        }
        self.stdio.finish(&mut self.log);
        let status = self.status.unwrap_or(WaitStatus::Exited(self.init, START_FAILED));
        let code = if self.start_error.is_some() { START_FAILED } else { exit_code(status) };
        let signal = match status {
            WaitStatus::Signaled(_, signal, _) => Some(signal as i32),
            _ => None,
        };
        let finished_at_ms = record::now_ms();
        Exit {
            code,
            signal,
            oom_killed: oom_kills > 0 && code != 0,
            started_at_ms: self.started_at_ms.unwrap_or(if self.start_error.is_some() {
                finished_at_ms
            } else {
                0
            }),
            finished_at_ms,
            start_error: self.start_error.clone(),
        }
    }

    fn drain(&mut self, index: usize) {
        loop {
            let attachments = self.connections.values_mut().filter_map(|c| match &mut c.role {
                Role::Attached(attachment) => Some(attachment),
                _ => None,
            });
            if self.stdio.pump(index, &mut self.log, attachments) != Pumped::Some {
                return;
            }
        }
    }

    /// Records the exit, tells everyone, cleans up what is the shim's.
    fn depart(mut self, exit: Exit) {
        if let Err(e) = record::write_exit(&self.dir, &exit) {
            eprintln!("shim: write exit.json: {e}");
        }
        let _ = std::fs::remove_file(SOCKET);
        let deadline = std::time::Instant::now() + std::time::Duration::from_millis(FAREWELL_MS.into());
        while self.attachments().any(|a| a.sinks().into_iter().flatten().any(|sink| sink.is_waiting()))
            && std::time::Instant::now() < deadline
        {
            for source in self.wait(PollTimeout::from(50u8)).unwrap_or_default() {
                if let Source::AttachedSink(id) = source {
                    self.flush_sinks(id);
                }
            }
        }
        for connection in self.connections.values() {
            let word = match connection.role {
                // Killed with the container.
                Role::Exec(_) => Reply::ExecExited { code: 137 },
                Role::Watching | Role::Attached(_) => Reply::Exited(exit.clone()),
                Role::Asking | Role::Starting => continue,
            };
            // Whoever has left meanwhile finds the exit file.
            connection.reply(&word, &[]);
        }
        self.connections.clear();
        if let Err(e) = self.cgroup.remove() {
            eprintln!("shim: remove cgroup {}: {e}", self.config.cgroup);
        }
        let rootfs = self.dir.join(crate::container::ROOTFS);
        let _ = nix::mount::umount2(&rootfs, nix::mount::MntFlags::MNT_DETACH);
    }
}

fn exit_code(status: WaitStatus) -> i32 {
    match status {
        WaitStatus::Exited(_, code) => code,
        WaitStatus::Signaled(_, signal, _) => 128 + signal as i32,
        _ => START_FAILED,
    }
}
