//! `log`, `exec`, `attach` and `portforward`: from an HTTP request to a node and back.
//!
//! Two transports carry the streams of a command: WebSocket, one message per chunk with the channel's
//! number in front (kubectl from 1.31 on, browsers, the Python client), and SPDY/3.1 (kubectl below
//! 1.31, older Go clients). Port-forward comes as SPDY, as SPDY inside WebSocket messages, or as plain
//! WebSocket channels. Who may ask has been decided before any of this is called.

mod command;
mod log;
mod options;
mod outcome;
mod pipe;
mod port_forward;
mod spdy;
mod upgrade;
mod websocket;

#[cfg(test)]
mod tests;

pub use command::{serve_attach, serve_exec};
pub use log::{answer_log, serve_log, text_stream};
pub use options::{ExecOptions, PortForwardOptions, log_options};
pub use port_forward::serve_port_forward;

/// What reads frames, for the crate's fuzzing.
#[cfg(test)]
pub(crate) mod fuzzed {
    pub(crate) use super::spdy::{FrameCodec, HeaderCompressor, HeaderDecompressor};
}
