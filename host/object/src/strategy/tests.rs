use serde_json::{Value, json};

use crate::{Kinds, Strategy};

fn strategy(api_version: &str, kind: &str) -> Strategy {
    Kinds::builtin().by_kind(api_version, kind).expect(kind).strategy
}

fn defaulted(api_version: &str, kind: &str, mut object: Value) -> Value {
    let strategy = strategy(api_version, kind);
    (strategy.default)(&mut object);
    let once = object.clone();
    (strategy.default)(&mut object);
    assert_eq!(object, once, "defaults are idempotent");
    object
}

fn created(api_version: &str, kind: &str, object: Value) -> Value {
    let mut object = defaulted(api_version, kind, object);
    (strategy(api_version, kind).prepare_create)(&mut object);
    object
}

fn pod() -> Value {
    json!({ "metadata": { "name": "p" }, "spec": { "containers": [{ "name": "c", "image": "busybox" }] } })
}

#[test]
fn pods_get_upstreams_defaults() {
    let pod = defaulted("v1", "Pod", pod());
    assert_eq!(
        pod["spec"],
        json!({
            "containers": [{
                "name": "c", "image": "busybox", "imagePullPolicy": "Always", "resources": {},
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
            }],
            "dnsPolicy": "ClusterFirst", "enableServiceLinks": true, "restartPolicy": "Always",
            "schedulerName": "default-scheduler", "securityContext": {}, "terminationGracePeriodSeconds": 30,
        })
    );
}

