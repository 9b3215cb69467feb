//! One object as quotas see it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::object::Object;
use crate::quantity::Amount;
use crate::time::parse_rfc3339;

use super::pod::{self, PodFacts};
use super::{Amounts, amounts};

/// What is read of objects of any kind.
pub const FIELDS: [&str; 22] = [
    "metadata.annotations[volume.beta.kubernetes.io/storage-class]",
    "metadata.deletionGracePeriodSeconds",
    "metadata.deletionTimestamp",
    "spec.activeDeadlineSeconds",
    "spec.affinity",
    "spec.allocateLoadBalancerNodePorts",
    "spec.containers[*].name",
    "spec.containers[*].resources",
    "spec.initContainers[*].name",
    "spec.initContainers[*].resources",
    "spec.initContainers[*].restartPolicy",
    "spec.overhead",
    "spec.ports[*].nodePort",
    "spec.priorityClassName",
    "spec.resources",
    "spec.storageClassName",
    "spec.type",
    "spec.volumeAttributesClassName",
    "status.allocatedResources",
    "status.currentVolumeAttributesClassName",
    "status.modifyVolumeStatus.targetVolumeAttributesClassName",
    "status.phase",
];

const ONE: Amount = Amount::units(1);
const BY_CLASS: &str = ".storageclass.storage.k8s.io/";

/// What an object uses, and what scopes ask of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// Of Pods, Services and PersistentVolumeClaims; other kinds are only counted.
    pub usage: Amounts,
    /// From then on (milliseconds since the epoch) a pod that does not end counts as an object only.
    pub given_up_after: Option<u64>,
    pub(super) facts: Facts,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Facts {
    Pod(PodFacts),
    Claim { attributes_classes: BTreeSet<String> },
    Other,
}

impl Subject {
    /// Whether this says more of such objects than that there is one.
    pub fn measures(group: &str, kind: &str) -> bool {
        matches!((group, kind), ("", "Pod" | "Service" | "PersistentVolumeClaim"))
    }

    pub fn of(group: &str, kind: &str, object: &Value) -> Subject {
        let other = |usage| Subject { usage, given_up_after: None, facts: Facts::Other };
        match (group, kind) {
            ("", "Pod") => Subject {
                usage: pod::usage(object),
                given_up_after: given_up_after(object),
                facts: Facts::Pod(PodFacts::read(object)),
            },
            ("", "PersistentVolumeClaim") => Subject {
                facts: Facts::Claim { attributes_classes: attributes_classes(object) },
                ..other(claim_usage(object))
            },
            ("", "Service") => other(service_usage(object)),
            _ => other(Amounts::new()),
        }
    }

    /// A pod that nobody waits for any more: only that it exists still counts.
    pub fn give_up(&mut self) {
        self.usage.retain(|name, _| name.starts_with("count/"));
        self.given_up_after = None;
    }
}

/// Its grace has passed a second time: its node is lost, perhaps.
fn given_up_after(pod: &Value) -> Option<u64> {
    let deleted = parse_rfc3339(pod.deletion_timestamp()?)?;
    let grace = pod.at(&["metadata", "deletionGracePeriodSeconds"]).as_u64()?;
    Some(deleted + grace * 1000)
}

fn service_usage(service: &Value) -> Amounts {
    let ports = service.items(&["spec", "ports"]);
    let given = ports.iter().filter(|port| port["nodePort"].as_u64().is_some_and(|port| port > 0)).count();
    let allocates = service.at(&["spec", "allocateLoadBalancerNodePorts"]) != false;
    let (balancers, node_ports) = match service.at(&["spec", "type"]).as_str() {
        Some("NodePort") => (0, ports.len()),
        Some("LoadBalancer") if allocates => (1, ports.len()),
        Some("LoadBalancer") => (1, given),
        _ => (0, 0),
    };
    Amounts::from([
        ("count/services".into(), ONE),
        ("services".into(), ONE),
        ("services.loadbalancers".into(), Amount::units(balancers)),
        ("services.nodeports".into(), Amount::units(node_ports as i64)),
    ])
}

fn claim_usage(claim: &Value) -> Amounts {
    let requested = amounts(claim.at(&["spec", "resources", "requests"]));
    let allocated = amounts(claim.at(&["status", "allocatedResources"]));
    let storage = |amounts: &Amounts| amounts.get("storage").map(|amount| amount.rounded_up());
    let storage = storage(&requested).map(|wanted| storage(&allocated).map_or(wanted, |had| had.max(wanted)));
    let plain = [("persistentvolumeclaims", Some(ONE)), ("requests.storage", storage)];
    let mut usage = Amounts::from([("count/persistentvolumeclaims".into(), ONE)]);
    for (name, amount) in plain.into_iter().filter_map(|(name, amount)| Some((name, amount?))) {
        usage.insert(name.into(), amount);
        if let Some(class) = storage_class(claim) {
            usage.insert(format!("{class}{BY_CLASS}{name}"), amount);
        }
    }
    usage
}

fn storage_class(claim: &Value) -> Option<&str> {
    let class = claim.annotation("volume.beta.kubernetes.io/storage-class");
    class.or(claim.at(&["spec", "storageClassName"]).as_str()).filter(|class| !class.is_empty())
}

fn attributes_classes(claim: &Value) -> BTreeSet<String> {
    let paths: [&[&str]; 3] = [
        &["spec", "volumeAttributesClassName"],
        &["status", "currentVolumeAttributesClassName"],
        &["status", "modifyVolumeStatus", "targetVolumeAttributesClassName"],
    ];
    let names = paths.iter().filter_map(|path| claim.at(path).as_str());
    names.filter(|name| !name.is_empty()).map(String::from).collect()
}
