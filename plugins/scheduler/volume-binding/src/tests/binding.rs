use super::*;

const SELECTED: &str = "volume.kubernetes.io/selected-node";

/// A pod whose claim found the volume `v`, on node 0.
fn matched() -> (Cluster, String) {
    let mut cluster = Cluster::with(&["x", "y"], [claim("c", "1Gi"), volume("v", "2Gi", "x")]);
    let pod = pod(&["c"]);
    cluster.reserve(&pod, 0).unwrap();
    (cluster, pod)
}

/// A pod whose claim gets a volume made for node 1.
fn made() -> (Cluster, String) {
    let class = class(LATE, "disk.example.com", "WaitForFirstConsumer");
    let mut cluster = Cluster::with(&["x", "y"], [class, claim("c", "1Gi")]);
    let pod = pod(&["c"]);
    cluster.reserve(&pod, 1).unwrap();
    (cluster, pod)
}

fn chosen(node: &str) -> Value {
    let mut claim = claim("c", "1Gi");
    claim["metadata"]["annotations"] = json!({SELECTED: node});
    claim
}

#[test]
fn a_reserved_volume_is_nobody_elses_until_it_is_let_go() {
    let (mut cluster, first) = matched();
    cluster.tell(claim("d", "1Gi"));
    let second = pod_named("q", &["d"]);
    assert_eq!(cluster.rejections(&second).len(), 1);
    assert!(cluster.reserve(&second, 0).is_err());
    // Its own pod, and another with the same claim, still have it.
    assert_eq!(cluster.rejections(&first)[0].1, [1]);
    let companion = pod_named("r", &["c"]);
    cluster.reserve(&companion, 0).unwrap();
    cluster.unreserve(&first, 0);
    assert!(cluster.reserve(&second, 0).is_err(), "the companion holds it");
    cluster.unreserve(&companion, 0);
    cluster.unreserve(&companion, 0);
    cluster.reserve(&second, 0).unwrap();
}

#[test]
fn what_no_longer_fits_is_not_reserved() {
    let mut cluster = Cluster::with(&["x", "y"], [claim("c", "1Gi"), volume("v", "2Gi", "x")]);
    assert_eq!(
        cluster.reserve(&pod(&["c"]), 1).unwrap_err(),
        "node(s) didn't find available persistent volumes to bind"
    );
    assert_eq!(cluster.reserve(&pod(&["gone"]), 0).unwrap_err(), "persistentvolumeclaim \"gone\" not found");
    assert!(cluster.reserve(&pod(&["c"]), 7).is_err(), "no such node");
    cluster.reserve(&pod(&["c"]), 0).unwrap();
}

#[test]
fn a_matched_volume_is_told_its_claim_once() {
    let (mut cluster, pod) = matched();
    let (patches, ready) = cluster.pre_bind(&pod, 0).unwrap();
    let reference = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "namespace": "a", "name": "c", "uid": "uid-c", "resourceVersion": "2",
    });
    let metadata =
        json!({"resourceVersion": "3", "annotations": {"pv.kubernetes.io/bound-by-controller": "yes"}});
    let body = json!({"metadata": metadata, "spec": {"claimRef": reference}});
    assert_eq!(patches, [("PersistentVolume".into(), "v".into(), body)]);
    assert!(!ready);
    assert_eq!(cluster.pre_bind(&pod, 0).unwrap(), (vec![], false), "asked before the write was seen");
    cluster.tell(meant_for(volume("v", "2Gi", "x"), "c", "uid-c"));
    assert_eq!(cluster.pre_bind(&pod, 0).unwrap(), (vec![], false), "the controller has its part to do");
    let mut half = bound("c", "v");
    half["metadata"]["annotations"] = json!({});
    cluster.tell(half);
    assert_eq!(cluster.pre_bind(&pod, 0).unwrap(), (vec![], false));
    cluster.tell(bound("c", "v"));
    assert_eq!(cluster.pre_bind(&pod, 0).unwrap(), (vec![], true));
}

#[test]
fn a_volume_meant_for_the_claim_stays_so() {
    let own = meant_for(volume("v", "2Gi", "x"), "c", "");
    let mut cluster = Cluster::with(&["x"], [claim("c", "1Gi"), own]);
    cluster.reserve(&pod(&["c"]), 0).unwrap();
    let (patches, _) = cluster.pre_bind(&pod(&["c"]), 0).unwrap();
    assert_eq!(patches[0].2["spec"]["claimRef"]["uid"], "uid-c");
    assert!(patches[0].2["metadata"].get("annotations").is_none());
}

