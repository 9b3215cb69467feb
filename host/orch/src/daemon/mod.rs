//! `orch up` and `orch down`: the wiring of the host, its lock, its start in the background and its end.

mod address;
pub mod detach;
pub mod down;
mod lock;
mod logging;
mod plugins;
mod preflight;
mod wiring;

use std::process::ExitCode;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::arguments::Up;
use crate::config::Config;

/// Runs the host in the foreground until SIGTERM or SIGINT.
pub fn up(flags: Box<Up>) -> anyhow::Result<ExitCode> {
    let config = Config::load(&flags)?;
    preflight::check()?;
    let _lock = lock::DataDir::claim(&config.data_dir)?;
    let lines = plugins::PluginLines::default();
    logging::start(&config, lines.clone())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // Work comes in bursts of short tasks; more threads only cost memory.
        .worker_threads(std::thread::available_parallelism().map_or(2, |n| n.get().min(8)))
        .max_blocking_threads(64)
        .thread_keep_alive(std::time::Duration::from_secs(2))
        .build()?;
    runtime.block_on(serve(config, lines))?;
    // Tasks that still wait for clients must not hold up the exit.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    Ok(ExitCode::SUCCESS)
}

async fn serve(config: Config, lines: plugins::PluginLines) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    let host = wiring::Host::start(&config, lines, stop.clone()).await?;
    greet(&config);
    wait_for_signal().await?;
    tracing::info!("stopping; pods keep running");
    stop.cancel();
    host.stopped().await;
    Ok(())
}

fn greet(config: &Config) {
    let kubeconfig = config.data_dir.join("kubeconfig");
    println!("orch is up: node {} serves the Kubernetes API at https://{}", config.node_name, config.listen);
    println!("kubeconfig: {}", kubeconfig.display());
    println!("try:        kubectl --kubeconfig {} get nodes", kubeconfig.display());
    println!("or, without kubectl:  {}", orch_command(config, "get nodes"));
}

/// `orch get nodes`, with `--data-dir` where it is not the default.
fn orch_command(config: &Config, words: &str) -> String {
    let program = std::env::args().next().unwrap_or_else(|| "orch".into());
    if config.data_dir == Config::default().data_dir {
        format!("{program} {words}")
    } else {
        format!("{program} {words} --data-dir {}", config.data_dir.display())
    }
}

async fn wait_for_signal() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
