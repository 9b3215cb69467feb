//! The host's configuration: defaults, then the file, then the environment and the command line.

pub mod security;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Deserialize;

use crate::arguments::Up;

/// What `orch up` runs with; the same names as keys of the configuration file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Config {
    pub data_dir: PathBuf,
    pub listen: SocketAddr,
    /// `sqlite` or a `postgres://…` URL.
    pub store: String,
    pub node_name: String,
    /// Registry name → URL to pull from instead.
    pub registry_mirrors: BTreeMap<String, String>,
    /// Registries (beside loopback ones) that are spoken to in plain HTTP.
    pub insecure_registries: Vec<String>,
    /// PEM files of authorities that sign registries' certificates, beside those the machine trusts.
    pub registry_ca: Vec<PathBuf>,
    /// `text` or `json`.
    pub log_format: String,
    /// `RUST_LOG` syntax.
    pub log: String,
    /// Pods' addresses; each node takes a /24 of it.
    pub pod_cidr: String,
    /// Services' addresses.
    pub service_cidr: String,
    pub cluster_domain: String,
    /// Tokens of other issuers, and the audit log.
    pub security: security::Settings,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            data_dir: "/var/lib/orch".into(),
            listen: SocketAddr::from(([0, 0, 0, 0], 6443)),
            store: "sqlite".into(),
            node_name: host_name(),
            registry_mirrors: BTreeMap::new(),
            insecure_registries: Vec::new(),
            registry_ca: Vec::new(),
            log_format: "text".into(),
            log: "info".into(),
            pod_cidr: "10.244.0.0/16".into(),
            service_cidr: "10.96.0.0/16".into(),
            cluster_domain: "cluster.local".into(),
            security: security::Settings::default(),
        }
    }
}

impl Config {
    /// Reads the file that `--config` names, if any, and lets the flags override it.
    pub fn load(flags: &Up) -> anyhow::Result<Config> {
        let mut config = match &flags.config {
            Some(path) => Config::read(path)?,
            None => Config::default(),
        };
        let Up {
            data_dir,
            listen,
            store,
            node_name,
            registry_mirror,
            registry_ca,
            log_format,
            log,
            security,
            config: _,
            detach: _,
        } = flags.clone();
        config.security.set(security);
        set(&mut config.data_dir, data_dir);
        set(&mut config.listen, listen);
        set(&mut config.store, store);
        set(&mut config.node_name, node_name);
        set(&mut config.log_format, log_format);
        set(&mut config.log, log);
        config.registry_ca.extend(registry_ca);
        for mirror in registry_mirror {
            let Some((registry, url)) = mirror.split_once('=') else {
                bail!(
                    "--registry-mirror {mirror}: write it as REGISTRY=URL, e.g. docker.io=http://127.0.0.1:5000"
                );
            };
            config.registry_mirrors.insert(registry.into(), url.into());
        }
        config.validated()
    }

    fn read(path: &Path) -> anyhow::Result<Config> {
        let text = std::fs::read_to_string(path).with_context(|| format!("--config {}", path.display()))?;
        serde_saphyr::from_str(&text).map_err(|error| anyhow::anyhow!("--config {}: {error}", path.display()))
    }

    fn validated(mut self) -> anyhow::Result<Config> {
        if !matches!(self.log_format.as_str(), "text" | "json") {
            bail!("--log-format {}: only `text` and `json` are known", self.log_format);
        }
        if self.store != "sqlite"
            && !self.store.starts_with("postgres://")
            && !self.store.starts_with("postgresql://")
        {
            bail!("--store {}: only `sqlite` and `postgres://USER@HOST/DATABASE` are known", self.store);
        }
        self.node_name = self.node_name.to_lowercase();
        if !orch_object::names::is_dns1123_subdomain(&self.node_name) {
            bail!(
                "--node-name {}: a node's name is lower-case letters, digits, `-` and `.`, beginning and ending with a letter or digit",
                self.node_name
            );
        }
        for (registry, url) in &self.registry_mirrors {
            if !url.starts_with("http://") && !url.starts_with("https://") {
                bail!("mirror of {registry}: {url} is not an http:// or https:// URL");
            }
        }
        self.security.check()?;
        self.data_dir = std::path::absolute(&self.data_dir)?;
        Ok(self)
    }
}

fn set<T>(field: &mut T, given: Option<T>) {
    if let Some(value) = given {
        *field = value;
    }
}

fn host_name() -> String {
    nix::unistd::gethostname().ok().and_then(|n| n.into_string().ok()).unwrap_or_else(|| "localhost".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(up: Up) -> Result<Config, String> {
        Config::load(&up).map_err(|e| format!("{e:#}"))
    }

    #[test]
    fn flags_override_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            &file,
            "nodeName: from-file\nlog: debug\nregistryMirrors: {a.example: 'http://127.0.0.1:1'}\n",
        )
        .unwrap();
        let config = load(Up {
            config: Some(file.path().into()),
            node_name: Some("From-Flag".into()),
            registry_mirror: vec!["b.example=http://127.0.0.1:2".into()],
            registry_ca: vec!["/etc/ca.pem".into()],
            ..Up::default()
        })
        .unwrap();
        assert_eq!(config.node_name, "from-flag");
        assert_eq!(config.log, "debug");
        assert_eq!(config.registry_mirrors.len(), 2);
    }

    #[test]
    fn bad_input_names_the_field_and_the_remedy() {
        let mirror = load(Up { registry_mirror: vec!["x".into()], ..Up::default() }).unwrap_err();
        assert!(mirror.contains("--registry-mirror x") && mirror.contains("REGISTRY=URL"), "{mirror}");
        let store = load(Up { store: Some("mysql://x".into()), ..Up::default() }).unwrap_err();
        assert!(store.contains("--store mysql://x") && store.contains("postgres://"), "{store}");
        let node = load(Up { node_name: Some("under_score".into()), ..Up::default() }).unwrap_err();
        assert!(node.contains("--node-name under_score"), "{node}");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "nodeNames: x\n").unwrap();
        let key = load(Up { config: Some(file.path().into()), ..Up::default() }).unwrap_err();
        assert!(key.contains("nodeNames"), "{key}");
    }
}
