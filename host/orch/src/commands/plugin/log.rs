//! `logs`.

use super::PLUGINS;
use crate::commands::logs::print;
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
    print(session.client.request_stream(request).await.map_err(plain)?).await
}
