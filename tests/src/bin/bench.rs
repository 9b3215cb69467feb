//! `make bench`: the numbers that users judge by, each beside its peer where one can run, written to
//! `docs/BENCHMARKS.md`. Timing lives here and never in a test's assertion.

use std::fmt::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, ListParams, PostParams, WatchEvent, WatchParams};
use orch_tests::host::{Host, Network};
use orch_tests::postgres::{self, Postgres};
use orch_tests::process::{MIB, cpu_seconds, memory};
use orch_tests::{document, eventually, run, try_run, workspace};
use serde_json::{Value, json};

const RUNS: usize = 20;

fn main() {
    let network = Network::new();
    // Everything below, threads included, stands in the namespace with the host.
    network.enter();
    let mut report = format!("Machine: {}. Medians and 99th percentiles.\n\n", document::machine());
    let _ = writeln!(report, "| what | goal | median | p99 | runs |\n| --- | --- | --- | --- | --- |");
    let mut host = Host::start_in(network, &[]);
    starts(&mut host, &mut report);
    idle(&host, &mut report);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(pods(&host, &mut report));
    resident(&host, &mut report, "the same after 290 pods have come and gone: resident", "");
    stores(&host, &mut report);
    print!("{report}");
    document::record("host", "The host", &report);
}

/// Median and 99th percentile, in milliseconds.
fn spread(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize].as_secs_f64() * 1e3;
    (at(0.5), at(0.99))
}

fn row(report: &mut String, what: &str, goal: &str, times: Vec<Duration>) {
    let runs = times.len();
    let (median, p99) = spread(times);
    let _ = writeln!(report, "| {what} | {goal} | {median:.0} ms | {p99:.0} ms | {runs} |");
}

/// `Host::up` returns when a client has seen the node Ready.
fn starts(host: &mut Host, report: &mut String) {
    let again = (0..RUNS).map(|_| {
        host.stop();
        let begin = Instant::now();
        host.up();
        begin.elapsed()
    });
    let again: Vec<Duration> = again.collect();
    row(report, "`orch up` on existing data → node Ready", "< 1 s", again);
    let first = (0..RUNS).map(|_| {
        assert_eq!(host.purge(), Vec::<String>::new());
        let begin = Instant::now();
        host.up();
        begin.elapsed()
    });
    let first: Vec<Duration> = first.collect();
    row(report, "first ever `orch up` → node Ready", "< 3 s", first);
    host.import_hello();
}

fn pod(name: &str) -> Pod {
    serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "labels": { "bench": "pod" } },
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [{ "name": "c", "image": "example.orch.dev/hello:1", "command": ["sleep", "1000"] }],
        },
    }))
    .expect("a pod")
}

async fn connect(host: &Host) -> Api<Pod> {
    let kubeconfig = kube::config::Kubeconfig::read_from(host.kubeconfig()).expect("the kubeconfig");
    let config =
        kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.expect("its settings");
    Api::namespaced(kube::Client::try_from(config).expect("a client"), "default")
}

async fn pods(host: &Host, report: &mut String) {
    let api = connect(host).await;
    let mut alone = Vec::new();
    for i in 0..RUNS * 2 {
        alone.push(until_running(&api, &[format!("alone-{i}")]).await);
    }
    row(report, "pod created → Running seen by a watcher, image present", "p99 < 150 ms", alone);
    let mut together = Vec::new();
    for round in 0..RUNS / 4 {
        let names: Vec<String> = (0..50).map(|i| format!("many-{round}-{i}")).collect();
        together.push(until_running(&api, &names).await);
    }
    row(report, "50 pods created at once → all Running", "< 5 s", together);
}

/// From before the first create to the event that shows the last one Running; then they are deleted.
async fn until_running(api: &Api<Pod>, names: &[String]) -> Duration {
    let version = api.list(&ListParams::default().limit(1)).await.expect("a list").metadata.resource_version;
    let parameters = WatchParams::default().labels("bench=pod");
    let mut watch = api.watch(&parameters, &version.unwrap_or_default()).await.expect("a watch").boxed();
    let begin = Instant::now();
    let creates =
        names.iter().map(|name| async move { api.create(&PostParams::default(), &pod(name)).await });
    futures::future::try_join_all(creates).await.expect("creates");
    let mut waiting: std::collections::HashSet<&String> = names.iter().collect();
    while !waiting.is_empty() {
        let event = watch.try_next().await.expect("an event").expect("a watch that goes on");
        if let WatchEvent::Modified(pod) = event
            && pod.status.and_then(|s| s.phase).as_deref() == Some("Running")
        {
            waiting.remove(&pod.metadata.name.unwrap_or_default());
        }
    }
    let elapsed = begin.elapsed();
    for name in names {
        api.delete(name, &DeleteParams::default().grace_period(0)).await.expect("a delete");
    }
    while !api.list(&ListParams::default().labels("bench=pod")).await.expect("a list").items.is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    elapsed
}

