//! The daemon's side of a connection to a shim.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use nix::sys::stat::Mode;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::shim::SOCKET;
use crate::shim::protocol::{Reply, Request, receive, send};

pub struct ShimConnection {
    socket: AsyncFd<OwnedFd>,
}

impl ShimConnection {
    /// Connects to the shim of the container in `dir`. `ConnectionRefused` or `NotFound`: it has ended.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let dir = nix::fcntl::open(dir, flags, Mode::empty())?;
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?;
        // Through the directory's descriptor: a socket address is too short for long paths.
        let path = format!("/proc/self/fd/{}/{SOCKET}", dir.as_raw_fd());
        connect(fd.as_raw_fd(), &UnixAddr::new(path.as_str())?)?;
        Self::new(fd)
    }

    pub fn new(socket: OwnedFd) -> io::Result<Self> {
        crate::shim::stdio::set_nonblocking(socket.as_fd()).map_err(io::Error::other)?;
        // SAFETY: the descriptor is valid and owned by the registration, which alone closes it.
        let socket = unsafe { AsyncFd::register(socket) }.map_err(|e| e.into_parts().1)?;
        Ok(Self { socket })
    }

    pub async fn send(&self, request: &Request, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
        self.socket
            .async_io(Interest::WRITABLE, |socket| {
                send(socket.as_fd(), request, &raw).map_err(io::Error::from)
            })
            .await
    }

    /// `None` at the end of the connection.
    pub async fn receive(&self) -> io::Result<Option<(Reply, Vec<OwnedFd>)>> {
        self.socket
            .async_io(Interest::READABLE, |socket| match receive(socket.as_fd()) {
                Err(Errno::ECONNRESET) => Ok(None),
                other => other.map_err(io::Error::from),
            })
            .await
    }

    /// One question, one answer.
    pub async fn ask(&self, request: &Request, fds: &[BorrowedFd<'_>]) -> io::Result<(Reply, Vec<OwnedFd>)> {
        self.send(request, fds).await?;
        self.receive().await?.ok_or_else(|| io::ErrorKind::ConnectionReset.into())
    }
}

/// The shim has ended, or is about to.
pub fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
    )
}
