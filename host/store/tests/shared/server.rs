//! A Postgres server of Debian's package, started for the tests and stopped after them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The one that is running, if any.
static RUNNING: Mutex<Weak<Server>> = Mutex::new(Weak::new());

pub struct Server {
    folder: TempDir,
    programs: PathBuf,
    process: Mutex<Option<Child>>,
    databases: AtomicU32,
}

impl Server {
    pub fn shared() -> Arc<Server> {
        let mut running = RUNNING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(server) = running.upgrade() {
            return server;
        }
        let server = Arc::new(Server::start_new());
        *running = Arc::downgrade(&server);
        server
    }

    pub fn start_new() -> Server {
        let programs = find_programs();
        let folder = tempfile::Builder::new().prefix("pg").tempdir().unwrap();
        make_accessible(folder.path());
        let server = Server { folder, programs, process: Mutex::new(None), databases: AtomicU32::new(0) };
        let data = server.data();
        server.run(
            "initdb",
            &["-U", "orch", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D", &data],
        );
        server.start();
        server
    }

    pub fn start(&self) {
        let child = self
            .command("postgres")
            .args(["-D", &self.data(), "-k", &self.socket(), "-c", "listen_addresses="])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        *self.process.lock().unwrap() = Some(child);
        let begin = Instant::now();
        while !self.answers() {
            assert!(begin.elapsed() < Duration::from_secs(30), "Postgres does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn stop(&self) {
        if let Some(mut child) = self.process.lock().unwrap().take() {
            // A fast shutdown.
            let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
            let _ = child.wait();
        }
    }

    pub fn create_database(&self) -> String {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.run("createdb", &["-h", &self.socket(), "-U", "orch", &name]);
        format!("postgres://orch:secret@localhost/{name}?host={}", self.socket())
    }

    fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    fn socket(&self) -> String {
        self.folder.path().display().to_string()
    }

    fn answers(&self) -> bool {
        let ready = self.command("pg_isready").args(["-q", "-h", &self.socket()]).status();
        ready.is_ok_and(|status| status.success())
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let output = self.command(program).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} failed: {said}");
    }

    /// Postgres refuses to run as root.
    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn find_programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = versions.map(|version| version.path().join("bin"));
    let in_path = std::env::var_os("PATH").unwrap_or_default();
    debian
        .chain(std::env::split_paths(&in_path))
        .find(|folder| {
            ["initdb", "postgres", "createdb", "pg_isready"].iter().all(|p| folder.join(p).exists())
        })
        .expect("Postgres is not installed: apt-get install postgresql")
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}

fn make_accessible(folder: &Path) {
    if is_root() {
        let status = Command::new("chown").arg("nobody:nogroup").arg(folder).status().unwrap();
        assert!(status.success());
    }
}
