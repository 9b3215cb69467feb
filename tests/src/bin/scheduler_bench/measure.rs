//! Plays one load on one cluster and says how it went.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use orch_sim::{Body, Connection, ConnectionError, Options, Shape, Simulation};
use orch_tests::process::{MIB, cpu_seconds, memory};
use orch_tests::side::{Cluster, Side};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cluster;
use crate::load::{self, Load, Pods};
use crate::watcher::{Seen, Watcher};

/// Creates under way at once.
const PARALLEL: usize = 64;

/// Pods per second are of one-second windows, times in milliseconds, memory in MiB.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Result {
    pub load: String,
    pub side: Side,
    pub nodes: usize,
    pub measured: usize,
    pub scheduled: usize,
    /// From the first create to the last binding seen.
    pub seconds: f64,
    pub average: f64,
    pub window_p50: f64,
    pub window_p90: f64,
    pub window_p99: f64,
    /// Pod created → seen bound.
    pub latency_p50: f64,
    pub latency_p99: f64,
    /// What the client managed to create.
    pub created_per_second: f64,
    /// Cores that the control plane used while the pods were scheduled.
    pub cores: f64,
    /// Milliseconds of processor time that it used per scheduled pod: what a busy machine cannot blur.
    pub cpu_per_pod: f64,
    pub client_cores: f64,
    pub memory: f64,
    /// Pods seen on two nodes.
    pub moved: usize,
    /// Milliseconds: the longest time between two bindings.
    pub longest_pause: f64,
    /// Swaps of the scoring policy while the pods were scheduled.
    pub swaps: usize,
    pub registered_per_second: f64,
    pub before_per_second: f64,
}

pub struct Settings {
    /// Per phase.
    pub patience: Duration,
    /// Pods turn Running.
    pub running: bool,
    /// The scoring policy is swapped this often; orch only.
    pub swap: Option<Duration>,
}

pub async fn play(
    cluster: &Cluster,
    side: Side,
    load: &Load,
    settings: &Settings,
) -> std::result::Result<Result, String> {
    let connection = Connection::new(&cluster.access()).map_err(text)?;
    cluster::prepare(cluster, &connection).await;
    prepare(&connection, load).await.map_err(text)?;
    let begin = Instant::now();
    let _simulation =
        Simulation::start(connection.clone(), options(load, settings)).await.map_err(|e| e.to_string())?;
    let registered_per_second = rate(load.nodes, begin.elapsed());
    let watcher = Watcher::start(&connection).await.map_err(text)?;
    let begin = Instant::now();
    let mut before = 0;
    for (index, pods) in load.before.iter().enumerate() {
        let prefix = format!("before-{index}-");
        create(&connection, pods, &prefix).await.map_err(text)?;
        if !watcher.wait(&prefix, pods.pods, settings.patience).await {
            let have = watcher.of_prefix(&prefix).len();
            return Err(format!(
                "only {have} of the {} pods {prefix}* were scheduled within {:?}",
                pods.pods, settings.patience
            ));
        }
        before += pods.pods;
    }
    let before_per_second = rate(before, begin.elapsed());
    let _meanwhile = meanwhile(&connection, load);
    let swapped = Arc::new(AtomicUsize::new(0));
    let swapping = settings.swap.map(|every| swap(&connection, every, swapped.clone()));
    let processes = cluster.processes();
    let (cpu_before, own_before) = (cpu_seconds(&processes), cpu_seconds(&[std::process::id()]));
    let begin = Instant::now();
    let created = create(&connection, &load.measured, MEASURED).await.map_err(text)?;
    let created_in = begin.elapsed();
    watcher.wait(MEASURED, load.measured.pods, settings.patience.saturating_sub(begin.elapsed())).await;
    let passed = begin.elapsed().as_secs_f64();
    drop(swapping);
    let seen = watcher.of_prefix(MEASURED);
    let mut result = Result {
        load: load.name.clone(),
        side,
        nodes: load.nodes,
        measured: load.measured.pods,
        created_per_second: rate(load.measured.pods, created_in),
        cores: (cpu_seconds(&processes) - cpu_before) / passed,
        client_cores: (cpu_seconds(&[std::process::id()]) - own_before) / passed,
        memory: memory(&processes, "VmHWM") as f64 / MIB,
        swaps: swapped.load(Ordering::Relaxed),
        registered_per_second,
        before_per_second,
        ..empty(side)
    };
    throughput(&mut result, begin, &seen);
    result.cpu_per_pod = result.cores * passed / result.scheduled.max(1) as f64 * 1e3;
    latency(&mut result, &created, &seen);
    Ok(result)
}

