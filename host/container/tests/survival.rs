//! Containers outlive the daemon, and a daemon finds them again.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod machine;

use machine::{Machine, shim_program};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use orch_container::runtime::{Runtime, State};

#[tokio::test(flavor = "multi_thread")]
async fn a_new_daemon_takes_over() {
    let machine = Machine::new().await;
    let image = machine.busybox().await;
    let config = machine.script(&image, "lives", "echo up; sleep 1000").await;
    machine.start(config).await;
    let config = machine.script(&image, "waits", "echo started later").await;
    machine.runtime.create_container(config).await.unwrap();
    let config =
        machine.script(&image, "ends", "while [ ! -e /dev/shm/end ]; do sleep 0.01; done; exit 9").await;
    machine.start(config).await;
    let before = machine.runtime.container("lives").await.unwrap();
    let shm = machine.data.path().join("sandboxes/pod-ends/shm/end");
    let exit_file = machine.data.path().join("containers/ends/exit.json");

    let Machine { data, runtime } = machine;
    drop(runtime);
    std::fs::write(shm, "").unwrap();
    while !exit_file.exists() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let config =
        orch_container::Config { shim_program: shim_program(), ..orch_container::Config::new(data.path()) };
    let runtime = orch_container::OrchRuntime::open(config).await.unwrap();
    let machine = Machine { data, runtime };

    assert_eq!(machine.runtime.container("lives").await.unwrap(), before);
    assert_eq!(machine.exit("ends").await.code, 9);
    assert_eq!(machine.runtime.sandboxes().await.unwrap().len(), 3);
    machine.runtime.start_container("waits").await.unwrap();
    assert_eq!(machine.exit("waits").await.code, 0);
    assert_eq!(machine.log_text("waits"), "started later\n");
    let (code, out, _) = machine.exec("lives", &["echo", "still here"]).await;
    assert_eq!((code, out.as_str()), (0, "still here\n"));
    machine.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_shim_takes_its_container_along() {
    let machine = Machine::new().await;
    let image = machine.busybox().await;
    for id in ["c1", "c2"] {
        let config = machine.script(&image, id, "sleep 1000").await;
        machine.start(config).await;
    }
    let shim = |machine: &Machine, id: &str| {
        let text = std::fs::read(machine.data.path().join(format!("containers/{id}/state.json"))).unwrap();
        let state: serde_json::Value = serde_json::from_slice(&text).unwrap();
        Pid::from_raw(state["shim"]["pid"].as_i64().unwrap() as i32)
    };
    let process = machine.runtime.container("c1").await.unwrap().pid.unwrap();
    kill(shim(&machine, "c1"), Signal::SIGKILL).unwrap();
    let exit = machine.exit("c1").await;
    assert_eq!((exit.code, exit.signal), (137, Some(9)));
    machine::until_gone(process).await;

    let process = machine.runtime.container("c2").await.unwrap().pid.unwrap();
    let orphaned = shim(&machine, "c2");
    let Machine { data, runtime } = machine;
    drop(runtime);
    kill(orphaned, Signal::SIGKILL).unwrap();
    machine::until_gone(orphaned.as_raw()).await;
    let machine = Machine::reopen(data).await;
    assert_eq!(machine.exit("c2").await.code, 137);
    machine::until_gone(process).await;
    machine.clean().await;
}

/// The test's own program again, as a daemon that is killed.
#[test]
#[ignore = "a part of `kill_nine_of_the_daemon_stops_nothing`"]
fn daemon_to_be_killed() {
    let data = std::env::var("ORCH_TEST_DATA").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let config =
            orch_container::Config { shim_program: shim_program(), ..orch_container::Config::new(data) };
        let daemon = orch_container::OrchRuntime::open(config).await.unwrap();
        daemon.start_container("c1").await.unwrap();
        println!("daemon is up");
        std::future::pending::<()>().await
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_nine_of_the_daemon_stops_nothing() {
    let machine = Machine::new().await;
    let image = machine.busybox().await;
    let config =
        machine.script(&image, "c1", "i=0; while true; do echo line $i; i=$((i+1)); sleep 0.01; done").await;
    machine.runtime.create_container(config).await.unwrap();
    let Machine { data, runtime } = machine;
    drop(runtime);
    let mut daemon = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "daemon_to_be_killed", "--ignored", "--nocapture"])
        .env("ORCH_TEST_DATA", data.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(daemon.stdout.take().unwrap()));
    assert!(lines.any(|line| line.unwrap().contains("daemon is up")));
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    let machine = Machine::reopen(data).await;
    let container = machine.runtime.container("c1").await.unwrap();
    assert!(matches!(container.state, State::Running { .. }));
    let seen = machine.log("c1").len();
    machine.logged("c1", &format!("line {}\n", seen + 5)).await;
    let text = machine.log_text("c1");
    for (n, line) in text.lines().enumerate() {
        assert_eq!(line, format!("line {n}"));
    }
    machine.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn purge_ends_everything() {
    let machine = Machine::new().await;
    let image = machine.busybox().await;
    let config = machine.script(&image, "c1", "sleep 1000").await;
    machine.start(config).await;
    let process = machine.runtime.container("c1").await.unwrap().pid.unwrap();
    let Machine { data, runtime } = machine;
    drop(runtime);
    orch_container::purge(data.path()).unwrap();
    orch_container::purge(data.path()).unwrap();
    machine::until_gone(process).await;
    let root = orch_container::default_cgroup_root(&data.path().canonicalize().unwrap());
    machine::assert_nothing_left(data.path(), &root);
    assert!(!data.path().join("images").exists());
    // A directory that was never used is no error.
    orch_container::purge(&data.path().join("absent")).unwrap();
}
