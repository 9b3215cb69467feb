//! A runtime on a data directory of its own, images from busybox, and helpers to wait by.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::StreamExt;
use orch_container::runtime::{
    Container, ContainerConfig, ExecRequest, Exit, Image, Resources, Runtime, Sandbox, SandboxConfig,
    Security, State,
};
use orch_container::{Config, OrchRuntime, RegistryConfig};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

pub const PATIENCE: Duration = Duration::from_secs(30);

/// The data directory; its end is the end of everything in it, also when a test fails.
pub struct Data(tempfile::TempDir);

impl Data {
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        if let Err(e) = orch_container::purge(self.path()) {
            eprintln!("{} is not cleaned: {e}", self.path().display());
        }
    }
}

pub struct Machine {
    pub runtime: OrchRuntime,
    pub data: Data,
}

impl Machine {
    pub async fn new() -> Self {
        Self::with_registries(RegistryConfig::default()).await
    }

    pub async fn with_registries(registries: RegistryConfig) -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "these tests make containers: run them as root (sudo -E cargo test)"
        );
        let data = Data(tempfile::tempdir().unwrap());
        let runtime = open(data.path(), registries).await;
        Self { data, runtime }
    }

    /// As a daemon that comes back.
    pub async fn reopen(data: Data) -> Self {
        let runtime = open(data.path(), RegistryConfig::default()).await;
        Self { data, runtime }
    }

    pub async fn busybox(&self) -> Image {
        self.import(docker_archive("busybox:test", &busybox_layer(), json!({"Cmd": ["sh"]}))).await
    }

    pub async fn import(&self, archive: Vec<u8>) -> Image {
        let mut images = self.runtime.import(stream(archive)).await.unwrap();
        assert_eq!(images.len(), 1);
        images.remove(0)
    }

    pub async fn sandbox(&self, id: &str) -> Sandbox {
        self.runtime.create_sandbox(sandbox_config(id)).await.unwrap()
    }

    /// A shell script in a sandbox of its own.
    pub async fn script(&self, image: &Image, id: &str, script: &str) -> ContainerConfig {
        let sandbox = format!("pod-{id}");
        self.sandbox(&sandbox).await;
        self.config(image, id, &sandbox, &["/bin/sh", "-c", script])
    }

    pub fn config(&self, image: &Image, id: &str, sandbox: &str, command: &[&str]) -> ContainerConfig {
        ContainerConfig {
            id: id.to_owned(),
            sandbox_id: sandbox.to_owned(),
            process_namespace_of: None,
            image_id: image.id.clone(),
            command: command.iter().map(|s| (*s).to_owned()).collect(),
            args: Vec::new(),
            working_dir: String::new(),
            env: Vec::new(),
            mounts: Vec::new(),
            devices: Vec::new(),
            resources: Resources::default(),
            security: Security::default(),
            stdin: false,
            stdin_once: false,
            tty: false,
            log_path: self.log_path(id),
            labels: BTreeMap::new(),
        }
    }

    pub fn log_path(&self, id: &str) -> PathBuf {
        self.data.path().join(format!("logs/{id}/0.log"))
    }

    pub async fn start(&self, config: ContainerConfig) {
        let id = config.id.clone();
        self.runtime.create_container(config).await.unwrap();
        self.runtime.start_container(&id).await.unwrap();
    }

    pub async fn run(&self, config: ContainerConfig) -> Exit {
        let id = config.id.clone();
        self.start(config).await;
        self.exit(&id).await
    }

    pub async fn exit(&self, id: &str) -> Exit {
        let state = self.until(id, |c| matches!(c.state, State::Exited(_))).await.state;
        let State::Exited(exit) = state else { unreachable!() };
        exit
    }

    pub async fn until(&self, id: &str, condition: impl Fn(&Container) -> bool) -> Container {
        let mut changes = self.runtime.changes();
        let wait = async {
            loop {
                let container = self.runtime.container(id).await.unwrap();
                if condition(&container) {
                    return container;
                }
                let _ = changes.recv().await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("the container does not get there")
    }

    /// (stream and tag, text) of each log line.
    pub fn log(&self, id: &str) -> Vec<(String, String)> {
        let text = std::fs::read_to_string(self.log_path(id)).unwrap();
        text.lines()
            .map(|line| {
                let fields: Vec<&str> = line.splitn(4, ' ').collect();
                (format!("{} {}", fields[1], fields[2]), fields[3].to_owned())
            })
            .collect()
    }

    pub fn log_text(&self, id: &str) -> String {
        self.log(id).into_iter().map(|(_, text)| text + "\n").collect()
    }

    /// Until the container has written this, polling its log file: files tell nobody.
    pub async fn logged(&self, id: &str, text: &str) {
        let wait = async {
            while !self.log_path(id).exists() || !self.log_text(id).contains(text) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{text:?} is never logged"));
    }

    pub async fn exec(&self, id: &str, command: &[&str]) -> (i32, String, String) {
        self.exec_with(id, command, false, b"").await
    }

    pub async fn exec_with(
        &self,
        id: &str,
        command: &[&str],
        tty: bool,
        input: &[u8],
    ) -> (i32, String, String) {
        let (stdout, mut out) = tokio::io::duplex(1 << 20);
        let (stderr, mut err) = tokio::io::duplex(1 << 20);
        let (_sizes, resize) = mpsc::channel(1);
        let request = ExecRequest {
            command: command.iter().map(|s| (*s).to_owned()).collect(),
            tty,
            stdin: Some(Box::new(std::io::Cursor::new(input.to_vec()))),
            stdout: Some(Box::new(stdout)),
            stderr: Some(Box::new(stderr)),
            resize,
        };
        let mut texts = (String::new(), String::new());
        let (code, _, _) = tokio::join!(
            self.runtime.exec(id, request),
            tokio::io::AsyncReadExt::read_to_string(&mut out, &mut texts.0),
            tokio::io::AsyncReadExt::read_to_string(&mut err, &mut texts.1),
        );
        (code.unwrap(), texts.0, texts.1)
    }

    /// Removes everything and makes sure that nothing is left on the machine.
    pub async fn clean(self) {
        for sandbox in self.runtime.sandboxes().await.unwrap() {
            self.runtime.remove_sandbox(&sandbox.config.id).await.unwrap();
        }
        assert!(self.runtime.containers().await.unwrap().is_empty());
        let root = orch_container::default_cgroup_root(&self.data.path().canonicalize().unwrap());
        assert_nothing_left(self.data.path(), &root);
        // The layers and images; also the machine-wide parent group.
        orch_container::purge(self.data.path()).unwrap();
        orch_container::purge(self.data.path()).unwrap();
    }
}

/// Until a process is dead; whoever inherits it may take long to reap it.
pub async fn until_gone(pid: i32) {
    let lives = || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !(stat.is_empty() || stat.contains(") Z"))
    };
    let wait = async {
        while lives() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("process {pid} lives on"));
}

pub fn assert_nothing_left(data: &Path, cgroup_root: &str) {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let left: Vec<&str> = mounts.lines().filter(|l| l.contains(data.to_str().unwrap())).collect();
    assert!(left.is_empty(), "mounts are left: {left:#?}");
    for hierarchy in std::fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
        let group = hierarchy.path().join(cgroup_root.trim_start_matches('/'));
        assert!(!group.exists(), "{} is left", group.display());
    }
}

