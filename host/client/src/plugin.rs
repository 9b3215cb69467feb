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
