//! The shim's ends of the container's standard streams, and those attached to them.

use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::{read, write};

use super::log::{LineFormat, LogFile, Stream};
use super::{ShimError, io_error};

const CHUNK: usize = 16 * 1024;
/// While an attached client has more than this to take, in bytes, the container's output waits.
const PENDING_LIMIT: usize = 256 * 1024;

pub fn set_nonblocking(fd: BorrowedFd<'_>) -> Result<(), ShimError> {
    let flags = fcntl(fd, FcntlArg::F_GETFL).map_err(|e| io_error("fcntl", e.into()))?;
    let flags = OFlag::from_bits_truncate(flags) | OFlag::O_NONBLOCK;
    fcntl(fd, FcntlArg::F_SETFL(flags)).map_err(|e| io_error("fcntl", e.into()))?;
    Ok(())
}

/// Reads what is there. `None`: the stream has ended.
pub fn read_some(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Option<usize> {
    loop {
        match read(fd, buffer) {
            Ok(0) => return None,
            Ok(n) => return Some(n),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return Some(0),
            // EIO: nobody holds the terminal any more.
            Err(_) => return None,
        }
    }
}

/// Bytes on their way into a non-blocking descriptor.
pub struct Sink {
    fd: OwnedFd,
    pending: VecDeque<u8>,
}

impl Sink {
    pub fn new(fd: OwnedFd) -> Result<Self, ShimError> {
        set_nonblocking(fd.as_fd())?;
        Ok(Self { fd, pending: VecDeque::new() })
    }

    pub fn push(&mut self, bytes: &[u8]) -> bool {
        self.pending.extend(bytes);
        self.flush()
    }

    /// False when nobody takes the bytes any more.
    pub fn flush(&mut self) -> bool {
        while !self.pending.is_empty() {
            let (front, _) = self.pending.as_slices();
            match write(&self.fd, front) {
                Ok(n) => drop(self.pending.drain(..n)),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return true,
                Err(_) => return false,
            }
        }
        true
    }

    pub fn is_waiting(&self) -> bool {
        !self.pending.is_empty()
    }

    fn is_full(&self) -> bool {
        self.pending.len() > PENDING_LIMIT
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// One stream of the container's output.
pub struct Output {
    fd: OwnedFd,
    stream: Stream,
    format: LineFormat,
}

impl Output {
    pub fn new(fd: OwnedFd, stream: Stream) -> Result<Self, ShimError> {
        set_nonblocking(fd.as_fd())?;
        Ok(Self { fd, stream, format: LineFormat::new(stream) })
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A client attached to the container's streams.
pub struct Attachment {
    pub stdin: Option<OwnedFd>,
    pub stdout: Option<Sink>,
    pub stderr: Option<Sink>,
}

impl Attachment {
    pub fn sinks(&mut self) -> [&mut Option<Sink>; 2] {
        [&mut self.stdout, &mut self.stderr]
    }

    fn is_full(&self) -> bool {
        [&self.stdout, &self.stderr].into_iter().flatten().any(Sink::is_full)
    }
}

pub struct Stdio {
    /// Toward the container; `None` once closed.
    pub stdin: Option<Sink>,
    pub master: Option<OwnedFd>,
    pub outputs: Vec<Output>,
}

impl Stdio {
    pub fn with_master(master: OwnedFd) -> Result<Self, ShimError> {
        let copy = |fd: &OwnedFd| fd.try_clone().map_err(|e| io_error("dup", e));
        let stdin = Sink::new(copy(&master)?)?;
        let outputs = vec![Output::new(copy(&master)?, Stream::Stdout)?];
        Ok(Self { stdin: Some(stdin), master: Some(master), outputs })
    }

    pub fn with_pipes(stdin: Option<OwnedFd>, outputs: Vec<Output>) -> Result<Self, ShimError> {
        Ok(Self { stdin: stdin.map(Sink::new).transpose()?, master: None, outputs })
    }

    pub fn resize(&self, columns: u16, rows: u16) {
        if let Some(master) = &self.master {
            resize(master.as_fd(), columns, rows);
        }
    }

    /// Reads one output once, to the log and to those attached; false when the stream has ended.
    pub fn pump<'a>(
        &mut self,
        index: usize,
        log: &mut LogFile,
        attachments: impl Iterator<Item = &'a mut Attachment>,
    ) -> Pumped {
        let output = &mut self.outputs[index];
        let mut buffer = [0u8; CHUNK];
        let Some(n) = read_some(output.fd.as_fd(), &mut buffer) else {
            log.append(&output.format.finish());
            return Pumped::Ended;
        };
        if n == 0 {
            return Pumped::Nothing;
        }
        log.append(&output.format.push(&buffer[..n]));
        for attachment in attachments {
            let sink = match output.stream {
                Stream::Stdout => &mut attachment.stdout,
                Stream::Stderr => &mut attachment.stderr,
            };
            if sink.as_mut().is_some_and(|sink| !sink.push(&buffer[..n])) {
                *sink = None;
            }
        }
        Pumped::Some
    }

    /// The last unfinished lines go to the log.
    pub fn finish(&mut self, log: &mut LogFile) {
        for output in &mut self.outputs {
            log.append(&output.format.finish());
        }
    }
}

pub fn any_full<'a>(mut attachments: impl Iterator<Item = &'a Attachment>) -> bool {
    attachments.any(Attachment::is_full)
}

#[derive(Debug, PartialEq, Eq)]
pub enum Pumped {
    Some,
    Nothing,
    Ended,
}

/// Sets a terminal's size.
pub fn resize(master: BorrowedFd<'_>, columns: u16, rows: u16) {
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCSWINSZ reads one winsize; a descriptor that is no terminal answers with an error.
    unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSWINSZ, &size) };
}
