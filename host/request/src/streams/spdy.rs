//! SPDY/3.1, as far as Kubernetes uses it: streams opened by the client over one connection, without
//! flow control (`github.com/moby/spdystream` has none either).
//!
//! Format: draft-mbelshe-httpbis-spdy-00, sections 2 and 3.

mod connection;
mod frame;
mod headers;

pub(super) use connection::{Connection, Outgoing, Stream};
#[cfg(test)]
pub(crate) use {frame::Frame, frame::FrameCodec, headers::HeaderCompressor, headers::HeaderDecompressor};

/// Why a connection cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum SpdyError {
    #[error("control frame of SPDY version {0}, not 3")]
    Version(u16),
    #[error("frame of type {kind} with {length} bytes, too short for its fields")]
    Truncated { kind: u16, length: usize },
    #[error("frame of {0} bytes, more than this connection takes")]
    TooLong(usize),
    #[error("compressed headers: {0}")]
    Headers(String),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
