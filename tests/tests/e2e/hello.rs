//! What a user does first: a Deployment behind a Service, looked at and changed with kubectl.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use orch_tests::host::{Host, KubectlIn, Network};
use orch_tests::postgres::{self, Postgres};
use orch_tests::{eventually, kubectl, try_run};

const SOON: Duration = Duration::from_secs(20);

#[test]
fn on_sqlite_with_every_kubectl() {
    for client in kubectl::installed(&["1.28", "1.33"]) {
        eprintln!("kubectl {}", client.version);
        let mut host = Host::start(&[]);
        the_whole_path(&host, &host.kubectl(&client));
        assert_eq!(host.purge(), Vec::<String>::new(), "left behind after `orch down --purge`");
    }
}

#[test]
fn on_postgres_with_every_kubectl() {
    for client in kubectl::installed(&["1.28", "1.33"]) {
        eprintln!("kubectl {}", client.version);
        let network = Network::new();
        let _postgres = Postgres::start(&network);
        let mut host = Host::start_in(network, &["--store", postgres::URL]);
        the_whole_path(&host, &host.kubectl(&client));
        assert_eq!(host.purge(), Vec::<String>::new(), "left behind after `orch down --purge`");
    }
}

fn the_whole_path(host: &Host, kubectl: &KubectlIn) {
    kubectl.run("apply -f examples/hello.yaml");
    let rollout = kubectl.run("rollout status deployment/hello --timeout=30s");
    assert!(rollout.contains("successfully rolled out"), "{rollout}");
    let unchanged = kubectl.run("apply -f examples/hello.yaml");
    assert!(unchanged.contains("deployment.apps/hello unchanged"), "{unchanged}");
    tables(kubectl);
    let ip = kubectl.run("get service hello -o jsonpath={.spec.clusterIP}");
    all_answer(host, &ip, 3);
    node_port(host, kubectl);
    names(host, kubectl);
    streams(kubectl);
    debug(kubectl);
    port_forward(host, kubectl);
    readiness(host, kubectl, &ip);
    scale(host, kubectl, &ip);
    drain(kubectl);
    rollout_and_undo(kubectl);
    delete(kubectl);
}

fn tables(kubectl: &KubectlIn) {
    let pods = kubectl.run("get pods -o wide");
    let head: Vec<&str> = pods.lines().next().unwrap_or_default().split_whitespace().collect();
    let wanted = "NAME READY STATUS RESTARTS AGE IP NODE NOMINATED NODE READINESS GATES";
    assert_eq!(head.join(" "), wanted, "{pods}");
    assert_eq!(
        pods.lines().filter(|l| l.contains("1/1") && l.contains("Running") && l.contains("node-a")).count(),
        3
    );
    let deployment = kubectl.run("get deployment hello");
    assert!(deployment.contains("3/3"), "{deployment}");
    let described = kubectl.run("describe deployment hello");
    for words in
        ["RollingUpdateStrategy:  25% max unavailable, 25% max surge", "ScalingReplicaSet", "NewReplicaSet"]
    {
        assert!(described.contains(words), "{words} in\n{described}");
    }
    let described = kubectl.run("describe pods -l app=hello");
    for words in ["Successfully assigned default/hello-", "Started container web", "orch://"] {
        assert!(described.contains(words), "{words} in\n{described}");
    }
    let described = kubectl.run("describe node node-a");
    assert!(described.contains("Non-terminated Pods") && described.contains("hello-"), "{described}");
    let services = kubectl.run("get services");
    assert!(services.contains("kubernetes") && services.contains("hello"), "{services}");
    let explained = kubectl.run("explain deployment.spec.strategy.rollingUpdate.maxSurge");
    assert!(explained.contains("maxSurge"), "{explained}");
}

/// Each of `count` pods answers in turn.
fn all_answer(host: &Host, ip: &str, count: usize) {
    eventually(&format!("{count} different answers"), SOON, || {
        let answers: Result<BTreeSet<String>, String> =
            (0..30).map(|_| host.curl(&format!("http://{ip}/")).map(|a| a.trim().to_string())).collect();
        let answers = answers?;
        if answers.len() == count { Ok(()) } else { Err(format!("{answers:?}")) }
    });
}

/// The node's own address answers on the port, and no longer once the Service is gone.
fn node_port(host: &Host, kubectl: &KubectlIn) {
    let manifest = "apiVersion: v1\nkind: Service\nmetadata: {name: outside}\nspec:\n  type: NodePort\n  selector: {app: hello}\n  ports: [{port: 80, targetPort: http, nodePort: 30080}]\n";
    kubectl.feed("apply -f -", manifest).unwrap();
    let url = format!("http://{}:30080/", host.network.address);
    let answer = eventually("the node port", SOON, || host.curl(&url));
    assert!(answer.starts_with("hello-"), "{answer}");
    kubectl.run("delete service outside");
    eventually("the node port to close", SOON, || match host.curl(&url) {
        Err(_) => Ok(()),
        Ok(answer) => Err(answer),
    });
}

