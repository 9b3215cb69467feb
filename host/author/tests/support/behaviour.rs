//! What a new project of each world does, whatever its language.

use std::sync::Arc;

use orch_plugin::calls::admission::AdmissionPlugin;
use orch_plugin::calls::cni::{CniPlugin, Pod};
use orch_plugin::calls::controller::ControllerPlugin;
use orch_plugin::calls::csi::{
    self, AccessMode, AccessType, Capabilities, CapacityRange, Code, CsiPlugin, MountVolume, NewVolume,
    TopologyRequirement, VolumeCapability, VolumeUse,
};
use orch_plugin::calls::scheduler::{Delta, SchedulerPlugin, Verdict};
use orch_plugin::{Artifact, Limits, PluginEngine};
use serde_json::{Value, json};

use super::api::Recorder;
use super::directory::{Disk, Mount};
use super::sandbox::Sandbox;

/// Ranks nodes by a label and keeps pods off those that have none.
pub fn scheduler(engine: &Arc<PluginEngine>, artifact: &Artifact) {
    let policy = engine.load_scheduler("p", artifact, &json!({}), Limits::default()).unwrap();
    let node =
        |index, labels: Value| Delta::NodeUpsert(index, json!({"metadata": {"labels": labels}}).to_string());
    let rank = |rank: &str| json!({"example.com/rank": rank});
    policy.sync(&[node(0, rank("1")), node(1, json!({})), node(70, rank("7")), node(71, rank("9"))]).unwrap();
    policy.sync(&[Delta::NodeRemove(71)]).unwrap();
    let Verdict::Nodes(rejections) = policy.filter("{}", &vec![0b11, 0b1100_0000]).unwrap() else {
        panic!("the nodes differ");
    };
    assert_eq!(rejections.len(), 1, "{rejections:?}");
    assert_eq!(rejections[0].reason, "node(s) had no label example.com/rank");
    assert_eq!(rejections[0].nodes, [0b10, 0b1000_0000]);
    assert_eq!(policy.score("{}", &vec![0b1, 0b100_0000]).unwrap(), [1, 7]);
}

/// Refuses namespaces that name no owner.
pub fn admission(engine: &Arc<PluginEngine>, artifact: &Artifact) {
    let check = engine.load_admission("c", artifact, &json!({}), Limits::default()).unwrap();
    let rules = &check.description().rules;
    assert_eq!((rules.len(), rules[0].resources.as_slice()), (1, ["namespaces".to_string()].as_slice()));
    let review = |labels: Value| {
        let object =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "labels": labels}});
        check
            .review(&json!({"uid": "r", "operation": "CREATE", "name": "a", "object": object}).to_string())
            .unwrap()
    };
    assert_eq!(review(json!({"example.com/owner": "me"})).unwrap().patch, "");
    let denial = review(json!({})).unwrap_err();
    assert_eq!((denial.code, denial.reason.as_str()), (403, "Forbidden"));
    assert_eq!(denial.message, "a namespace needs the label example.com/owner");
}

/// Greets namespaces with an Event.
pub async fn controller(engine: &Arc<PluginEngine>, artifact: &Artifact) {
    let shop = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
    let api = Arc::new(Recorder { objects: vec![shop], ..Recorder::default() });
    let controller =
        engine.load_controller("c", artifact, &json!({}), Limits::default(), api.clone()).await.unwrap();
    let watches = &controller.description().watches;
    assert_eq!((watches.len(), watches[0].interest.kind.as_str()), (1, "Namespace"));
    controller.reconcile("shop").await.unwrap();
    controller.reconcile("gone").await.unwrap();
    assert_eq!(*api.calls.lock(), ["Normal Greeted hello, shop"]);
}

