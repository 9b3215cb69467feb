//! A served connection: streams come in, messages go out.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use orch_client::node::Reader;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_util::codec::{FramedRead, FramedWrite};
use tokio_util::sync::CancellationToken;

use super::SpdyError;
use super::frame::{Frame, FrameCodec, PROTOCOL_ERROR, REFUSED_STREAM};
use super::headers::{HeaderCompressor, HeaderDecompressor, Headers};
use crate::streams::pipe::{BACKLOG, MessageWriter, reader};

/// How long the client may take to hang up after our GOAWAY.
const LINGER: Duration = Duration::from_secs(5);

/// What this side sends.
#[derive(Debug)]
pub enum Outgoing {
    Accept {
        stream: u32,
    },
    Reset {
        stream: u32,
        code: u32,
    },
    Data {
        stream: u32,
        data: Bytes,
    },
    /// The end of this side of a stream; a second one is not sent.
    Finish {
        stream: u32,
    },
    Ping {
        id: u32,
    },
    GoAway,
}

/// Streams end when the connection does.
pub struct Connection {
    streams: mpsc::Receiver<Stream>,
    outgoing: mpsc::Sender<Outgoing>,
    closed: CancellationToken,
}

/// A stream the client opened, to be accepted or refused.
pub struct Stream {
    pub id: u32,
    headers: Headers,
    input: mpsc::Receiver<Bytes>,
    outgoing: mpsc::Sender<Outgoing>,
    reset: CancellationToken,
}

impl Stream {
    /// Of several values the first; names in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(header, _)| header == name)?;
        value.split('\0').next()
    }
    pub async fn accept(&self) {
        let _ = self.outgoing.send(Outgoing::Accept { stream: self.id }).await;
    }
    pub async fn refuse(&self) {
        let _ = self.outgoing.send(Outgoing::Reset { stream: self.id, code: REFUSED_STREAM }).await;
    }
    /// What the client sends, until it finishes the stream.
    pub fn into_input(self) -> mpsc::Receiver<Bytes> {
        self.input
    }
    pub fn into_reader(self) -> Reader {
        reader(self.input)
    }
    /// Shutting it down finishes the stream.
    pub fn writer(&self) -> MessageWriter<Outgoing> {
        let stream = self.id;
        let data = move |data| Outgoing::Data { stream, data };
        MessageWriter::new(self.outgoing.clone(), data, Some(Outgoing::Finish { stream }))
    }
    /// Set when the client gives the stream up.
    pub fn reset(&self) -> CancellationToken {
        self.reset.clone()
    }
}

impl Connection {
    /// Serves an upgraded connection until either side closes it.
    pub fn serve<T>(io: T) -> Self
    where
        T: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (read, write) = tokio::io::split(io);
        let (sender, streams) = mpsc::channel(BACKLOG);
        let (outgoing, messages) = mpsc::channel(BACKLOG);
        let closed = CancellationToken::new();
        let incoming = Incoming {
            streams: sender,
            outgoing: outgoing.clone(),
            inputs: HashMap::new(),
            headers: HeaderDecompressor::new(),
            last: 0,
        };
        tokio::spawn(receive(read, incoming, closed.clone()));
        tokio::spawn(send(write, messages, closed.clone()));
        Connection { streams, outgoing, closed }
    }

    /// `None`: the connection is closed.
    pub async fn accept(&mut self) -> Option<Stream> {
        self.streams.recv().await
    }
    pub fn outgoing(&self) -> &mpsc::Sender<Outgoing> {
        &self.outgoing
    }
    /// Set when the client is gone.
    pub fn closed(&self) -> CancellationToken {
        self.closed.clone()
    }
    /// Sends what is still waiting, says goodbye, and gives the client time to hang up.
    pub async fn close(self) {
        let _ = self.outgoing.send(Outgoing::GoAway).await;
        let closed = self.closed;
        drop((self.outgoing, self.streams));
        if tokio::time::timeout(LINGER, closed.cancelled()).await.is_err() {
            closed.cancel();
        }
    }
}

/// Ends on the client's end, on an error, and when `closed` is set from outside.
async fn receive(read: impl AsyncRead + Unpin, mut incoming: Incoming, closed: CancellationToken) {
    let mut frames = FramedRead::new(read, FrameCodec);
    let _gone = closed.clone().drop_guard();
    loop {
        let frame = tokio::select! {
            () = closed.cancelled() => return,
            frame = frames.next() => frame,
        };
        let handled = match frame {
            None => return,
            Some(Ok(frame)) => tokio::select! {
                () = closed.cancelled() => return,
                handled = incoming.handle(frame) => handled,
            },
            Some(Err(error)) => Err(error),
        };
        if let Err(error) = handled {
            tracing::debug!(%error, "SPDY connection ends");
            return;
        }
    }
}

struct Incoming {
    streams: mpsc::Sender<Stream>,
    outgoing: mpsc::Sender<Outgoing>,
    inputs: HashMap<u32, Input>,
    headers: HeaderDecompressor,
    /// The last stream the client opened.
    last: u32,
}

