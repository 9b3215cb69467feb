//! Commands in running containers, and clients attached to them: the bytes between a shim's
//! descriptors and whoever asked.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::unistd::pipe2;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;

use super::client::{ShimConnection, is_gone};
use crate::runtime::{ExecRequest, RuntimeError, phase};
use crate::shim::protocol::{Reply, Request};

/// How long output may still come after a command's exit: something it left behind may hold its
/// streams for ever.
const LAST_OUTPUT: Duration = Duration::from_secs(2);
const CHUNK: usize = 32 * 1024;

type Source = Box<dyn AsyncRead + Send + Unpin>;
type Target = Box<dyn AsyncWrite + Send + Unpin>;

fn io_error(what: &str) -> impl Fn(io::Error) -> RuntimeError + '_ {
    move |source| RuntimeError::Io { what: what.to_owned(), source }
}

fn exec_error(message: String) -> RuntimeError {
    RuntimeError::Start { phase: phase::EXEC, message }
}

/// Runs the command to its end. Dropping the future ends the connection, and the shim kills the command.
pub async fn exec(dir: &Path, request: ExecRequest) -> Result<i32, RuntimeError> {
    let shim = ShimConnection::open(dir).map_err(|e| match is_gone(&e) {
        true => exec_error("container is not running".to_owned()),
        false => io_error("connect to the shim")(e),
    })?;
    if request.tty { in_terminal(shim, request).await } else { with_pipes(shim, request).await }
}

async fn with_pipes(shim: ShimConnection, request: ExecRequest) -> Result<i32, RuntimeError> {
    let fail = io_error("exec: pipe");
    let (stdin, stdin_end) = input(request.stdin.is_some()).map_err(&fail)?;
    let (stdout, stdout_end) = output(request.stdout.is_some()).map_err(&fail)?;
    let (stderr, stderr_end) = output(request.stderr.is_some()).map_err(&fail)?;
    let ask = Request::Exec { command: request.command, tty: false };
    let ends = [stdin_end.as_fd(), stdout_end.as_fd(), stderr_end.as_fd()];
    started(&shim, &ask, &ends).await?;
    drop((stdin_end, stdout_end, stderr_end));
    let copies = async {
        tokio::join!(copy_out(stdout, request.stdout), copy_out(stderr, request.stderr));
    };
    run(&shim, copies, copy_in(request.stdin, stdin), forget_sizes(request.resize)).await
}

async fn in_terminal(shim: ShimConnection, request: ExecRequest) -> Result<i32, RuntimeError> {
    let ask = Request::Exec { command: request.command, tty: true };
    let mut fds = started(&shim, &ask, &[]).await?.into_iter();
    let master = fds.next().ok_or_else(|| exec_error("the shim gave no terminal".to_owned()))?;
    let fail = io_error("exec: terminal");
    crate::shim::stdio::set_nonblocking(master.as_fd()).map_err(|e| exec_error(e.to_string()))?;
    let clone = |fd: &OwnedFd| fd.try_clone().map_err(&fail);
    // "Unchecked": a terminal is no pipe, but reads, writes and polls like one.
    let read = pipe::Receiver::from_owned_fd_unchecked(clone(&master)?).map_err(&fail)?;
    let write = pipe::Sender::from_owned_fd_unchecked(clone(&master)?).map_err(&fail)?;
    let out = copy_out(Some(read), request.stdout);
    run(&shim, out, copy_in(request.stdin, Some(write)), resize_all(request.resize, master)).await
}

