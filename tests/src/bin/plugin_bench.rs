//! What a policy costs for being a component: loaded, called, instantiated, kept. Prints a table and
//! writes it into `docs/BENCHMARKS.md` with `--record`.

use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use orch_author::{AuthorError, Built, LanguageName, NewProject, build, create};
use orch_plugin::calls::admission::{AdmissionPlugin, Delta};
use orch_plugin::calls::scheduler;
use orch_plugin::calls::scheduler::SchedulerPlugin;
use orch_plugin::worlds::AdmissionComponent;
use orch_plugin::{Artifact, Limits, PluginEngine, Source};
use orch_sim::{Access, Connection};
use orch_tests::host::{Host, Network};
use orch_tests::{document, eventually, process, workspace};
use serde_json::{Value, json};

const CALLS: usize = 20_000;
const NODES: u32 = 5_000;
/// More plugins of the same component, to see what each adds.
const EXTRA: usize = 20;

fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut report = String::from("| what | median | p99 |\n| --- | --- | --- |\n");
    let engine = Arc::new(PluginEngine::new(None, &[]).expect("an engine"));
    loading(&engine, &mut report);
    admission(&engine, &mut report);
    state(&engine, &mut report);
    languages(&engine, &mut report);
    memory(&mut report);
    let text = format!("Machine: {}.\n\n{report}", document::machine());
    print!("{text}");
    if std::env::args().any(|word| word == "--record") {
        document::record("plugins", "What a component costs", &text);
    }
}

fn component(name: &str) -> PathBuf {
    let path = workspace().join(format!("target/components/{name}.wasm"));
    assert!(path.exists(), "{} is missing: run `make components`", path.display());
    path
}

fn artifact(engine: &PluginEngine, name: &str) -> Artifact {
    engine.artifact(&Source::File(component(name))).expect("a component of the checkout")
}

/// Median and 99th percentile.
fn times(count: usize, mut once: impl FnMut()) -> (Duration, Duration) {
    let mut times: Vec<Duration> = (0..count)
        .map(|_| {
            let begin = Instant::now();
            once();
            begin.elapsed()
        })
        .collect();
    times.sort();
    (times[count / 2], times[(count - 1) * 99 / 100])
}

fn row(report: &mut String, what: &str, (median, p99): (Duration, Duration)) {
    let _ = writeln!(report, "| {what} | {} | {} |", in_words(median), in_words(p99));
}

fn in_words(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 1e-3 => format!("{:.1} µs", seconds * 1e6),
        seconds => format!("{:.1} ms", seconds * 1e3),
    }
}

fn loading(engine: &Arc<PluginEngine>, report: &mut String) {
    let name = "default-toleration-seconds";
    let bytes = std::fs::read(component(name)).expect("the component just seen");
    row(report, "compile a component from its `.wasm`", times(5, || _ = orch_plugin::precompile(&bytes)));
    let artifact = artifact(engine, name);
    row(
        report,
        "an instance: made, described, configured",
        times(500, || {
            _ = engine.load_admission(name, &artifact, &json!({}), Limits::default()).expect("it loads")
        }),
    );
}

fn check(engine: &Arc<PluginEngine>, name: &str) -> Arc<AdmissionComponent> {
    engine.load_admission(name, &artifact(engine, name), &json!({}), Limits::default()).expect("it loads")
}

fn request(resource: &str, object: &Value) -> String {
    json!({
        "uid": "r", "operation": "CREATE", "namespace": "a", "name": "web", "object": object,
        "resource": { "group": "", "version": "v1", "resource": resource }, "oldObject": null, "options": null,
        "kind": { "group": "", "version": "v1", "kind": "Pod" }, "userInfo": { "username": "u" }, "dryRun": false,
    })
    .to_string()
}

fn admission(engine: &Arc<PluginEngine>, report: &mut String) {
    let lifecycle = check(engine, "namespace-lifecycle");
    let namespace = json!({ "kind": "Namespace", "metadata": { "name": "a" } }).to_string();
    lifecycle.sync(&[Delta::Upsert(namespace)]).expect("a namespace is taken");
    let small = request("pods", &json!({}));
    row(
        report,
        &format!("admission call, {} bytes in, yes or no out", small.len()),
        times(CALLS, || _ = lifecycle.review(&small).expect("an answer")),
    );
    let pod = json!({ "metadata": { "name": "web", "labels": { "app": "web" } }, "spec": { "containers": [
        { "name": "c", "image": "i", "resources": { "requests": { "cpu": "100m", "memory": "500Mi" } } },
    ] } });
    let whole = request("pods", &pod);
    let toleration = check(engine, "default-toleration-seconds");
    row(
        report,
        &format!("admission call, a pod of {} bytes in, a patch out", whole.len()),
        times(CALLS, || _ = toleration.review(&whole).expect("an answer")),
    );
}

