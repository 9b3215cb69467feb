//! A byte stream inside binary WebSocket messages, cut anywhere.

use std::future::ready;
use std::io;

use axum::extract::ws::{Message, WebSocket};
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::io::{CopyToBytes, SinkWriter, StreamReader};

pub(super) fn bytes_of(socket: WebSocket) -> impl AsyncRead + AsyncWrite + Send + 'static {
    let (sink, messages) = socket.split();
    let chunks = messages.take_while(|message| ready(!ends(message))).filter_map(|m| ready(payload(m)));
    let sink = sink
        .sink_map_err(io::Error::other)
        .with(|bytes: Bytes| std::future::ready(Ok::<_, io::Error>(Message::Binary(bytes))));
    tokio::io::join(StreamReader::new(Box::pin(chunks)), SinkWriter::new(CopyToBytes::new(Box::pin(sink))))
}

fn ends(message: &Result<Message, axum::Error>) -> bool {
    matches!(message, Ok(Message::Close(_)))
}

fn payload(message: Result<Message, axum::Error>) -> Option<io::Result<Bytes>> {
    match message {
        Ok(Message::Binary(bytes)) => Some(Ok(bytes)),
        Ok(Message::Text(_) | Message::Ping(_) | Message::Pong(_) | Message::Close(_)) => None,
        Err(error) => Some(Err(io::Error::other(error))),
    }
}
