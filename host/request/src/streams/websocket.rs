//! Numbered channels over WebSocket messages, as `k8s.io/apimachinery/pkg/util/httpstream/wsstream`.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::pipe::{BACKLOG, MessageWriter};

/// `[255, CHANNEL]` finishes a channel, from `v5.channel.k8s.io` on.
const CLOSE_CHANNEL: u8 = 255;
/// client-go begins to read before it has made its channels, and discards what comes on one it has not
/// made yet: output lost, even the exit code. Its first message gets this much behind the handshake.
const HEAD_START: Duration = Duration::from_millis(20);
/// RFC 6455, 7.4.1.
const NORMAL_CLOSURE: u16 = 1000;

/// How a channel's bytes stand in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// The channel's number, then the bytes.
    Binary,
    /// Its digit, then base64, in a text message: for clients that know no binary messages.
    Base64,
}

/// What this side sends.
#[derive(Debug)]
pub(super) enum Outgoing {
    Data(u8, Bytes),
    Close,
}

/// What the client sends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    Data(u8, Bytes),
    /// The client sends no more on this channel.
    Finished(u8),
}

/// The sending half: messages go out in the order they come in.
pub(super) struct Sending {
    outgoing: mpsc::Sender<Outgoing>,
    done: CancellationToken,
}

/// The receiving half.
pub(super) struct Receiving {
    messages: SplitStream<WebSocket>,
    encoding: Encoding,
    closes_channels: bool,
}

/// `closes_channels`: the protocol knows the close of a single channel, which also means that the client
/// is client-go.
pub(super) fn channels(socket: WebSocket, encoding: Encoding, closes_channels: bool) -> (Sending, Receiving) {
    let (sink, messages) = socket.split();
    let (outgoing, queue) = mpsc::channel(BACKLOG);
    let done = CancellationToken::new();
    let head_start = if closes_channels { HEAD_START } else { Duration::ZERO };
    let finished = done.clone();
    tokio::spawn(async move {
        tokio::time::sleep(head_start).await;
        send(sink, queue, encoding, finished).await;
    });
    (Sending { outgoing, done }, Receiving { messages, encoding, closes_channels })
}

impl Sending {
    pub(super) fn writer(&self, channel: u8) -> MessageWriter<Outgoing> {
        MessageWriter::new(self.outgoing.clone(), move |bytes| Outgoing::Data(channel, bytes), None)
    }
    pub(super) async fn send(&self, channel: u8, bytes: Bytes) {
        let _ = self.outgoing.send(Outgoing::Data(channel, bytes)).await;
    }
    /// Sends what is waiting and closes the connection.
    pub(super) async fn finish(self) {
        let _ = self.outgoing.send(Outgoing::Close).await;
        self.done.cancelled().await;
    }
}

async fn send(
    mut sink: SplitSink<WebSocket, Message>,
    mut queue: mpsc::Receiver<Outgoing>,
    encoding: Encoding,
    done: CancellationToken,
) {
    let _done = done.drop_guard();
    while let Some(Outgoing::Data(channel, bytes)) = queue.recv().await {
        if sink.feed(encoding.message(channel, &bytes)).await.is_err() {
            return;
        }
        if queue.is_empty() && sink.flush().await.is_err() {
            return;
        }
    }
    let close = CloseFrame { code: NORMAL_CLOSURE, reason: "".into() };
    let _ = sink.send(Message::Close(Some(close))).await;
}

impl Encoding {
    fn message(self, channel: u8, bytes: &[u8]) -> Message {
        match self {
            Encoding::Binary => {
                let mut message = BytesMut::with_capacity(bytes.len() + 1);
                message.put_u8(channel);
                message.extend_from_slice(bytes);
                Message::Binary(message.freeze())
            }
            Encoding::Base64 => {
                let mut message = String::from(char::from(b'0' + channel));
                STANDARD.encode_string(bytes, &mut message);
                Message::Text(message.into())
            }
        }
    }

    fn parse(self, mut bytes: Bytes) -> Option<(u8, Bytes)> {
        if bytes.is_empty() {
            return None;
        }
        let channel = bytes.split_to(1)[0];
        match self {
            Encoding::Binary => Some((channel, bytes)),
            Encoding::Base64 => Some((channel.checked_sub(b'0')?, STANDARD.decode(&bytes).ok()?.into())),
        }
    }
}

impl Receiving {
    /// `None`: the client is gone. Messages that mean nothing are skipped.
    pub(super) async fn next(&mut self) -> Option<Incoming> {
        loop {
            let bytes = match self.messages.next().await?.ok()? {
                Message::Binary(bytes) => bytes,
                Message::Text(text) => text.into(),
                Message::Close(_) => return None,
                Message::Ping(_) | Message::Pong(_) => continue,
            };
            match self.encoding.parse(bytes) {
                Some((CLOSE_CHANNEL, channel)) if self.closes_channels => {
                    if let Some(&channel) = channel.first() {
                        return Some(Incoming::Finished(channel));
                    }
                }
                Some((channel, data)) => return Some(Incoming::Data(channel, data)),
                None => {}
            }
        }
    }

    /// Reads on until the client has answered the close.
    pub(super) async fn drain(mut self) {
        while let Some(Ok(_)) = self.messages.next().await {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_carry_their_channel() {
        let binary = Encoding::Binary.message(1, b"hi");
        assert_eq!(binary, Message::Binary(Bytes::from_static(b"\x01hi")));
        let text = Encoding::Base64.message(1, b"hi");
        assert_eq!(text, Message::Text("1aGk=".into()));
        assert_eq!(Encoding::Base64.parse("0aGk=".into()), Some((0, "hi".into())));
        assert_eq!(Encoding::Base64.parse("0!".into()), None);
        assert_eq!(Encoding::Base64.parse("".into()), None);
        assert_eq!(Encoding::Binary.parse(Bytes::from_static(b"\x04x")), Some((4, "x".into())));
    }
}
