//! One cluster, one registry, one run of the suite.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use orch_tests::host::{Host, Network};
use orch_tests::registry::Registry;
use orch_tests::{eventually, orch, try_run};

use crate::cases::{self, Outcome};
use crate::programs::Programs;

/// Port of the loopback registry, in the cluster's own network namespace.
const REGISTRY: u16 = 5000;

pub struct Plan {
    pub focus: String,
    pub skip: String,
    pub nodes: u32,
    pub processes: u32,
    pub case_limit: Duration,
    pub output: PathBuf,
}

/// Runs the cases of the plan.
pub fn run(programs: &Programs, plan: &Plan) -> Vec<Outcome> {
    let network = Network::new();
    let registry = Registry::over(&network, REGISTRY, &programs.images);
    let mirror = format!("registry.k8s.io=http://{}", registry.address);
    let mut host = Host::start_without_image(network, &["--registry-mirror", &mirror]);
    let simulated = (plan.nodes > 1).then(|| Simulated::start(&host, plan.nodes));
    let results = plan.output.join("results.jsonl");
    let _ = std::fs::remove_file(&results);
    let started = Instant::now();
    let mut suite = suite(programs, plan, &host, &registry, &results);
    let status = suite.status().unwrap_or_else(|e| panic!("{suite:?}: {e}"));
    eprintln!("the suite ended with {status} after {:.0?}", started.elapsed());
    std::fs::write(plan.output.join("host.log"), host.whole_log()).unwrap();
    drop(simulated);
    let left = host.purge();
    if !left.is_empty() {
        eprintln!("left behind by the host:\n{}", left.join("\n"));
    }
    cases::read(&results)
}

/// The names of all conformance cases that the suite holds.
pub fn list(programs: &Programs, output: &Path) -> Vec<String> {
    let results = output.join("list.jsonl");
    let _ = std::fs::remove_file(&results);
    let mut suite = Command::new(programs.suite());
    suite.args(["-ginkgo.dry-run", r"-ginkgo.focus=\[Conformance\]", "-ginkgo.silence-skips"]);
    suite.arg(format!("-results={}", results.display()));
    try_run(&mut suite).unwrap_or_else(|why| panic!("{why}"));
    let mut names: Vec<String> = cases::read(&results).into_iter().map(|o| o.name).collect();
    names.sort();
    names
}

/// ginkgo, which starts the suite once or, in parallel, several times.
fn suite(programs: &Programs, plan: &Plan, host: &Host, registry: &Registry, results: &Path) -> Command {
    let log = File::create(plan.output.join("suite.log")).unwrap();
    let mut ginkgo = host.network.command(programs.program("ginkgo"));
    ginkgo.args(["run", "--no-color", "--silence-skips", "--timeout=24h", "--flake-attempts=1"]);
    ginkgo.arg(format!("--procs={}", plan.processes));
    ginkgo.arg(format!("--focus={}", plan.focus));
    if !plan.skip.is_empty() {
        ginkgo.arg(format!("--skip={}", plan.skip));
    }
    ginkgo.arg(programs.suite()).arg("--");
    ginkgo.arg(format!("-kubeconfig={}", host.kubeconfig().display()));
    ginkgo.arg(format!("-kubectl-path={}", programs.program("kubectl").display()));
    ginkgo.arg(format!("-num-nodes={}", plan.nodes));
    ginkgo.arg(format!("-case-limit={}s", plan.case_limit.as_secs()));
    ginkgo.arg(format!("-results={}", results.display()));
    ginkgo.args(["-provider=skeleton", "-prepull-images=false", "-disable-log-dump=true"]);
    ginkgo.env("KUBE_TEST_REPO_LIST", repositories(&plan.output, registry));
    // kubectl's discovery cache goes by the server's address, which other clusters share.
    ginkgo.env("HOME", plan.output.join("home"));
    let _ = std::fs::remove_dir_all(plan.output.join("home"));
    ginkgo.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    ginkgo
}

/// The file that maps upstream's registries to the loopback one. Left alone: the one that must not
/// exist and the one that wants a login.
fn repositories(output: &Path, registry: &Registry) -> PathBuf {
    let file = output.join("repositories.yaml");
    let address = &registry.address;
    let text = format!(
        "promoterE2eRegistry: {address}/e2e-test-images\ngcRegistry: {address}\ngcEtcdRegistry: {address}\n\
         buildImageRegistry: {address}/build-image\nsigStorageRegistry: {address}/sig-storage\n"
    );
    std::fs::write(&file, text).unwrap();
    file
}

/// `orch sim nodes`, ended with the cluster.
struct Simulated(Child);

impl Simulated {
    fn start(host: &Host, nodes: u32) -> Simulated {
        let mut command = host.network.command(orch());
        command.args(["sim", "nodes", &(nodes - 1).to_string()]).env("KUBECONFIG", host.kubeconfig());
        let child = command.stdout(Stdio::null()).spawn().expect("orch sim nodes starts");
        let simulated = Simulated(child);
        eventually("simulated nodes Ready", Duration::from_secs(60), || {
            let listed = host.orch(&["get", "nodes"])?;
            if listed.matches(" Ready").count() as u32 == nodes { Ok(()) } else { Err(listed) }
        });
        simulated
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.0.id() as i32), Signal::SIGINT);
        let _ = self.0.wait();
    }
}
