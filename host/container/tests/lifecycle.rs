//! Containers from creation to removal, with real processes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod machine;

use futures::future::join_all;
use machine::{Machine, sandbox_config};
use orch_container::runtime::{ContainerConfig, Mount, Resources, Runtime, RuntimeError, Security, State};

#[tokio::test(flavor = "multi_thread")]
async fn output_is_logged_and_the_exit_code_kept() {
    let machine = Machine::new().await;
    let image = machine.busybox().await;
    let config = machine.script(&image, "c1", "echo out; echo err >&2; printf rest; exit 3").await;
    machine.runtime.create_container(config).await.unwrap();
    assert_eq!(machine.runtime.container("c1").await.unwrap().state, State::Created);
    assert!(machine.log("c1").is_empty(), "nothing runs before the start");
    machine.runtime.start_container("c1").await.unwrap();
    let exit = machine.exit("c1").await;
    assert_eq!((exit.code, exit.signal, exit.oom_killed, exit.start_error), (3, None, false, None));
    assert!(exit.started_at_ms > 0 && exit.finished_at_ms >= exit.started_at_ms);
    let mut log = machine.log("c1");
    log.sort();
    let line = |tag: &str, text: &str| (tag.to_owned(), text.to_owned());
    assert_eq!(log, [line("stderr F", "err"), line("stdout F", "out"), line("stdout P", "rest")]);
    machine.runtime.remove_container("c1").await.unwrap();
    machine.runtime.remove_container("c1").await.unwrap();
    assert!(machine.log_path("c1").exists(), "the log stays");
    machine.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_reach_the_process() {
    let machine = Machine::new().await;
    let image = machine.busybox().await;
    let script = "trap 'echo got it; exit 7' TERM; echo ready; while true; do sleep 0.01; done";
    let config = machine.script(&image, "c1", script).await;
    machine.start(config).await;
    machine.logged("c1", "ready").await;
    machine.runtime.signal_container("c1", libc::SIGTERM).await.unwrap();
    assert_eq!(machine.exit("c1").await.code, 7);
    machine.runtime.signal_container("c1", libc::SIGTERM).await.unwrap();
    let config = machine.script(&image, "c2", "sleep 1000").await;
    machine.start(config).await;
    machine.runtime.signal_container("c2", libc::SIGKILL).await.unwrap();
    let exit = machine.exit("c2").await;
    assert_eq!((exit.code, exit.signal), (137, Some(9)));
    machine.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_is_not_started_can_be_removed() {
    let machine = Machine::new().await;
    let image = machine.busybox().await;
    let config = machine.script(&image, "c1", "echo never").await;
    machine.runtime.create_container(config.clone()).await.unwrap();
    let again = machine.runtime.create_container(config).await.unwrap_err();
    assert!(again.to_string().contains("exists already"), "{again}");
    machine.runtime.remove_container("c1").await.unwrap();
    assert!(machine.log("c1").is_empty());
    machine.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_cannot_run_are_explained() {
    let machine = Machine::new().await;
    let image = machine.busybox().await;
    machine.sandbox("pod").await;
    let cases = [
        ("absent", "/nope", "exec: \"/nope\": stat /nope: no such file or directory"),
        ("no-path", "nope", "exec: \"nope\": executable file not found in $PATH"),
        ("no-mode", "/etc/not-executable", "exec: \"/etc/not-executable\": permission denied"),
    ];
    for (id, command, words) in cases {
        machine.runtime.create_container(machine.config(&image, id, "pod", &[command])).await.unwrap();
        let error = machine.runtime.start_container(id).await.unwrap_err();
        assert!(matches!(&error, RuntimeError::Start { message, .. } if message.contains(words)), "{error}");
        let exit = machine.exit(id).await;
        assert_eq!(exit.code, 128);
        assert!(exit.start_error.unwrap().contains(words));
    }
    let mut bad_user = machine.config(&image, "user", "pod", &["true"]);
    bad_user.security.must_be_non_root = true;
    let error = machine.runtime.create_container(bad_user).await.unwrap_err();
    assert!(error.to_string().contains("image will run as root"), "{error}");
    assert!(machine.runtime.container("user").await.is_err());
    machine.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_memory_is_told() {
    let machine = Machine::new().await;
    let image = machine.busybox().await;
    let mut config = machine.script(&image, "c1", "tail /dev/zero").await;
    config.resources = Resources { memory_limit_bytes: Some(16 << 20), ..Resources::default() };
    let exit = machine.run(config).await;
    assert!(exit.oom_killed, "{exit:?}");
    assert_eq!(exit.code, 137);
    machine.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_container_gets_what_was_asked_for() {
    let machine = Machine::new().await;
    let image = machine.busybox().await;
    let shared = machine.data.path().join("volume");
    std::fs::create_dir_all(&shared).unwrap();
    std::fs::write(shared.join("file"), "from outside").unwrap();
    let script = "hostname; pwd; echo $A-$HOME; id -u; id -g; id -G; cat /mnt/file; touch /mnt/x || echo ro-mount; \
                  touch /x || echo ro-root; grep Seccomp: /proc/self/status; grep NoNewPrivs /proc/self/status; \
                  cat /proc/sys/net/ipv4/ip_local_port_range; ls /sys/fs/cgroup; ip addr show lo | grep -c UP";
    let mut sandbox = sandbox_config("pod");
    sandbox.sysctls.insert("net.ipv4.ip_local_port_range".into(), "1111 2222".into());
    machine.runtime.create_sandbox(sandbox).await.unwrap();
    let mut config = machine.config(&image, "c1", "pod", &["/bin/sh", "-c", script]);
    config.env = vec![("A".into(), "1".into())];
    config.working_dir = "/srv/deep".into();
    config.mounts.push(Mount {
        source: shared,
        destination: "/mnt".into(),
        read_only: true,
        recursive_read_only: false,
    });
    config.security = Security {
        user: Some(1000),
        supplementary_groups: vec![5],
        read_only_root: true,
        no_new_privileges: true,
        ..Security::default()
    };
    assert_eq!(machine.run(config).await.code, 0);
    let text = machine.log_text("c1");
    for part in [
        "test-host",
        "/srv/deep",
        "1-/srv",
        "1000",
        "1001",
        "1001 5 1002",
        "from outside",
        "ro-mount",
        "ro-root",
        "Seccomp:\t2",
        "NoNewPrivs:\t1",
        "1111\t2222",
    ] {
        let found = text.contains(part) || (part == "1001 5 1002" && text.contains("1001 1002 5"));
        assert!(found, "{part:?} is missing in\n{text}");
    }
    machine.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_of_a_sandbox_share_it() {
    let machine = Machine::new().await;
    let image = machine.busybox().await;
    machine.sandbox("pod").await;
    let write = machine.config(
        &image,
        "a",
        "pod",
        &["sh", "-c", "echo shared > /dev/shm/file; readlink /proc/self/ns/net"],
    );
    assert_eq!(machine.run(write).await.code, 0);
    let read =
        machine.config(&image, "b", "pod", &["sh", "-c", "cat /dev/shm/file; readlink /proc/self/ns/net"]);
    assert_eq!(machine.run(read).await.code, 0);
    assert!(machine.log_text("b").starts_with("shared\n"));
    assert_eq!(machine.log_text("b").trim_start_matches("shared\n"), machine.log_text("a"));
    machine.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_can_see_anothers_processes() {
    let machine = Machine::new().await;
    let image = machine.busybox().await;
    machine.start(machine.script(&image, "target", "echo ready; exec sleep 4711").await).await;
    machine.logged("target", "ready").await;
    let look = |id: &str, of: &str| {
        let script = "readlink /proc/self/ns/pid; tr '\\0' ' ' < /proc/1/cmdline";
        let config = machine.config(&image, id, "pod-target", &["sh", "-c", script]);
        ContainerConfig { process_namespace_of: Some(of.to_owned()), ..config }
    };
    assert_eq!(machine.run(look("looker", "target")).await.code, 0);
    let pid = machine.runtime.container("target").await.unwrap().pid.unwrap();
    let namespace = std::fs::read_link(format!("/proc/{pid}/ns/pid")).unwrap();
    assert_eq!(machine.log_text("looker"), format!("{}\nsleep 4711 \n", namespace.display()));

    // The end of the looker is not the end of what it looked at, but the other way round it is.
    let mut stays = look("stays", "target");
    stays.command = ["sleep", "4712"].map(String::from).to_vec();
    machine.start(stays).await;
    machine.runtime.signal_container("target", libc::SIGKILL).await.unwrap();
    assert_eq!(machine.exit("target").await.signal, Some(9));
    assert_eq!(machine.exit("stays").await.signal, Some(9));

    let refused = machine.runtime.create_container(look("late", "target")).await.unwrap_err();
    assert!(matches!(refused, RuntimeError::NotFound { what: "running container", .. }), "{refused}");
    machine.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_change_while_the_container_runs() {
    let machine = Machine::new().await;
    let image = machine.busybox().await;
    let mut config = machine.script(&image, "c", "echo ready; exec sleep 4713").await;
    config.resources.cpu_quota_us = Some(20_000);
    config.resources.cpu_period_us = Some(100_000);
    machine.start(config.clone()).await;
    machine.logged("c", "ready").await;
    let read = "cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cut -d' ' -f1 /sys/fs/cgroup/cpu.max";
    let quota = async || machine.exec("c", &["sh", "-c", read]).await.1.trim().to_owned();
    assert_eq!(quota().await, "20000", "a container sees its own group");
    let more = Resources { cpu_quota_us: Some(50_000), ..config.resources };
    let labels = [("size".to_owned(), "large".to_owned())].into();
    machine.runtime.update_container("c", more.clone(), labels).await.unwrap();
    assert_eq!(quota().await, "50000");
    let write = "cd /sys/fs/cgroup; [ -d cpu ] && cd cpu; for f in cpu.cfs_quota_us cpu.max; do echo 90000 > $f; done";
    machine.exec("c", &["sh", "-c", write]).await;
    assert_eq!(quota().await, "50000", "and does not change it");
    let machine = Machine::reopen(machine.data).await;
    let config = machine.runtime.container("c").await.unwrap().config;
    assert_eq!((config.resources, config.labels["size"].as_str()), (more, "large"));
    machine.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hosts_namespaces_can_be_shared() {
    let machine = Machine::new().await;
    let image = machine.busybox().await;
    let mut sandbox = sandbox_config("pod");
    (sandbox.host_network, sandbox.host_pid, sandbox.host_ipc) = (true, true, true);
    assert_eq!(machine.runtime.create_sandbox(sandbox).await.unwrap().network_namespace, None);
    let script = "for n in net uts ipc pid; do readlink /proc/self/ns/$n; done; sleep 54321 & echo $!";
    let config = machine.config(&image, "c1", "pod", &["sh", "-c", script]);
    assert_eq!(machine.run(config).await.code, 0);
    let text = machine.log_text("c1");
    let lines: Vec<&str> = text.lines().collect();
    for (line, kind) in lines.iter().zip(["net", "uts", "ipc", "pid"]) {
        let host = std::fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
        assert_eq!(*line, host.to_str().unwrap());
    }
    // Without a process namespace of its own what it left behind is killed all the same.
    machine::until_gone(lines[4].parse().unwrap()).await;
    machine.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_and_nested_volumes_are_mounted() {
    let machine = Machine::new().await;
    let image = machine.busybox().await;
    let dir = machine.data.path().join("volumes");
    std::fs::create_dir_all(dir.join("outer")).unwrap();
    std::fs::create_dir_all(dir.join("inner")).unwrap();
    std::fs::write(dir.join("hosts"), "127.0.0.1 me").unwrap();
    std::fs::write(dir.join("inner/deep"), "inner").unwrap();
    let script = "cat /etc/hosts; cat /outer/in/deep; echo written > /outer/file; pwd";
    let mut config = machine.script(&image, "c1", script).await;
    let mount = |source: &str, destination: &str| Mount {
        source: dir.join(source),
        destination: destination.into(),
        read_only: false,
        recursive_read_only: false,
    };
    config.mounts = vec![mount("inner", "/outer/in"), mount("outer", "/outer"), mount("hosts", "/etc/hosts")];
    config.working_dir = "/outer/made".into();
    assert_eq!(machine.run(config).await.code, 0);
    assert_eq!(machine.log_text("c1"), "127.0.0.1 meinner/outer/made\n");
    assert_eq!(std::fs::read_to_string(dir.join("outer/file")).unwrap(), "written\n");
    let mut config = machine.script(&image, "c2", "true").await;
    config.mounts = vec![mount("absent", "/absent")];
    let error = machine.runtime.create_container(config).await.unwrap_err();
    assert!(error.to_string().contains("no such file or directory"), "{error}");
    machine.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_privileged_see_the_machine() {
    let machine = Machine::new().await;
    let image = machine.busybox().await;
    let script = "grep CapEff /proc/self/status; mkdir /m && mount -t tmpfs t /m && echo mounted; ls -l /dev/null; ls /dev/loop-control";
    let mut config = machine.script(&image, "c1", script).await;
    config.security.privileged = true;
    machine.run(config).await;
    assert!(machine.log_text("c1").contains("mounted"), "{}", machine.log_text("c1"));
    let config =
        machine.script(&image, "c2", "mkdir /m; mount -t tmpfs t /m; unshare -m true; echo done").await;
    machine.run(config).await;
    let text = machine.log_text("c2");
    assert!(text.contains("done") && !text.contains("mounted") && text.contains("not permitted"), "{text}");
    machine.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_output_is_kept_whole() {
    let machine = Machine::new().await;
    let image = machine.busybox().await;
    let config = machine.script(&image, "c1", "seq 1 50000; head -c 40000 /dev/zero | tail -c 40000").await;
    assert_eq!(machine.run(config).await.code, 0);
    let log = machine.log("c1");
    assert_eq!(log.iter().filter(|(_, text)| text.parse::<u32>().is_ok()).count(), 50_000);
    let zeros: usize = log.iter().filter(|(_, t)| t.starts_with('\0')).map(|(_, t)| t.len()).sum();
    assert_eq!(zeros, 40_000);
    assert!(log.iter().any(|(tag, _)| tag == "stdout P"));
    machine.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_are_read() {
    let machine = Machine::new().await;
    let image = machine.busybox().await;
    let config = machine
        .script(&image, "c1", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo ready; sleep 1000")
        .await;
    machine.start(config).await;
    machine.logged("c1", "ready").await;
    let stats = machine.runtime.stats("c1").await.unwrap();
    assert!(stats.cpu_usage_ns > 0 && stats.memory_usage_bytes > 0 && stats.pids >= 1, "{stats:?}");
    machine.clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once() {
    let machine = Machine::new().await;
    let image = machine.busybox().await;
    for round in 0..20 {
        let one = |n: usize| {
            let (machine, image) = (&machine, &image);
            async move {
                let id = format!("c{round}-{n}");
                let config = machine.script(image, &id, &format!("echo {id}; exit {n}")).await;
                assert_eq!(machine.run(config).await.code, n as i32);
                assert_eq!(machine.log_text(&id), format!("{id}\n"));
                machine.runtime.remove_sandbox(&format!("pod-{id}")).await.unwrap();
            }
        };
        join_all((0..8).map(one)).await;
    }
    machine.clean().await;
}
