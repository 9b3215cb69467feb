//! `make bench`: the API under load, through its front door: creates and gets by many clients, lists of
//! many pods, many watchers of one busy kind. With `--record` the numbers are written to
//! `docs/BENCHMARKS.md`.

mod client;
mod load;

use std::fmt::Write;
use std::path::Path;

use clap::Parser;
use orch_tests::document;
use orch_tests::host::{Host, Network};
use orch_tests::process::{cpu_seconds, memory};
use orch_tests::side::{Cluster, Side, Sides};
use orch_tests::upstream::{Settings, Upstream};

use client::Connections;
use load::{Lists, Rate, Spread};

#[derive(Debug, Clone, Parser)]
struct Arguments {
    /// Whose API is measured; both, one after the other, in the same run.
    #[arg(long, value_enum, default_value_t = Sides::Both)]
    side: Sides,
    /// Clients that create and read at once.
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// How long they do each, in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Pods in the list.
    #[arg(long, default_value_t = 10_000)]
    pods: usize,
    /// Watchers of one kind.
    #[arg(long, default_value_t = 1_000)]
    watchers: usize,
    /// Changes that each watcher is told.
    #[arg(long, default_value_t = 100)]
    events: usize,
    /// Writes the numbers into docs/BENCHMARKS.md.
    #[arg(long)]
    record: bool,
}

/// What one side did.
struct Measured {
    creates: Rate,
    gets: Rate,
    /// In JSON, in protobuf.
    lists: [Lists; 2],
    watches: Spread,
    /// Resident bytes before anything was created, and at the end.
    resident: (u64, u64),
    /// Of all objects, in JSON.
    objects: u64,
    /// CPU seconds in creates, gets and watches.
    cpu: [f64; 3],
}

fn title(side: Side) -> &'static str {
    match side {
        Side::Orch => "orch on SQLite",
        Side::Upstream => "upstream 1.37 on etcd",
    }
}

fn start(side: Side, network: Network) -> Cluster {
    match side {
        Side::Orch => Cluster::Orch(Box::new(Host::start_without_image(network, &[]))),
        // No controllers run here: nobody makes service accounts.
        Side::Upstream => {
            let settings = Settings { scheduler: false, without_admission: "ServiceAccount".into() };
            Cluster::Upstream { upstream: Upstream::start(&settings), network }
        }
    }
}

fn main() {
    let arguments = Arguments::parse();
    let sides = arguments.side.each();
    let has_upstream = !sides.contains(&Side::Upstream) || Upstream::can_be_built();
    let sides: Vec<Side> = sides.iter().copied().filter(|s| has_upstream || *s == Side::Orch).collect();
    if !has_upstream {
        println!("No Go toolchain to build upstream's API server with: orch stands alone.");
    } else if sides.contains(&Side::Upstream) {
        Upstream::program();
    }
    // Each watcher has a connection of its own.
    let files = arguments.watchers as u64 * 2 + 4_096;
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, files, files).expect("root");
    let measured: Vec<(&str, Measured)> =
        sides.iter().map(|side| (title(*side), beside(&arguments, *side))).collect();
    let report = report(&arguments, &measured);
    print!("{report}");
    if arguments.record {
        document::record("api", "The API", &report);
    }
}

/// A side and its clients, in a network namespace of their own: a thread's, and so that of all it starts.
fn beside(arguments: &Arguments, side: Side) -> Measured {
    let arguments = arguments.clone();
    let thread = std::thread::spawn(move || {
        let network = Network::new();
        network.enter();
        let cluster = start(side, network);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        runtime.block_on(measure(&arguments, &cluster.kubeconfig(), &cluster.processes()))
    });
    thread.join().expect("a side that is measured to its end")
}

