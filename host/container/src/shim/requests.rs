//! What the daemon asks of a shim, and what it gets.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;

use super::confine::Confinement;
use super::exec::{self, ExecStdio};
use super::protocol::{self, Reply, Request};
use super::server::{Role, Shim};
use super::stdio::{Attachment, Sink};
use super::{ShimError, init, record};

impl Shim {
    pub(super) fn request(&mut self, id: u64) {
        let Some(connection) = self.connections.get(&id) else { return };
        match protocol::receive::<Request>(connection.socket.as_fd()) {
            Ok(Some((request, fds))) => self.carry_out(id, request, fds),
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Ok(None) | Err(_) => self.disconnect(id),
        }
    }

    fn disconnect(&mut self, id: u64) {
        let Some(connection) = self.connections.remove(&id) else { return };
        match connection.role {
            Role::Exec(pid) => exec::kill(pid),
            Role::Attached(attachment) => {
                let last_input = attachment.stdin.is_some() && self.config.stdin_once;
                if last_input && self.stdio.master.is_none() {
                    self.stdio.stdin = None;
                }
            }
            Role::Asking | Role::Watching | Role::Starting => {}
        }
    }

    fn carry_out(&mut self, id: u64, request: Request, fds: Vec<OwnedFd>) {
        let reply = match request {
            Request::Watch => {
                self.set_role(id, Role::Watching);
                Some(Reply::State { pid: self.init.as_raw(), started_at_ms: self.started_at_ms })
            }
            Request::Start => self.start(id),
            Request::Signal { signal } => Some(match exec::signal(self.init_fd.as_fd(), signal) {
                Ok(()) => Reply::Done,
                Err(e) => Reply::Failed { message: format!("send signal {signal}: {}", e.desc()) },
            }),
            Request::Exec { command, tty } => return self.exec(id, command, tty, fds),
            Request::Attach { stdin, stdout, stderr } => Some(self.attach(id, [stdin, stdout, stderr], fds)),
            Request::Resize { columns, rows } => {
                self.stdio.resize(columns, rows);
                None
            }
        };
        if let Some(reply) = reply
            && let Some(connection) = self.connections.get(&id)
            && !connection.reply(&reply, &[])
        {
            self.disconnect(id);
        }
    }

    fn set_role(&mut self, id: u64, role: Role) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.role = role;
        }
    }

    fn start(&mut self, id: u64) -> Option<Reply> {
        if let Some(at_ms) = self.started_at_ms {
            return Some(Reply::Started { at_ms });
        }
        if !self.starting {
            if let Err(e) = self.container.start() {
                return Some(Reply::StartFailed { message: ShimError::from(e).to_string() });
            }
            self.starting = true;
        }
        self.set_role(id, Role::Starting);
        None
    }

    /// The command was executed, or could not be: then the process is about to exit.
    pub(super) fn start_settled(&mut self) {
        let Some(errors) = self.start_errors.take() else { return };
        self.start_error = init::start_error(errors).map(|message| {
            format!("OCI runtime create failed: unable to start container process: {message}")
        });
        self.starting = false;
        let reply = match &self.start_error {
            Some(message) => Reply::StartFailed { message: message.clone() },
            None => {
                let at_ms = record::now_ms();
                self.started_at_ms = Some(at_ms);
                // Without the file a later daemon asks this shim.
                let _ = self.save_state();
                Reply::Started { at_ms }
            }
        };
        let started = self.start_error.is_none();
        for connection in self.connections.values_mut() {
            match connection.role {
                Role::Starting => {
                    connection.reply(&reply, &[]);
                    connection.role = Role::Asking;
                }
                Role::Watching if started => drop(connection.reply(&reply, &[])),
                _ => {}
            }
        }
    }

    fn exec(&mut self, id: u64, command: Vec<String>, tty: bool, fds: Vec<OwnedFd>) {
        let started = self.spawn(command, tty, fds);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        match started {
            Ok(started) => {
                connection.role = Role::Exec(started.pid);
                let master: Vec<i32> = started.master.iter().map(|fd| fd.as_raw_fd()).collect();
                if !connection.reply(&Reply::ExecStarted { pid: started.pid.as_raw() }, &master) {
                    self.disconnect(id);
                }
            }
            Err(message) => drop(connection.reply(&Reply::Failed { message }, &[])),
        }
    }

    fn spawn(&self, command: Vec<String>, tty: bool, fds: Vec<OwnedFd>) -> Result<exec::Started, String> {
        if self.started_at_ms.is_none() {
            return Err("the container is not running".to_owned());
        }
        let stdio = match (tty, <[OwnedFd; 3]>::try_from(fds)) {
            (true, _) => ExecStdio::Terminal,
            (false, Ok(pipes)) => ExecStdio::Pipes(pipes),
            (false, Err(_)) => return Err("a command without a terminal needs three streams".to_owned()),
        };
        let spec = exec::load_spec(&self.dir)?;
        let confinement = Confinement::load(&self.dir, &spec)?;
        exec::start(&spec, self.init_fd.as_fd(), &self.cgroup, &confinement, command, stdio).map_err(|e| {
            format!("OCI runtime exec failed: exec failed: unable to start container process: {e}")
        })
    }

    fn attach(&mut self, id: u64, wanted: [bool; 3], fds: Vec<OwnedFd>) -> Reply {
        if wanted.iter().filter(|wanted| **wanted).count() != fds.len() {
            return Reply::Failed { message: "attach needs one descriptor per stream".to_owned() };
        }
        let mut fds = fds.into_iter();
        let mut next = |wanted: bool| if wanted { fds.next() } else { None };
        let [stdin, stdout, stderr] = wanted.map(&mut next);
        let sink = |fd: Option<OwnedFd>| fd.map(Sink::new).transpose();
        match (sink(stdout), sink(stderr)) {
            (Ok(stdout), Ok(stderr)) => {
                let stdin = stdin.filter(|fd| super::stdio::set_nonblocking(fd.as_fd()).is_ok());
                self.set_role(id, Role::Attached(Attachment { stdin, stdout, stderr }));
                Reply::Attached
            }
            _ => Reply::Failed { message: "attach: the descriptors are not usable".to_owned() },
        }
    }
}
