//! `orch plugin …`: the comfort around `Plugin` objects. Whatever is done here can be done with
//! `kubectl apply` too; what is said here tells what to do next.

mod arguments;
mod declare;
mod keys;
mod list;
mod log;
mod record;
mod registry;
mod replay;
mod rollback;
mod upload;
mod wait;

use std::path::Path;

use anyhow::{Context, bail};

use super::connect;
use crate::arguments::Connection;
pub use arguments::PluginCommand;

const PLUGINS: &str = "/apis/plugins.orch.dev/v1alpha1/plugins";

/// Connects to the host only for what needs it.
pub async fn run(connection: &Connection, command: PluginCommand) -> anyhow::Result<()> {
    let session = || connect(connection);
    match command {
        PluginCommand::Author(command) => Ok(orch_author::run(command)?),
        PluginCommand::Ls => list::ls(&session().await?).await,
        PluginCommand::Top => list::top(&session().await?).await,
        PluginCommand::Install { name, world, source, settings } => {
            declare::install(&session().await?, &name, &world, &source, &settings).await
        }
        PluginCommand::Swap { name, source, config } => {
            declare::swap(&session().await?, &name, &source, config.as_deref()).await
        }
        PluginCommand::Rollback { name, list: true, .. } => rollback::list(&session().await?, &name).await,
        PluginCommand::Rollback { name, to, list: false } => {
            rollback::rollback(&session().await?, &name, to.as_deref()).await
        }
        PluginCommand::Logs { name, follow, tail, timestamps } => {
            let options = log::Options { follow, tail, timestamps };
            log::logs(&session().await?, &name, &options).await
        }
        PluginCommand::Push { file, reference, sign, registry } => {
            registry::push(&file, &reference, sign.as_deref(), &registry).await
        }
        PluginCommand::Sign { what, key, registry } => registry::sign(&what, &key, &registry).await,
        PluginCommand::Keygen { prefix, algorithm } => keys::generate(&prefix, algorithm),
        PluginCommand::Record { output, seconds, max_mib, redact, registry } => {
            let options = record::Options { seconds, max_bytes: max_mib << 20, redact, registry };
            record::record(&session().await?, &output, &options).await
        }
        PluginCommand::Replay { trace, plugin, name, config, against, show } => {
            let trial = replay::Trial { plugin, name, config, against, show };
            tokio::task::spawn_blocking(move || replay::replay(&trace, &trial)).await?
        }
        PluginCommand::Prune => upload::prune(&session().await?).await,
    }
}

/// The bytes of a component; what is none is refused before it goes anywhere.
fn read_component(path: &Path) -> anyhow::Result<Vec<u8>> {
    let bytes =
        std::fs::read(path).with_context(|| format!("cannot read the component {}", path.display()))?;
    match bytes.get(..8) {
        Some([0, b'a', b's', b'm', _, 0, 1, 0]) => Ok(bytes),
        Some([0, b'a', b's', b'm', ..]) => bail!(
            "{} is a core module, not a component: turn it into one with `wasm-tools component new`",
            path.display()
        ),
        _ => {
            bail!("{} is not WebAssembly: give the .wasm file that a component build writes", path.display())
        }
    }
}
