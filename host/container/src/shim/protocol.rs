//! What the daemon and a shim say to each other: one JSON message per packet of a `SOCK_SEQPACKET`
//! socket, file descriptors beside it.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, UnixAddr, recvmsg, sendmsg};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::runtime::Exit;

/// Larger than any command line the kernel accepts through a URL; smaller than a socket buffer.
pub const MESSAGE_LIMIT: usize = 160 * 1024;
const FD_LIMIT: usize = 4;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "camelCase")]
pub enum Request {
    /// This connection gets every later [`Reply::Started`] and [`Reply::Exited`]. Answered with [`Reply::State`].
    Watch,
    /// Lets the created process run; answered with [`Reply::Started`] or [`Reply::StartFailed`].
    Start,
    /// Answered with [`Reply::Done`].
    Signal { signal: i32 },
    /// Descriptors (no tty): stdin, stdout, stderr of the command. With a tty [`Reply::ExecStarted`]
    /// carries the master side instead. The end of the connection kills the command.
    Exec { command: Vec<String>, tty: bool },
    /// Descriptors, in this order, for each that is true: read end for the container's stdin, write
    /// ends for its output. Lasts until [`Reply::Exited`] or the end of the connection.
    Attach { stdin: bool, stdout: bool, stderr: bool },
    /// On an attach connection; not answered.
    Resize { columns: u16, rows: u16 },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "camelCase")]
pub enum Reply {
    Created {
        pid: i32,
    },
    CreateFailed {
        message: String,
    },
    /// `started_at_ms` is `None` while the process waits to be started.
    State {
        pid: i32,
        started_at_ms: Option<i64>,
    },
    Started {
        at_ms: i64,
    },
    StartFailed {
        message: String,
    },
    Done,
    ExecStarted {
        pid: i32,
    },
    ExecExited {
        code: i32,
    },
    Attached,
    Exited(Exit),
    Failed {
        message: String,
    },
}

/// Sends one message; `Errno::EAGAIN` when a non-blocking socket is full.
pub fn send<T: Serialize>(socket: BorrowedFd<'_>, message: &T, fds: &[RawFd]) -> Result<(), Errno> {
    let body = serde_json::to_vec(message).map_err(|_| Errno::EINVAL)?;
    if body.len() > MESSAGE_LIMIT {
        return Err(Errno::EMSGSIZE);
    }
    let iov = [IoSlice::new(&body)];
    let rights = [ControlMessage::ScmRights(fds)];
    let control: &[ControlMessage] = if fds.is_empty() { &[] } else { &rights };
    sendmsg::<UnixAddr>(socket.as_raw_fd(), &iov, control, MsgFlags::MSG_NOSIGNAL, None).map(drop)
}

/// Receives one message and its descriptors (close-on-exec); `None` at the end of the connection.
pub fn receive<T: DeserializeOwned>(socket: BorrowedFd<'_>) -> Result<Option<(T, Vec<OwnedFd>)>, Errno> {
    let mut body = vec![0u8; MESSAGE_LIMIT];
    let mut control = nix::cmsg_space!([RawFd; FD_LIMIT]);
    let (length, fds) = {
        let mut iov = [IoSliceMut::new(&mut body)];
        let message = recvmsg::<UnixAddr>(
            socket.as_raw_fd(),
            &mut iov,
            Some(&mut control),
            MsgFlags::MSG_CMSG_CLOEXEC,
        )?;
        let mut fds = Vec::new();
        for part in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(received) = part {
                // SAFETY: the kernel has just installed these descriptors for us; nobody else owns them.
                fds.extend(received.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
            }
        }
        (message.bytes, fds)
    };
    if length == 0 {
        return Ok(None);
    }
    let message = serde_json::from_slice(&body[..length]).map_err(|_| Errno::EBADMSG)?;
    Ok(Some((message, fds)))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

    use super::*;

    #[test]
    fn messages_keep_their_bounds_and_descriptors() {
        let (a, b) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        send(a.as_fd(), &Request::Signal { signal: 9 }, &[]).unwrap();
        send(a.as_fd(), &Request::Start, &[null.as_raw_fd()]).unwrap();
        drop(a);
        let (first, none) = receive::<Request>(b.as_fd()).unwrap().unwrap();
        assert!(matches!(first, Request::Signal { signal: 9 }) && none.is_empty());
        let (second, one) = receive::<Request>(b.as_fd()).unwrap().unwrap();
        assert!(matches!(second, Request::Start) && one.len() == 1);
        assert!(receive::<Request>(b.as_fd()).unwrap().is_none());
    }
}
