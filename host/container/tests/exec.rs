//! Commands in running containers, and clients attached to them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod machine;

use std::time::Duration;

use machine::{Machine, PATIENCE};
use orch_container::runtime::{ExecRequest, Resources, Runtime, RuntimeError, Security, State};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

const STATUS: &str =
    "grep -E '^(Uid|Gid|Groups|CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp):' /proc/self/status";

#[tokio::test(flavor = "multi_thread")]
async fn streams_and_exit_codes() {
    let machine = Machine::new().await;
    let image = machine.busybox().await;
    let config = machine.script(&image, "c1", "sleep 1000").await;
    machine.start(config).await;
    let (code, out, err) =
        machine.exec_with("c1", &["sh", "-c", "cat; echo bad >&2; exit 4"], false, b"through").await;
    assert_eq!((code, out.as_str(), err.as_str()), (4, "through", "bad\n"));
    let (code, ..) = machine.exec("c1", &["sh", "-c", "kill -9 $$"]).await;
    assert_eq!(code, 137);
    let big = vec![b'x'; 3 << 20];
    let (code, out, _) = machine.exec_with("c1", &["wc", "-c"], false, &big).await;
    assert_eq!((code, out.trim()), (0, "3145728"));
    machine.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_confined_as_its_container() {
    let machine = Machine::new().await;
    let image = machine.busybox().await;
    machine.sandbox("pod").await;
    let securities = [
        ("default", Security::default()),
        (
            "strict",
            Security {
                user: Some(1000),
                group: Some(1001),
                supplementary_groups: vec![7],
                no_new_privileges: true,
                drop_capabilities: vec!["ALL".into()],
                add_capabilities: vec!["NET_BIND_SERVICE".into()],
                ..Security::default()
            },
        ),
        ("privileged", Security { privileged: true, ..Security::default() }),
    ];
    for (id, security) in securities {
        let script = format!(
            "{STATUS}; for n in /proc/self/ns/*; do readlink $n; done; cat /proc/self/cgroup; cat /proc/self/oom_score_adj; pwd; env; umask; echo end; sleep 1000"
        );
        let mut config = machine.config(&image, id, "pod", &["/bin/sh", "-c", &script]);
        config.security = security;
        config.working_dir = "/srv".into();
        config.env.push(("ONE".into(), "two words".into()));
        config.resources = Resources { oom_score_adj: Some(321), ..Resources::default() };
        machine.start(config).await;
        machine.logged(id, "end\n").await;
        let script = script.replace("; sleep 1000", "");
        let (code, out, err) = machine.exec(id, &["/bin/sh", "-c", &script]).await;
        assert_eq!((code, err.as_str()), (0, ""), "{id}");
        // Variables that the shell itself sets differ.
        let comparable = |text: &str| {
            let lines = text.lines().filter(|line| !line.starts_with("SHLVL=") && !line.starts_with("_="));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(comparable(&out), comparable(&machine.log_text(id)), "{id}");
        let seccomp = if id == "privileged" { "Seccomp:\t0" } else { "Seccomp:\t2" };
        assert!(out.contains(seccomp), "{out}");
        machine.runtime.remove_container(id).await.unwrap();
    }
    machine.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_cannot_run_are_explained() {
    let machine = Machine::new().await;
    let image = machine.busybox().await;
    let config = machine.script(&image, "c1", "sleep 1000").await;
    machine.start(config).await;
    let (_sizes, resize) = mpsc::channel(1);
    let request = ExecRequest {
        command: vec!["nope".into()],
        tty: false,
        stdin: None,
        stdout: None,
        stderr: None,
        resize,
    };
    let error = machine.runtime.exec("c1", request).await.unwrap_err();
    let words = "exec: \"nope\": executable file not found in $PATH";
    assert!(matches!(&error, RuntimeError::Start { message, .. } if message.ends_with(words)), "{error}");
    machine.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn terminals_have_a_size() {
    let machine = Machine::new().await;
    let image = machine.busybox().await;
    let config = machine.script(&image, "c1", "sleep 1000").await;
    machine.start(config).await;
    let (stdout, mut out) = tokio::io::duplex(1 << 16);
    let (mut keys, stdin) = tokio::io::duplex(1 << 16);
    let (sizes, resize) = mpsc::channel(4);
    let request = ExecRequest {
        command: vec!["sh".into()],
        tty: true,
        stdin: Some(Box::new(stdin)),
        stdout: Some(Box::new(stdout)),
        stderr: None,
        resize,
    };
    let client = async {
        sizes.send((91, 37)).await.unwrap();
        // The size is set beside the keys: asked for until it is there.
        keys.write_all(b"tty; while ! stty size | grep -q '37 91'; do :; done; stty size; exit 6\n")
            .await
            .unwrap();
        let mut text = String::new();
        out.read_to_string(&mut text).await.unwrap();
        text
    };
    let (code, text) =
        tokio::time::timeout(PATIENCE, async { tokio::join!(machine.runtime.exec("c1", request), client) })
            .await
            .unwrap();
    assert_eq!(code.unwrap(), 6);
    assert!(text.contains("/dev/pts/") && text.contains("37 91\r\n"), "{text:?}");
    machine.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_kills_the_command() {
    let machine = Machine::new().await;
    let image = machine.busybox().await;
    let config = machine.script(&image, "c1", "sleep 1000").await;
    machine.start(config).await;
    let (_sizes, resize) = mpsc::channel(1);
    let (stdout, mut out) = tokio::io::duplex(1024);
    let request = ExecRequest {
        command: vec!["sh".into(), "-c".into(), "echo up; sleep 999".into()],
        tty: false,
        stdin: None,
        stdout: Some(Box::new(stdout)),
        stderr: None,
        resize,
    };
    let mut byte = [0u8; 2];
    tokio::select! {
        code = machine.runtime.exec("c1", request) => panic!("ended by itself: {code:?}"),
        read = out.read_exact(&mut byte) => drop(read.unwrap()),
    }
    let gone = async {
        loop {
            let (_, out, _) = machine.exec("c1", &["ps", "-o", "args"]).await;
            if !out.contains("sleep 999") {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("the command lives on");
    assert!(matches!(machine.runtime.container("c1").await.unwrap().state, State::Running { .. }));
    machine.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attached_clients_talk_to_the_process() {
    let machine = Machine::new().await;
    let image = machine.busybox().await;
    for tty in [false, true] {
        let id = if tty { "tty" } else { "plain" };
        let mut config = machine.script(&image, id, "read line; echo heard $line; cat; exit 5").await;
        (config.stdin, config.stdin_once, config.tty) = (true, true, tty);
        machine.start(config).await;
        let (stdout, mut out) = tokio::io::duplex(1 << 16);
        let (mut keys, stdin) = tokio::io::duplex(1 << 16);
        let (_sizes, resize) = mpsc::channel(1);
        let request = ExecRequest {
            command: Vec::new(),
            tty,
            stdin: Some(Box::new(stdin)),
            stdout: Some(Box::new(stdout)),
            stderr: None,
            resize,
        };
        let client = async {
            keys.write_all(b"hello\nmore\n").await.unwrap();
            if tty {
                keys.write_all(b"\x04").await.unwrap();
            }
            drop(keys);
            let mut text = String::new();
            out.read_to_string(&mut text).await.unwrap();
            text
        };
        let both = async { tokio::join!(machine.runtime.attach(id, request), client) };
        let (attached, text) = tokio::time::timeout(PATIENCE, both).await.unwrap();
        attached.unwrap();
        assert!(text.contains("heard hello") && text.contains("more"), "{text:?}");
        assert_eq!(machine.exit(id).await.code, 5);
        assert!(machine.log_text(id).contains("heard hello"));
    }
    machine.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_go_into_the_sandbox() {
    let machine = Machine::new().await;
    let image = machine.busybox().await;
    let config = machine.script(&image, "c1", "echo listening; echo hello from inside | nc -l -p 8080").await;
    machine.start(config).await;
    machine.logged("c1", "listening").await;
    let connect = async {
        loop {
            let address = "127.0.0.1".parse().unwrap();
            if let Ok(stream) = machine.runtime.connect("pod-c1", address, 8080).await {
                return stream;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let mut stream = tokio::time::timeout(PATIENCE, connect).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "hello from inside\n");
    assert!(tokio::net::TcpStream::connect("127.0.0.1:8080").await.is_err());
    machine.clean().await;
}
