//! A volume from its making to its end, each step twice.

use orch_plugin::calls::csi::{
    AccessMode, Capabilities, CapacityRange, Code, ContentSource, CsiPlugin, NewSnapshot, Publication,
};

use super::directory::{Disk, Mount};
use super::*;

fn range(required_bytes: u64) -> CapacityRange {
    CapacityRange { required_bytes, limit_bytes: 0 }
}

#[tokio::test]
async fn a_driver_describes_itself() {
    let driver = driver().await;
    let description = driver.description();
    assert_eq!(description.name, "fake.example.com");
    assert!(description.capabilities.contains(Capabilities::SNAPSHOT | Capabilities::STAGE));
    assert!(driver.probe().await.unwrap().unwrap());
    let labels = vec![("zone".to_string(), "x".to_string())];
    let info = driver.info("n1", &labels).await.unwrap().unwrap();
    assert_eq!((info.node_id.as_str(), info.max_volumes), ("n1", 7));
    assert_eq!(info.accessible.unwrap(), [("topology.fake.example.com/zone".into(), "x".into())]);
}

#[tokio::test]
async fn a_volume_is_made_used_grown_and_taken_away() {
    let (driver, disk) = (driver().await, Disk::new());
    let (volume, staging, target) = (disk.place("v"), disk.place("staging"), disk.place("target"));
    let request = new_volume("v", 100);
    let first = driver.create_volume(&request, volume.clone(), None).await.unwrap().unwrap();
    assert_eq!((first.volume_id.as_str(), first.capacity_bytes), ("v", 100));
    let again = driver.create_volume(&request, volume.clone(), None).await.unwrap().unwrap();
    assert_eq!((again.volume_id, again.capacity_bytes), (first.volume_id, 100));
    let larger = driver.create_volume(&new_volume("v", 200), volume.clone(), None).await.unwrap();
    assert_eq!(larger.unwrap_err().code, Code::AlreadyExists);

    let usage = volume_use("v");
    for _ in 0..2 {
        driver.stage(&usage, volume.clone(), staging.clone()).await.unwrap().unwrap();
        let staged = Some(staging.clone() as _);
        let shown = driver.publish(&usage, &pod(), true, volume.clone(), staged, target.clone()).await;
        shown.unwrap().unwrap();
    }
    let shown = Mount { source: volume.path().join("data"), read_only: true };
    assert_eq!(target.mount(), Some(shown));
    volume.put("data/file", "12345");
    let health = driver.volume_stats("v", target.clone()).await.unwrap().unwrap();
    assert_eq!((health.usage.used_bytes, health.abnormal), (5, None));

    let grown = driver.controller_expand("v", range(300), &vec![], volume.clone()).await.unwrap().unwrap();
    assert_eq!((grown.capacity_bytes, grown.node_expansion_required), (300, true));
    assert_eq!(driver.node_expand("v", range(300), target.clone()).await.unwrap().unwrap(), 300);

    for _ in 0..2 {
        driver.unpublish("v", target.clone()).await.unwrap().unwrap();
        driver.unstage("v", staging.clone()).await.unwrap().unwrap();
    }
    assert_eq!((target.mount(), staging.mount()), (None, None));
    let health = driver.volume_stats("v", target).await.unwrap().unwrap();
    assert_eq!(health.abnormal.unwrap(), "it is not mounted");
    for _ in 0..2 {
        driver.delete_volume("v", &vec![], volume.clone()).await.unwrap().unwrap();
    }
    assert_eq!(std::fs::read_dir(volume.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn without_staging_a_volume_is_shown_itself() {
    let (driver, disk) = (driver().await, Disk::new());
    let (volume, target) = (disk.place("v"), disk.place("target"));
    driver.create_volume(&new_volume("v", 1), volume.clone(), None).await.unwrap().unwrap();
    let usage = volume_use("v");
    driver.publish(&usage, &pod(), false, volume.clone(), None, target.clone()).await.unwrap().unwrap();
    assert_eq!(target.mount().unwrap().source, volume.path().join("data"));
}

#[tokio::test]
async fn a_snapshot_keeps_what_was_there() {
    let (driver, disk) = (driver().await, Disk::new());
    let (volume, snapshot, restored) = (disk.place("v"), disk.place("s"), disk.place("r"));
    driver.create_volume(&new_volume("v", 10), volume.clone(), None).await.unwrap().unwrap();
    volume.put("data/file", "then");
    let text = |text: &str| text.to_string();
    let request = |source: &str| NewSnapshot {
        name: text("s"),
        source_volume_id: text(source),
        parameters: vec![],
        secrets: vec![],
        now_ms: 1234,
    };
    let made =
        driver.create_snapshot(&request("v"), volume.clone(), snapshot.clone()).await.unwrap().unwrap();
    assert_eq!((made.size_bytes, made.created_ms, made.ready), (10, 1234, true));
    volume.put("data/file", "now");
    let again =
        driver.create_snapshot(&request("v"), volume.clone(), snapshot.clone()).await.unwrap().unwrap();
    assert_eq!(again, made);
    let other = driver.create_snapshot(&request("w"), volume.clone(), snapshot.clone()).await.unwrap();
    assert_eq!(other.unwrap_err().code, Code::AlreadyExists);

    let mut copy = new_volume("r", 10);
    copy.source = Some(ContentSource::Snapshot(text("s")));
    driver.create_volume(&copy, restored.clone(), Some(snapshot.clone())).await.unwrap().unwrap();
    assert_eq!(restored.text("data/file"), "then");
    driver.delete_snapshot("s", &vec![], snapshot.clone()).await.unwrap().unwrap();
    assert_eq!(std::fs::read_dir(snapshot.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn volumes_are_attached_to_nodes_that_may_have_them() {
    let driver = driver().await;
    let mut request = Publication {
        volume_id: "v".into(),
        node_id: "n1".into(),
        capability: mounted(),
        read_only: false,
        volume_context: vec![],
        secrets: vec![],
    };
    let context = driver.controller_publish(&request).await.unwrap().unwrap();
    assert_eq!(context, [("attached-to".into(), "n1".into())]);
    request.capability.access_mode = AccessMode::MultiNodeMultiWriter;
    let refused = driver.controller_publish(&request).await.unwrap().unwrap_err();
    assert_eq!((refused.code, refused.code.is_final()), (Code::FailedPrecondition, true));
    for node in [Some("n1"), None] {
        driver.controller_unpublish("v", node, &vec![]).await.unwrap().unwrap();
    }
    let capabilities = [VolumeCapability { access_type: AccessType::Block, ..mounted() }];
    let why = driver.validate_capabilities("v", &capabilities, &vec![]).await.unwrap().unwrap();
    assert_eq!(why.unwrap(), "there are no block devices");
    assert_eq!(driver.validate_capabilities("v", &[mounted()], &vec![]).await.unwrap().unwrap(), None);
}

#[tokio::test]
async fn the_room_is_that_of_the_pool() {
    let (driver, disk) = (driver().await, Disk::new());
    let room = driver.capacity(&vec![], None, disk.place("pool")).await.unwrap().unwrap();
    assert_eq!((room.available_bytes, room.largest_bytes), (1 << 20, 1 << 19));
}