#[test]
fn containers_get_defaults_in_every_part() {
    let mut given = pod();
    given["spec"]["hostNetwork"] = true.into();
    given["spec"]["serviceAccount"] = "robot".into();
    given["spec"]["containers"][0] = json!({
        "name": "c", "image": "registry.example:5000/web:1.2",
        "ports": [{ "containerPort": 80 }],
        "env": [{ "name": "A", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } }],
        "resources": { "limits": { "cpu": "1", "memory": "0.5m" }, "requests": { "cpu": "500m" } },
        "livenessProbe": { "httpGet": { "port": 80 } },
    });
    given["spec"]["volumes"] = json!([
        { "name": "empty" }, { "name": "map", "configMap": { "name": "m" } }, { "name": "host", "hostPath": { "path": "/" } },
        { "name": "token", "projected": { "sources": [{ "serviceAccountToken": { "path": "token" } }] } },
    ]);
    let pod = defaulted("v1", "Pod", given);
    let container = &pod["spec"]["containers"][0];
    assert_eq!(container["imagePullPolicy"], "IfNotPresent");
    assert_eq!(container["ports"][0], json!({ "containerPort": 80, "hostPort": 80, "protocol": "TCP" }));
    assert_eq!(container["env"][0]["valueFrom"]["fieldRef"]["apiVersion"], "v1");
    assert_eq!(container["resources"]["requests"], json!({ "cpu": "500m", "memory": "1m" }));
    assert_eq!(
        container["livenessProbe"],
        json!({ "httpGet": { "port": 80, "path": "/", "scheme": "HTTP" }, "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3 })
    );
    let volumes = &pod["spec"]["volumes"];
    assert_eq!(volumes[0]["emptyDir"], json!({}));
    assert_eq!(volumes[1]["configMap"]["defaultMode"], 420);
    assert_eq!(volumes[2]["hostPath"]["type"], "");
    assert_eq!(volumes[3]["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"], 3600);
    assert_eq!(pod["spec"]["serviceAccountName"], "robot");
}

#[test]
fn new_pods_are_pending_with_their_quality_of_service() {
    let resources = |resources: Value| {
        let mut pod = pod();
        pod["spec"]["containers"][0]["resources"] = resources;
        pod["status"] = json!({ "phase": "Running" });
        created("v1", "Pod", pod)["status"].clone()
    };
    assert_eq!(resources(json!({})), json!({ "phase": "Pending", "qosClass": "BestEffort" }));
    assert_eq!(resources(json!({ "limits": { "cpu": "1", "memory": "1Gi" } }))["qosClass"], "Guaranteed");
    assert_eq!(resources(json!({ "limits": { "cpu": "1" } }))["qosClass"], "Burstable");
    assert_eq!(resources(json!({ "requests": { "memory": "1Gi" } }))["qosClass"], "Burstable");
    let mut gated = pod();
    gated["spec"]["schedulingGates"] = json!([{ "name": "example.com/gate" }]);
    assert_eq!(created("v1", "Pod", gated)["status"]["conditions"][0]["reason"], "SchedulingGated");
}

#[test]
fn only_running_pods_end_gracefully() {
    let grace = strategy("v1", "Pod").grace_period;
    let mut pod = defaulted("v1", "Pod", pod());
    assert_eq!(grace(&pod, Some(5)), Some(0));
    pod["spec"]["nodeName"] = "n".into();
    assert_eq!(grace(&pod, None), Some(30));
    pod["spec"]["terminationGracePeriodSeconds"] = (-5).into();
    assert_eq!(grace(&pod, None), Some(1));
    assert_eq!(defaulted("v1", "Pod", pod.clone())["spec"]["terminationGracePeriodSeconds"], 1);
    pod["status"] = json!({ "phase": "Succeeded" });
    assert_eq!(grace(&pod, Some(5)), Some(0));
}

#[test]
fn deployments_roll_a_quarter_at_a_time() {
    let template = json!({ "spec": { "containers": [{ "name": "c", "image": "x:1", "resources": { "limits": { "cpu": "1" } } }] } });
    let deployment = defaulted("apps/v1", "Deployment", json!({ "spec": { "template": template } }));
    let spec = &deployment["spec"];
    assert_eq!(
        (&spec["replicas"], &spec["revisionHistoryLimit"], &spec["progressDeadlineSeconds"]),
        (&json!(1), &json!(10), &json!(600))
    );
    assert_eq!(
        spec["strategy"],
        json!({ "type": "RollingUpdate", "rollingUpdate": { "maxSurge": "25%", "maxUnavailable": "25%" } })
    );
    let pod = &spec["template"]["spec"];
    assert_eq!(pod["restartPolicy"], "Always");
    // What makes a pod of it happens when the pod is made.
    assert!(pod["enableServiceLinks"].is_null() && pod["containers"][0]["resources"]["requests"].is_null());
    let recreate =
        defaulted("apps/v1", "Deployment", json!({ "spec": { "strategy": { "type": "Recreate" } } }));
    assert_eq!(recreate["spec"]["strategy"], json!({ "type": "Recreate" }));
}

#[test]
fn services_get_types_policies_and_target_ports() {
    let service = created("v1", "Service", json!({ "spec": { "ports": [{ "port": 80 }] } }));
    assert_eq!(
        service["spec"],
        json!({
            "type": "ClusterIP", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster",
            "ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4"],
            "ports": [{ "port": 80, "protocol": "TCP", "targetPort": 80 }],
        })
    );
    let headless =
        created("v1", "Service", json!({ "spec": { "clusterIP": "None", "selector": { "a": "b" } } }));
    assert_eq!(headless["spec"]["clusterIPs"], json!(["None"]));
    let sticky =
        defaulted("v1", "Service", json!({ "spec": { "type": "NodePort", "sessionAffinity": "ClientIP" } }));
    assert_eq!(sticky["spec"]["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"], 10800);
    assert_eq!(sticky["spec"]["externalTrafficPolicy"], "Cluster");
}

