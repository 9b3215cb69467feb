//! A command over SPDY: the client opens a stream for each of error, stdin, stdout, stderr and resize.

use std::time::Duration;

use axum::response::Response;
use orch_client::node::{ExitCode, Stdio};
use orch_object::Status;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use super::Command;
use crate::streams::outcome::{ErrorFormat, error_message};
use crate::streams::pipe::forward_sizes;
use crate::streams::spdy::{Connection, Outgoing, Stream};
use crate::streams::upgrade::SpdyUpgrade;

/// Best first. Version 2 closes stdin by itself, 3 resizes, 4 tells exit codes.
const PROTOCOLS: [&str; 4] =
    ["v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"];
/// How long the client may take to open its streams.
const OPENING: Duration = Duration::from_secs(30);

pub(super) fn serve(upgrade: SpdyUpgrade, command: Command) -> Response {
    let protocol = match upgrade.negotiate(&PROTOCOLS, "channel.k8s.io") {
        Ok(protocol) => protocol,
        Err(refused) => return *refused,
    };
    upgrade.switch(protocol, move |connection| run(connection, command, protocol))
}

async fn run(mut connection: Connection, command: Command, protocol: &'static str) {
    let resizes = command.options.tty && matches!(protocol, "v4.channel.k8s.io" | "v3.channel.k8s.io");
    let wanted = Wanted { command: &command, resizes };
    let Some(streams) = wanted.opened(&mut connection).await else {
        tracing::debug!(pod = command.pod.name, "the streams of a command were not opened in time");
        return connection.close().await;
    };
    let format = if protocol == "v4.channel.k8s.io" { ErrorFormat::Status } else { ErrorFormat::Text };
    let ids = streams.ids();
    let (stdio, error) = streams.into_stdio(command.options.tty);
    let closed = connection.closed();
    let outcome = tokio::select! {
        outcome = command.run(stdio) => outcome,
        () = closed.cancelled() => return,
    };
    finish(&connection, error, &ids, &outcome, format).await;
    connection.close().await;
}

/// Output went out before: writers and this use one queue.
async fn finish(
    connection: &Connection,
    error: Stream,
    ids: &[u32],
    outcome: &Result<ExitCode, Status>,
    format: ErrorFormat,
) {
    let mut writer = error.writer();
    if let Some(message) = error_message(outcome, format) {
        let _ = writer.write_all(&message).await;
    }
    let _ = writer.shutdown().await;
    for &stream in ids {
        let _ = connection.outgoing().send(Outgoing::Finish { stream }).await;
    }
}

struct Wanted<'c> {
    command: &'c Command,
    resizes: bool,
}

#[derive(Default)]
struct Streams {
    error: Option<Stream>,
    stdin: Option<Stream>,
    stdout: Option<Stream>,
    stderr: Option<Stream>,
    resize: Option<Stream>,
}

impl Wanted<'_> {
    async fn opened(&self, connection: &mut Connection) -> Option<Opened> {
        tokio::time::timeout(OPENING, self.open(connection)).await.ok().flatten()
    }

    async fn open(&self, connection: &mut Connection) -> Option<Opened> {
        let mut streams = Streams::default();
        while !self.complete(&streams) {
            let stream = connection.accept().await?;
            let place = match stream.header("streamtype") {
                Some("error") => &mut streams.error,
                Some("stdin") => &mut streams.stdin,
                Some("stdout") => &mut streams.stdout,
                Some("stderr") => &mut streams.stderr,
                Some("resize") => &mut streams.resize,
                Some(_) | None => {
                    stream.refuse().await;
                    continue;
                }
            };
            stream.accept().await;
            *place = Some(stream);
        }
        let Streams { error, stdin, stdout, stderr, resize } = streams;
        Some(Opened { error: error?, stdin, stdout, stderr, resize })
    }

    fn complete(&self, streams: &Streams) -> bool {
        let options = &self.command.options;
        streams.error.is_some()
            && streams.stdin.is_some() >= options.stdin
            && streams.stdout.is_some() >= options.stdout
            && streams.stderr.is_some() >= options.stderr
            && streams.resize.is_some() >= self.resizes
    }
}

struct Opened {
    error: Stream,
    stdin: Option<Stream>,
    stdout: Option<Stream>,
    stderr: Option<Stream>,
    resize: Option<Stream>,
}

impl Opened {
    fn ids(&self) -> Vec<u32> {
        [&self.stdout, &self.stderr, &self.stdin, &self.resize].into_iter().flatten().map(|s| s.id).collect()
    }

    fn into_stdio(self, tty: bool) -> (Stdio, Stream) {
        let (sizes, resize) = mpsc::channel(4);
        if let Some(stream) = self.resize {
            tokio::spawn(forward_sizes(stream.into_input(), sizes));
        }
        let stdio = Stdio {
            stdin: self.stdin.map(Stream::into_reader),
            stdout: self.stdout.map(|stream| Box::new(stream.writer()) as _),
            stderr: self.stderr.map(|stream| Box::new(stream.writer()) as _),
            tty,
            resize,
        };
        (stdio, self.error)
    }
}
