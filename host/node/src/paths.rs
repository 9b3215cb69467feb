//! Where a pod's files are.

use std::path::PathBuf;

#[derive(Debug, Clone)]
pub struct Paths {
    data_dir: PathBuf,
}

impl Paths {
    pub fn new(data_dir: PathBuf) -> Self {
        Paths { data_dir }
    }
    pub fn data_dir(&self) -> &PathBuf {
        &self.data_dir
    }
    pub fn pods(&self) -> PathBuf {
        self.data_dir.join("pods")
    }
    pub fn pod(&self, uid: &str) -> PathBuf {
        self.pods().join(uid)
    }
    pub fn volumes(&self, uid: &str) -> PathBuf {
        self.pod(uid).join("volumes")
    }
    /// `kind`: `empty-dir`, `configmap`, …, as upstream names its folders.
    pub fn volume(&self, uid: &str, kind: &str, name: &str) -> PathBuf {
        self.volumes(uid).join(format!("kubernetes.io~{kind}")).join(name)
    }
    pub fn subpaths(&self, uid: &str) -> PathBuf {
        self.pod(uid).join("volume-subpaths")
    }
    pub fn etc_hosts(&self, uid: &str) -> PathBuf {
        self.pod(uid).join("etc-hosts")
    }
    pub fn resolv_conf(&self, uid: &str) -> PathBuf {
        self.pod(uid).join("resolv.conf")
    }
    pub fn etc_hostname(&self, uid: &str) -> PathBuf {
        self.pod(uid).join("hostname")
    }
    /// The file mounted at `terminationMessagePath`.
    pub fn termination_log(&self, uid: &str, container: &str, restart_count: u32) -> PathBuf {
        self.pod(uid).join("containers").join(container).join(format!("{restart_count}.termination"))
    }
    pub fn all_logs(&self) -> PathBuf {
        self.data_dir.join("logs/pods")
    }
    pub fn logs(&self, namespace: &str, name: &str, uid: &str) -> PathBuf {
        self.all_logs().join(format!("{namespace}_{name}_{uid}"))
    }
    pub fn log(
        &self,
        namespace: &str,
        name: &str,
        uid: &str,
        container: &str,
        restart_count: u32,
    ) -> PathBuf {
        self.logs(namespace, name, uid).join(container).join(format!("{restart_count}.log"))
    }
    /// The root of `localhost` seccomp profiles.
    pub fn seccomp(&self) -> PathBuf {
        self.data_dir.join("seccomp")
    }
}
