//! Disks named in pods that cannot be shared freely on a node.
//!
//! GCE disks, iSCSI targets and RBD images may be shared when everybody only reads; an EBS volume never.

use orch_sdk::volume::{RbdImage, Volume};

pub fn is_exclusive(volume: &Volume) -> bool {
    volume.gce_persistent_disk.is_some()
        || volume.aws_elastic_block_store.is_some()
        || volume.iscsi.is_some()
        || volume.rbd.is_some()
}

pub fn conflicts(one: &Volume, other: &Volume) -> bool {
    gce(one, other) || ebs(one, other) || iscsi(one, other) || rbd(one, other)
}

fn gce(one: &Volume, other: &Volume) -> bool {
    let disks = one.gce_persistent_disk.as_ref().zip(other.gce_persistent_disk.as_ref());
    disks.is_some_and(|(one, other)| one.pd_name == other.pd_name && !(one.read_only && other.read_only))
}

fn ebs(one: &Volume, other: &Volume) -> bool {
    let disks = one.aws_elastic_block_store.as_ref().zip(other.aws_elastic_block_store.as_ref());
    disks.is_some_and(|(one, other)| one.volume_id == other.volume_id)
}

fn iscsi(one: &Volume, other: &Volume) -> bool {
    let disks = one.iscsi.as_ref().zip(other.iscsi.as_ref());
    disks.is_some_and(|(one, other)| one.iqn == other.iqn && !(one.read_only && other.read_only))
}

fn rbd(one: &Volume, other: &Volume) -> bool {
    let images = one.rbd.as_ref().zip(other.rbd.as_ref());
    images.is_some_and(|(one, other)| is_same_image(one, other) && !(one.read_only && other.read_only))
}

fn is_same_image(one: &RbdImage, other: &RbdImage) -> bool {
    one.monitors.iter().any(|monitor| other.monitors.contains(monitor))
        && pool(one) == pool(other)
        && one.image == other.image
}

/// The API server fills in `rbd`; a pod may reach the policy without that.
fn pool(image: &RbdImage) -> &str {
    if image.pool.is_empty() { "rbd" } else { &image.pool }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::{Value, json, serde_json};

    fn clash(one: Value, other: Value) -> bool {
        let read = |value| serde_json::from_value::<Volume>(value).unwrap();
        let (one, other) = (read(one), read(other));
        assert_eq!(conflicts(&one, &other), conflicts(&other, &one));
        conflicts(&one, &other)
    }

    #[test]
    fn readers_share_what_a_writer_has_alone() {
        let gce = |name: &str, read| json!({"gcePersistentDisk": {"pdName": name, "readOnly": read}});
        assert!(clash(gce("a", false), gce("a", false)));
        assert!(clash(gce("a", true), gce("a", false)));
        assert!(!clash(gce("a", true), gce("a", true)));
        assert!(!clash(gce("a", false), gce("b", false)));
        let iscsi = |iqn: &str, read| json!({"iscsi": {"iqn": iqn, "readOnly": read}});
        assert!(clash(iscsi("a", true), iscsi("a", false)));
        assert!(!clash(iscsi("a", true), iscsi("a", true)));
        assert!(!clash(iscsi("a", false), gce("a", false)));
    }

    #[test]
    fn an_ebs_volume_is_never_shared() {
        let ebs = |id: &str| json!({"awsElasticBlockStore": {"volumeID": id, "readOnly": true}});
        assert!(clash(ebs("a"), ebs("a")));
        assert!(!clash(ebs("a"), ebs("b")));
    }

    #[test]
    fn an_image_is_known_by_monitor_pool_and_name() {
        let rbd = |monitors: &[&str], pool: &str, image: &str, read| json!({"rbd": {"monitors": monitors, "pool": pool, "image": image, "readOnly": read}});
        assert!(clash(rbd(&["a", "b"], "p", "i", false), rbd(&["b"], "p", "i", true)));
        assert!(clash(rbd(&["a"], "", "i", false), rbd(&["a"], "rbd", "i", false)));
        assert!(!clash(rbd(&["a"], "p", "i", true), rbd(&["a"], "p", "i", true)));
        assert!(!clash(rbd(&["a"], "p", "i", false), rbd(&["b"], "p", "i", false)));
        assert!(!clash(rbd(&["a"], "p", "i", false), rbd(&["a"], "q", "i", false)));
        assert!(!clash(rbd(&["a"], "p", "i", false), rbd(&["a"], "p", "j", false)));
    }
}