#[test]
fn service_updates_keep_what_was_allocated() {
    let old = json!({ "spec": { "type": "NodePort", "clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7"], "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
        "externalTrafficPolicy": "Cluster", "ports": [{ "port": 80, "protocol": "TCP", "nodePort": 30080 }] }, "status": { "loadBalancer": {} } });
    let update = strategy("v1", "Service").prepare_update;
    let mut new = json!({ "spec": { "type": "NodePort", "ports": [{ "port": 80, "protocol": "TCP" }, { "port": 81, "protocol": "TCP" }] } });
    update(&mut new, &old);
    assert_eq!(new["spec"]["clusterIP"], "10.96.0.7");
    assert_eq!(new["spec"]["ports"][0]["nodePort"], 30080);
    assert!(new["spec"]["ports"][1]["nodePort"].is_null());
    let mut plain = old.clone();
    plain["spec"]["type"] = "ClusterIP".into();
    update(&mut plain, &old);
    assert!(
        plain["spec"]["ports"][0]["nodePort"].is_null() && plain["spec"]["externalTrafficPolicy"].is_null()
    );
    assert_eq!(plain["spec"]["clusterIP"], "10.96.0.7");
    let mut external = old.clone();
    external["spec"]["type"] = "ExternalName".into();
    update(&mut external, &old);
    assert!(external["spec"]["clusterIP"].is_null() && external["spec"]["ipFamilies"].is_null());
}

#[test]
fn namespaces_are_held_by_their_finalizer() {
    let namespace = created("v1", "Namespace", json!({ "metadata": { "name": "n" } }));
    assert_eq!(namespace["spec"]["finalizers"], json!(["kubernetes"]));
    assert_eq!(namespace["status"]["phase"], "Active");
    assert_eq!(namespace["metadata"]["labels"]["kubernetes.io/metadata.name"], "n");
    let mut freed = namespace.clone();
    freed["spec"]["finalizers"] = json!([]);
    (strategy("v1", "Namespace").prepare_update)(&mut freed, &namespace);
    assert_eq!(freed, namespace);
}

#[test]
fn secrets_fold_string_data() {
    let secret =
        defaulted("v1", "Secret", json!({ "data": { "a": "eA==" }, "stringData": { "a": "new", "b": "" } }));
    assert_eq!(secret, json!({ "type": "Opaque", "data": { "a": "bmV3", "b": "" } }));
}

#[test]
fn bindings_and_plugins_get_theirs() {
    let binding = defaulted(
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        json!({ "roleRef": { "kind": "Role", "name": "r" }, "subjects": [{ "kind": "User", "name": "u" }, { "kind": "ServiceAccount", "name": "s" }] }),
    );
    assert_eq!(binding["roleRef"]["apiGroup"], "rbac.authorization.k8s.io");
    assert_eq!(binding["subjects"][0]["apiGroup"], "rbac.authorization.k8s.io");
    assert!(binding["subjects"][1]["apiGroup"].is_null());
    let plugin = defaulted("plugins.orch.dev/v1alpha1", "Plugin", json!({ "spec": {} }));
    assert_eq!(plugin["spec"], json!({ "failurePolicy": "Fail", "rollout": { "strategy": "Immediate" } }));
}

/// Defaults meet whatever the decoder let through, and worse.
#[test]
fn odd_shapes_do_not_panic() {
    let odd = [
        json!(null),
        json!([]),
        json!({ "spec": [] }),
        json!({ "metadata": 1, "spec": { "containers": [1, null], "volumes": {}, "ports": ["x"], "template": 3 } }),
    ];
    for kind in Kinds::builtin().rows() {
        for object in &odd {
            let (mut new, strategy) = (object.clone(), kind.strategy);
            (strategy.default)(&mut new);
            if object.is_object() {
                (strategy.prepare_create)(&mut new);
                (strategy.prepare_update)(&mut new, object);
                (strategy.validate)(&new, Some(object));
                (strategy.grace_period)(&new, None);
            }
        }
    }
}

fn made(api_version: &str, kind: &str, mut object: Value) -> (Value, Vec<String>) {
    let kinds = Kinds::builtin();
    let strategy = kinds.by_kind(api_version, kind).expect("built in").strategy;
    (strategy.default)(&mut object);
    (strategy.prepare_create)(&mut object);
    let errors = (strategy.validate)(&object, None);
    (object, errors.iter().map(|error| format!("{}: {}", error.field, error.body())).collect())
}