/// Where a stream's data goes; without a sender the client has finished its side.
struct Input {
    chunks: Option<mpsc::Sender<Bytes>>,
    reset: CancellationToken,
}

impl Incoming {
    async fn handle(&mut self, frame: Frame) -> Result<(), SpdyError> {
        match frame {
            Frame::SynStream { stream, fin, headers } => self.open(stream, fin, &headers).await?,
            Frame::SynReply { headers, .. } | Frame::Headers { headers, .. } => {
                // Nothing is read from them, but the compression context must follow.
                self.headers.decompress(&headers)?;
            }
            Frame::RstStream { stream, .. } => {
                if let Some(input) = self.inputs.remove(&stream) {
                    input.reset.cancel();
                }
            }
            Frame::Data { stream, fin, data } => self.data(stream, fin, data).await,
            // Even numbers answer pings of ours, and we send none.
            Frame::Ping { id } if id % 2 == 1 => self.reply(Outgoing::Ping { id }).await,
            Frame::Ping { .. }
            | Frame::Settings { .. }
            | Frame::GoAway { .. }
            | Frame::WindowUpdate { .. }
            | Frame::Unknown { .. } => {}
        }
        Ok(())
    }

    async fn reply(&self, message: Outgoing) {
        let _ = self.outgoing.send(message).await;
    }

    async fn open(&mut self, id: u32, fin: bool, headers: &[u8]) -> Result<(), SpdyError> {
        let headers = self.headers.decompress(headers)?;
        if id.is_multiple_of(2) || id <= self.last {
            self.reply(Outgoing::Reset { stream: id, code: PROTOCOL_ERROR }).await;
            return Ok(());
        }
        self.last = id;
        let (chunks, input) = mpsc::channel(BACKLOG);
        let reset = CancellationToken::new();
        let stream = Stream { id, headers, input, outgoing: self.outgoing.clone(), reset: reset.clone() };
        if self.streams.send(stream).await.is_err() {
            self.reply(Outgoing::Reset { stream: id, code: REFUSED_STREAM }).await;
            return Ok(());
        }
        self.inputs.insert(id, Input { chunks: (!fin).then_some(chunks), reset });
        Ok(())
    }

    /// Data that nobody reads any more is dropped.
    async fn data(&mut self, id: u32, fin: bool, data: Bytes) {
        let Some(input) = self.inputs.get_mut(&id) else { return };
        if let Some(chunks) = &input.chunks
            && !data.is_empty()
        {
            let _ = chunks.send(data).await;
        }
        if fin {
            input.chunks = None;
        }
    }
}

impl Drop for Incoming {
    /// Streams of a lost connection are given up, not finished.
    fn drop(&mut self) {
        self.inputs.values().for_each(|input| input.reset.cancel());
    }
}

async fn send(write: impl AsyncWrite + Unpin, messages: mpsc::Receiver<Outgoing>, closed: CancellationToken) {
    let mut frames = FramedWrite::new(write, FrameCodec);
    if let Err(error) = send_all(&mut frames, messages).await {
        tracing::debug!(%error, "SPDY connection is not written to any more");
        closed.cancel();
    }
    let _ = frames.get_mut().shutdown().await;
}

async fn send_all<W: AsyncWrite + Unpin>(
    frames: &mut FramedWrite<W, FrameCodec>,
    mut messages: mpsc::Receiver<Outgoing>,
) -> Result<(), SpdyError> {
    let mut encoder = Encoder { headers: HeaderCompressor::new()?, finished: HashSet::new(), accepted: 0 };
    while let Some(message) = messages.recv().await {
        let last = matches!(message, Outgoing::GoAway);
        if let Some(frame) = encoder.frame(message)? {
            frames.feed(frame).await?;
        }
        if messages.is_empty() || last {
            frames.flush().await?;
        }
        if last {
            return Ok(());
        }
    }
    Ok(())
}

struct Encoder {
    headers: HeaderCompressor,
    /// Streams whose end has been sent.
    finished: HashSet<u32>,
    /// The last stream taken.
    accepted: u32,
}

impl Encoder {
    /// `None`: nothing may follow a stream's end.
    fn frame(&mut self, message: Outgoing) -> Result<Option<Frame>, SpdyError> {
        Ok(Some(match message {
            Outgoing::Accept { stream } => {
                self.accepted = self.accepted.max(stream);
                Frame::SynReply { stream, fin: false, headers: self.headers.compress(&[])? }
            }
            Outgoing::Reset { stream, code } => Frame::RstStream { stream, code },
            Outgoing::Data { stream, .. } if self.finished.contains(&stream) => return Ok(None),
            Outgoing::Data { stream, data } => Frame::Data { stream, fin: false, data },
            Outgoing::Finish { stream } if !self.finished.insert(stream) => return Ok(None),
            Outgoing::Finish { stream } => Frame::Data { stream, fin: true, data: Bytes::new() },
            Outgoing::Ping { id } => Frame::Ping { id },
            Outgoing::GoAway => Frame::GoAway { last_stream: self.accepted, code: 0 },
        }))
    }
}
