//! Debian's docker-registry on the loopback of a network namespace, with or without a password.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::host::Network;
use crate::{eventually, run, try_run};

pub struct Registry {
    /// Configuration and login; the images too, unless they lie elsewhere.
    _data: TempDir,
    process: Child,
    pub address: String,
}

impl Registry {
    pub fn start(network: &Network, port: u16, login: Option<(&str, &str)>) -> Registry {
        let data = TempDir::with_prefix("orch-e2e-registry-").expect("a temporary directory");
        let storage = data.path().join("storage");
        Registry::serve_from(data, &storage, network, port, login)
    }

    /// Serves the images that lie in `storage` already.
    pub fn over(network: &Network, port: u16, storage: &Path) -> Registry {
        let data = TempDir::with_prefix("orch-e2e-registry-").expect("a temporary directory");
        Registry::serve_from(data, storage, network, port, None)
    }

    fn serve_from(
        data: TempDir,
        storage: &Path,
        network: &Network,
        port: u16,
        login: Option<(&str, &str)>,
    ) -> Registry {
        let address = format!("127.0.0.1:{port}");
        let mut config = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '{address}'}}\n",
            storage.display()
        );
        if let Some((user, password)) = login {
            let file = data.path().join("htpasswd");
            run(Command::new("htpasswd").args(["-Bbc"]).arg(&file).args([user, password]));
            config += &format!("auth: {{htpasswd: {{realm: test, path: {}}}}}\n", file.display());
        }
        let file = data.path().join("config.yml");
        std::fs::write(&file, config).expect("the registry's configuration");
        let process = network
            .command("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry starts; install the package docker-registry");
        eventually("the registry answers", Duration::from_secs(10), || {
            let status = try_run(network.command("curl").args([
                "--silent",
                "--output",
                "/dev/null",
                "--write-out",
                "%{http_code}",
                &format!("http://{address}/v2/"),
            ]))?;
            if status == "200" || status == "401" { Ok(()) } else { Err(status) }
        });
        Registry { _data: data, process, address }
    }

    /// Pushes a docker archive under `repository:tag`.
    pub fn push(&self, network: &Network, archive: &str, name: &str, login: Option<(&str, &str)>) {
        let mut command = network.command("skopeo");
        command.args(["copy", "--quiet", "--dest-tls-verify=false", "--insecure-policy"]);
        if let Some((user, password)) = login {
            command.arg("--dest-creds").arg(format!("{user}:{password}"));
        }
        run(command
            .arg(format!("docker-archive:{archive}"))
            .arg(format!("docker://{}/{name}", self.address)));
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
