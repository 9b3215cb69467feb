//! Volumes, claims, classes and drivers.

use serde_json::{Value, json};

use super::{PLAIN, WITH_LONE_STATUS, count_generation, default_to, ensure, part, restore_status};
use crate::kind::Strategy;
use crate::validation::pod::warnings;
use crate::validation::{self, Path, items};

pub(crate) const VOLUME: Strategy = Strategy {
    default: default_volume,
    prepare_create: |volume| {
        begin_pending(volume);
        // The phase begins with the volume.
        volume["status"]["lastPhaseTransitionTime"] = volume["metadata"]["creationTimestamp"].clone();
    },
    prepare_update: restore_status,
    prepare_part: |volume, old, _, now| time_phase(volume, old, now),
    validate: validation::storage::validate_volume,
    validate_part: Some(validation::storage::validate_volume_part),
    warn: |volume, _| warn_of_volume(volume),
    ..PLAIN
};

pub(crate) const CLAIM: Strategy = Strategy {
    default: default_claim,
    prepare_create: |claim| {
        begin_pending(claim);
        align_sources(claim, false);
    },
    prepare_update: |claim, old| {
        restore_status(claim, old);
        align_sources(
            claim,
            old["spec"]["dataSource"].is_object() || old["spec"]["dataSourceRef"].is_object(),
        );
    },
    validate: validation::storage::validate_claim,
    validate_part: Some(validation::storage::validate_claim_part),
    warn: |claim, _| warn_of_claim(claim),
    ..PLAIN
};

pub(crate) const CLASS: Strategy = Strategy {
    default: default_class,
    validate: validation::provisioning::validate_class,
    warn: validation::provisioning::warn_of_class,
    ..PLAIN
};

pub(crate) const ATTRIBUTES_CLASS: Strategy =
    Strategy { validate: validation::provisioning::validate_attributes_class, ..PLAIN };

pub(crate) const DRIVER: Strategy = Strategy {
    default: default_driver,
    // New drivers are of no generation: their changes are counted, as upstream counts them.
    prepare_update: |new, old| {
        if new["spec"] != old["spec"] {
            count_generation(new, old);
        }
    },
    validate: validation::csi::validate_driver,
    warn: validation::csi::warn_of_driver,
    ..PLAIN
};

pub(crate) const NODE: Strategy = Strategy { validate: validation::csi::validate_node, ..WITH_LONE_STATUS };

pub(crate) const CAPACITY: Strategy = Strategy {
    validate: validation::csi::validate_capacity,
    warn: validation::csi::warn_of_capacity,
    ..PLAIN
};

pub(crate) const ATTACHMENT: Strategy =
    Strategy { validate: validation::csi::validate_attachment, ..WITH_LONE_STATUS };

