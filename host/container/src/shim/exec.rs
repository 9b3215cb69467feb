//! A further command inside the container, under the container's own confinement: its namespaces,
//! cgroup, user, groups, capabilities, seccomp filter, environment and working directory, in the order
//! in which libcontainer sets up the first process. (Its own tenant builder drops the seccomp filter.)

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

use libcontainer::capabilities::reset_effective;
use libcontainer::syscall::Syscall;
use libcontainer::syscall::syscall::create_syscall;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::Signal;
use nix::sys::socket::{AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr};
use nix::sys::socket::{ControlMessageOwned, recvmsg, sendmsg, socketpair};
use nix::sys::stat::Mode;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Gid, Pid, Uid, chdir, fork, pipe2, setgroups, setresgid, setresuid, setsid};
use oci_spec::runtime::{Process, Spec};

use super::confine::Confinement;
use super::payload;
use crate::cgroup::Cgroup;

pub enum ExecStdio {
    /// stdin, stdout, stderr
    Pipes([OwnedFd; 3]),
    Terminal,
}

pub struct Started {
    pub pid: Pid,
    /// With [`ExecStdio::Terminal`].
    pub master: Option<OwnedFd>,
}

/// Starts the command; the process is the shim's child. The error is worded for the user.
pub fn start(
    spec: &Spec,
    init: BorrowedFd<'_>,
    cgroup: &Cgroup,
    confinement: &Confinement,
    command: Vec<String>,
    stdio: ExecStdio,
) -> Result<Started, String> {
    let other = |what: &str, errno: Errno| format!("{what}: {}", payload::reason(errno));
    let (mut report, report_end) =
        pipe2(OFlag::O_CLOEXEC).map(|(r, w)| (File::from(r), w)).map_err(|e| other("pipe", e))?;
    let (console, console_end) =
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
            .map_err(|e| other("socketpair", e))?;
    let terminal = matches!(stdio, ExecStdio::Terminal);
    // SAFETY: the shim has one thread, so the child may run any code.
    let middle = match unsafe { fork() }.map_err(|e| other("fork", e))? {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            let confined = Confined { spec, init, cgroup, confinement, command, stdio, console: console_end };
            confined.enter(report_end)
        }
    };
    drop((report_end, console_end, stdio_guard(stdio)));
    let _ = waitpid(middle, None);
    let message = Report::read(&mut report)?;
    let pid = match message {
        Report::Running(pid) => pid,
        Report::Failed(text) => return Err(text),
    };
    let master =
        if terminal { Some(receive(&console).map_err(|e| other("receive console", e))?) } else { None };
    Ok(Started { pid, master })
}

/// The parent's copies of the command's streams must be closed, or their readers never see an end.
fn stdio_guard(stdio: ExecStdio) -> Option<[OwnedFd; 3]> {
    match stdio {
        ExecStdio::Pipes(pipes) => Some(pipes),
        ExecStdio::Terminal => None,
    }
}

/// What comes over the pipe: first the process id, then, only when something fails, why.
enum Report {
    Running(Pid),
    Failed(String),
}

impl Report {
    fn read(pipe: &mut File) -> Result<Self, String> {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).map_err(|e| e.to_string())?;
        let Some((pid, message)) = bytes.split_first_chunk::<4>() else {
            return Err("the command's process ended before it was made".to_owned());
        };
        let pid = i32::from_ne_bytes(*pid);
        if message.is_empty() && pid > 0 {
            return Ok(Report::Running(Pid::from_raw(pid)));
        }
        Ok(Report::Failed(String::from_utf8_lossy(message).into_owned()))
    }
}

/// The two child processes: the first enters the namespaces, the second (whose process namespace
/// that is) takes the confinement on and becomes the command.
struct Confined<'a> {
    spec: &'a Spec,
    init: BorrowedFd<'a>,
    cgroup: &'a Cgroup,
    confinement: &'a Confinement,
    command: Vec<String>,
    stdio: ExecStdio,
    console: OwnedFd,
}