/// One pod reaches another's Service by name.
fn names(host: &Host, kubectl: &KubectlIn) {
    let pod = first_pod(kubectl);
    let resolved = kubectl.run(&format!("exec {pod} -- cat /etc/resolv.conf"));
    assert!(
        resolved.contains("nameserver 10.96.0.10") && resolved.contains("default.svc.cluster.local"),
        "{resolved}"
    );
    assert!(resolved.contains("ndots:5"), "{resolved}");
    let uid = kubectl.run(&format!("get pod {pod} -o jsonpath={{.metadata.uid}}"));
    let file = host.data_dir.path().join("pod-resolv.conf");
    std::fs::write(&file, resolved).expect("a file");
    for name in ["hello", "hello.default", "hello.default.svc.cluster.local"] {
        // Debian's static busybox crashes when it resolves a name (glibc wants its libraries), so a
        // program with a resolver stands in the pod's network, with the pod's own resolv.conf.
        let script = format!(
            "mount --bind {} /etc/resolv.conf && exec curl --silent --fail --max-time 2 http://{name}/",
            file.display()
        );
        let answer = eventually(name, SOON, || {
            let mut inside = std::process::Command::new("nsenter");
            inside.arg(format!("--net={}", host.pod_network(&uid)));
            try_run(inside.args(["unshare", "--mount", "sh", "-c", &script]))
        });
        assert!(answer.starts_with("hello-"), "{answer}");
    }
    let found = kubectl.run(&format!("exec {pod} -- nslookup hello.default.svc.cluster.local"));
    assert!(found.contains("10.96."), "{found}");
}

fn first_pod(kubectl: &KubectlIn) -> String {
    kubectl.run("get pods -l app=hello -o jsonpath={.items[0].metadata.name}")
}

/// A container beside that of a running pod, which sees its processes.
fn debug(kubectl: &KubectlIn) {
    let pod = first_pod(kubectl);
    let image = "--image=example.orch.dev/hello:1 --target=web --container=look";
    kubectl.run(&format!("debug {pod} {image} -- ps"));
    let seen = eventually("what the debugging container saw", SOON, || {
        let seen = kubectl.ask(&format!("logs {pod} -c look"))?;
        if seen.contains("ps") { Ok(seen) } else { Err(seen) }
    });
    assert!(seen.lines().count() > 2, "only itself: {seen}");
    let described = kubectl.run(&format!("describe pod {pod}"));
    assert!(described.contains("Ephemeral Containers:") && described.contains("look:"), "{described}");
}

