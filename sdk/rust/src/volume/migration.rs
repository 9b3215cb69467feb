//! In-tree disks that CSI drivers serve since their own code left Kubernetes, counted as the driver's.
//! <https://kubernetes.io/docs/concepts/storage/volumes/#csi-migration>

use super::{PersistentVolume, Volume};

/// A volume as its CSI driver knows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Migrated {
    pub driver: &'static str,
    /// Unique for the driver.
    pub handle: String,
}

const EBS: &str = "ebs.csi.aws.com";
const GCE: &str = "pd.csi.storage.gke.io";
const AZURE: &str = "disk.csi.azure.com";
const CINDER: &str = "cinder.csi.openstack.org";
const PORTWORX: &str = "pxd.portworx.com";

/// What the in-tree provisioners became. Those that became nothing that is attached are not here.
const PROVISIONERS: [(&str, &str); 5] = [
    ("kubernetes.io/aws-ebs", EBS),
    ("kubernetes.io/gce-pd", GCE),
    ("kubernetes.io/azure-disk", AZURE),
    ("kubernetes.io/cinder", CINDER),
    ("kubernetes.io/portworx-volume", PORTWORX),
];

/// Names that were migrated, but whose volumes are not counted.
const UNCOUNTED: [&str; 2] = ["kubernetes.io/azure-file", "kubernetes.io/vsphere-volume"];

/// The CSI driver behind a class's provisioner: mostly itself; none for those never attached.
pub fn driver_of_provisioner(provisioner: &str) -> Option<&str> {
    if UNCOUNTED.contains(&provisioner) {
        return None;
    }
    let known = PROVISIONERS.iter().find(|(in_tree, _)| *in_tree == provisioner);
    Some(known.map_or(provisioner, |(_, driver)| driver))
}

impl Migrated {
    /// Of a volume that a pod names itself.
    pub fn of_inline(volume: &Volume) -> Option<Self> {
        if let Some(disk) = &volume.gce_persistent_disk {
            return Some(Migrated { driver: GCE, handle: gce_handle("UNSPECIFIED", &disk.pd_name) });
        }
        let (driver, handle) = if let Some(disk) = &volume.aws_elastic_block_store {
            (EBS, ebs_handle(&disk.volume_id))
        } else if let Some(disk) = &volume.azure_disk {
            (AZURE, disk.disk_uri.as_str())
        } else if let Some(disk) = &volume.cinder {
            (CINDER, disk.volume_id.as_str())
        } else {
            (PORTWORX, volume.portworx_volume.as_ref()?.volume_id.as_str())
        };
        Some(Migrated { driver, handle: handle.into() })
    }

    /// Of a PersistentVolume that is not CSI's already.
    pub fn of_persistent(volume: &PersistentVolume) -> Option<Self> {
        let spec = &volume.spec;
        if let Some(disk) = &spec.gce_persistent_disk {
            return Some(Migrated { driver: GCE, handle: gce_handle(&gce_place(volume), &disk.pd_name) });
        }
        let (driver, handle) = if let Some(disk) = &spec.aws_elastic_block_store {
            (EBS, ebs_handle(&disk.volume_id))
        } else if let Some(disk) = &spec.azure_disk {
            (AZURE, disk.disk_uri.as_str())
        } else if let Some(disk) = &spec.cinder {
            (CINDER, disk.volume_id.as_str())
        } else {
            (PORTWORX, spec.portworx_volume.as_ref()?.volume_id.as_str())
        };
        Some(Migrated { driver, handle: handle.into() })
    }
}

/// `aws://us-east-1a/vol-1` is `vol-1`.
fn ebs_handle(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

fn gce_handle(place: &str, disk: &str) -> String {
    format!("projects/UNSPECIFIED/zones/{place}/disks/{disk}")
}

/// The zone of a disk as its label tells it. One in several zones is regional; without a label it is
/// found by name.
fn gce_place(volume: &PersistentVolume) -> String {
    let labels = ["topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"];
    let zone = labels.iter().find_map(|label| volume.metadata.label(label));
    match zone {
        Some(zones) if zones.contains("__") => {
            let first = zones.split("__").next().unwrap_or_default();
            first.rsplit_once('-').map_or(first, |(region, _)| region).into()
        }
        Some(zone) => zone.into(),
        None => "UNSPECIFIED".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn the_same_disk_has_one_handle_inline_and_as_an_object() {
        let disks = [
            (json!({"awsElasticBlockStore": {"volumeID": "aws://zone/vol-1"}}), EBS, "vol-1"),
            (
                json!({"azureDisk": {"diskURI": "/subscriptions/x", "diskName": "d"}}),
                AZURE,
                "/subscriptions/x",
            ),
            (json!({"cinder": {"volumeID": "c1"}}), CINDER, "c1"),
            (json!({"portworxVolume": {"volumeID": "p1"}}), PORTWORX, "p1"),
            (
                json!({"gcePersistentDisk": {"pdName": "g"}}),
                GCE,
                "projects/UNSPECIFIED/zones/UNSPECIFIED/disks/g",
            ),
        ];
        for (source, driver, handle) in disks {
            let wanted = Migrated { driver, handle: handle.into() };
            let inline: Volume = serde_json::from_value(source.clone()).unwrap();
            assert_eq!(Migrated::of_inline(&inline).unwrap(), wanted);
            let volume: PersistentVolume = serde_json::from_value(json!({"spec": source})).unwrap();
            assert_eq!(Migrated::of_persistent(&volume).unwrap(), wanted);
        }
        assert_eq!(Migrated::of_inline(&Volume::default()), None);
    }

    #[test]
    fn disks_in_zones_are_named_by_them() {
        let handle = |zone: Value| {
            let labels = json!({"topology.kubernetes.io/zone": zone});
            let volume =
                json!({"metadata": {"labels": labels}, "spec": {"gcePersistentDisk": {"pdName": "g"}}});
            let volume: PersistentVolume = serde_json::from_value(volume).unwrap();
            Migrated::of_persistent(&volume).unwrap().handle
        };
        assert_eq!(handle(json!("us-east1-a")), "projects/UNSPECIFIED/zones/us-east1-a/disks/g");
        assert_eq!(handle(json!("us-east1-a__us-east1-b")), "projects/UNSPECIFIED/zones/us-east1/disks/g");
    }

    #[test]
    fn provisioners_are_themselves_unless_they_moved() {
        assert_eq!(driver_of_provisioner("kubernetes.io/aws-ebs"), Some(EBS));
        assert_eq!(driver_of_provisioner("example.com/disk"), Some("example.com/disk"));
        assert_eq!(driver_of_provisioner("kubernetes.io/azure-file"), None);
    }
}
