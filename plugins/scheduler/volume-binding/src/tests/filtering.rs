use super::*;

const AFFINITY: &str = "node(s) had volume node affinity conflict";
const MATCHING: &str = "node(s) didn't find available persistent volumes to bind";
const SPACE: &str = "node(s) did not have enough free storage";
const MISSING: &str = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)";

fn because(reason: &str, nodes: &[usize]) -> (String, Vec<usize>) {
    (reason.into(), nodes.to_vec())
}

#[test]
fn a_pod_without_volumes_is_answered_at_once() {
    let mut cluster = Cluster::new(&["x"]);
    let empty = json!({"spec": {"volumes": [{"emptyDir": {}}, {"configMap": {}}]}}).to_string();
    for pod in ["{}", &empty] {
        assert_eq!(cluster.policy.filter(pod, &(0..9).collect()).unwrap(), Verdict::default());
        assert!(cluster.reserve(pod, 0).is_ok());
        assert_eq!(cluster.pre_bind(pod, 0).unwrap(), (vec![], true));
    }
}

#[test]
fn a_claim_must_be_usable() {
    let mut cluster = Cluster::new(&["x"]);
    assert_eq!(cluster.refusal(&pod(&["c"])), "persistentvolumeclaim \"c\" not found");
    let mut lost = bound("c", "v");
    lost["status"]["phase"] = "Lost".into();
    cluster.tell(lost);
    assert_eq!(
        cluster.refusal(&pod(&["c"])),
        "persistentvolumeclaim \"c\" bound to non-existent persistentvolume \"v\""
    );
    let mut leaving = claim("c", "1");
    leaving["metadata"]["deletionTimestamp"] = "2026-11-21T12:00:00Z".into();
    cluster.tell(leaving.clone());
    assert_eq!(cluster.refusal(&pod(&["c"])), "persistentvolumeclaim \"c\" is being deleted");
    cluster.forget(leaving);
    assert_eq!(cluster.refusal(&pod(&["c"])), "persistentvolumeclaim \"c\" not found");
}

#[test]
fn an_ephemeral_claim_is_waited_for_and_must_be_the_pods() {
    let mut cluster = Cluster::with(&["x"], [volume("v", "1Gi", "")]);
    let metadata = json!({"namespace": "a", "name": "p", "uid": "uid-p"});
    let pod =
        json!({"metadata": metadata, "spec": {"volumes": [{"name": "tmp", "ephemeral": {}}]}}).to_string();
    assert_eq!(
        cluster.refusal(&pod),
        "waiting for ephemeral volume controller to create the persistentvolumeclaim \"p-tmp\""
    );
    let mut made = claim("p-tmp", "1Gi");
    cluster.tell(made.clone());
    assert_eq!(cluster.refusal(&pod), "PVC a/p-tmp was not created for pod a/p (pod is not owner)");
    made["metadata"]["ownerReferences"] = json!([{"uid": "uid-p", "controller": true}]);
    cluster.tell(made);
    assert!(cluster.rejections(&pod).is_empty());
}

#[test]
fn claims_that_bind_at_once_must_be_bound() {
    let unbound = "pod has unbound immediate PersistentVolumeClaims";
    let mut cluster = Cluster::with(&["x"], [class("now", "x", "Immediate"), volume("v", "9Gi", "")]);
    for class in ["now", "unknown", ""] {
        let mut claim = claim("c", "1");
        claim["spec"]["storageClassName"] = class.into();
        cluster.tell(claim);
        assert_eq!(cluster.refusal(&pod(&["c"])), unbound, "class {class:?}");
    }
    // One that names its volume is the controller's to bind, whatever its class.
    let mut claim = claim("c", "1");
    claim["spec"]["volumeName"] = "v".into();
    cluster.tell(claim);
    assert_eq!(cluster.refusal(&pod(&["c"])), unbound);
    let mut unsaid = class("unsaid", "x", "");
    unsaid.as_object_mut().unwrap().remove("volumeBindingMode");
    cluster.tell(unsaid);
    let mut claim = super::claim("c", "1");
    claim["spec"]["storageClassName"] = "unsaid".into();
    cluster.tell(claim);
    let error = cluster.policy.filter(&pod(&["c"]), &NodeSet::new()).unwrap_err();
    assert_eq!(error, "VolumeBindingMode not set for StorageClass \"unsaid\"");
}

