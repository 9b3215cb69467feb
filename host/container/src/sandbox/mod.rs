//! What a pod's containers share: pinned namespaces (no process holds them), shared memory, the parent
//! cgroup.

mod namespaces;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::mount::{MsFlags, mount};
use parking_lot::Mutex;
use tokio::net::{TcpSocket, TcpStream};

use crate::cgroup::Cgroup;
use crate::rootfs::{on_own_thread, unmount};
use crate::runtime::{RuntimeError, Sandbox, SandboxConfig};
use crate::shim::record;
use crate::spec::Namespaces;

const RECORD: &str = "sandbox.json";
const SHM_OPTIONS: &str = "mode=1777,size=65536k";

/// The sandboxes of one data directory. Every method blocks.
#[derive(Debug, Clone)]
pub struct Sandboxes {
    /// `sandboxes/`
    dir: PathBuf,
    /// `run/ns/`
    pinned: PathBuf,
    /// `/orch/<8 hex>`
    cgroup_root: String,
    /// Held while groups are made below shared parents, and while parents that have become empty are removed.
    parents: Arc<Mutex<()>>,
}

impl Sandboxes {
    pub fn open(data_dir: &Path, cgroup_root: &str) -> io::Result<Self> {
        let sandboxes = Self {
            dir: data_dir.join("sandboxes"),
            pinned: data_dir.join("run/ns"),
            cgroup_root: cgroup_root.to_owned(),
            parents: Arc::default(),
        };
        std::fs::create_dir_all(&sandboxes.dir)?;
        std::fs::create_dir_all(&sandboxes.pinned)?;
        Ok(sandboxes)
    }

    pub fn create(&self, config: SandboxConfig) -> Result<Sandbox, RuntimeError> {
        check_id(&config.id)?;
        if self.dir.join(&config.id).join(RECORD).exists() {
            return Err(RuntimeError::Other(format!("sandbox {} exists already", config.id)));
        }
        // What a crash left half made.
        self.remove(&config)?;
        self.make(&config).map_err(|source| {
            let _ = self.remove(&config);
            RuntimeError::Io { what: format!("create sandbox {}", config.id), source }
        })
    }

    fn make(&self, config: &SandboxConfig) -> io::Result<Sandbox> {
        let dir = self.dir.join(&config.id);
        std::fs::create_dir_all(dir.join("shm"))?;
        {
            let _held = self.parents.lock();
            self.cgroup(config).create(&config.resources)?;
        }
        namespaces::pin(config, &self.pinned.join(&config.id))?;
        if !config.host_ipc {
            let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
            mount(Some("shm"), &dir.join("shm"), Some("tmpfs"), flags, Some(SHM_OPTIONS))?;
        }
        let sandbox = Sandbox {
            network_namespace: self.namespaces(config).network,
            config: config.clone(),
            created_at_ms: record::now_ms(),
        };
        record::write(&dir.join(RECORD), &sandbox)?;
        Ok(sandbox)
    }

    /// Sets other limits and keeps them for a later daemon.
    pub fn update(&self, sandbox: &Sandbox) -> io::Result<()> {
        self.cgroup(&sandbox.config).set(&sandbox.config.resources)?;
        record::write(&self.dir.join(&sandbox.config.id).join(RECORD), sandbox)
    }

    /// No error for what is not there.
    pub fn remove(&self, config: &SandboxConfig) -> Result<(), RuntimeError> {
        check_id(&config.id)?;
        let fail = |source| RuntimeError::Io { what: format!("remove sandbox {}", config.id), source };
        let dir = self.dir.join(&config.id);
        // First, so that a crash does not leave a record of something half gone.
        let record = dir.join(RECORD);
        let known = record.exists();
        namespaces::unpin(&self.pinned.join(&config.id)).map_err(fail)?;
        unmount(&dir.join("shm"));
        if known || !config.cgroup_parent.is_empty() {
            self.cgroup(config).remove().map_err(fail)?;
            self.remove_empty_parents(&config.cgroup_parent);
        }
        remove_dir(&dir).map_err(fail)
    }

    fn remove_empty_parents(&self, cgroup_parent: &str) {
        let _held = self.parents.lock();
        let mut path = Path::new(cgroup_parent);
        while let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            Cgroup::new(&format!("{}/{}", self.cgroup_root, parent.display())).remove_if_empty();
            path = parent;
        }
        Cgroup::new(&self.cgroup_root).remove_if_empty();
    }

    /// Those on disk. What is half made, or was lost with a reboot, is removed.
    pub fn load(&self) -> io::Result<Vec<Sandbox>> {
        let mut sandboxes = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let dir = entry?.path();
            match record::read::<Sandbox>(&dir.join(RECORD)) {
                Ok(sandbox) if self.is_whole(&sandbox) => sandboxes.push(sandbox),
                Ok(sandbox) => {
                    tracing::warn!(sandbox = sandbox.config.id, "namespaces are gone: removing the sandbox");
                    self.remove(&sandbox.config).map_err(io::Error::other)?;
                }
                Err(_) => self.remove_unknown(&dir)?,
            }
        }
        Ok(sandboxes)
    }

    fn is_whole(&self, sandbox: &Sandbox) -> bool {
        let namespaces = self.namespaces(&sandbox.config);
        [namespaces.network, namespaces.ipc, namespaces.uts]
            .iter()
            .flatten()
            .all(|path| namespaces::is_pinned(path))
    }

    fn remove_unknown(&self, dir: &Path) -> io::Result<()> {
        if let Some(id) = dir.file_name() {
            namespaces::unpin(&self.pinned.join(id))?;
        }
        unmount(&dir.join("shm"));
        remove_dir(dir)
    }

    pub fn namespaces(&self, config: &SandboxConfig) -> Namespaces {
        let dir = self.pinned.join(&config.id);
        let own = |shared: bool, name: &str| (!shared).then(|| dir.join(name));
        Namespaces {
            process: None,
            network: own(config.host_network, "net"),
            ipc: own(config.host_ipc, "ipc"),
            // The host's network comes with the host's name.
            uts: own(config.host_network, "uts"),
        }
    }

    pub fn shm(&self, config: &SandboxConfig) -> PathBuf {
        if config.host_ipc { PathBuf::from("/dev/shm") } else { self.dir.join(&config.id).join("shm") }
    }

    pub fn cgroup_path(&self, config: &SandboxConfig) -> String {
        format!("{}/{}", self.cgroup_root, config.cgroup_parent.trim_matches('/'))
    }

    fn cgroup(&self, config: &SandboxConfig) -> Cgroup {
        Cgroup::new(&self.cgroup_path(config))
    }
}

/// A TCP connection as seen from inside: the socket is made there, the rest happens here.
pub async fn connect(namespace: Option<PathBuf>, address: SocketAddr) -> io::Result<TcpStream> {
    let Some(namespace) = namespace else { return TcpStream::connect(address).await };
    let socket = crate::blocking_io(move || {
        on_own_thread("connect", move || {
            namespaces::enter_network(&namespace)?;
            namespaces::tcp_socket(address.is_ipv6())
        })
    })
    .await?;
    TcpSocket::from_std_stream(socket.into()).connect(address).await
}

pub fn address(ip: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(ip, port)
}

fn remove_dir(dir: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Ids become directory names.
pub fn check_id(id: &str) -> Result<(), RuntimeError> {
    let fine = !id.is_empty()
        && id.len() <= 128
        && !id.starts_with('.')
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if fine { Ok(()) } else { Err(RuntimeError::Other(format!("{id:?} is not usable as an id"))) }
}