/// Descriptors that came with the answer, when the command runs.
async fn started(
    shim: &ShimConnection,
    ask: &Request,
    fds: &[BorrowedFd<'_>],
) -> Result<Vec<OwnedFd>, RuntimeError> {
    match shim.ask(ask, fds).await {
        Ok((Reply::ExecStarted { .. } | Reply::Attached, fds)) => Ok(fds),
        Ok((Reply::Failed { message }, _)) => Err(exec_error(message)),
        Ok((Reply::Exited(_), _)) => Err(exec_error("container is not running".to_owned())),
        Ok((other, _)) => Err(exec_error(format!("the shim answered {other:?}"))),
        Err(e) if is_gone(&e) => Err(exec_error("container is not running".to_owned())),
        Err(e) => Err(io_error("ask the shim")(e)),
    }
}

/// Until the command has ended and its output is through; input and sizes go beside it.
async fn run(
    shim: &ShimConnection,
    output: impl Future<Output = ()>,
    input: impl Future<Output = ()>,
    sizes: impl Future<Output = ()>,
) -> Result<i32, RuntimeError> {
    let beside = async {
        tokio::join!(input, sizes);
        std::future::pending::<()>().await
    };
    let both = async {
        tokio::pin!(output);
        let mut through = false;
        let code = {
            let end = end_of_command(shim);
            tokio::pin!(end);
            loop {
                tokio::select! {
                    code = &mut end => break code?,
                    () = &mut output, if !through => through = true,
                }
            }
        };
        if !through {
            let _ = tokio::time::timeout(LAST_OUTPUT, output).await;
        }
        Ok(code)
    };
    tokio::select! {
        code = both => code,
        () = beside => unreachable!("never ends"),
    }
}

async fn end_of_command(shim: &ShimConnection) -> Result<i32, RuntimeError> {
    loop {
        match shim.receive().await.map_err(io_error("wait for the command"))? {
            Some((Reply::ExecExited { code }, _)) => return Ok(code),
            Some(_) => {}
            // The shim was killed, and the command with the container.
            None => return Ok(137),
        }
    }
}

/// Streams of the running container, until it exits or the client leaves.
pub async fn attach(dir: &Path, request: ExecRequest) -> Result<(), RuntimeError> {
    let shim = ShimConnection::open(dir).map_err(|e| match is_gone(&e) {
        true => exec_error("container is not running".to_owned()),
        false => io_error("connect to the shim")(e),
    })?;
    let fail = io_error("attach: pipe");
    let ask = Request::Attach {
        stdin: request.stdin.is_some(),
        stdout: request.stdout.is_some(),
        stderr: request.stderr.is_some(),
    };
    let (stdin, stdin_end) = input(request.stdin.is_some()).map_err(&fail)?;
    let (stdout, stdout_end) = output(request.stdout.is_some()).map_err(&fail)?;
    let (stderr, stderr_end) = output(request.stderr.is_some()).map_err(&fail)?;
    let wanted =
        [(stdin.is_some(), &stdin_end), (stdout.is_some(), &stdout_end), (stderr.is_some(), &stderr_end)];
    let fds: Vec<BorrowedFd<'_>> = wanted.iter().filter(|(w, _)| *w).map(|(_, fd)| fd.as_fd()).collect();
    started(&shim, &ask, &fds).await?;
    drop((stdin_end, stdout_end, stderr_end));
    let has_output = stdout.is_some() || stderr.is_some();
    let out = async {
        tokio::join!(copy_out(stdout, request.stdout), copy_out(stderr, request.stderr));
    };
    let beside = async {
        tokio::join!(copy_in(request.stdin, stdin), forward_sizes(request.resize, &shim));
        std::future::pending::<()>().await
    };
    let end = async {
        while let Ok(Some((reply, _))) = shim.receive().await {
            if matches!(reply, Reply::Exited(_)) {
                break;
            }
        }
    };
    let until_end = async {
        tokio::pin!(out);
        // The output ends first when the container closes it or the client leaves.
        tokio::select! {
            () = end => drop(tokio::time::timeout(LAST_OUTPUT, out).await),
            () = &mut out, if has_output => {}
        }
    };
    tokio::select! {
        () = until_end => Ok(()),
        () = beside => unreachable!("never ends"),
    }
}

fn null(write: bool) -> io::Result<OwnedFd> {
    Ok(std::fs::OpenOptions::new().read(!write).write(write).open("/dev/null")?.into())
}

/// Our end of the command's input, and the command's.
fn input(wanted: bool) -> io::Result<(Option<pipe::Sender>, OwnedFd)> {
    if !wanted {
        return Ok((None, null(false)?));
    }
    let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
    Ok((Some(pipe::Sender::from_owned_fd(write)?), read))
}

/// Our end of one of the command's outputs, and the command's.
fn output(wanted: bool) -> io::Result<(Option<pipe::Receiver>, OwnedFd)> {
    if !wanted {
        return Ok((None, null(true)?));
    }
    let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
    Ok((Some(pipe::Receiver::from_owned_fd(read)?), write))
}

/// Ends with the source, or when nobody takes the bytes any more.
async fn copy_out(source: Option<pipe::Receiver>, target: Option<Target>) {
    let (Some(mut source), Some(mut target)) = (source, target) else { return };
    let mut buffer = vec![0u8; CHUNK];
    // An error is a terminal that nobody holds any more.
    while let Ok(n @ 1..) = source.read(&mut buffer).await {
        if target.write_all(&buffer[..n]).await.is_err() || target.flush().await.is_err() {
            return;
        }
    }
    let _ = target.shutdown().await;
}

/// Ends with the source, closing the command's input.
async fn copy_in(source: Option<Source>, target: Option<pipe::Sender>) {
    let (Some(mut source), Some(mut target)) = (source, target) else { return };
    let mut buffer = vec![0u8; CHUNK];
    while let Ok(n @ 1..) = source.read(&mut buffer).await {
        if target.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}

async fn resize_all(mut sizes: mpsc::Receiver<(u16, u16)>, master: OwnedFd) {
    while let Some((columns, rows)) = sizes.recv().await {
        crate::shim::stdio::resize(master.as_fd(), columns, rows);
    }
    // Kept open as long as the command runs.
    std::future::pending::<()>().await
}

async fn forward_sizes(mut sizes: mpsc::Receiver<(u16, u16)>, shim: &ShimConnection) {
    while let Some((columns, rows)) = sizes.recv().await {
        let _ = shim.send(&Request::Resize { columns, rows }, &[]).await;
    }
}

/// Without a terminal there is nothing to resize; the sender must not be blocked.
async fn forget_sizes(mut sizes: mpsc::Receiver<(u16, u16)>) {
    while sizes.recv().await.is_some() {}
}
