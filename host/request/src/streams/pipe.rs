//! Ends of a stream inside the process: what a node writes becomes messages of the one writer of a
//! connection, in order; what a client sends becomes a reader.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::StreamExt;
use orch_client::node::{Reader, TerminalSize};
use serde::Deserialize;
use tokio::io::AsyncWrite;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::io::StreamReader;
use tokio_util::sync::PollSender;

/// The most a single message carries.
pub(super) const CHUNK: usize = 32 * 1024;
/// Chunks that wait for a reader before the connection itself is read no further.
pub(super) const BACKLOG: usize = 32;

pub(super) fn reader(chunks: mpsc::Receiver<Bytes>) -> Reader {
    Box::new(StreamReader::new(ReceiverStream::new(chunks).map(Ok::<_, io::Error>)))
}

/// Turns writes into messages `M`; the order of messages is that of the writes.
pub(super) struct MessageWriter<M: Send> {
    messages: PollSender<M>,
    data: Box<dyn Fn(Bytes) -> M + Send>,
    /// Sent when the writer is shut down.
    end: Option<M>,
}

impl<M: Send + 'static> MessageWriter<M> {
    pub(super) fn new(
        messages: mpsc::Sender<M>,
        data: impl Fn(Bytes) -> M + Send + 'static,
        end: Option<M>,
    ) -> Self {
        MessageWriter { messages: PollSender::new(messages), data: Box::new(data), end }
    }
}

/// The connection is gone.
fn broken<E>(_: E) -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

impl<M: Send + Unpin + 'static> AsyncWrite for MessageWriter<M> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        ready!(this.messages.poll_reserve(cx)).map_err(broken)?;
        let chunk = &bytes[..bytes.len().min(CHUNK)];
        let message = (this.data)(Bytes::copy_from_slice(chunk));
        this.messages.send_item(message).map_err(broken)?;
        Poll::Ready(Ok(chunk.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.end.is_some() {
            ready!(this.messages.poll_reserve(cx)).map_err(broken)?;
            if let Some(end) = this.end.take() {
                this.messages.send_item(end).map_err(broken)?;
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// `{"Width":80,"Height":24}`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Size {
    width: u16,
    height: u16,
}

/// Sizes in a stream of JSON documents that may be cut anywhere.
#[derive(Default)]
pub(super) struct SizeParser {
    pending: Vec<u8>,
}

impl SizeParser {
    /// The sizes completed by these bytes. What is no size is dropped.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<TerminalSize> {
        self.pending.extend_from_slice(bytes);
        let mut sizes = Vec::new();
        let mut documents = serde_json::Deserializer::from_slice(&self.pending).into_iter::<Size>();
        let mut used = 0;
        loop {
            match documents.next() {
                Some(Ok(size)) => sizes.push(TerminalSize { columns: size.width, rows: size.height }),
                Some(Err(error)) if error.is_eof() => break,
                Some(Err(_)) => {
                    used = self.pending.len();
                    break;
                }
                None => {
                    used = documents.byte_offset();
                    break;
                }
            }
            used = documents.byte_offset();
        }
        self.pending.drain(..used);
        sizes
    }
}

/// Carries terminal sizes until either side is gone.
pub(super) async fn forward_sizes(mut chunks: mpsc::Receiver<Bytes>, sizes: mpsc::Sender<TerminalSize>) {
    let mut parser = SizeParser::default();
    while let Some(chunk) = chunks.recv().await {
        for size in parser.feed(&chunk) {
            if sizes.send(size).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[test]
    fn sizes_may_be_cut_anywhere() {
        let text = br#"{"Width":80,"Height":24}{"Width":100,"Height":30}
"#;
        for cut in 0..text.len() {
            let mut parser = SizeParser::default();
            let mut sizes = parser.feed(&text[..cut]);
            sizes.extend(parser.feed(&text[cut..]));
            let expected = [TerminalSize { columns: 80, rows: 24 }, TerminalSize { columns: 100, rows: 30 }];
            assert_eq!(sizes, expected, "cut at {cut}");
        }
        let mut parser = SizeParser::default();
        assert!(parser.feed(b"nonsense").is_empty());
        assert_eq!(parser.feed(br#"{"Width":1,"Height":2}"#).len(), 1);
    }

    #[tokio::test]
    async fn writes_become_messages_in_order() {
        let (sender, mut messages) = mpsc::channel(8);
        let mut writer = MessageWriter::new(sender, |bytes| bytes, Some(Bytes::from_static(b"end")));
        writer.write_all(&vec![7; CHUNK + 1]).await.unwrap();
        writer.shutdown().await.unwrap();
        assert_eq!(messages.recv().await.unwrap().len(), CHUNK);
        assert_eq!(messages.recv().await.unwrap().len(), 1);
        assert_eq!(messages.recv().await.unwrap(), "end");
        drop(messages);
        assert_eq!(writer.write(b"x").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn a_reader_ends_with_its_sender() {
        let (sender, chunks) = mpsc::channel(8);
        sender.send(Bytes::from_static(b"ab")).await.unwrap();
        drop(sender);
        let mut text = String::new();
        reader(chunks).read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "ab");
    }
}