#[test]
fn bound_volumes_must_be_there_and_in_reach() {
    let mut cluster = Cluster::with(&["x", "y"], [bound("c", "v"), bound("d", "w"), volume("v", "1Gi", "x")]);
    assert_eq!(cluster.rejections(&pod(&["c"])), [because(AFFINITY, &[1])]);
    assert_eq!(cluster.rejections(&pod(&["d"])), [because(MISSING, &[0, 1])]);
    assert_eq!(cluster.rejections(&pod(&["c", "d"])), [because(AFFINITY, &[1]), because(MISSING, &[0])]);
    cluster.tell(volume("w", "1Gi", "y"));
    assert_eq!(cluster.rejections(&pod(&["c", "d"])), [because(AFFINITY, &[0, 1])]);
}

#[test]
fn a_waiting_claim_finds_a_volume_that_fits() {
    let mut cluster = Cluster::with(&["x", "y"], [claim("c", "5Gi"), volume("v", "4Gi", "")]);
    let nowhere = [because(MATCHING, &[0, 1])];
    assert_eq!(cluster.rejections(&pod(&["c"])), nowhere, "too small");
    let wrong: [(&str, &[&str], Value); 7] = [
        ("spec", &["storageClassName"], json!("other")),
        ("spec", &["volumeMode"], json!("Block")),
        ("spec", &["accessModes"], json!(["ReadOnlyMany"])),
        ("spec", &["volumeAttributesClassName"], json!("gold")),
        ("spec", &["claimRef"], json!({"namespace": "a", "name": "other", "uid": "u"})),
        ("status", &["phase"], json!("Released")),
        ("metadata", &["deletionTimestamp"], json!("2026-11-21T12:00:00Z")),
    ];
    for (part, field, value) in wrong {
        let mut volume = volume("v", "5Gi", "");
        volume[part][field[0]] = value;
        cluster.tell(volume);
        assert_eq!(cluster.rejections(&pod(&["c"])), nowhere, "{field:?}");
    }
    cluster.tell(volume("v", "5Gi", "y"));
    assert_eq!(cluster.rejections(&pod(&["c"])), [because(MATCHING, &[0])]);
    cluster.tell(volume("v", "5Gi", ""));
    assert!(cluster.rejections(&pod(&["c"])).is_empty());
    cluster.forget(volume("v", "", ""));
    assert_eq!(cluster.rejections(&pod(&["c"])), nowhere);
}

#[test]
fn a_claims_selector_is_respected() {
    let mut wanted = claim("c", "1Gi");
    wanted["spec"]["selector"] = json!({"matchLabels": {"tier": "gold"}});
    let mut cluster = Cluster::with(&["x"], [wanted.clone(), volume("v", "1Gi", "")]);
    assert_eq!(cluster.rejections(&pod(&["c"])), [because(MATCHING, &[0])]);
    let mut gold = volume("w", "1Gi", "");
    gold["metadata"]["labels"] = json!({"tier": "gold"});
    cluster.tell(gold);
    assert!(cluster.rejections(&pod(&["c"])).is_empty());
    wanted["spec"]["selector"] = json!({"matchExpressions": [{"key": "x"}]});
    cluster.tell(wanted);
    let error = cluster.policy.filter(&pod(&["c"]), &(0..1).collect()).unwrap_err();
    assert!(error.starts_with("error creating internal label selector for claim: a/c: "), "{error}");
}