const MEASURED: &str = "measured-";

fn text(error: ConnectionError) -> String {
    error.to_string()
}

fn empty(side: Side) -> Result {
    Result {
        load: String::new(),
        side,
        nodes: 0,
        measured: 0,
        scheduled: 0,
        seconds: 0.0,
        average: 0.0,
        window_p50: 0.0,
        window_p90: 0.0,
        window_p99: 0.0,
        latency_p50: 0.0,
        latency_p99: 0.0,
        created_per_second: 0.0,
        cores: 0.0,
        cpu_per_pod: 0.0,
        client_cores: 0.0,
        memory: 0.0,
        moved: 0,
        longest_pause: 0.0,
        swaps: 0,
        registered_per_second: 0.0,
        before_per_second: 0.0,
    }
}

fn options(load: &Load, settings: &Settings) -> Options {
    let shape = Shape { zones: load.zones.clone(), ..Shape::default() };
    Options { shape, pods: settings.running, ..Options::new(load.nodes) }
}

fn rate(count: usize, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64().max(1e-3)
}

/// Namespaces and the priority class; waits until pods may be created in each namespace.
async fn prepare(connection: &Connection, load: &Load) -> std::result::Result<(), ConnectionError> {
    let class = json!({
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
        "metadata": { "name": "bench-high" }, "value": 10,
    });
    let classes = "/apis/scheduling.k8s.io/v1/priorityclasses";
    match connection.post(classes, class.to_string().into_bytes()).await {
        // Not served: the pods' own `priority` stands.
        Err(error) if error.code() != Some(404) => return Err(error),
        _ => {}
    }
    for namespace in &load.namespaces {
        let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
        connection.post("/api/v1/namespaces", object.to_string().into_bytes()).await?;
    }
    for namespace in load.namespaces.iter().map(String::as_str).chain(["default"]) {
        let pod = named(&load::template("plain"), "probe");
        let path = format!("/api/v1/namespaces/{namespace}/pods?dryRun=All");
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            match connection.post(&path, pod.to_string().into_bytes()).await {
                Ok(_) => break,
                // The namespace's service account is not there yet.
                Err(error) if error.code() == Some(403) && Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

fn named(template: &Value, name: &str) -> Value {
    let mut pod = template.clone();
    pod["metadata"]["name"] = name.into();
    pod
}

/// Creates them as fast as the API takes them; when each was sent.
async fn create(
    connection: &Connection,
    pods: &Pods,
    prefix: &str,
) -> std::result::Result<HashMap<String, Instant>, ConnectionError> {
    let template = load::template(&pods.from);
    let path = format!("/api/v1/namespaces/{}/pods", pods.namespace);
    let sent = Mutex::new(HashMap::with_capacity(pods.pods));
    futures::stream::iter((0..pods.pods).map(Ok))
        .try_for_each_concurrent(PARALLEL, |index| {
            let name = format!("{prefix}{index}");
            let body = named(&template, &name).to_string().into_bytes();
            sent.lock().insert(name, Instant::now());
            let path = &path;
            async move { connection.post(path, body).await.map(|_| ()) }
        })
        .await?;
    Ok(sent.into_inner())
}

/// Ends with its last reference.
struct Background(tokio::task::JoinHandle<()>);

impl Drop for Background {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn meanwhile(connection: &Connection, load: &Load) -> Option<Background> {
    let meanwhile = load.meanwhile.as_ref()?;
    let (template, connection) = (load::template(&meanwhile.from), Arc::new(connection.clone()));
    let every = Duration::from_millis(meanwhile.every_milliseconds);
    Some(Background(tokio::spawn(async move {
        let ticks = every_so_often(every);
        ticks
            .for_each(|index| {
                let body = named(&template, &format!("meanwhile-{index}")).to_string().into_bytes();
                let connection = connection.clone();
                async move {
                    if let Err(error) = connection.post("/api/v1/namespaces/default/pods", body).await {
                        eprintln!("a pod of the background was not created: {error}");
                    }
                }
            })
            .await;
    })))
}

/// Gives the built-in that scores by free resources another configuration each time: a new instance,
/// told the whole state, put in the place of the one that serves.
fn swap(connection: &Connection, every: Duration, swapped: Arc<AtomicUsize>) -> Background {
    let connection = connection.clone();
    Background(tokio::spawn(async move {
        let ticks = every_so_often(every);
        ticks
            .for_each(|index| {
                let strategy = ["MostAllocated", "LeastAllocated"][index % 2];
                let patch = json!({ "spec": { "config": { "scoringStrategy": { "type": strategy } } } });
                let (connection, swapped) = (connection.clone(), swapped.clone());
                async move {
                    match connection.patch(PLUGIN, Body::MergePatch, patch.to_string().into_bytes()).await {
                        Ok(_) => _ = swapped.fetch_add(1, Ordering::Relaxed),
                        Err(error) => eprintln!("the policy was not swapped: {error}"),
                    }
                }
            })
            .await;
    }))
}

const PLUGIN: &str = "/apis/plugins.orch.dev/v1alpha1/plugins/node-resources-fit";

/// 0, 1, 2, … one per interval.
fn every_so_often(every: Duration) -> impl futures::Stream<Item = usize> {
    futures::stream::unfold((0, tokio::time::interval(every)), |(index, mut interval)| async move {
        interval.tick().await;
        Some((index, (index + 1, interval)))
    })
}

/// As upstream's benchmark: how many were scheduled in each second.
fn throughput(result: &mut Result, begin: Instant, seen: &HashMap<String, Seen>) {
    let mut times: Vec<f64> = seen.values().map(|s| (s.at - begin).as_secs_f64()).collect();
    times.sort_by(f64::total_cmp);
    let (Some(first), Some(last)) = (times.first().copied(), times.last().copied()) else { return };
    result.scheduled = times.len();
    result.moved = seen.values().filter(|s| s.moved).count();
    result.seconds = last;
    result.average = times.len() as f64 / last;
    result.longest_pause = times.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max) * 1e3;
    let mut windows = windows(&times, first);
    windows.sort_by(f64::total_cmp);
    (result.window_p50, result.window_p90, result.window_p99) =
        (at(&windows, 0.5), at(&windows, 0.9), at(&windows, 0.99));
}

/// Whole seconds from the first binding on; a run shorter than one is one window.
fn windows(times: &[f64], first: f64) -> Vec<f64> {
    let length = times.last().copied().unwrap_or(first) - first;
    let whole = length as usize;
    if whole == 0 {
        return vec![times.len() as f64 / length.max(1e-3)];
    }
    let mut windows = vec![0.0; whole];
    for time in times {
        if let Some(window) = windows.get_mut((time - first) as usize) {
            *window += 1.0;
        }
    }
    windows
}

fn latency(result: &mut Result, created: &HashMap<String, Instant>, seen: &HashMap<String, Seen>) {
    let of = |(name, seen): (&String, &Seen)| Some((seen.at - *created.get(name)?).as_secs_f64() * 1e3);
    let mut times: Vec<f64> = seen.iter().filter_map(of).collect();
    times.sort_by(f64::total_cmp);
    (result.latency_p50, result.latency_p99) = (at(&times, 0.5), at(&times, 0.99));
}

/// The value at a share of sorted ones.
fn at(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_whole_seconds() {
        assert_eq!(windows(&[0.5, 0.6, 1.4, 1.6, 2.7, 2.8], 0.5), [3.0, 1.0]);
        let short = windows(&[0.5, 0.6, 1.0], 0.5);
        assert_eq!(short, [6.0]);
    }

    #[test]
    fn shares_of_sorted_values() {
        let values = [1.0, 2.0, 3.0, 4.0, 5.0];
        assert_eq!((at(&values, 0.0), at(&values, 0.5), at(&values, 0.99)), (1.0, 3.0, 5.0));
        assert!(at(&[], 0.5).is_nan());
    }
}