#[test]
fn a_claim_is_told_the_node_its_volume_is_made_for() {
    let (mut cluster, pod) = made();
    let (patches, ready) = cluster.pre_bind(&pod, 1).unwrap();
    let body = json!({"metadata": {"resourceVersion": "3", "annotations": {SELECTED: "n1"}}});
    assert_eq!(patches, [("PersistentVolumeClaim".into(), "c".into(), body)]);
    assert!(!ready);
    cluster.tell(chosen("n1"));
    assert_eq!(cluster.pre_bind(&pod, 1).unwrap(), (vec![], false));
    // The claim is bound before the volume is told.
    cluster.tell(bound("c", "w"));
    assert_eq!(cluster.pre_bind(&pod, 1).unwrap(), (vec![], false));
    cluster.tell(volume("w", "1Gi", "y"));
    assert_eq!(cluster.pre_bind(&pod, 1).unwrap(), (vec![], true));
}

#[test]
fn a_held_node_binds_other_pods_of_the_claim() {
    let (mut cluster, first) = made();
    let second = pod_named("q", &["c"]);
    assert_eq!(cluster.rejections(&second)[0].1, [0]);
    cluster.unreserve(&first, 1);
    assert!(cluster.rejections(&second).is_empty());
}

#[test]
fn a_volume_out_of_reach_fails_the_pod() {
    let (mut cluster, pod) = made();
    cluster.pre_bind(&pod, 1).unwrap();
    cluster.tell(volume("w", "1Gi", "x"));
    cluster.tell(bound("c", "w"));
    assert_eq!(
        cluster.pre_bind(&pod, 1).unwrap_err(),
        "binding volumes: pv \"w\" node affinity doesn't match node \"n1\": no matching NodeSelectorTerms"
    );
}

#[test]
fn what_others_undo_fails_the_pod() {
    let (mut cluster, pod) = matched();
    cluster.pre_bind(&pod, 0).unwrap();
    cluster.tell(volume("v", "2Gi", "x"));
    assert_eq!(cluster.pre_bind(&pod, 0).unwrap_err(), "binding volumes: ClaimRef got reset for pv \"v\"");
    let (mut cluster, pod) = matched();
    cluster.pre_bind(&pod, 0).unwrap();
    cluster.forget(volume("v", "", ""));
    let error = cluster.pre_bind(&pod, 0).unwrap_err();
    assert_eq!(error, "binding volumes: failed to check binding: persistentvolume \"v\" not found");
    let (mut cluster, pod) = made();
    cluster.pre_bind(&pod, 1).unwrap();
    cluster.tell(chosen("n1"));
    // The provisioner gives up by taking the node away.
    cluster.tell(claim("c", "1Gi"));
    let error = cluster.pre_bind(&pod, 1).unwrap_err();
    assert_eq!(error, "binding volumes: selectedNode annotation reset for PVC \"c\"");
    cluster.tell(chosen("n0"));
    assert_eq!(cluster.pre_bind(&pod, 1).unwrap_err(), "binding volumes: provisioning failed for PVC \"c\"");
    cluster.forget(claim("c", ""));
    assert_eq!(
        cluster.pre_bind(&pod, 1).unwrap_err(),
        "binding volumes: persistentvolumeclaim \"c\" not found"
    );
}

#[test]
fn a_new_instance_goes_on_from_what_is_written() {
    // It was never asked to reserve: the plugin was swapped in between.
    let mut cluster = Cluster::with(&["x", "y"], [claim("c", "1Gi"), volume("v", "2Gi", "x")]);
    let pod = pod(&["c"]);
    let (patches, ready) = cluster.pre_bind(&pod, 0).unwrap();
    assert_eq!((patches.len(), ready), (1, false));
    let written = meant_for(volume("v", "2Gi", "x"), "c", "uid-c");
    let mut cluster = Cluster::with(&["x", "y"], [claim("c", "1Gi"), written, volume("smaller", "1Gi", "x")]);
    assert_eq!(cluster.pre_bind(&pod, 0).unwrap(), (vec![], false));
    cluster.tell(bound("c", "v"));
    assert_eq!(cluster.pre_bind(&pod, 0).unwrap(), (vec![], true));
}

#[test]
fn the_configured_time_is_given() {
    let (mut cluster, pod) = matched();
    assert_eq!(cluster.policy.pre_bind(&pod, 0).unwrap().timeout_ms, 600_000);
    cluster.policy.configure(&json!({"bindTimeoutSeconds": 30})).unwrap();
    assert_eq!(cluster.policy.pre_bind(&pod, 0).unwrap().timeout_ms, 30_000);
}