async fn measure(arguments: &Arguments, kubeconfig: &Path, processes: &[u32]) -> Measured {
    let connections = Connections::read(kubeconfig).await;
    load::namespace(&connections).await;
    let before = memory(processes, "VmRSS");
    let timed = |from: f64| cpu_seconds(processes) - from;
    let begin = cpu_seconds(processes);
    let creates = load::creates(&connections, arguments.clients, arguments.seconds).await;
    let in_creates = timed(begin);
    let begin = cpu_seconds(processes);
    let gets = load::gets(&connections, arguments.clients, arguments.seconds, creates.count).await;
    let in_gets = timed(begin);
    load::pods(&connections, arguments.pods, arguments.clients).await;
    let lists = [
        load::lists(&connections, "application/json").await,
        load::lists(&connections, "application/vnd.kubernetes.protobuf").await,
    ];
    let objects = lists[0].bytes + creates.bytes;
    let resident = (before, memory(processes, "VmRSS"));
    let begin = cpu_seconds(processes);
    let watches = load::watches(&connections, arguments.watchers, arguments.events).await;
    let in_watches = timed(begin);
    Measured { creates, gets, lists, watches, resident, objects, cpu: [in_creates, in_gets, in_watches] }
}

fn report(arguments: &Arguments, sides: &[(&str, Measured)]) -> String {
    let mut report = format!(
        "Machine: {}. {} clients create and read ConfigMaps of 1 KiB for {} s each; {} pods are listed ten \
         times; {} watchers are told {} changes. The clients share the processors with the server.\n\n",
        document::machine(),
        arguments.clients,
        arguments.seconds,
        arguments.pods,
        arguments.watchers,
        arguments.events,
    );
    let _ = writeln!(report, "| what | goal |{}", columns(sides, |(name, _)| name.to_string()));
    let _ = writeln!(report, "| --- | --- |{}", columns(sides, |_| "---".into()));
    let mut row = |what: &str, goal: &str, cell: &dyn Fn(&Measured) -> String| {
        let _ = writeln!(report, "| {what} | {goal} |{}", columns(sides, |(_, measured)| cell(measured)));
    };
    row("durable creates/s", "10,000", &|m| rate(&m.creates));
    row("their CPU, ms each", "", &|m| each(m.cpu[0], &m.creates));
    row("gets/s", "", &|m| rate(&m.gets));
    row("their CPU, ms each", "", &|m| each(m.cpu[1], &m.gets));
    row("list in JSON", "> 1 GB/s", &|m| list(&m.lists[0]));
    row("list in protobuf", "", &|m| list(&m.lists[1]));
    row("change sent → seen by a watcher", "p99 < 10 ms", &|m| spread(&m.watches));
    row("CPU seconds of that", "", &|m| format!("{:.2}", m.cpu[2]));
    row("resident before → with all objects", "≤ 3 × their bytes more", &|m| {
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        let (before, after) = m.resident;
        let times = after.saturating_sub(before) as f64 / m.objects.max(1) as f64;
        format!(
            "{:.0} → {:.0} MB for {:.0} MB of objects ({times:.1} ×)",
            megabytes(before),
            megabytes(after),
            megabytes(m.objects)
        )
    });
    report
}

fn columns<T>(sides: &[T], cell: impl Fn(&T) -> String) -> String {
    sides.iter().map(|side| format!(" {} |", cell(side))).collect()
}

fn rate(rate: &Rate) -> String {
    format!("{:.0} ({})", rate.per_second, spread(&rate.latency))
}

fn each(cpu_seconds: f64, rate: &Rate) -> String {
    format!("{:.2}", cpu_seconds * 1e3 / rate.count.max(1) as f64)
}

fn list(lists: &Lists) -> String {
    let speed = lists.bytes as f64 / 1e6 / (lists.latency.p50 / 1e3);
    format!("{:.0} MB at {speed:.0} MB/s ({})", lists.bytes as f64 / 1e6, spread(&lists.latency))
}

fn spread(spread: &Spread) -> String {
    format!("p50 {:.1} ms, p99 {:.1} ms", spread.p50, spread.p99)
}