impl Confined<'_> {
    fn enter(self, report: OwnedFd) -> ! {
        let mut report = File::from(report);
        match self.enter_namespaces() {
            Ok(ForkResult::Parent { child }) => {
                let _ = report.write_all(&child.as_raw().to_ne_bytes());
                exit()
            }
            Ok(ForkResult::Child) => {
                let message = self.become_command();
                let _ = report.write_all(message.as_bytes());
                exit()
            }
            Err(message) => {
                let _ = report.write_all(&0i32.to_ne_bytes());
                let _ = report.write_all(message.as_bytes());
                exit()
            }
        }
    }

    fn enter_namespaces(&self) -> Result<ForkResult, String> {
        let process = self.process()?;
        self.cgroup.add(Pid::this()).map_err(|e| format!("join cgroup: {e}"))?;
        if let Some(score) = process.oom_score_adj() {
            std::fs::write("/proc/self/oom_score_adj", score.to_string())
                .map_err(|e| format!("set oom_score_adj: {e}"))?;
        }
        let syscall = create_syscall();
        for limit in process.rlimits().iter().flatten() {
            syscall.set_rlimit(limit).map_err(|e| format!("set rlimit: {e}"))?;
        }
        let namespaces = CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWCGROUP;
        setns(self.init, namespaces).map_err(|e| match e {
            Errno::ESRCH => "the container is not running".to_owned(),
            e => format!("enter namespaces: {}", payload::reason(e)),
        })?;
        // SAFETY: this process has one thread, so the child may run any code.
        unsafe { fork() }.map_err(|e| format!("fork: {}", payload::reason(e)))
    }

    /// Returns only with the reason why it failed.
    fn become_command(&self) -> String {
        match self.become_user() {
            Ok(env) => payload::run(&self.command, &env, || self.confinement.take_on()),
            Err(message) => message,
        }
    }

    fn process(&self) -> Result<&Process, String> {
        self.spec.process().as_ref().ok_or_else(|| "the container has no process".to_owned())
    }

    /// The environment of the command.
    fn become_user(&self) -> Result<Vec<String>, String> {
        let process = self.process()?;
        let syscall = create_syscall();
        let syscall: &dyn Syscall = syscall.as_ref();
        setsid().map_err(payload::reason)?;
        self.connect_stdio(process)?;
        if process.no_new_privileges() == Some(true) {
            // SAFETY: sets one flag of this process.
            unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
        }
        nix::sys::stat::umask(Mode::from_bits_truncate(process.user().umask().unwrap_or(0o022)));
        chdir(process.cwd().as_path())
            .map_err(|e| format!("chdir to cwd ({:?}): {}", process.cwd(), payload::reason(e)))?;
        let groups: Vec<Gid> =
            process.user().additional_gids().iter().flatten().map(|gid| Gid::from_raw(*gid)).collect();
        setgroups(&groups).map_err(|e| format!("set groups: {}", payload::reason(e)))?;
        set_user(process, syscall)?;
        syscall.close_range(0).map_err(|e| format!("close descriptors: {e}"))?;
        Ok(process.env().clone().unwrap_or_default())
    }

    fn connect_stdio(&self, process: &Process) -> Result<(), String> {
        let streams: [RawFd; 3] = match &self.stdio {
            ExecStdio::Pipes(pipes) => [pipes[0].as_raw_fd(), pipes[1].as_raw_fd(), pipes[2].as_raw_fd()],
            ExecStdio::Terminal => {
                let slave = self.open_terminal(process).map_err(|e| format!("open terminal: {e}"))?;
                // Lives until the command is executed; it is marked close-on-exec.
                let fd = std::os::fd::IntoRawFd::into_raw_fd(slave);
                [fd, fd, fd]
            }
        };
        for (target, fd) in streams.into_iter().enumerate() {
            // SAFETY: both are descriptors of this process; 0 to 2 belong to no Rust object here.
            if unsafe { libc::dup2(fd, target as RawFd) } < 0 {
                return Err(format!("connect stdio: {}", payload::reason(Errno::last())));
            }
        }
        Ok(())
    }

    /// A terminal of the container's own devpts; its master goes to the shim.
    fn open_terminal(&self, process: &Process) -> Result<OwnedFd, String> {
        let text = |errno: Errno| payload::reason(errno);
        let master =
            nix::pty::posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).map_err(text)?;
        nix::pty::unlockpt(&master).map_err(text)?;
        // SAFETY: TIOCGPTPEER opens the other side of this very terminal, whatever is mounted at
        // /dev/pts; the new descriptor is ours alone.
        let slave = unsafe {
            let fd = libc::ioctl(
                master.as_raw_fd(),
                libc::TIOCGPTPEER,
                libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC,
            );
            if fd < 0 {
                return Err(text(Errno::last()));
            }
            OwnedFd::from_raw_fd(fd)
        };
        let owner = Uid::from_raw(process.user().uid());
        nix::unistd::fchown(&slave, Some(owner), None).map_err(text)?;
        // SAFETY: makes the terminal this new session's own; takes no pointer.
        if unsafe { libc::ioctl(slave.as_raw_fd(), libc::TIOCSCTTY, 0) } < 0 {
            return Err(text(Errno::last()));
        }
        let fds = [master.as_raw_fd()];
        sendmsg::<UnixAddr>(
            self.console.as_raw_fd(),
            &[std::io::IoSlice::new(b"m")],
            &[ControlMessage::ScmRights(&fds)],
            MsgFlags::MSG_NOSIGNAL,
            None,
        )
        .map_err(text)?;
        Ok(slave)
    }
}

