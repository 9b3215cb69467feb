use std::process::ExitCode;

use anyhow::Context;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, AttachParams, TerminalSize};
use tokio::io::AsyncWriteExt;

use super::{Session, plain};

pub struct Options {
    pub container: String,
    pub stdin: bool,
    pub tty: bool,
}

/// Runs a command; the exit code is the command's own.
pub async fn exec(
    session: Session,
    pod: &str,
    command: Vec<String>,
    options: Options,
) -> anyhow::Result<ExitCode> {
    let pods: Api<Pod> = Api::namespaced(session.client, &session.namespace);
    let mut parameters =
        AttachParams::default().stdin(options.stdin).stdout(true).stderr(!options.tty).tty(options.tty);
    if !options.container.is_empty() {
        parameters = parameters.container(options.container);
    }
    let mut process = pods.exec(pod, command, &parameters).await.map_err(plain)?;
    let _raw = options.tty.then(RawTerminal::enter).transpose()?;
    if options.tty
        && let (Some(mut sizes), Some(size)) = (process.terminal_size(), terminal_size())
    {
        let _ = futures::SinkExt::send(&mut sizes, size).await;
    }
    if let Some(mut stdin) = process.stdin() {
        tokio::spawn(async move {
            let _ = tokio::io::copy(&mut tokio::io::stdin(), &mut stdin).await;
            let _ = stdin.shutdown().await;
        });
    }
    let (stdout, stderr) = (process.stdout(), process.stderr());
    let copy_out = async {
        if let Some(mut stdout) = stdout {
            tokio::io::copy(&mut stdout, &mut tokio::io::stdout()).await?;
        }
        tokio::io::stdout().flush().await
    };
    let copy_err = async {
        match stderr {
            Some(mut stderr) => tokio::io::copy(&mut stderr, &mut tokio::io::stderr()).await.map(|_| ()),
            None => Ok(()),
        }
    };
    let status = process.take_status().context("the server sent no status")?;
    tokio::try_join!(copy_out, copy_err)?;
    let status = status.await;
    let code = status.as_ref().and_then(exit_code);
    match (status, code) {
        (_, Some(code)) => Ok(ExitCode::from(code)),
        (Some(status), None) if status.status.as_deref() == Some("Failure") => {
            anyhow::bail!("{}", status.message.unwrap_or_default())
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// The `ExitCode` cause of a `NonZeroExitCode` status.
fn exit_code(status: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Status) -> Option<u8> {
    let causes = status.details.as_ref()?.causes.as_ref()?;
    let cause = causes.iter().find(|c| c.reason.as_deref() == Some("ExitCode"))?;
    cause.message.as_ref()?.parse::<i32>().ok().map(|code| code as u8)
}

fn terminal_size() -> Option<TerminalSize> {
    let (columns, rows) = terminal::size()?;
    Some(TerminalSize { width: columns, height: rows })
}

/// Puts the terminal into raw mode and back.
struct RawTerminal(nix::sys::termios::Termios);

impl RawTerminal {
    fn enter() -> anyhow::Result<Self> {
        let stdin = std::io::stdin();
        let before =
            nix::sys::termios::tcgetattr(&stdin).context("--tty needs a terminal on standard input")?;
        let mut raw = before.clone();
        nix::sys::termios::cfmakeraw(&mut raw);
        nix::sys::termios::tcsetattr(&stdin, nix::sys::termios::SetArg::TCSANOW, &raw)?;
        Ok(RawTerminal(before))
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        let _ = nix::sys::termios::tcsetattr(std::io::stdin(), nix::sys::termios::SetArg::TCSANOW, &self.0);
    }
}

mod terminal {
    /// (columns, rows) of standard output, from the environment of `stty`-less shells first.
    pub fn size() -> Option<(u16, u16)> {
        orch_container::terminal::window_size(&std::io::stdout())
    }
}