/// CPU of the daemon over a quiet minute, and its memory.
fn idle(host: &Host, report: &mut String) {
    let daemon = [host.pid()];
    std::thread::sleep(Duration::from_secs(5));
    let before = cpu_seconds(&daemon);
    std::thread::sleep(Duration::from_secs(60));
    let share = (cpu_seconds(&daemon) - before) / 60.0 * 100.0;
    resident(host, report, "idle host, all built-ins loaded: resident", "< 100 MB");
    let _ = writeln!(report, "| the same: CPU over a minute | < 1 % of a core | {share:.2} % | | 1 |");
}

/// Resident memory of the daemon now.
fn resident(host: &Host, report: &mut String, what: &str, goal: &str) {
    let megabytes = |field: &str| memory(&[host.pid()], field) as f64 / MIB;
    let (all, anonymous) = (megabytes("VmRSS"), megabytes("RssAnon"));
    let _ = writeln!(report, "| {what} | {goal} | {all:.0} MB ({anonymous:.0} MB of it anonymous) | | 1 |");
}

/// Durable writes of 2 KiB by 64 clients, three times each, in turn on the same disk.
fn stores(host: &Host, report: &mut String) {
    let _ = writeln!(
        report,
        "\nDurable writes, 2 KiB, 64 clients, 5 s each, three rounds in turn on the same disk; medians.\n\n| store | writes/s | p50 | p99 |\n| --- | --- | --- | --- |"
    );
    let _postgres = Postgres::start(&host.network);
    let _etcd = Etcd::start(host);
    let mut results: Vec<(&str, Vec<Value>)> =
        vec![("orch on SQLite", vec![]), ("orch on Postgres", vec![]), ("etcd", vec![])];
    for _ in 0..3 {
        results[0].1.push(store_bench(host, "sqlite"));
        results[1].1.push(store_bench(host, postgres::URL));
        results[2].1.push(Etcd::bench(host));
    }
    for (name, rounds) in results {
        let median = |field: &str| {
            let mut numbers: Vec<f64> = rounds.iter().filter_map(|r| r[field].as_f64()).collect();
            numbers.sort_by(f64::total_cmp);
            numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
        };
        let _ = writeln!(
            report,
            "| {name} | {:.0} | {:.1} ms | {:.1} ms |",
            median("writes_per_second"),
            median("p50_us") / 1e3,
            median("p99_us") / 1e3
        );
    }
}

fn store_bench(host: &Host, address: &str) -> Value {
    let program = workspace().join("target/release/examples/store_bench");
    let printed =
        run(host.network.command(program).args([address, "64", "5"]).current_dir(host.data_dir.path()));
    serde_json::from_str(printed.lines().last().unwrap_or_default()).expect("store_bench prints JSON")
}

struct Etcd(std::process::Child);

impl Etcd {
    fn start(host: &Host) -> Etcd {
        let child = host
            .network
            .command("etcd")
            .args(["--listen-client-urls", "http://127.0.0.1:2379", "--advertise-client-urls"])
            .args(["http://127.0.0.1:2379", "--listen-peer-urls", "http://127.0.0.1:2380"])
            .args(["--unsafe-no-fsync=false", "--quota-backend-bytes=8000000000", "--data-dir"])
            .arg(host.data_dir.path().join("etcd"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("etcd starts; install the package etcd-server");
        eventually("etcd answers", Duration::from_secs(20), || host.curl("http://127.0.0.1:2379/health"));
        Etcd(child)
    }

    fn bench(host: &Host) -> Value {
        let program = workspace().join("target/etcd-bench");
        if !program.exists() {
            run(Command::new("go")
                .args(["build", "-o"])
                .arg(&program)
                .arg(".")
                .current_dir(workspace().join("tests/bench/etcd")));
        }
        let printed = try_run(&mut host.network.command(program)).expect("the etcd benchmark runs");
        serde_json::from_str(&printed).expect("it prints JSON")
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
