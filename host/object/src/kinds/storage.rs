//! Volumes that outlive pods.

use super::row::Row;
use crate::{print, strategy};

const STORAGE: &str = "storage.k8s.io/v1";

pub(super) fn rows() -> Vec<Row> {
    let mut rows = volumes();
    rows.extend(classes());
    rows.extend(drivers());
    rows
}

fn volumes() -> Vec<Row> {
    vec![
        Row {
            short_names: &["pv"],
            columns: print::storage::volume_columns(),
            strategy: strategy::storage::VOLUME,
            ..Row::cluster("v1", "PersistentVolume", "persistentvolumes")
        }
        .with_status(),
        Row {
            short_names: &["pvc"],
            columns: print::storage::claim_columns(),
            strategy: strategy::storage::CLAIM,
            ..Row::namespaced("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
        }
        .with_status(),
        Row {
            columns: print::storage::attachment_columns(),
            strategy: strategy::storage::ATTACHMENT,
            ..Row::cluster(STORAGE, "VolumeAttachment", "volumeattachments")
        }
        .with_status(),
    ]
}

fn classes() -> Vec<Row> {
    vec![
        Row {
            short_names: &["sc"],
            columns: print::storage::class_columns(),
            strategy: strategy::storage::CLASS,
            ..Row::cluster(STORAGE, "StorageClass", "storageclasses")
        },
        Row {
            short_names: &["vac"],
            columns: print::storage::attributes_class_columns(),
            strategy: strategy::storage::ATTRIBUTES_CLASS,
            ..Row::cluster(STORAGE, "VolumeAttributesClass", "volumeattributesclasses")
        },
    ]
}

fn drivers() -> Vec<Row> {
    vec![
        Row {
            columns: print::storage::driver_columns(),
            strategy: strategy::storage::DRIVER,
            ..Row::cluster(STORAGE, "CSIDriver", "csidrivers")
        },
        Row {
            columns: print::storage::node_columns(),
            strategy: strategy::storage::NODE,
            ..Row::cluster(STORAGE, "CSINode", "csinodes")
        }
        .with_status(),
        Row {
            columns: print::storage::capacity_columns(),
            strategy: strategy::storage::CAPACITY,
            ..Row::namespaced(STORAGE, "CSIStorageCapacity", "csistoragecapacities")
        },
    ]
}