#[test]
fn a_volume_meant_for_the_claim_is_the_only_one() {
    // No phase: it need not be available, nor fit in modes.
    let mut own = meant_for(volume("own", "9Gi", "x"), "c", "");
    own["status"]["phase"] = "Pending".into();
    let mut cluster = Cluster::with(&["x", "y"], [claim("c", "1Gi"), own, volume("v", "1Gi", "y")]);
    assert_eq!(cluster.rejections(&pod(&["c"])), [because(MATCHING, &[1])]);
    cluster.tell(meant_for(volume("own", "9Gi", "x"), "c", "another-uid"));
    assert_eq!(cluster.rejections(&pod(&["c"])), [because(MATCHING, &[0])]);
}

#[test]
fn small_claims_leave_large_volumes_to_large_claims() {
    let objects =
        [claim("large", "8Gi"), claim("small", "1Gi"), volume("v8", "8Gi", ""), volume("v2", "2Gi", "")];
    let mut cluster = Cluster::with(&["x"], objects);
    assert!(cluster.rejections(&pod(&["large", "small"])).is_empty());
    cluster.forget(volume("v2", "", ""));
    assert_eq!(cluster.rejections(&pod(&["large", "small"])), [because(MATCHING, &[0])]);
    // The same claim in two volumes of the pod is one claim.
    assert!(cluster.rejections(&pod(&["large", "large"])).is_empty());
}

#[test]
fn volumes_are_made_where_the_class_allows() {
    let mut fast = class(LATE, "disk.example.com", "WaitForFirstConsumer");
    let mut cluster = Cluster::with(&["x", "y"], [fast.clone(), claim("c", "5Gi")]);
    assert!(cluster.rejections(&pod(&["c"])).is_empty());
    let zones = json!([{"matchLabelExpressions": [{"key": "zone", "values": ["y", "z"]}]}]);
    fast["allowedTopologies"] = zones;
    cluster.tell(fast);
    assert_eq!(cluster.rejections(&pod(&["c"])), [because(MATCHING, &[0])]);
    // A volume that exists serves where none can be made.
    cluster.tell(volume("v", "5Gi", "x"));
    assert!(cluster.rejections(&pod(&["c"])).is_empty());
    let mut chosen = claim("c", "5Gi");
    chosen["metadata"]["annotations"] = json!({"volume.kubernetes.io/selected-node": "n1"});
    cluster.tell(chosen);
    assert_eq!(cluster.rejections(&pod(&["c"])), [because(MATCHING, &[0])]);
}

#[test]
fn drivers_that_tell_their_room_are_believed() {
    let made = class(LATE, "disk.example.com", "WaitForFirstConsumer");
    let driver = |publishes: bool| json!({"kind": "CSIDriver", "metadata": {"name": "disk.example.com"}, "spec": {"storageCapacity": publishes}});
    let mut cluster = Cluster::with(&["x", "y", "z"], [made, claim("c", "5Gi"), driver(true)]);
    assert_eq!(cluster.rejections(&pod(&["c"])), [because(SPACE, &[0, 1, 2])]);
    let room = |name: &str, zone: &str, fields: Value| {
        let mut capacity = json!({
            "kind": "CSIStorageCapacity", "metadata": {"name": name, "namespace": "kube-system"},
            "storageClassName": LATE, "nodeTopology": {"matchLabels": {"zone": zone}},
        });
        capacity.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        capacity
    };
    cluster.tell(room("rx", "x", json!({"capacity": "5Gi"})));
    cluster.tell(room("ry", "y", json!({"capacity": "50Gi", "maximumVolumeSize": "4Gi"})));
    cluster.tell(room("rz", "z", json!({"capacity": "50Gi", "nodeTopology": null})));
    assert_eq!(cluster.rejections(&pod(&["c"])), [because(SPACE, &[1, 2])]);
    cluster.tell(room("ry", "y", json!({"capacity": "50Gi", "storageClassName": "other"})));
    assert_eq!(cluster.rejections(&pod(&["c"])), [because(SPACE, &[1, 2])]);
    cluster.forget(room("rx", "x", json!({})));
    assert_eq!(cluster.rejections(&pod(&["c"])), [because(SPACE, &[0, 1, 2])]);
    cluster.tell(driver(false));
    assert!(cluster.rejections(&pod(&["c"])).is_empty());
}
