//! Upstream's own control plane, to measure by and to compare with: etcd, kube-apiserver and
//! kube-scheduler of one program (`tests/upstream`), in the network namespace that this process
//! stands in (`Network` gives it the address below).

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use orch_sim::Access;
use serde_json::json;
use tempfile::TempDir;

use crate::{eventually, run, try_run, workspace};

const TOKEN: &str = "reference-token";
/// Of the address that `Network` gives its interface.
const SERVER: &str = "https://192.168.77.2:6443";

/// What runs, and with what left out.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub scheduler: bool,
    /// Admission plugins that upstream has on by default, comma-separated.
    pub without_admission: String,
}

/// Running until it is dropped.
pub struct Upstream {
    folder: TempDir,
    processes: Vec<Child>,
}

/// Not there, or made of other sources.
fn is_outdated(program: &Path) -> bool {
    let changed = |path: &Path| path.metadata().and_then(|file| file.modified()).ok();
    let sources = std::fs::read_dir(workspace().join("tests/upstream")).expect("the program's sources");
    let newest = sources.flatten().filter_map(|file| changed(&file.path())).max();
    changed(program) < newest
}

impl Upstream {
    /// Where the program is built: six to eight minutes, once.
    pub fn program() -> PathBuf {
        let program = workspace().join("target/upstream");
        if is_outdated(&program) {
            eprintln!("building upstream's control plane; this takes some minutes");
            let mut go = Command::new("go");
            // As the conformance suite, which is made of the same packages: they are compiled once for both.
            go.env("CGO_ENABLED", "0");
            go.args(["build", "-ldflags=-s -w -X k8s.io/component-base/version.gitVersion=v1.37.1", "-o"]);
            run(go.arg(&program).arg(".").current_dir(workspace().join("tests/upstream")));
        }
        program
    }

    /// Whether it is there, or a Go toolchain to make it.
    pub fn can_be_built() -> bool {
        workspace().join("target/upstream").exists()
            || Command::new("go").arg("version").output().is_ok_and(|output| output.status.success())
    }

    pub fn start(settings: &Settings) -> Upstream {
        let folder = TempDir::with_prefix("orch-upstream-").expect("a temporary directory");
        let mut upstream = Upstream { folder, processes: Vec::new() };
        upstream.write_files();
        upstream.etcd();
        upstream.api_server(settings);
        if settings.scheduler {
            upstream.scheduler();
        }
        upstream
    }

    /// An administrator's.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    pub fn access(&self) -> Access {
        Access::read(&self.kubeconfig()).expect("the kubeconfig just written")
    }

    pub fn processes(&self) -> Vec<u32> {
        self.processes.iter().map(Child::id).collect()
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_string_lossy().into_owned()
    }

    fn write_files(&self) {
        let write =
            |name: &str, text: String| std::fs::write(self.path(name), text).expect("a temporary file");
        // As orch names its administrator: messages and managers of both sides are alike.
        write("tokens.csv", format!("{TOKEN},orch-admin,,system:masters\n"));
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

    fn spawn(&mut self, name: &str, words: &str) {
        let log = std::fs::File::create(self.path(&format!("{name}.log"))).expect("a log file");
        // Not even a test that is aborted leaves it behind.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(Upstream::program());
        command.arg(name).args(words.split_whitespace()).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("the log file twice")).stderr(log);
        self.processes.push(command.spawn().expect("upstream's program starts"));
    }

    fn etcd(&mut self) {
        let data = self.path("etcd");
        let words = format!(
            "--data-dir={data} --listen-client-urls=http://127.0.0.1:2379 --advertise-client-urls=http://127.0.0.1:2379 \
             --listen-peer-urls=http://127.0.0.1:2380 --quota-backend-bytes=8000000000 --log-level=warn"
        );
        self.spawn("etcd", &words);
        self.answers("etcd", "http://127.0.0.1:2379/health");
    }

    fn api_server(&mut self, settings: &Settings) {
        let (key, tokens, certificates) = (self.path("sa.key"), self.path("tokens.csv"), self.path("pki"));
        let disabled = &settings.without_admission;
        let words = format!(
            "--etcd-servers=http://127.0.0.1:2379 --bind-address=192.168.77.2 --advertise-address=192.168.77.2 --secure-port=6443 \
             --cert-dir={certificates} --token-auth-file={tokens} --authorization-mode=Node,RBAC --allow-privileged=true \
             --service-account-issuer=https://kubernetes.default.svc.cluster.local --service-account-signing-key-file={key} \
             --service-account-key-file={key} --service-cluster-ip-range=10.96.0.0/16 \
             --disable-admission-plugins={disabled} --endpoint-reconciler-type=none"
        );
        self.spawn("kube-apiserver", &words);
        self.answers("kube-apiserver", &format!("{SERVER}/readyz"));
    }

    fn scheduler(&mut self) {
        let words = format!("--config={} --secure-port=0", self.path("scheduler.yaml"));
        self.spawn("kube-scheduler", &words);
    }

    fn answers(&self, name: &str, url: &str) {
        let header = format!("Authorization: Bearer {TOKEN}");
        eventually(name, Duration::from_secs(120), || {
            let words = ["--silent", "--insecure", "--fail", "--max-time", "2", "--header", &header, url];
            try_run(Command::new("curl").args(words)).map_err(|why| {
                let log = std::fs::read_to_string(Path::new(&self.path(&format!("{name}.log"))));
                let log = log.unwrap_or_default();
                format!("{why}\n{}", log.lines().rev().take(20).collect::<Vec<_>>().join("\n"))
            })
        });
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