/// Gives each pod the lowest free address, routed.
pub async fn cni(engine: &Arc<PluginEngine>, artifact: &Artifact) {
    let driver = engine.load_cni("d", artifact, Limits::default()).await.unwrap();
    assert!(driver.configure(r#"{"podCIDRs": [], "mtu": 0, "config": {}}"#).await.is_err());
    driver.configure(r#"{"podCIDRs": ["10.244.3.0/30"], "mtu": 1400, "config": {}}"#).await.unwrap();
    driver.restore(&[]).await.unwrap();
    let sandbox = Arc::new(Sandbox::default());
    let pod =
        |id: &str| Pod { sandbox_id: id.into(), namespace: "d".into(), name: "p".into(), uid: "u".into() };
    let first = driver.add(sandbox.clone(), &pod("a")).await.unwrap();
    assert_eq!(first.ips, ["10.244.3.1"]);
    assert_eq!(driver.add(sandbox.clone(), &pod("a")).await.unwrap(), first);
    assert_eq!(driver.add(sandbox.clone(), &pod("b")).await.unwrap().ips, ["10.244.3.2"]);
    assert!(driver.add(sandbox.clone(), &pod("c")).await.is_err(), "the range holds two");
    driver.del(sandbox.clone(), &first).await.unwrap();
    assert_eq!(driver.add(sandbox.clone(), &pod("c")).await.unwrap().ips, first.ips);
    let calls = sandbox.take_calls().join("\n");
    for call in [
        &format!("veth {} eth0 1400", first.node_interface),
        "address Sandbox 10.244.3.1/32",
        "route Sandbox 0.0.0.0/0",
        "route Node 10.244.3.2/32",
        &format!("remove {}", first.node_interface),
    ] {
        assert!(calls.contains(call), "{call} is not among\n{calls}");
    }
}

/// Volumes that are directories of the node.
pub async fn csi(engine: &Arc<PluginEngine>, artifact: &Artifact) {
    let driver = engine.load_csi("s", artifact, &json!({}), Limits::default()).await.unwrap();
    assert_eq!(driver.description().name, "spread-out.example.com");
    assert_eq!(driver.description().capabilities, Capabilities::CREATE_DELETE | Capabilities::PUBLISH);
    assert!(driver.probe().await.unwrap().unwrap());
    let labels = vec![("zone".into(), "x".into())];
    let info = driver.info("n", &labels).await.unwrap().unwrap();
    assert_eq!((info.node_id.as_str(), info.max_volumes, info.accessible), ("n", 0, None));

    let (disk, size) = (Disk::new(), 10 << 30);
    let (volume, target) = (disk.place("v"), disk.place("target"));
    for _ in 0..2 {
        let made = driver.create_volume(&new_volume(size), volume.clone(), None).await.unwrap().unwrap();
        assert_eq!((made.volume_id.as_str(), made.capacity_bytes), ("v", size));
    }
    let (shown, pod) = (volume_use(), pod());
    let publish = driver.publish(&shown, &pod, true, volume.clone(), None, target.clone());
    publish.await.unwrap().unwrap();
    assert_eq!(target.mount(), Some(Mount { source: volume.path().join("data"), read_only: true }));
    driver.unpublish("v", target.clone()).await.unwrap().unwrap();
    assert_eq!(target.mount(), None);
    volume.put("data/file", "x");
    driver.delete_volume("v", &vec![], volume.clone()).await.unwrap().unwrap();
    assert!(!volume.path().join("data").exists());
    let stage = driver.stage(&shown, volume.clone(), target.clone()).await;
    assert!(stage.is_err() || stage.unwrap().unwrap_err().code == Code::Unimplemented);
}

fn capability() -> VolumeCapability {
    let mount =
        MountVolume { fs_type: "ext4".into(), mount_flags: vec!["noatime".into()], group: "7".into() };
    VolumeCapability { access_type: AccessType::Mount(mount), access_mode: AccessMode::SingleNodeWriter }
}

fn new_volume(required_bytes: u64) -> NewVolume {
    NewVolume {
        name: "v".into(),
        capacity: CapacityRange { required_bytes, limit_bytes: 0 },
        capabilities: vec![capability()],
        parameters: vec![("kind".into(), "fast".into())],
        secrets: vec![],
        source: None,
        accessibility: TopologyRequirement { requisite: vec![], preferred: vec![] },
    }
}

fn volume_use() -> VolumeUse {
    VolumeUse {
        volume_id: "v".into(),
        capability: capability(),
        volume_context: vec![],
        publish_context: vec![],
        secrets: vec![("key".into(), "value".into())],
    }
}

fn pod() -> csi::Pod {
    let text = String::from;
    csi::Pod { namespace: text("d"), name: text("p"), uid: text("u"), service_account: text("default") }
}
