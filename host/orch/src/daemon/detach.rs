//! `orch up --detach`: the host in the background, this process back when the node is ready.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::arguments::Up;
use crate::config::Config;

const PATIENCE: Duration = Duration::from_secs(60);

pub fn start(flags: &Up) -> anyhow::Result<ExitCode> {
    let config = Config::load(flags)?;
    super::preflight::check()?;
    if let Some(pid) = super::lock::holder(&config.data_dir)? {
        bail!("orch already runs on {} (process {pid})", config.data_dir.display());
    }
    std::fs::create_dir_all(&config.data_dir)?;
    let ready = super::wiring::ready_file(&config.data_dir);
    let _ = std::fs::remove_file(&ready);
    let log_path = config.data_dir.join("orch.log");
    let log = std::fs::File::options().create(true).append(true).open(&log_path)?;
    let words: Vec<_> = std::env::args_os().skip(1).filter(|word| word != "--detach").collect();
    let mut child = Command::new(std::env::current_exe()?)
        .args(words)
        .env_remove("ORCH_DETACH")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .spawn()
        .context("cannot start the host")?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        if ready.exists() {
            super::greet(&config);
            println!("log:        {}", log_path.display());
            println!("stop:       {}", super::orch_command(&config, "down"));
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(status) = child.try_wait()? {
            bail!("the host ended ({status}): {}", last_line(&log_path));
        }
        if Instant::now() > deadline {
            bail!("the node was not ready within {} s; see {}", PATIENCE.as_secs(), log_path.display());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn last_line(path: &std::path::Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it logged nothing").to_string()
}
