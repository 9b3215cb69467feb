//! The real client, old (SPDY) and new (WebSocket), as FACTS of the machine allow.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;

use super::fake::{BIG, ECHO_PORT, Server};

const LIMIT: Duration = Duration::from_secs(60);

/// `kubectl.1.28` and `kubectl.1.33` beside a `kubectl` of the Cloud SDK, in PATH, or in `KUBECTL_DIR`.
fn binaries() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = std::env::var_os("KUBECTL_DIR").map(PathBuf::from).into_iter().collect();
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    folders.push("/usr/lib/google-cloud-sdk/bin".into());
    let found = ["kubectl.1.28", "kubectl.1.33"]
        .into_iter()
        .filter_map(|name| folders.iter().map(|folder| folder.join(name)).find(|path| path.exists()));
    let found: Vec<PathBuf> = found.collect();
    if found.len() < 2 {
        eprintln!("SKIPPED in part: kubectl.1.28 and kubectl.1.33 are not both here: {found:?}");
    }
    found
}

struct Kubectl {
    binary: PathBuf,
    home: tempfile::TempDir,
    server: Server,
}

impl Kubectl {
    async fn each() -> Vec<Kubectl> {
        let mut all = Vec::new();
        for binary in binaries() {
            all.push(Kubectl { binary, home: tempfile::tempdir().unwrap(), server: Server::start().await });
        }
        all
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .arg(format!("--server=http://{}", self.server.address))
            .args(arguments)
            .env_clear()
            .env("HOME", self.home.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Standard output, standard error, exit code.
    async fn run(&self, arguments: &[&str], input: Option<&[u8]>) -> (Vec<u8>, String, i32) {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        if input.is_some() {
            command.stdin(Stdio::piped());
        }
        let mut child = command.spawn().unwrap();
        if let Some(input) = input {
            let mut stdin = child.stdin.take().unwrap();
            stdin.write_all(input).await.unwrap();
        }
        let output = tokio::time::timeout(LIMIT, child.wait_with_output()).await;
        let output = output.unwrap_or_else(|_| panic!("{:?} {arguments:?} hangs", self.binary)).unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.stdout, stderr, output.status.code().unwrap_or(-1))
    }
}

#[tokio::test]
async fn exec_with_output_input_and_exit_codes() {
    for kubectl in Kubectl::each().await {
        let name = &kubectl.binary;
        let (out, err, code) = kubectl.run(&["exec", "web", "--", "echo", "hello", "world"], None).await;
        assert_eq!((&out[..], code), (&b"hello world\n"[..], 0), "{name:?}: {err}");

        let (out, err, code) = kubectl.run(&["exec", "-i", "web", "--", "cat"], Some(b"from stdin")).await;
        assert_eq!((&out[..], code), (&b"from stdin"[..], 0), "{name:?}: {err}");

        let (_, err, code) = kubectl.run(&["exec", "web", "--", "fail", "42"], None).await;
        assert_eq!(code, 42, "{name:?}: {err}");
        assert!(
            err.contains("oops\n") && err.contains("command terminated with exit code 42"),
            "{name:?}: {err}"
        );

        let (out, err, code) = kubectl.run(&["exec", "web", "--", "big"], None).await;
        assert_eq!((out.len(), code), (BIG, 0), "{name:?}: {err}");

        let (_, err, code) = kubectl.run(&["exec", "web", "--", "unknown"], None).await;
        assert_ne!(code, 0);
        assert!(err.contains("no such command"), "{name:?}: {err}");
    }
}

#[tokio::test]
async fn much_input_goes_through() {
    for kubectl in Kubectl::each().await {
        let input = vec![b'y'; 5 * 1024 * 1024];
        let (out, err, code) = kubectl.run(&["exec", "-i", "web", "--", "cat"], Some(&input)).await;
        assert_eq!(code, 0, "{err}");
        assert!(out == input, "{:?}: {} bytes came back", kubectl.binary, out.len());
    }
}

#[tokio::test]
async fn attach_and_logs() {
    for kubectl in Kubectl::each().await {
        let (out, err, code) = kubectl.run(&["attach", "-i", "web"], Some(b"typed\n")).await;
        assert_eq!(code, 0, "{err}");
        assert!(String::from_utf8_lossy(&out).contains("attached\n"), "{:?}: {err}", kubectl.binary);

        let (out, err, code) = kubectl.run(&["logs", "web", "--tail=2"], None).await;
        assert_eq!((&out[..], code), (&b"line 4\nline 5\n"[..], 0), "{err}");
        let (_, err, code) = kubectl.run(&["logs", "web", "--previous"], None).await;
        assert_eq!(code, 1);
        assert!(err.contains("previous terminated container"), "{err}");
    }
}

#[tokio::test]
async fn port_forward_carries_connections() {
    for kubectl in Kubectl::each().await {
        let mut command = kubectl.command(&["port-forward", "pod/web", &format!(":{ECHO_PORT}"), ":9"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut ports = Vec::new();
        let listening = async {
            while ports.len() < 2 {
                let line = lines.next_line().await.unwrap().expect("it goes on listening");
                // `Forwarding from 127.0.0.1:40123 -> 7`
                if let Some(rest) = line.strip_prefix("Forwarding from 127.0.0.1:") {
                    ports.push(rest.split(' ').next().unwrap().parse::<u16>().unwrap());
                }
            }
        };
        tokio::time::timeout(LIMIT, listening).await.unwrap();

        for round in 0..3 {
            let mut connection = TcpStream::connect(("127.0.0.1", ports[0])).await.unwrap();
            let sent = vec![b'0' + round; 200_000];
            let (mut read, mut write) = connection.split();
            let mut received = Vec::new();
            let write_all = async {
                write.write_all(&sent).await.unwrap();
                write.shutdown().await.unwrap();
            };
            let both = futures::future::join(write_all, read.read_to_end(&mut received));
            tokio::time::timeout(LIMIT, both).await.unwrap().1.unwrap();
            assert!(received == sent, "{:?}: {} bytes came back", kubectl.binary, received.len());
        }

        // Old versions go down with the first refused connection: it comes last.
        let mut connection = TcpStream::connect(("127.0.0.1", ports[1])).await.unwrap();
        let mut nothing = Vec::new();
        let _ = tokio::time::timeout(LIMIT, connection.read_to_end(&mut nothing)).await.unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
        let told = async {
            loop {
                let line = errors.next_line().await.unwrap().expect("the refusal is told");
                if line.contains("error forwarding port 9 to pod web") {
                    return;
                }
            }
        };
        tokio::time::timeout(LIMIT, told).await.unwrap();
        child.kill().await.unwrap();
    }
}
