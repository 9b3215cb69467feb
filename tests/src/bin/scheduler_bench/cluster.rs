//! A control plane to play a load on, in the network namespace that this process stands in.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use orch_sim::{Access, Body, Connection};
use orch_tests::host::{Host, Network};
use orch_tests::{eventually, run, workspace};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tempfile::TempDir;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Orch,
    Upstream,
}

impl Side {
    pub fn word(self) -> &'static str {
        match self {
            Side::Orch => "orch",
            Side::Upstream => "upstream",
        }
    }
}

/// Running until it is dropped.
pub enum Cluster {
    Orch(Box<Host>),
    Upstream(Upstream),
}

impl Cluster {
    pub fn start(side: Side, network: Network) -> Cluster {
        match side {
            Side::Orch => Cluster::Orch(Box::new(Host::start_without_image(network, &["--log", "warn"]))),
            Side::Upstream => Cluster::Upstream(Upstream::start(network)),
        }
    }

    pub fn access(&self) -> Access {
        match self {
            Cluster::Orch(host) => Access::read(&host.kubeconfig()).expect("the host wrote its kubeconfig"),
            Cluster::Upstream(upstream) => upstream.access(),
        }
    }

    /// Whose processor time and memory count.
    pub fn processes(&self) -> Vec<u32> {
        match self {
            Cluster::Orch(host) => vec![host.pid()],
            Cluster::Upstream(upstream) => upstream.processes.iter().map(|p| p.id()).collect(),
        }
    }

    /// Takes the host's own node out of the scheduler's sight: the simulated ones are what is measured.
    pub async fn prepare(&self, connection: &Connection) {
        match self {
            Cluster::Orch(_) => {
                let cordon = json!({ "spec": { "unschedulable": true } }).to_string().into_bytes();
                connection.patch("/api/v1/nodes/node-a", Body::MergePatch, cordon).await.expect("a cordon");
            }
            Cluster::Upstream(_) => {}
        }
    }
}

/// etcd, kube-apiserver and kube-scheduler of one program: `tests/bench/upstream-scheduler`.
pub struct Upstream {
    network: Network,
    folder: TempDir,
    processes: Vec<Child>,
}

const TOKEN: &str = "bench-token";
/// Of the address that `Network` gives its interface.
const SERVER: &str = "https://192.168.77.2:6443";

impl Upstream {
    /// Where the program is built: six to eight minutes, once.
    pub fn program() -> PathBuf {
        let program = workspace().join("target/upstream-scheduler");
        if !program.exists() {
            eprintln!("building upstream's control plane; this takes some minutes");
            let mut go = Command::new("go");
            go.args([
                "build",
                "-trimpath",
                "-ldflags",
                "-s -w -X k8s.io/component-base/version.gitVersion=v1.37.1",
                "-o",
            ]);
            run(go.arg(&program).arg(".").current_dir(workspace().join("tests/bench/upstream-scheduler")));
        }
        program
    }

    fn start(network: Network) -> Upstream {
        let folder = TempDir::with_prefix("orch-upstream-").expect("a temporary directory");
        let mut upstream = Upstream { network, folder, processes: Vec::new() };
        upstream.write_files();
        upstream.etcd();
        upstream.api_server();
        upstream.scheduler();
        upstream
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }

    fn write_files(&self) {
        let write =
            |name: &str, text: String| std::fs::write(self.path(name), text).expect("a temporary file");
        write("tokens.csv", format!("{TOKEN},bench,bench,system:masters\n"));
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{ "name": "c", "cluster": { "server": SERVER, "insecure-skip-tls-verify": true } }],
            "users": [{ "name": "u", "user": { "token": TOKEN } }],
            "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "u" } }],
        });
        write("kubeconfig", kubeconfig.to_string());
        // As upstream's own benchmark: the client's limits must not be what is measured.
        let scheduler = json!({
            "apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration",
            "leaderElection": { "leaderElect": false },
            "clientConnection": { "kubeconfig": self.path("kubeconfig"), "qps": 5000, "burst": 5000 },
        });
        write("scheduler.yaml", scheduler.to_string());
        run(Command::new("openssl").args(["genrsa", "-out", &self.path("sa.key"), "2048"]));
    }

    fn spawn(&mut self, name: &str, arguments: &[String]) {
        let log = std::fs::File::create(self.path(&format!("{name}.log"))).expect("a log file");
        let mut command = self.network.command(Upstream::program());
        command.arg(name).args(arguments).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("the log file twice")).stderr(log);
        self.processes.push(command.spawn().expect("upstream's program starts"));
    }

    fn etcd(&mut self) {
        let data = self.path("etcd");
        let words = format!(
            "--data-dir={data} --listen-client-urls=http://127.0.0.1:2379 --advertise-client-urls=http://127.0.0.1:2379 \
             --listen-peer-urls=http://127.0.0.1:2380 --quota-backend-bytes=8000000000 --log-level=warn"
        );
        self.spawn("etcd", &split(&words));
        self.answers("etcd", "http://127.0.0.1:2379/health");
    }

    fn api_server(&mut self) {
        let (key, tokens, certificates) = (self.path("sa.key"), self.path("tokens.csv"), self.path("pki"));
        // No controllers run here: nobody makes service accounts or takes the taint of new nodes away.
        let words = format!(
            "--etcd-servers=http://127.0.0.1:2379 --bind-address=192.168.77.2 --advertise-address=192.168.77.2 --secure-port=6443 \
             --cert-dir={certificates} --token-auth-file={tokens} --authorization-mode=RBAC \
             --service-account-issuer=https://kubernetes.default.svc --service-account-signing-key-file={key} \
             --service-account-key-file={key} --service-cluster-ip-range=10.96.0.0/16 \
             --disable-admission-plugins=ServiceAccount,TaintNodesByCondition --endpoint-reconciler-type=none"
        );
        self.spawn("kube-apiserver", &split(&words));
        self.answers("kube-apiserver", &format!("{SERVER}/readyz"));
    }

    fn scheduler(&mut self) {
        let words = format!("--config={} --secure-port=0", self.path("scheduler.yaml"));
        self.spawn("kube-scheduler", &split(&words));
    }

    fn answers(&self, name: &str, url: &str) {
        let header = format!("Authorization: Bearer {TOKEN}");
        eventually(name, Duration::from_secs(120), || {
            let words = ["--silent", "--insecure", "--fail", "--max-time", "2", "--header", &header, url];
            orch_tests::try_run(self.network.command("curl").args(words)).map_err(|why| {
                let log = std::fs::read_to_string(self.path(&format!("{name}.log"))).unwrap_or_default();
                format!("{why}\n{}", log.lines().rev().take(20).collect::<Vec<_>>().join("\n"))
            })
        });
    }

    fn access(&self) -> Access {
        Access::read(Path::new(&self.path("kubeconfig"))).expect("the kubeconfig just written")
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        for process in self.processes.iter_mut().rev() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn split(words: &str) -> Vec<String> {
    words.split_whitespace().map(String::from).collect()
}