async fn open(data: &Path, registries: RegistryConfig) -> OrchRuntime {
    let config = Config { registries, shim_program: shim_program(), ..Config::new(data) };
    OrchRuntime::open(config).await.unwrap()
}

pub fn shim_program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_orch-shim"))
}

pub fn sandbox_config(id: &str) -> SandboxConfig {
    SandboxConfig {
        id: id.to_owned(),
        hostname: "test-host".to_owned(),
        host_network: false,
        host_ipc: false,
        host_pid: false,
        sysctls: BTreeMap::new(),
        cgroup_parent: format!("burstable/{id}"),
        resources: Resources::default(),
        labels: BTreeMap::new(),
    }
}

pub fn stream(bytes: Vec<u8>) -> futures::stream::BoxStream<'static, std::io::Result<bytes::Bytes>> {
    let chunks: Vec<_> = bytes.chunks(64 << 10).map(|c| Ok(bytes::Bytes::copy_from_slice(c))).collect();
    futures::stream::iter(chunks).boxed()
}

/// A root file system of busybox and two accounts.
pub fn busybox_layer() -> Vec<u8> {
    let busybox = std::fs::read("/bin/busybox").expect("these tests need the package busybox-static");
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |path: &str, mode: u32, body: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_mode(mode);
        header.set_size(body.len() as u64);
        header.set_mtime(1_700_000_000);
        tar.append_data(&mut header, path, body).unwrap();
    };
    add("bin/busybox", 0o755, &busybox);
    add("etc/passwd", 0o644, b"root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1001:web:/srv:/bin/sh\n");
    add("etc/group", 0o644, b"root:x:0:\nweb:x:1001:\nlog:x:1002:web\n");
    add("etc/not-executable", 0o644, b"text");
    for name in APPLETS {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        header.set_mode(0o777);
        tar.append_link(&mut header, format!("bin/{name}"), "busybox").unwrap();
    }
    for name in ["tmp", "root", "srv", "proc", "sys", "dev"] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_size(0);
        header.set_mode(if name == "tmp" { 0o1777 } else { 0o755 });
        tar.append_data(&mut header, name, std::io::empty()).unwrap();
    }
    tar.into_inner().unwrap()
}

const APPLETS: [&str; 33] = [
    "sh", "cat", "echo", "ls", "sleep", "true", "false", "id", "hostname", "env", "pwd", "kill", "head",
    "dd", "yes", "stty", "tty", "mount", "mkdir", "touch", "grep", "ps", "wc", "nc", "ip", "mknod", "stat",
    "tail", "unshare", "seq", "trap", "chroot", "readlink",
];

pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// As `docker save` writes it.
pub fn docker_archive(name: &str, layer: &[u8], execution: serde_json::Value) -> Vec<u8> {
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": execution,
        "rootfs": {"type": "layers", "diff_ids": [digest(layer)]},
    })
    .to_string();
    let manifest =
        json!([{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]).to_string();
    let mut tar = tar::Builder::new(Vec::new());
    for (path, body) in
        [("config.json", config.as_bytes()), ("manifest.json", manifest.as_bytes()), ("layer.tar", layer)]
    {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(body.len() as u64);
        tar.append_data(&mut header, path, body).unwrap();
    }
    tar.into_inner().unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
