use serde_json::{Value, json};

use crate::Kinds;
use crate::kind::Cell;

/// The cells of a kind's columns by name.
fn cells(api_version: &str, kind: &str, object: &Value) -> Value {
    let kinds = Kinds::builtin();
    let row = kinds.by_kind(api_version, kind).expect(kind);
    let cell = |cell: &Cell| match cell {
        Cell::Path(path) => path.split('.').fold(object, |value, step| &value[step]).clone(),
        Cell::JsonPath(path) => path.query(object).first().cloned().unwrap_or_default(),
        Cell::Compute(compute) => compute(object),
    };
    row.columns.iter().map(|column| (column.name.clone(), cell(&column.cell))).collect()
}

fn pod(status: Value) -> Value {
    json!({
        "metadata": { "name": "p" },
        "spec": { "containers": [{ "name": "a" }, { "name": "b" }], "initContainers": [{ "name": "i" }, { "name": "s", "restartPolicy": "Always" }] },
        "status": status,
    })
}

fn assert_pod(status: Value, ready: &str, reason: &str, restarts: &str) {
    let shown = cells("v1", "Pod", &pod(status));
    assert_eq!(
        (&shown["Ready"], &shown["Status"], &shown["Restarts"]),
        (&json!(ready), &json!(reason), &json!(restarts))
    );
}

#[test]
fn pods_show_what_kubectl_shows() {
    let running = json!({ "running": {} });
    let done = json!({ "terminated": { "exitCode": 0, "reason": "Completed" } });
    assert_pod(json!({ "phase": "Pending" }), "0/3", "Pending", "0");
    assert_pod(json!({ "phase": "Failed", "reason": "Evicted" }), "0/3", "Evicted", "0");
    assert_pod(
        json!({ "phase": "Pending", "initContainerStatuses": [{ "name": "i", "state": { "waiting": { "reason": "PodInitializing" } } }] }),
        "0/3",
        "Init:0/2",
        "0",
    );
    assert_pod(
        json!({ "phase": "Pending", "initContainerStatuses": [{ "name": "i", "restartCount": 2, "state": { "waiting": { "reason": "CrashLoopBackOff" } } }] }),
        "0/3",
        "Init:CrashLoopBackOff",
        "2",
    );
    assert_pod(
        json!({ "phase": "Pending", "initContainerStatuses": [{ "name": "i", "state": { "terminated": { "exitCode": 3 } } }] }),
        "0/3",
        "Init:ExitCode:3",
        "0",
    );
    // The sidecar is ready too; the init container's restarts no longer count.
    assert_pod(
        json!({ "phase": "Running",
            "initContainerStatuses": [
                { "name": "i", "restartCount": 4, "state": done },
                { "name": "s", "started": true, "ready": true, "restartCount": 1, "state": running }],
            "containerStatuses": [
                { "name": "a", "ready": true, "state": running },
                { "name": "b", "ready": true, "restartCount": 1, "state": running }] }),
        "3/3",
        "Running",
        "2",
    );
    let mixed = |conditions: Value| {
        json!({ "phase": "Running", "conditions": conditions,
        "containerStatuses": [{ "name": "a", "ready": false, "state": done }, { "name": "b", "ready": true, "state": running }] })
    };
    assert_pod(mixed(json!([])), "1/3", "NotReady", "0");
    assert_pod(mixed(json!([{ "type": "Ready", "status": "True" }])), "1/3", "Running", "0");
    assert_pod(
        json!({ "phase": "Running", "containerStatuses": [{ "state": { "terminated": { "exitCode": 137, "signal": 9 } } }] }),
        "0/3",
        "Signal:9",
        "0",
    );
    assert_pod(
        json!({ "phase": "Pending", "conditions": [{ "type": "PodScheduled", "status": "False", "reason": "SchedulingGated" }] }),
        "0/3",
        "SchedulingGated",
        "0",
    );
}

