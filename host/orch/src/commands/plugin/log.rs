//! `logs`.

use std::io::Write;

use futures::AsyncReadExt;

use super::PLUGINS;
use crate::commands::{Session, plain};

pub struct Options {
    pub follow: bool,
    pub tail: Option<i64>,
    pub timestamps: bool,
}

/// Prints lines until there are no more; with `follow`, until the plugin is deleted.
pub async fn logs(session: &Session, name: &str, options: &Options) -> anyhow::Result<()> {
    let tail = options.tail.map(|lines| format!("&tailLines={lines}")).unwrap_or_default();
    let (follow, timestamps) = (options.follow, options.timestamps);
    let path = format!("{PLUGINS}/{name}/log?follow={follow}&timestamps={timestamps}{tail}");
    let request = http::Request::get(path).body(Vec::new())?;
    let stream = session.client.request_stream(request).await.map_err(plain)?;
    let mut stream = std::pin::pin!(stream);
    let mut out = std::io::stdout();
    let mut buffer = vec![0; 16 << 10];
    loop {
        let n = stream.read(&mut buffer).await?;
        if n == 0 {
            return Ok(());
        }
        out.write_all(&buffer[..n])?;
        out.flush()?;
    }
}
