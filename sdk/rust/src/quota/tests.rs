use serde_json::json;

use super::*;

fn pod(spec: Value) -> Subject {
    Subject::of("", "Pod", &json!({"spec": spec}))
}

fn quota(spec: Value) -> Quota {
    Quota::read(&json!({"spec": spec}))
}

#[test]
fn a_pod_uses_what_its_containers_ask_for() {
    let mut subject = pod(json!({
        "containers": [
            {"resources": {"requests": {"cpu": "500m", "memory": "252Mi", "ephemeral-storage": "30Gi", "example.com/dongle": 2}}},
            {"resources": {"requests": {"cpu": "250m", "hugepages-2Mi": "4Mi"}, "limits": {"cpu": 1}}},
        ],
        "initContainers": [{"resources": {"requests": {"cpu": "1"}}}],
        "overhead": {"cpu": "50m", "memory": "4Mi"},
    }));
    assert_eq!(
        in_words(&subject.usage),
        "count/pods=1,cpu=1050m,ephemeral-storage=30Gi,hugepages-2Mi=4Mi,limits.cpu=1050m,memory=256Mi,pods=1,\
         requests.cpu=1050m,requests.ephemeral-storage=30Gi,requests.example.com/dongle=2,\
         requests.hugepages-2Mi=4Mi,requests.memory=256Mi"
    );
    subject.give_up();
    assert_eq!(in_words(&subject.usage), "count/pods=1");
    let ended = Subject::of("", "Pod", &json!({"spec": {}, "status": {"phase": "Succeeded"}}));
    assert_eq!(in_words(&ended.usage), "count/pods=1");
}

#[test]
fn scopes_choose_pods() {
    let burstable = json!({"containers": [{"resources": {"requests": {"cpu": "1m"}}}], "activeDeadlineSeconds": 5,
        "priorityClassName": "high"});
    let best_effort = json!({"containers": [{}], "affinity": {"podAntiAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [{"podAffinityTerm": {"namespaces": ["x"]}}]}}});
    let selector = |operator: &str, values: Value| {
        json!({"scopeSelector": {"matchExpressions": [
            {"scopeName": "PriorityClass", "operator": operator, "values": values}]}})
    };
    for (spec, of_burstable, of_best_effort) in [
        (json!({}), true, true),
        (json!({"scopes": ["BestEffort"]}), false, true),
        (json!({"scopes": ["NotBestEffort"]}), true, false),
        (json!({"scopes": ["Terminating", "NotBestEffort"]}), true, false),
        (json!({"scopes": ["NotTerminating"]}), false, true),
        (json!({"scopes": ["PriorityClass"]}), true, false),
        (json!({"scopes": ["CrossNamespacePodAffinity"]}), false, true),
        (selector("In", json!(["high"])), true, false),
        (selector("NotIn", json!(["high"])), false, true),
        (selector("Exists", json!([])), true, false),
        (selector("DoesNotExist", json!([])), false, true),
    ] {
        let quota = quota(spec.clone());
        assert_eq!(quota.covers(&pod(burstable.clone())), of_burstable, "{spec}");
        assert_eq!(quota.covers(&pod(best_effort.clone())), of_best_effort, "{spec}");
    }
    let service = Subject::of("", "Service", &json!({}));
    assert!(!quota(json!({"scopes": ["BestEffort"]})).covers(&service));
}

#[test]
fn services_use_ports_and_balancers() {
    let usage = |spec: Value| in_words(&Subject::of("", "Service", &json!({"spec": spec})).usage);
    let ports = json!([{"nodePort": 30000}, {}]);
    assert_eq!(
        usage(json!({"type": "ClusterIP", "ports": ports})),
        "count/services=1,services=1,services.loadbalancers=0,services.nodeports=0"
    );
    assert!(
        usage(json!({"type": "NodePort", "ports": ports})).ends_with("loadbalancers=0,services.nodeports=2")
    );
    let balancer = json!({"type": "LoadBalancer", "ports": ports, "allocateLoadBalancerNodePorts": false});
    assert!(usage(balancer).ends_with("loadbalancers=1,services.nodeports=1"));
}

#[test]
fn claims_use_storage_of_their_class() {
    let claim = json!({
        "spec": {"storageClassName": "gold", "resources": {"requests": {"storage": "1Gi"}},
            "volumeAttributesClassName": "fast"},
        "status": {"allocatedResources": {"storage": "2Gi"}},
    });
    let subject = Subject::of("", "PersistentVolumeClaim", &claim);
    assert_eq!(
        in_words(&subject.usage),
        "count/persistentvolumeclaims=1,gold.storageclass.storage.k8s.io/persistentvolumeclaims=1,\
         gold.storageclass.storage.k8s.io/requests.storage=2Gi,persistentvolumeclaims=1,requests.storage=2Gi"
    );
    let fast = json!({"scopeSelector": {"matchExpressions": [
        {"scopeName": "VolumeAttributesClass", "operator": "In", "values": ["fast"]}]}});
    assert!(quota(fast).covers(&subject));
}

#[test]
fn a_quota_on_cpu_obliges_every_container() {
    let hard = quota(json!({"hard": {"cpu": "1", "limits.memory": "1Gi", "pods": 4}})).hard;
    let pod = |own: Value| {
        json!({"spec": {"resources": own, "containers": [{"name": "b"}, {"name": "a"},
            {"name": "c", "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "1"}}}]}})
    };
    let lacking = ["a".to_string(), "b".to_string()].to_vec();
    assert_eq!(
        missing(&pod(Value::Null), &hard),
        [("cpu".to_string(), lacking.clone()), ("limits.memory".to_string(), lacking)]
    );
    assert_eq!(missing(&pod(json!({"limits": {"cpu": "1"}})), &hard), []);
}