/// How volumes and claims named their class before they had a field for it.
const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";
const MOUNT_ANNOTATION: &str = "volume.beta.kubernetes.io/mount-options";
const CLASS_WARNING: &str = r#"deprecated since v1.8; use "storageClassName" attribute instead"#;
const MOUNT_WARNING: &str = r#"deprecated since v1.31; use "mountOptions" attribute instead"#;
/// Volumes whose drivers are gone, and since when.
const OLD_VOLUMES: [(&str, &str); 6] = [
    ("cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("storageos", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("rbd", "deprecated in v1.28, non-functional in v1.31+"),
];

fn warn_of_annotations(object: &Value, known: &[(&str, &str)]) -> Vec<String> {
    let annotations = &object["metadata"]["annotations"];
    let there = known.iter().filter(|(key, _)| annotations.get(*key).is_some());
    there.map(|(key, words)| format!("metadata.annotations[{key}]: {words}")).collect()
}

fn warn_of_volume(volume: &Value) -> Vec<String> {
    let old = [(CLASS_ANNOTATION, CLASS_WARNING), (MOUNT_ANNOTATION, MOUNT_WARNING)];
    let mut found = warn_of_annotations(volume, &old);
    let (spec, path) = (&volume["spec"], Path::new("spec"));
    if spec["persistentVolumeReclaimPolicy"] == "Recycle" {
        found.push(
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended \
             approach is to use dynamic provisioning."
                .into(),
        );
    }
    let terms = &spec["nodeAffinity"]["required"]["nodeSelectorTerms"];
    let at = path.at(&["nodeAffinity", "required", "nodeSelectorTerms"]);
    for (index, term) in items(terms).iter().enumerate() {
        found.extend(warnings::of_node_term(term, false, &at.index(index)));
    }
    for (source, words) in OLD_VOLUMES.iter().filter(|(source, _)| spec[source].is_object()) {
        let called = if *source == "storageos" { "storageOS" } else { source };
        found.push(format!("{}: {words}", path.child(called)));
    }
    found
}

fn warn_of_claim(claim: &Value) -> Vec<String> {
    let mut found = warn_of_annotations(claim, &[(CLASS_ANNOTATION, CLASS_WARNING)]);
    found.extend(warnings::of_claim(&claim["spec"], &Path::new("spec")));
    found
}

/// When the phase began: as its writer says, or as it was while the phase stays, or now.
fn time_phase(volume: &mut Value, old: &Value, now: &str) {
    const SINCE: &str = "lastPhaseTransitionTime";
    let before = &old["status"];
    let Some(status) = part(volume, "status") else { return };
    let stays = status["phase"] == before["phase"];
    if stays && status[SINCE].is_null() {
        super::restore(status, before, SINCE);
    } else if !stays && (status[SINCE].is_null() || status[SINCE] == before[SINCE]) {
        status[SINCE] = now.into();
    }
}

fn begin_pending(object: &mut Value) {
    if let Value::Object(fields) = object {
        fields.insert("status".into(), json!({ "phase": "Pending" }));
    }
}

/// The old field of the data's source takes claims and snapshots only, and says the same as the new one.
fn align_sources(claim: &mut Value, known: bool) {
    let Some(spec) = part(claim, "spec") else { return };
    let of = |source: &Value, group: &str, kind: &str| {
        source["kind"] == kind && source["apiGroup"].as_str().unwrap_or_default() == group
    };
    let (old, new) = (spec["dataSource"].clone(), spec["dataSourceRef"].clone());
    let legacy =
        of(&old, "", "PersistentVolumeClaim") || of(&old, "snapshot.storage.k8s.io", "VolumeSnapshot");
    if old.is_object() && !new.is_object() {
        if known || legacy {
            spec["dataSourceRef"] = old;
        } else {
            super::remove(spec, "dataSource");
        }
    } else if new.is_object() && !old.is_object() && new["namespace"].as_str().unwrap_or_default().is_empty()
    {
        spec["dataSource"] = new;
    }
}

fn default_volume(volume: &mut Value) {
    let Some(spec) = ensure(volume, "spec") else { return };
    default_to(spec, "persistentVolumeReclaimPolicy", "Retain");
    default_to(spec, "volumeMode", "Filesystem");
    if let Some(path) = part(spec, "hostPath")
        && path["type"].is_null()
    {
        path["type"] = "".into();
    }
    if let Some(iscsi) = part(spec, "iscsi") {
        default_to(iscsi, "iscsiInterface", "default");
    }
    if let Some(status) = ensure(volume, "status") {
        default_to(status, "phase", "Pending");
    }
}

pub(super) fn default_claim(claim: &mut Value) {
    let Some(spec) = ensure(claim, "spec") else { return };
    default_to(spec, "volumeMode", "Filesystem");
    if let Some(status) = ensure(claim, "status") {
        default_to(status, "phase", "Pending");
    }
}

fn default_class(class: &mut Value) {
    default_to(class, "reclaimPolicy", "Delete");
    default_to(class, "volumeBindingMode", "Immediate");
}

fn default_driver(driver: &mut Value) {
    let Some(spec) = ensure(driver, "spec") else { return };
    default_to(spec, "attachRequired", true);
    default_to(spec, "podInfoOnMount", false);
    default_to(spec, "storageCapacity", false);
    default_to(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
    default_to(spec, "requiresRepublish", false);
    default_to(spec, "seLinuxMount", false);
    default_to(spec, "preventPodSchedulingIfMissing", false);
    if spec["volumeLifecycleModes"].as_array().is_none_or(Vec::is_empty) {
        spec["volumeLifecycleModes"] = json!(["Persistent"]);
    }
}
