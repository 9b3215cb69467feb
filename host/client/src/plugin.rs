//! What the API asks of the part of the host that runs plugins.

use std::io;

use bytes::Bytes;
use futures::stream::BoxStream;

use crate::node::LogOptions;

/// The lines that plugins log, as this host has them.
pub trait PluginLogs: Send + Sync + 'static {
    /// One line a chunk. With `follow` it ends only when the reader stops, or the plugin is deleted.
    fn log(&self, plugin: &str, options: &LogOptions) -> BoxStream<'static, io::Result<Bytes>>;
}

/// What the scheduler decides, as it decides it.
pub trait Traces: Send + Sync + 'static {
    /// One JSON object a line and chunk, beginning with the whole state; see `orch_scheduler::trace`.
    /// It ends when the reader stops, or falls too far behind.
    fn trace(&self) -> BoxStream<'static, io::Result<Bytes>>;
}