#[test]
fn a_job_selects_its_own_pods() {
    let job = json!({
        "metadata": { "name": "pi", "uid": "u-1" },
        "spec": { "template": {
            "metadata": { "labels": { "app": "pi" } },
            "spec": { "restartPolicy": "Never", "containers": [{ "name": "c", "image": "pi" }] },
        } },
    });
    let (job, errors) = made("batch/v1", "Job", job);
    assert_eq!(errors, [""; 0]);
    assert_eq!(
        job["spec"]["selector"],
        json!({ "matchLabels": { "batch.kubernetes.io/controller-uid": "u-1" } })
    );
    assert_eq!(job["spec"]["template"]["metadata"]["labels"]["job-name"], "pi");
    assert_eq!(job["metadata"]["labels"], json!({ "app": "pi" }));
    assert_eq!((&job["spec"]["backoffLimit"], &job["spec"]["completions"]), (&json!(6), &json!(1)));
    let always = json!({
        "metadata": { "name": "pi", "uid": "u-1" },
        "spec": { "template": { "spec": { "containers": [{ "name": "c", "image": "pi" }] } } },
    });
    let (_, errors) = made("batch/v1", "Job", always);
    let expected = "spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\"";
    assert_eq!(errors, [expected]);
}

#[test]
fn claims_ask_for_room_and_keep_what_they_asked() {
    let claim = json!({ "metadata": { "name": "data" }, "spec": {} });
    let (_, errors) = made("v1", "PersistentVolumeClaim", claim);
    let expected = [
        "spec.accessModes: Required value: at least 1 access mode is required",
        "spec.resources[storage]: Required value",
    ];
    assert_eq!(errors, expected);
    let claim = json!({ "metadata": { "name": "data" }, "spec": {
        "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } });
    let (claim, errors) = made("v1", "PersistentVolumeClaim", claim);
    assert_eq!(errors, [""; 0]);
    assert_eq!(
        (&claim["status"]["phase"], &claim["spec"]["volumeMode"]),
        (&json!("Pending"), &json!("Filesystem"))
    );
    let kinds = Kinds::builtin();
    let validate = kinds.by_kind("v1", "PersistentVolumeClaim").expect("built in").strategy.validate;
    let mut bound = claim.clone();
    bound["spec"]["volumeName"] = "pv-1".into();
    assert!(validate(&bound, Some(&claim)).is_empty());
    let mut wider = bound.clone();
    wider["spec"]["accessModes"] = json!(["ReadWriteMany"]);
    assert_eq!(validate(&wider, Some(&bound))[0].field, "spec");
}

#[test]
fn limits_of_containers_are_completed() {
    let range = json!({ "metadata": { "name": "l" }, "spec": { "limits": [
        { "type": "Container", "max": { "cpu": "2" }, "min": { "memory": "1Mi" } },
        { "type": "Pod", "max": { "cpu": "1" }, "min": { "cpu": "2" } },
    ] } });
    let (range, errors) = made("v1", "LimitRange", range);
    let container = &range["spec"]["limits"][0];
    assert_eq!(container["default"], json!({ "cpu": "2" }));
    assert_eq!(container["defaultRequest"], json!({ "cpu": "2", "memory": "1Mi" }));
    assert_eq!(
        errors,
        ["spec.limits[1].min[cpu]: Invalid value: \"2\": min value 2 is greater than max value 1"]
    );
}

#[test]
fn policies_default_to_what_they_have_rules_for() {
    let policy =
        json!({ "metadata": { "name": "p" }, "spec": { "egress": [{ "ports": [{ "port": 53 }] }] } });
    let (policy, errors) = made("networking.k8s.io/v1", "NetworkPolicy", policy);
    assert_eq!(errors, [""; 0]);
    assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
    assert_eq!(policy["spec"]["egress"][0]["ports"][0]["protocol"], "TCP");
}

#[test]
fn daemons_are_replaced_one_at_a_time() {
    let set = json!({ "metadata": { "name": "d" }, "spec": {
        "selector": { "matchLabels": { "a": "b" } },
        "updateStrategy": { "rollingUpdate": { "maxSurge": 1 } },
        "template": { "metadata": { "labels": { "a": "b" } },
            "spec": { "containers": [{ "name": "c", "image": "i" }] } } } });
    let (set, errors) = made("apps/v1", "DaemonSet", set);
    assert_eq!(set["spec"]["updateStrategy"]["rollingUpdate"], json!({ "maxSurge": 1, "maxUnavailable": 1 }));
    let expected = "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero";
    assert_eq!(errors, [expected]);
}

#[test]
fn an_empty_group_and_a_precedence_of_zero_are_none() {
    let rbac = "rbac.authorization.k8s.io";
    let binding = json!({ "subjects": [{ "kind": "User", "name": "u", "apiGroup": "" }] });
    let binding = defaulted("rbac.authorization.k8s.io/v1", "RoleBinding", binding);
    assert_eq!(binding["roleRef"], json!({ "apiGroup": rbac }));
    assert_eq!(binding["subjects"][0]["apiGroup"], rbac);
    let schema = json!({ "spec": { "matchingPrecedence": 0 } });
    let schema = defaulted("flowcontrol.apiserver.k8s.io/v1", "FlowSchema", schema);
    assert_eq!(schema["spec"]["matchingPrecedence"], 1000);
}

#[test]
fn generations_are_counted_as_upstream_counts_them() {
    let updated = |api_version: &str, kind: &str, old: &Value, mut new: Value| {
        (strategy(api_version, kind).prepare_update)(&mut new, old);
        new["metadata"]["generation"].clone()
    };
    let storage = "storage.k8s.io/v1";
    let driver = json!({ "metadata": { "name": "d" }, "spec": {} });
    let changed = json!({ "metadata": { "name": "d" }, "spec": { "requiresRepublish": true } });
    assert_eq!(updated(storage, "CSIDriver", &driver, driver.clone()), Value::Null);
    assert_eq!(updated(storage, "CSIDriver", &driver, changed), 1);
    let discovery = "discovery.k8s.io/v1";
    let slice = json!({ "metadata": { "name": "s", "generation": 1 } });
    let labelled = json!({ "metadata": { "name": "s", "generation": 1, "labels": { "a": "b" } } });
    assert_eq!(updated(discovery, "EndpointSlice", &slice, labelled), 2);
    let class = json!({ "metadata": { "name": "c" }, "value": 1 });
    assert_eq!(created("scheduling.k8s.io/v1", "PriorityClass", class)["metadata"]["generation"], 1);
}

#[test]
fn a_volumes_phase_has_a_beginning() {
    let old = json!({ "status": { "phase": "Available", "lastPhaseTransitionTime": "then" } });
    let since = |status: Value| {
        let mut volume = json!({ "status": status });
        (strategy("v1", "PersistentVolume").prepare_part)(&mut volume, &old, "status", "now");
        volume["status"]["lastPhaseTransitionTime"].clone()
    };
    assert_eq!(since(json!({ "phase": "Available" })), "then");
    assert_eq!(since(json!({ "phase": "Bound" })), "now");
    assert_eq!(since(json!({ "phase": "Bound", "lastPhaseTransitionTime": "then" })), "now");
    assert_eq!(since(json!({ "phase": "Bound", "lastPhaseTransitionTime": "soon" })), "soon");
}

#[test]
fn a_scaler_of_the_first_version_wants_a_share_of_the_processor() {
    let scaler = |annotations: Value| {
        let scaler =
            json!({ "metadata": { "name": "s", "annotations": annotations }, "spec": { "maxReplicas": 3 } });
        defaulted("autoscaling/v1", "HorizontalPodAutoscaler", scaler)
    };
    assert_eq!(scaler(json!({}))["spec"]["targetCPUUtilizationPercentage"], 80);
    let other = r#"[{"type":"Resource","resource":{"name":"memory","targetAverageUtilization":50}}]"#;
    let other = scaler(json!({ "autoscaling.alpha.kubernetes.io/metrics": other }));
    assert_eq!(other["spec"]["targetCPUUtilizationPercentage"], Value::Null);
}

#[test]
fn deployments_keep_their_labels_when_their_status_is_written() {
    let old = json!({ "metadata": { "labels": { "a": "b" } } });
    let mut new = json!({ "metadata": { "labels": { "c": "d" } } });
    (strategy("apps/v1", "Deployment").prepare_part)(&mut new, &old, "status", "now");
    assert_eq!(new, old);
}