fn streams(kubectl: &KubectlIn) {
    let pod = first_pod(kubectl);
    let log = kubectl.run(&format!("logs {pod} --tail=1000"));
    assert!(log.contains(&format!("{pod} serves on 8080")), "{log}");
    // -f sees what is written later.
    let mut follower = kubectl
        .command(&format!("logs -f {pod} --tail=1"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("kubectl logs -f");
    let mut lines = BufReader::new(follower.stdout.take().expect("piped")).lines();
    lines.next().expect("the last line").expect("text");
    // The server logs the request, and answers that there is no such page.
    let _ = kubectl.ask(&format!("exec {pod} -- wget -q -O /dev/null http://127.0.0.1:8080/following"));
    let patience = std::thread::spawn({
        let pid = nix::unistd::Pid::from_raw(follower.id() as i32);
        move || {
            // Ends the wait for a line that never comes; the follower is reaped only after this thread.
            std::thread::park_timeout(SOON);
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
    });
    let found = lines.map_while(Result::ok).any(|line| line.contains("/following"));
    patience.thread().unpark();
    patience.join().expect("it only waits");
    assert!(found, "logs -f ended without the later line");
    let _ = follower.wait();
    // Exit codes, standard input and a terminal.
    let status = kubectl
        .command(&format!("exec {pod} --"))
        .args(["sh", "-c", "exit 7"])
        .output()
        .expect("kubectl exec");
    assert_eq!(status.status.code(), Some(7), "{}", String::from_utf8_lossy(&status.stderr));
    let echoed = kubectl.feed(&format!("exec -i {pod} -- cat"), "through the pipe\n").expect("exec -i");
    assert_eq!(echoed, "through the pipe\n");
    let mut terminal = std::process::Command::new("script");
    let line = format!("{:?}", kubectl.command(&format!("exec -it {pod} -- sh -c tty"))).replace('"', "'");
    let output = terminal.args(["-qec", &line, "/dev/null"]).output().expect("script");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains("/dev/pts/"), "{printed}");
}

fn port_forward(host: &Host, kubectl: &KubectlIn) {
    let mut forward = kubectl
        .command("port-forward service/hello 18080:80")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("kubectl port-forward");
    for _ in 0..3 {
        let answer = eventually("port-forward", SOON, || host.curl("http://127.0.0.1:18080/"));
        assert!(answer.starts_with("hello-"), "{answer}");
    }
    let _ = forward.kill();
    let _ = forward.wait();
}

/// A pod that is no longer ready gives no more answers; ready again, it does.
fn readiness(host: &Host, kubectl: &KubectlIn, ip: &str) {
    let pod = first_pod(kubectl);
    kubectl.run(&format!("exec {pod} -- mv /tmp/www/index.html /tmp/www/away"));
    all_answer_without(host, kubectl, ip, &pod);
    kubectl.run(&format!("exec {pod} -- mv /tmp/www/away /tmp/www/index.html"));
    all_answer(host, ip, 3);
}

fn all_answer_without(host: &Host, kubectl: &KubectlIn, ip: &str, pod: &str) {
    eventually("the unready pod to leave", SOON, || {
        let ready = kubectl.ask(&format!("get pod {pod} --no-headers"))?;
        if !ready.contains("0/1") {
            return Err(ready);
        }
        let answers: Result<BTreeSet<String>, String> =
            (0..20).map(|_| host.curl(&format!("http://{ip}/")).map(|a| a.trim().to_string())).collect();
        let answers = answers?;
        if answers.len() == 2 && !answers.contains(pod) { Ok(()) } else { Err(format!("{answers:?}")) }
    });
}

fn scale(host: &Host, kubectl: &KubectlIn, ip: &str) {
    kubectl.run("scale deployment hello --replicas=5");
    kubectl.run("rollout status deployment/hello --timeout=30s");
    all_answer(host, ip, 5);
    kubectl.run("scale deployment hello --replicas=1");
    eventually("one pod to stay", SOON, || {
        let pods = kubectl.ask("get pods -l app=hello --no-headers")?;
        if pods.lines().count() == 1 { Ok(()) } else { Err(pods) }
    });
    all_answer(host, ip, 1);
    kubectl.run("scale deployment hello --replicas=0");
    eventually("the Service to refuse", SOON, || match host.curl(&format!("http://{ip}/")) {
        // 7: the connection was refused (a dropped packet would be 28, a timeout).
        Err(why) if why.contains("exit status: 7") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    kubectl.run("scale deployment hello --replicas=3");
    kubectl.run("rollout status deployment/hello --timeout=30s");
}

/// A budget lets one pod go, and no second one until the first is replaced, for which there is no room.
fn drain(kubectl: &KubectlIn) {
    kubectl.run("create poddisruptionbudget hello --selector=app=hello --max-unavailable=1");
    let status = |wanted: &str| {
        let counts = "{.status.expectedPods} {.status.currentHealthy} {.status.desiredHealthy} \
            {.status.disruptionsAllowed} {.status.conditions[0].reason}";
        eventually("the budget's status", SOON, || {
            let mut command = kubectl.command("get poddisruptionbudget hello -o");
            let told = try_run(command.arg(format!("jsonpath={counts}")))?;
            if told == wanted { Ok(()) } else { Err(told) }
        });
    };
    status("3 3 2 1 SufficientPods");
    let refused = kubectl.ask("drain node-a --pod-selector=app=hello --timeout=8s").unwrap_err();
    assert!(refused.contains("violate the pod's disruption budget"), "{refused}");
    status("3 2 2 0 InsufficientPods");
    let pods = kubectl.run("get pods -l app=hello --no-headers");
    assert_eq!(pods.lines().filter(|pod| pod.contains("1/1")).count(), 2, "{pods}");
    kubectl.run("uncordon node-a");
    status("3 3 2 1 SufficientPods");
    kubectl.run("delete poddisruptionbudget hello");
}

fn rollout_and_undo(kubectl: &KubectlIn) {
    kubectl.run("set env deployment/hello COLOUR=blue");
    kubectl.run("rollout status deployment/hello --timeout=60s");
    let history = kubectl.run("rollout history deployment/hello");
    assert!(
        history.lines().filter(|l| l.starts_with(|c: char| c.is_ascii_digit())).count() == 2,
        "{history}"
    );
    let pod = first_pod(kubectl);
    assert!(kubectl.run(&format!("exec {pod} -- env")).contains("COLOUR=blue"));
    kubectl.run("rollout undo deployment/hello");
    kubectl.run("rollout status deployment/hello --timeout=60s");
    eventually("the old template", SOON, || {
        let template = kubectl.ask("get pods -l app=hello -o jsonpath={.items[*].spec.containers[0].env}")?;
        if template.contains("blue") { Err(template) } else { Ok(()) }
    });
}

fn delete(kubectl: &KubectlIn) {
    kubectl.run("delete -f examples/hello.yaml");
    eventually("everything to be gone", Duration::from_secs(45), || {
        let left = kubectl
            .ask("get pods,replicasets,endpointslices -l app=hello --no-headers --ignore-not-found")?;
        if left.trim().is_empty() { Ok(()) } else { Err(left) }
    });
    kubectl.run("create namespace shop");
    kubectl.run("-n shop create configmap colours --from-literal=a=1");
    kubectl.run("delete namespace shop --timeout=20s");
    assert!(kubectl.ask("get namespace shop").is_err_and(|why| why.contains("NotFound")));
}