#[test]
fn deleted_pods_are_terminating_until_they_are_over() {
    let mut deleted = pod(json!({ "phase": "Running" }));
    deleted["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    assert_eq!(cells("v1", "Pod", &deleted)["Status"], "Terminating");
    deleted["status"]["phase"] = "Succeeded".into();
    assert_eq!(cells("v1", "Pod", &deleted)["Status"], "Succeeded");
    deleted["status"] = json!({ "phase": "Running", "reason": "NodeLost" });
    assert_eq!(cells("v1", "Pod", &deleted)["Status"], "Unknown");
}

#[test]
fn restarts_say_when_the_last_one_was() {
    let finished = (jiff::Timestamp::now() - jiff::SignedDuration::from_mins(15)).to_string();
    let status = json!({ "phase": "Running", "containerStatuses": [
        { "restartCount": 3, "state": { "running": {} }, "ready": true, "lastState": { "terminated": { "finishedAt": finished } } }] });
    assert_eq!(cells("v1", "Pod", &pod(status))["Restarts"], "3 (15m ago)");
}

#[test]
fn wide_pod_columns_name_what_is_missing() {
    let mut scheduled =
        pod(json!({ "podIP": "10.0.0.1", "conditions": [{ "type": "x/y", "status": "True" }] }));
    let bare = cells("v1", "Pod", &pod(json!({})));
    for column in ["IP", "Node", "Nominated Node", "Readiness Gates"] {
        assert_eq!(bare[column], "<none>", "{column}");
    }
    scheduled["spec"]["nodeName"] = "n".into();
    scheduled["spec"]["readinessGates"] = json!([{ "conditionType": "x/y" }, { "conditionType": "x/z" }]);
    let shown = cells("v1", "Pod", &scheduled);
    assert_eq!(
        (&shown["IP"], &shown["Node"], &shown["Readiness Gates"]),
        (&json!("10.0.0.1"), &json!("n"), &json!("1/2"))
    );
}

#[test]
fn nodes_show_state_and_roles() {
    let node = json!({
        "metadata": { "labels": { "node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/control-plane": "" } },
        "spec": { "unschedulable": true },
        "status": { "conditions": [{ "type": "Ready", "status": "Unknown" }],
            "addresses": [{ "type": "InternalIP", "address": "10.0.0.1" }], "nodeInfo": { "kubeletVersion": "v1" } },
    });
    let shown = cells("v1", "Node", &node);
    assert_eq!(shown["Status"], "NotReady,SchedulingDisabled");
    assert_eq!(shown["Roles"], "control-plane,worker");
    assert_eq!(shown["Internal-IP"], "10.0.0.1");
    assert_eq!(shown["External-IP"], "<none>");
    assert_eq!(shown["OS-Image"], "<unknown>");
    assert_eq!(cells("v1", "Node", &json!({}))["Status"], "Unknown");
}

#[test]
fn services_show_addresses_and_ports() {
    let service = json!({ "spec": { "type": "NodePort", "clusterIP": "10.96.0.7", "selector": { "b": "2", "a": "1" },
        "ports": [{ "port": 80, "nodePort": 30080, "protocol": "TCP" }, { "port": 53, "protocol": "UDP" }] } });
    let shown = cells("v1", "Service", &service);
    assert_eq!(shown["Port(s)"], "80:30080/TCP,53/UDP");
    assert_eq!((&shown["External-IP"], &shown["Selector"]), (&json!("<none>"), &json!("a=1,b=2")));
    let balancer = json!({ "spec": { "type": "LoadBalancer" } });
    assert_eq!(cells("v1", "Service", &balancer)["External-IP"], "<pending>");
    let external = json!({ "spec": { "type": "ExternalName", "externalName": "example.com" } });
    let shown = cells("v1", "Service", &external);
    assert_eq!((&shown["External-IP"], &shown["Cluster-IP"]), (&json!("example.com"), &json!("<none>")));
}

#[test]
fn endpoints_are_cut_at_three() {
    let addresses =
        json!([{ "ip": "10.0.0.1" }, { "ip": "10.0.0.2" }, { "ip": "::1" }, { "ip": "10.0.0.4" }]);
    let object = json!({ "subsets": [{ "addresses": addresses, "ports": [{ "port": 80 }] }] });
    assert_eq!(
        cells("v1", "Endpoints", &object)["Endpoints"],
        "10.0.0.1:80,10.0.0.2:80,[::1]:80 + 1 more..."
    );
    assert_eq!(cells("v1", "Endpoints", &json!({}))["Endpoints"], "<none>");
    let slice = json!({ "addressType": "IPv4", "ports": [{ "port": 80 }, { "name": "x" }], "endpoints": [{ "addresses": ["10.0.0.1"] }] });
    let shown = cells("discovery.k8s.io/v1", "EndpointSlice", &slice);
    assert_eq!((&shown["Ports"], &shown["Endpoints"]), (&json!("80,x"), &json!("10.0.0.1")));
    assert_eq!(cells("discovery.k8s.io/v1", "EndpointSlice", &json!({}))["Endpoints"], "<unset>");
}

#[test]
fn workloads_show_counts_and_templates() {
    let deployment = json!({
        "spec": { "replicas": 3, "selector": { "matchLabels": { "app": "web" }, "matchExpressions": [{ "key": "tier", "operator": "In", "values": ["b", "a"] }] },
            "template": { "spec": { "containers": [{ "name": "a", "image": "x" }, { "name": "b", "image": "y" }] } } },
        "status": { "readyReplicas": 2, "updatedReplicas": 1 },
    });
    let shown = cells("apps/v1", "Deployment", &deployment);
    assert_eq!(
        (&shown["Ready"], &shown["Up-to-date"], &shown["Available"]),
        (&json!("2/3"), &json!(1), &json!(0))
    );
    assert_eq!((&shown["Containers"], &shown["Images"]), (&json!("a,b"), &json!("x,y")));
    assert_eq!(shown["Selector"], "app=web,tier in (a,b)");
}

#[test]
fn events_fall_back_from_old_fields_to_new() {
    let event = json!({
        "involvedObject": { "kind": "Pod", "name": "p", "fieldPath": "spec.containers{c}" },
        "eventTime": null, "reportingComponent": "kubelet", "reportingInstance": "n", "message": " done\n", "count": 0,
    });
    let shown = cells("v1", "Event", &event);
    assert_eq!(
        (&shown["Object"], &shown["Message"], &shown["Source"]),
        (&json!("pod/p"), &json!("done"), &json!("kubelet, n"))
    );
    assert_eq!((&shown["Count"], &shown["Last Seen"]), (&json!(1), &json!("<unknown>")));
}

#[test]
fn bindings_name_role_and_subjects() {
    let binding = json!({ "roleRef": { "kind": "ClusterRole", "name": "view" }, "subjects": [
        { "kind": "User", "name": "u" }, { "kind": "ServiceAccount", "namespace": "ns", "name": "sa" }] });
    let shown = cells("rbac.authorization.k8s.io/v1", "RoleBinding", &binding);
    assert_eq!(
        (&shown["Role"], &shown["Users"], &shown["ServiceAccounts"]),
        (&json!("ClusterRole/view"), &json!("u"), &json!("ns/sa"))
    );
}
