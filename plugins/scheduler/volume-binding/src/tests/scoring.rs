use super::*;

fn scores(cluster: &mut Cluster, claims: &[&str]) -> Vec<u32> {
    cluster.policy.score(&pod(claims), &(0..2).collect()).unwrap()
}

#[test]
fn volumes_rank_nodes_only_when_a_shape_is_given() {
    let volumes = [volume("full", "4Gi", "x"), volume("roomy", "40Gi", "y")];
    let mut cluster = Cluster::with(&["x", "y"], volumes);
    cluster.tell(claim("c", "4Gi"));
    assert_eq!(scores(&mut cluster, &["c"]), [0, 0]);
    let shape = json!([{"utilization": 0, "score": 0}, {"utilization": 100, "score": 10}]);
    cluster.policy.configure(&json!({"shape": shape})).unwrap();
    assert_eq!(scores(&mut cluster, &["c"]), [100, 10]);
    assert_eq!(scores(&mut cluster, &[]), [0, 0]);
    assert_eq!(scores(&mut cluster, &["gone"]), [0, 0]);
    cluster.tell(bound("d", "roomy"));
    assert_eq!(scores(&mut cluster, &["d"]), [0, 0], "what is bound ranks nothing");
}

#[test]
fn room_ranks_nodes_where_volumes_are_made() {
    let driver = json!({"kind": "CSIDriver", "metadata": {"name": "d"}, "spec": {"storageCapacity": true}});
    let room = |zone: &str, size: &str| {
        json!({
            "kind": "CSIStorageCapacity", "metadata": {"name": zone}, "storageClassName": LATE,
            "nodeTopology": {"matchLabels": {"zone": zone}}, "capacity": size,
        })
    };
    let class = class(LATE, "d", "WaitForFirstConsumer");
    let objects =
        [class, driver, room("x", "10Gi"), room("y", "100Gi"), claim("c", "4Gi"), claim("d", "4Gi")];
    let mut cluster = Cluster::with(&["x", "y"], objects);
    let shape = json!([{"utilization": 0, "score": 10}, {"utilization": 100, "score": 0}]);
    cluster.policy.configure(&json!({"shape": shape})).unwrap();
    assert_eq!(scores(&mut cluster, &["c"]), [60, 96]);
    // Two claims share the room.
    assert_eq!(scores(&mut cluster, &["c", "d"]), [20, 92]);
}
