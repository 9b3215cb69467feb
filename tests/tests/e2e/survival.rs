//! The daemon is killed; nothing that was acknowledged, and no container, notices.

use std::time::Duration;

use orch_tests::host::{Host, KubectlIn};
use orch_tests::{eventually, kubectl, run};

const SOON: Duration = Duration::from_secs(30);

fn containers(kubectl: &KubectlIn) -> String {
    let path = "{range .items[*]}{.metadata.name} {.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}{\"\\n\"}{end}";
    let mut command = kubectl.command("get pods -l app=hello --sort-by=.metadata.name -o");
    run(command.arg(format!("jsonpath={path}")))
}

#[test]
fn a_killed_daemon_takes_its_containers_over_again() {
    let Some(client) = kubectl::installed(&["1.33"]).pop() else { return };
    let mut host = Host::start(&[]);
    host.kubectl(&client).run("apply -f examples/hello.yaml");
    host.kubectl(&client).run("rollout status deployment/hello --timeout=30s");
    let before = containers(&host.kubectl(&client));
    assert_eq!(before.lines().count(), 3, "{before}");
    let ip = host.kubectl(&client).run("get service hello -o jsonpath={.spec.clusterIP}");
    for round in 0..3 {
        host.kubectl(&client).run(&format!("create configmap acknowledged-{round} --from-literal=a=b"));
        host.kill();
        host.curl(&format!("http://{ip}/")).expect("pods answer while the daemon is away");
        host.up();
        host.kubectl(&client).run(&format!("get configmap acknowledged-{round}"));
        host.kubectl(&client).run("rollout status deployment/hello --timeout=30s");
        assert_eq!(containers(&host.kubectl(&client)), before, "same containers, no restart counted");
    }
    host.kubectl(&client).run("scale deployment hello --replicas=4");
    host.kubectl(&client).run("rollout status deployment/hello --timeout=30s");
    assert_eq!(host.purge(), Vec::<String>::new());
}

#[test]
fn a_clean_stop_keeps_containers_too() {
    let Some(client) = kubectl::installed(&["1.33"]).pop() else { return };
    let mut host = Host::start(&[]);
    host.kubectl(&client).run("apply -f examples/hello.yaml");
    host.kubectl(&client).run("rollout status deployment/hello --timeout=30s");
    let before = containers(&host.kubectl(&client));
    host.stop();
    host.up();
    host.kubectl(&client).run("rollout status deployment/hello --timeout=30s");
    assert_eq!(containers(&host.kubectl(&client)), before);
}

#[test]
fn a_pod_deleted_while_the_agent_is_down_is_gone_when_it_is_back() {
    let Some(client) = kubectl::installed(&["1.33"]).pop() else { return };
    let mut host = Host::start(&[]);
    host.kubectl(&client).run("apply -f examples/hello.yaml");
    host.kubectl(&client).run("rollout status deployment/hello --timeout=30s");
    let pod = host.kubectl(&client).run("get pods -l app=hello -o jsonpath={.items[0].metadata.name}");
    // The delete is acknowledged, and the daemon dies before anything of it is carried out.
    host.kubectl(&client).run(&format!("delete pod {pod} --wait=false"));
    host.kill();
    host.up();
    let kubectl = host.kubectl(&client);
    eventually("the deleted pod to be gone and replaced", SOON, || {
        let pods = kubectl.ask("get pods -l app=hello --no-headers")?;
        let running = pods.lines().filter(|l| l.contains("1/1") && l.contains("Running")).count();
        if running == 3 && !pods.contains(&pod) { Ok(()) } else { Err(pods) }
    });
}

#[test]
fn a_kill_in_the_middle_of_a_rollout_leads_to_the_same_end() {
    let Some(client) = kubectl::installed(&["1.33"]).pop() else { return };
    let mut host = Host::start(&[]);
    host.kubectl(&client).run("apply -f examples/hello.yaml");
    host.kubectl(&client).run("rollout status deployment/hello --timeout=30s");
    for colour in ["red", "green", "blue"] {
        host.kubectl(&client).run(&format!("set env deployment/hello COLOUR={colour}"));
        host.kill();
        host.up();
        let kubectl = host.kubectl(&client);
        kubectl.run("rollout status deployment/hello --timeout=60s");
        eventually("three pods of the new template and no other", SOON, || {
            let path = "{range .items[*]}{.status.phase}={.spec.containers[0].env[0].value} {end}";
            let mut command = kubectl.command("get pods -l app=hello -o");
            let pods = orch_tests::try_run(command.arg(format!("jsonpath={path}")))?;
            let wanted = format!("Running={colour}");
            let all: Vec<&str> = pods.split_whitespace().collect();
            if all.len() == 3 && all.iter().all(|p| *p == wanted) { Ok(()) } else { Err(pods) }
        });
    }
    let replica_sets = host.kubectl(&client).run("get replicasets -l app=hello --no-headers");
    assert_eq!(replica_sets.lines().count(), 4, "one for each template:\n{replica_sets}");
}
