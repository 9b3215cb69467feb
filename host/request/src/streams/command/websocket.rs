//! A command over WebSocket: channels 0 to 4 are stdin, stdout, stderr, error and resize.

use std::time::Duration;

use axum::extract::WebSocketUpgrade;
use axum::extract::ws::WebSocket;
use axum::response::Response;
use bytes::Bytes;
use orch_client::node::{Stdio, TerminalSize};
use orch_object::Status;
use tokio::sync::mpsc;

use super::Command;
use crate::encode::status_response;
use crate::streams::outcome::{ErrorFormat, error_message};
use crate::streams::pipe::{BACKLOG, SizeParser, reader};
use crate::streams::websocket::{Encoding, Incoming, Receiving, Sending, channels};

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;

/// How long the client may take to answer the close.
const LINGER: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy)]
struct Protocol {
    name: &'static str,
    encoding: Encoding,
    errors: ErrorFormat,
    /// Stdin can end before the connection does.
    closes_channels: bool,
}

/// Best first; the last is also meant by a client that names none.
const PROTOCOLS: [Protocol; 5] = [
    protocol("v5.channel.k8s.io", Encoding::Binary, ErrorFormat::Status, true),
    protocol("v4.channel.k8s.io", Encoding::Binary, ErrorFormat::Status, false),
    protocol("v4.base64.channel.k8s.io", Encoding::Base64, ErrorFormat::Status, false),
    protocol("base64.channel.k8s.io", Encoding::Base64, ErrorFormat::Text, false),
    protocol("channel.k8s.io", Encoding::Binary, ErrorFormat::Text, false),
];

const fn protocol(
    name: &'static str,
    encoding: Encoding,
    errors: ErrorFormat,
    closes_channels: bool,
) -> Protocol {
    Protocol { name, encoding, errors, closes_channels }
}

pub(super) fn serve(upgrade: WebSocketUpgrade, command: Command) -> Response {
    let upgrade = upgrade.protocols(PROTOCOLS.map(|protocol| protocol.name));
    let agreed = upgrade.selected_protocol().and_then(|name| PROTOCOLS.iter().find(|p| *name == p.name));
    let protocol = match agreed {
        Some(protocol) => *protocol,
        None if upgrade.requested_protocols().next().is_none() => PROTOCOLS[PROTOCOLS.len() - 1],
        None => {
            let spoken = PROTOCOLS.map(|p| p.name).join(", ");
            let why = format!("none of the requested WebSocket protocols is one of: {spoken}");
            return status_response(&Status::bad_request(why));
        }
    };
    upgrade.on_upgrade(move |socket| run(socket, command, protocol))
}

async fn run(socket: WebSocket, command: Command, protocol: Protocol) {
    let (sending, mut receiving) = channels(socket, protocol.encoding, protocol.closes_channels);
    let (stdio, mut inputs) = stdio(&command, &sending);
    greet(&command, &sending).await;
    let outcome = tokio::select! {
        outcome = command.run(stdio) => outcome,
        () = inputs.forward(&mut receiving) => return,
    };
    if let Some(message) = error_message(&outcome, protocol.errors) {
        sending.send(ERROR, message).await;
    }
    let goodbye = async {
        sending.finish().await;
        receiving.drain().await;
    };
    let _ = tokio::time::timeout(LINGER, goodbye).await;
}

/// An empty message on the first output tells the client that the connection stands, as upstream does.
async fn greet(command: &Command, sending: &Sending) {
    let channel = match &command.options {
        options if options.stdout => STDOUT,
        options if options.stderr => STDERR,
        _ => ERROR,
    };
    sending.send(channel, Bytes::new()).await;
}

fn stdio(command: &Command, sending: &Sending) -> (Stdio, Inputs) {
    let options = &command.options;
    let (stdin, chunks) = mpsc::channel(BACKLOG);
    let (sizes, resize) = mpsc::channel(4);
    let stdio = Stdio {
        stdin: options.stdin.then(|| reader(chunks)),
        stdout: options.stdout.then(|| Box::new(sending.writer(STDOUT)) as _),
        stderr: options.stderr.then(|| Box::new(sending.writer(STDERR)) as _),
        tty: options.tty,
        resize,
    };
    let inputs = Inputs { stdin: options.stdin.then_some(stdin), sizes, parser: SizeParser::default() };
    (stdio, inputs)
}

/// Where the client's messages go.
struct Inputs {
    stdin: Option<mpsc::Sender<Bytes>>,
    sizes: mpsc::Sender<TerminalSize>,
    parser: SizeParser,
}

impl Inputs {
    /// Returns when the client is gone.
    async fn forward(&mut self, receiving: &mut Receiving) {
        while let Some(message) = receiving.next().await {
            match message {
                Incoming::Data(STDIN, data) => {
                    if let Some(stdin) = &self.stdin
                        && !data.is_empty()
                    {
                        // A command that reads no more is not the client's concern.
                        let _ = stdin.send(data).await;
                    }
                }
                Incoming::Data(RESIZE, data) => {
                    for size in self.parser.feed(&data) {
                        let _ = self.sizes.send(size).await;
                    }
                }
                Incoming::Finished(STDIN) => self.stdin = None,
                Incoming::Data(..) | Incoming::Finished(_) => {}
            }
        }
    }
}
