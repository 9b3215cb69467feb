//! Structured logs on standard error, for people or as JSON; lines about plugins are kept besides.

use anyhow::Context;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt, registry};

use super::plugins::{PluginLines, is_about_a_plugin};
use crate::config::Config;

pub fn start(config: &Config, lines: PluginLines) -> anyhow::Result<()> {
    let filter =
        EnvFilter::try_new(&config.log).with_context(|| format!("--log {}: not a filter", config.log))?;
    let printed = fmt::layer().with_writer(std::io::stderr);
    let printed = if config.log_format == "json" {
        printed.json().boxed()
    } else {
        printed.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).boxed()
    };
    // Whatever the host prints, a plugin's author wants the plugin's own debug lines.
    let about_plugins = filter_fn(is_about_a_plugin).with_max_level_hint(LevelFilter::DEBUG);
    registry().with(printed.with_filter(filter)).with(lines.with_filter(about_plugins)).init();
    Ok(())
}