fn state(engine: &Arc<PluginEngine>, report: &mut String) {
    let name = "taint-toleration";
    let artifact = artifact(engine, name);
    let deltas: Vec<scheduler::Delta> = (0..NODES)
        .map(|index| {
            let node = json!({ "metadata": { "name": format!("n{index}") }, "spec": {} });
            scheduler::Delta::NodeUpsert(index, node.to_string())
        })
        .collect();
    let load = || engine.load_scheduler(name, &artifact, &json!({}), Limits::default()).expect("it loads");
    row(
        report,
        "a swap's preparation: an instance that knows 5,000 nodes",
        times(20, || {
            let fresh = load();
            for batch in deltas.chunks(100) {
                fresh.sync(batch).expect("nodes are taken");
            }
        }),
    );
    let plugin = load();
    row(
        report,
        "a call that tells a scheduling policy nothing",
        times(CALLS, || plugin.sync(&[]).expect("nothing is taken")),
    );
    row(
        report,
        "one node told to a scheduling policy",
        times(NODES as usize, {
            let mut deltas = deltas.iter();
            move || {
                let delta = deltas.next().expect("one per call");
                plugin.sync(std::slice::from_ref(delta)).expect("a node is taken")
            }
        }),
    );
}

/// The template's policy, the same in every language: it keeps pods off nodes without a label, and
/// ranks the others by it.
fn languages(engine: &Arc<PluginEngine>, report: &mut String) {
    let projects = workspace().join("target/projects");
    for language in LANGUAGES {
        let directory = projects.join(format!("bench-{}", language.folder()));
        let _ = std::fs::remove_dir_all(&directory);
        let project = NewProject {
            name: "ranked".into(),
            world: orch_author::World::Scheduler,
            language,
            directory: directory.clone(),
        };
        create(&project).expect("a project is written");
        match build(&directory) {
            Ok(built) => language_rows(engine, &built, &language.to_string(), report),
            Err(AuthorError::MissingTools(_)) => {
                let _ = writeln!(report, "| {language}: not built, its tools are not installed here | | |");
            }
            Err(error) => panic!("{error}"),
        }
    }
}

const LANGUAGES: [LanguageName; 5] =
    [LanguageName::Rust, LanguageName::C, LanguageName::Go, LanguageName::Js, LanguageName::Python];

fn language_rows(engine: &Arc<PluginEngine>, built: &Built, language: &str, report: &mut String) {
    let bytes = std::fs::metadata(&built.path).map_or(0, |file| file.len());
    let artifact = engine.artifact(&Source::File(built.path.clone())).expect("what was just built");
    let limits = Limits { deadline: Duration::from_secs(5), ..Limits::default() };
    let load = || engine.load_scheduler("ranked", &artifact, &json!({}), limits).expect("it loads");
    row(report, &format!("{language} ({:.2} MB): an instance", bytes as f64 / 1e6), times(20, || _ = load()));
    let plugin = load();
    let node = |index: u32| {
        let labels = json!({ "example.com/rank": (index % 100).to_string() });
        let node = json!({ "metadata": { "name": format!("n{index}"), "labels": labels }, "spec": {} });
        scheduler::Delta::NodeUpsert(index, node.to_string())
    };
    let nodes: Vec<scheduler::Delta> = (0..NODES).map(node).collect();
    nodes.chunks(100).for_each(|batch| plugin.sync(batch).expect("nodes are taken"));
    let all = vec![u64::MAX; NODES as usize / 64];
    let pod = json!({ "metadata": { "name": "p", "namespace": "a" } }).to_string();
    row(
        report,
        &format!("{language}: filter and score {} nodes that it knows", all.len() * 64),
        times(200, || {
            plugin.filter(&pod, &all).expect("a verdict");
            plugin.score(&pod, &all).expect("scores");
        }),
    );
}

/// Through the API, as a user adds plugins.
fn memory(report: &mut String) {
    let network = Network::new();
    network.enter();
    let host = Host::start_without_image(network, &["--log", "warn"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let connection =
        Connection::new(&Access::read(&host.kubeconfig()).expect("a kubeconfig")).expect("a connection");
    std::thread::sleep(Duration::from_secs(3));
    let before = anonymous(&host);
    let _ = writeln!(
        report,
        "| idle host with all built-ins: resident (anonymous) | {:.0} MB ({before:.1} MB) | |",
        megabytes(&host, "VmRSS")
    );
    runtime.block_on(async {
        for index in 0..EXTRA {
            let plugin = json!({
                "apiVersion": "plugins.orch.dev/v1alpha1", "kind": "Plugin",
                "metadata": { "name": format!("extra-{index}") },
                "spec": { "world": "orch:admission", "source": { "builtin": "default-toleration-seconds" } },
            });
            let path = "/apis/plugins.orch.dev/v1alpha1/plugins";
            connection.post(path, plugin.to_string().into_bytes()).await.expect("a plugin is created");
        }
    });
    eventually("the extra plugins are ready", Duration::from_secs(30), || {
        let listed = host.orch(&["plugin", "ls"])?;
        let ready = listed.lines().filter(|l| l.starts_with("extra-") && l.contains("True")).count();
        if ready == EXTRA { Ok(()) } else { Err(listed) }
    });
    let each = (anonymous(&host) - before) / EXTRA as f64;
    let _ =
        writeln!(report, "| each further plugin of a component that is loaded already | {each:.2} MB | |");
}

fn anonymous(host: &Host) -> f64 {
    megabytes(host, "RssAnon")
}

/// MiB.
fn megabytes(host: &Host, field: &str) -> f64 {
    process::memory(&[host.pid()], field) as f64 / process::MIB
}
