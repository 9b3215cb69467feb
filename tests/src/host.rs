//! One `orch up` in a network namespace with an address of its own.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::kubectl::Kubectl;
use crate::{eventually, orch, run, try_run, workspace};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A network namespace: loopback and one interface `eth0` with an address and a default route.
pub struct Network {
    pub name: String,
    pub address: Ipv4Addr,
}

impl Network {
    pub fn new() -> Network {
        let name = format!("orch-e2e-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let network = Network { name, address: Ipv4Addr::new(192, 168, 77, 2) };
        run(Command::new("ip").args(["netns", "add", &network.name]));
        for words in [
            "link set lo up",
            "link add eth0 type veth peer name eth0-peer",
            "link set eth0-peer up",
            "link set eth0 up",
            "address add 192.168.77.2/24 dev eth0",
            "route add default via 192.168.77.1",
        ] {
            run(network.command("ip").args(words.split(' ')));
        }
        network
    }

    /// The calling thread, and those it makes, stand inside from now on.
    pub fn enter(&self) {
        let namespace = std::fs::File::open(format!("/run/netns/{}", self.name)).expect("a namespace");
        nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET)
            .expect("root, for a network namespace");
    }

    /// A command that runs inside.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        // Not `ip netns exec`: that mounts a /sys of its own, without cgroups.
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.name)).arg("--").arg(program);
        command
    }
}

impl Default for Network {
    fn default() -> Self {
        Network::new()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = try_run(Command::new("ip").args(["netns", "delete", &self.name]));
    }
}

/// A running host; dropped, it is purged and its machine-wide traces are checked to be gone.
pub struct Host {
    pub network: Network,
    pub data_dir: TempDir,
    arguments: Vec<String>,
    process: Option<Child>,
}

impl Host {
    pub fn start(arguments: &[&str]) -> Host {
        Host::start_in(Network::new(), arguments)
    }

    pub fn start_in(network: Network, arguments: &[&str]) -> Host {
        let host = Host::start_without_image(network, arguments);
        host.import_hello();
        host
    }

    /// For what runs no container.
    pub fn start_without_image(network: Network, arguments: &[&str]) -> Host {
        let mut host = Host {
            network,
            data_dir: TempDir::with_prefix("orch-e2e-").expect("a temporary directory"),
            arguments: arguments.iter().map(|a| a.to_string()).collect(),
            process: None,
        };
        host.up();
        host
    }

    /// Starts the daemon and waits until its node is ready.
    pub fn up(&mut self) {
        assert!(self.process.is_none(), "the host runs already");
        let log =
            std::fs::File::options().create(true).append(true).open(self.log_path()).expect("a log file");
        let child = self
            .network
            .command(orch())
            .args(["up", "--node-name", "node-a", "--data-dir"])
            .arg(self.data_dir.path())
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log file twice"))
            .stderr(log)
            .spawn()
            .expect("orch up starts");
        self.process = Some(child);
        eventually("node Ready", Duration::from_secs(30), || {
            if let Some(status) = self.process.as_mut().and_then(|p| p.try_wait().ok().flatten()) {
                return Err(format!("orch up ended: {status}\n{}", self.log()));
            }
            let nodes = self.orch(&["get", "nodes"])?;
            if nodes.contains(" Ready") { Ok(()) } else { Err(nodes) }
        });
    }

