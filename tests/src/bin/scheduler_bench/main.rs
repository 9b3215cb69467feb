//! `make bench-scheduler`: upstream's scheduling loads, played through the API on orch and on
//! upstream's own control plane, each in a network namespace and a process of its own.

#![allow(clippy::unwrap_used, reason = "a benchmark ends where it fails")]

mod cluster;
mod load;
mod measure;
mod report;
mod watcher;

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use clap::Parser;
use load::Load;
use orch_tests::host::Network;
use orch_tests::side::{Side, Sides};
use orch_tests::upstream::Upstream;

#[derive(Parser)]
struct Arguments {
    /// Only loads whose name is, or begins with, this (repeatable)
    #[arg(long)]
    only: Vec<String>,
    #[arg(long)]
    nodes: Option<usize>,
    /// Measured pods
    #[arg(long)]
    pods: Option<usize>,
    #[arg(long, value_enum, default_value = "orch")]
    side: Sides,
    /// Seconds that a phase of a load may take
    #[arg(long, default_value_t = 240)]
    patience: u64,
    /// The simulated nodes turn their pods Running, which costs both sides a write per pod
    #[arg(long)]
    running: bool,
    /// Swap the scoring policy this often while the pods are scheduled (orch only)
    #[arg(long)]
    swap_milliseconds: Option<u64>,
    /// Write the results here, as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// Write the table into docs/BENCHMARKS.md
    #[arg(long)]
    record: bool,
    /// Said below the recorded table: what else the machine did, for example
    #[arg(long, default_value = "")]
    note: String,
    /// Play the one load that `--only` names in this process; prints JSON
    #[arg(long, hide = true)]
    inside: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let loads = loads(&arguments);
    assert!(!loads.is_empty(), "no load is called {:?}; they lie in tests/bench/scheduler", arguments.only);
    if arguments.inside {
        return inside(&arguments, &loads[0]);
    }
    if arguments.side.each().contains(&Side::Upstream) {
        Upstream::program();
    }
    let mut results = Vec::new();
    let mut failed = false;
    for load in &loads {
        for side in arguments.side.each() {
            match outside(&arguments, load, *side) {
                Ok(result) => {
                    eprintln!("{}", report::line(&result));
                    results.push(result);
                }
                Err(why) => {
                    eprintln!("{:<28} {:<8} {why}", load.name, side.word());
                    failed = true;
                }
            }
        }
    }
    let table = report::table(&loads, &results);
    print!("{table}");
    if let Some(file) = &arguments.json {
        std::fs::write(file, serde_json::to_string_pretty(&results).unwrap()).unwrap();
    }
    if arguments.record {
        let text = format!(
            "Upstream's scheduling loads (`tests/bench/scheduler`), played by one client through the API of a control plane with simulated nodes; every node is evaluated by orch, and as many as upstream chooses by upstream. Client and control plane share the machine: {}.\n\n{table}\n{}",
            orch_tests::document::machine(),
            arguments.note
        );
        orch_tests::document::record(
            "scheduler",
            "Scheduling beside upstream's kube-scheduler 1.37.1",
            &text,
        );
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn loads(arguments: &Arguments) -> Vec<Load> {
    let all = load::all();
    let exact = |name: &String| all.iter().any(|l| &l.name == name);
    let wanted = |load: &Load| {
        arguments.only.is_empty()
            || arguments.only.iter().any(|only| match exact(only) {
                true => &load.name == only,
                false => load.name.starts_with(only.as_str()),
            })
    };
    let sized = |mut load: Load| {
        if let Some(nodes) = arguments.nodes {
            load = load.with_nodes(nodes);
        }
        match arguments.pods {
            Some(pods) => load.with_measured(pods),
            None => load,
        }
    };
    all.iter().filter(|load| wanted(load)).cloned().map(sized).collect()
}

/// A process of its own per load: its namespace, its clients and its memory go with it.
fn outside(arguments: &Arguments, load: &Load, side: Side) -> Result<measure::Result, String> {
    let mut command = Command::new(std::env::current_exe().map_err(|e| e.to_string())?);
    command.args(["--inside", "--only", &load.name, "--side", side.word()]);
    command.args(["--nodes", &load.nodes.to_string(), "--pods", &load.measured.pods.to_string()]);
    command.args(["--patience", &arguments.patience.to_string()]);
    if arguments.running {
        command.arg("--running");
    }
    if let Some(every) = arguments.swap_milliseconds.filter(|_| side == Side::Orch) {
        command.args(["--swap-milliseconds", &every.to_string()]);
    }
    let output = command.stderr(Stdio::inherit()).output().map_err(|e| e.to_string())?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let answer = printed.lines().last().unwrap_or("no answer");
    match output.status.success() {
        true => serde_json::from_str(answer).map_err(|e| format!("{e}: {answer}")),
        false => Err(answer.to_string()),
    }
}

fn inside(arguments: &Arguments, load: &Load) -> ExitCode {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let network = Network::new();
    network.enter();
    let side = arguments.side.each()[0];
    let cluster = cluster::start(side, network);
    let settings = measure::Settings {
        patience: Duration::from_secs(arguments.patience),
        running: arguments.running,
        swap: arguments.swap_milliseconds.map(Duration::from_millis),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let result = runtime.block_on(measure::play(&cluster, side, load, &settings));
    runtime.shutdown_timeout(Duration::from_secs(1));
    drop(cluster);
    match result {
        Ok(result) => {
            println!("{}", serde_json::to_string(&result).unwrap());
            ExitCode::SUCCESS
        }
        Err(why) => {
            println!("{why}");
            ExitCode::FAILURE
        }
    }
}
