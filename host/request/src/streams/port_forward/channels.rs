//! Port-forward over plain WebSocket channels: the ports stand in the query, and the port at place N
//! has the channels 2N for data and 2N+1 for errors. The Python client does it this way.

use std::time::Duration;

use axum::extract::ws::WebSocket;
use bytes::Bytes;
use futures::future::join_all;
use tokio::sync::mpsc;

use super::Target;
use crate::streams::pipe::{BACKLOG, reader};
use crate::streams::websocket::{Encoding, Incoming, Receiving, Sending, channels};

/// The first is also meant by a client that names none.
pub(super) const PROTOCOLS: [(&str, Encoding); 3] = [
    ("v4.channel.k8s.io", Encoding::Binary),
    ("v4.base64.channel.k8s.io", Encoding::Base64),
    ("portforward.k8s.io", Encoding::Binary),
];

/// How long the client may take to answer the close.
const LINGER: Duration = Duration::from_secs(5);

pub(super) fn encoding(protocol: &str) -> Encoding {
    PROTOCOLS.iter().find(|(name, _)| *name == protocol).map_or(Encoding::Binary, |(_, encoding)| *encoding)
}

/// Channels have a byte: more ports than that have no number.
const MOST_PORTS: usize = 128;

pub(super) async fn serve(socket: WebSocket, encoding: Encoding, target: Target, ports: Vec<u16>) {
    let (sending, mut receiving) = channels(socket, encoding, false);
    let mut inputs = Vec::new();
    let mut forwards = Vec::new();
    for (place, port) in ports.into_iter().take(MOST_PORTS).enumerate() {
        let (input, chunks) = mpsc::channel(BACKLOG);
        inputs.push(input);
        forwards.push(forward(&sending, (place * 2) as u8, port, chunks, &target));
    }
    tokio::select! {
        _ = join_all(forwards) => {}
        () = distribute(&mut receiving, inputs) => return,
    }
    let goodbye = async {
        sending.finish().await;
        receiving.drain().await;
    };
    let _ = tokio::time::timeout(LINGER, goodbye).await;
}

async fn forward(sending: &Sending, channel: u8, port: u16, chunks: mpsc::Receiver<Bytes>, target: &Target) {
    // Both channels begin with the port they are for.
    let name = Bytes::copy_from_slice(&port.to_le_bytes());
    sending.send(channel, name.clone()).await;
    sending.send(channel + 1, name).await;
    let connection = Box::new(tokio::io::join(reader(chunks), sending.writer(channel)));
    if let Err(message) = target.forward(port, connection).await {
        sending.send(channel + 1, message.into()).await;
    }
}

/// Returns when the client is gone.
async fn distribute(receiving: &mut Receiving, inputs: Vec<mpsc::Sender<Bytes>>) {
    while let Some(message) = receiving.next().await {
        if let Incoming::Data(channel, data) = message
            && channel % 2 == 0
            && let Some(input) = inputs.get(usize::from(channel / 2))
            && !data.is_empty()
        {
            let _ = input.send(data).await;
        }
    }
}