/// The capabilities outlive the change of user; they are cut down afterwards.
fn set_user(process: &Process, syscall: &dyn Syscall) -> Result<(), String> {
    let fail = |e: Errno| format!("set user: {}", payload::reason(e));
    let (uid, gid) = (Uid::from_raw(process.user().uid()), Gid::from_raw(process.user().gid()));
    // SAFETY: sets and clears one flag of this process.
    let keep = |keep: libc::c_ulong| unsafe { libc::prctl(libc::PR_SET_KEEPCAPS, keep, 0, 0, 0) };
    keep(1);
    setresgid(gid, gid, gid).map_err(fail)?;
    setresuid(uid, uid, uid).map_err(fail)?;
    if !uid.is_root() {
        reset_effective(syscall).map_err(|e| format!("reset capabilities: {e}"))?;
    }
    keep(0);
    Ok(())
}

fn receive(console: &OwnedFd) -> Result<OwnedFd, Errno> {
    let mut byte = [0u8; 1];
    let mut iov = [std::io::IoSliceMut::new(&mut byte)];
    let mut control = nix::cmsg_space!([RawFd; 1]);
    let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<UnixAddr>(console.as_raw_fd(), &mut iov, Some(&mut control), flags)?;
    for part in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(fds) = part
            && let Some(fd) = fds.first()
        {
            // SAFETY: the kernel has just installed this descriptor for us; nobody else owns it.
            return Ok(unsafe { OwnedFd::from_raw_fd(*fd) });
        }
    }
    Err(Errno::ENOMSG)
}

/// Ends a forked child without running the shim's destructors.
pub(super) fn exit() -> ! {
    // SAFETY: ends this process.
    unsafe { libc::_exit(super::START_FAILED) }
}

/// Kills the command and what it left in its process group.
pub fn kill(pid: Pid) {
    let _ = nix::sys::signal::killpg(pid, Signal::SIGKILL);
    let _ = nix::sys::signal::kill(pid, Signal::SIGKILL);
}

/// Loads the container's specification, which says how commands are confined.
pub fn load_spec(dir: &Path) -> Result<Spec, String> {
    Spec::load(dir.join("config.json")).map_err(|e| format!("load config.json: {e}"))
}

/// A descriptor of the process, opened while it is certain to be the one meant: it is our child and
/// not yet waited for.
pub fn pidfd(pid: Pid) -> Result<OwnedFd, Errno> {
    // SAFETY: pidfd_open takes two integers and returns a new descriptor, ours alone.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0);
        if fd < 0 { Err(Errno::last()) } else { Ok(OwnedFd::from_raw_fd(fd as RawFd)) }
    }
}

/// Sends a signal through a pidfd; a process that has ended is no error.
pub fn signal(pidfd: BorrowedFd<'_>, signal: i32) -> Result<(), Errno> {
    // SAFETY: pidfd_send_signal with a null siginfo behaves as kill(2).
    let done = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    match done {
        0 => Ok(()),
        _ if Errno::last() == Errno::ESRCH => Ok(()),
        _ => Err(Errno::last()),
    }
}