    /// `kill -9` of the daemon, and of nothing else.
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("the host runs");
        // `nsenter` replaces itself by the program: the child is the daemon.
        kill(Pid::from_raw(process.id() as i32), Signal::SIGKILL).expect("the daemon is there to kill");
        process.wait().expect("the daemon is ours");
    }

    /// SIGTERM, and its end.
    pub fn stop(&mut self) {
        let mut process = self.process.take().expect("the host runs");
        kill(Pid::from_raw(process.id() as i32), Signal::SIGTERM).expect("the daemon is there to stop");
        let status = process.wait().expect("the daemon is ours");
        assert!(status.success(), "orch up ended with {status} on SIGTERM\n{}", self.log());
    }

    /// A client command of orch itself.
    pub fn orch(&self, words: &[&str]) -> Result<String, String> {
        try_run(self.network.command(orch()).args(words).arg("--data-dir").arg(self.data_dir.path()))
    }

    pub fn kubectl(&self, client: &Kubectl) -> KubectlIn<'_> {
        KubectlIn { host: self, program: client.program.clone() }
    }

    pub fn import_hello(&self) {
        let archive = workspace().join("target/hello.tar");
        assert!(archive.exists(), "{} is missing: run `make target/hello.tar`", archive.display());
        self.orch(&["image", "import", &archive.to_string_lossy()]).unwrap_or_else(|why| panic!("{why}"));
    }

    /// The daemon's process.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("the host runs").id()
    }

    pub fn kubeconfig(&self) -> PathBuf {
        self.data_dir.path().join("kubeconfig")
    }

    fn log_path(&self) -> PathBuf {
        self.data_dir.path().with_extension("log")
    }

    pub fn whole_log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// The end of the daemon's log, for messages.
    pub fn log(&self) -> String {
        let text = self.whole_log();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// `curl` from the node: the body.
    pub fn curl(&self, url: &str) -> Result<String, String> {
        try_run(self.network.command("curl").args([
            "--silent",
            "--show-error",
            "--fail",
            "--max-time",
            "2",
            url,
        ]))
    }

    /// The pinned network namespace of a pod's sandbox.
    pub fn pod_network(&self, uid: &str) -> String {
        let pinned = self.data_dir.path().join("run/ns");
        let entries = std::fs::read_dir(&pinned).unwrap_or_else(|e| panic!("{}: {e}", pinned.display()));
        let found = entries.flatten().find(|e| e.file_name().to_string_lossy().contains(uid));
        let found = found.unwrap_or_else(|| panic!("no namespace of {uid}"));
        found.path().join("net").to_string_lossy().into_owned()
    }

    /// Ends the daemon and purges; what is left behind, if anything.
    pub fn purge(&mut self) -> Vec<String> {
        if let Some(process) = &mut self.process
            && matches!(process.try_wait(), Ok(Some(_)))
        {
            self.process = None;
        }
        if self.process.is_some() {
            self.stop();
        }
        let mut left = Vec::new();
        let down = try_run(
            self.network.command(orch()).args(["down", "--purge", "--data-dir"]).arg(self.data_dir.path()),
        );
        left.extend(down.err());
        left.extend(traces(self.data_dir.path(), &self.network));
        let _ = std::fs::remove_file(self.log_path());
        left
    }
}

/// What a purged data directory must not leave on the machine.
fn traces(data_dir: &Path, network: &Network) -> Vec<String> {
    let mut left = Vec::new();
    let here = data_dir.to_string_lossy();
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    left.extend(mounts.lines().filter(|l| l.contains(&*here)).map(|l| format!("mount {l}")));
    for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&command).contains(&*here) {
            left.push(format!("process {:?}", process.file_name()));
        }
    }
    let tables = try_run(network.command("nft").args(["list", "tables"])).unwrap_or_default();
    left.extend(tables.lines().filter(|l| l.contains("orch")).map(|l| format!("nft {l}")));
    let links = try_run(network.command("ip").args(["-o", "link"])).unwrap_or_default();
    left.extend(
        links.lines().filter(|l| !l.contains(": lo:") && !l.contains("eth0")).map(|l| format!("link {l}")),
    );
    if data_dir.exists() {
        left.push(format!("directory {here}"));
    }
    left
}

impl Drop for Host {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the host's log\n{}\n---", self.log());
        }
        if let Some(mut process) = self.process.take() {
            let _ = kill(Pid::from_raw(process.id() as i32), Signal::SIGTERM);
            let _ = process.wait();
        }
        if self.data_dir.path().exists() {
            let _ = try_run(
                self.network
                    .command(orch())
                    .args(["down", "--purge", "--data-dir"])
                    .arg(self.data_dir.path()),
            );
        }
        let _ = std::fs::remove_file(self.log_path());
    }
}

/// kubectl against one host.
pub struct KubectlIn<'a> {
    host: &'a Host,
    program: PathBuf,
}

impl KubectlIn<'_> {
    pub fn command(&self, words: &str) -> Command {
        let mut command = self.host.network.command(&self.program);
        command.arg("--kubeconfig").arg(self.host.kubeconfig());
        // kubectl keeps its discovery cache per server; hosts of different tests share an address.
        command.arg("--cache-dir").arg(self.host.data_dir.path().join("kubectl-cache"));
        command.args(words.split_whitespace()).current_dir(workspace());
        command
    }

    pub fn ask(&self, words: &str) -> Result<String, String> {
        try_run(&mut self.command(words))
    }

    pub fn run(&self, words: &str) -> String {
        self.ask(words).unwrap_or_else(|why| panic!("{why}"))
    }

    /// With a manifest on standard input.
    pub fn feed(&self, words: &str, manifest: &str) -> Result<String, String> {
        use std::io::Write;
        let mut command = self.command(words);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| e.to_string())?;
        child.stdin.take().expect("piped").write_all(manifest.as_bytes()).map_err(|e| e.to_string())?;
        let output = child.wait_with_output().map_err(|e| e.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(format!("{words}: {}{}", text(&output.stdout), text(&output.stderr)))
        }
    }
}
