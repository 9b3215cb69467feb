//! Which volumes each node has: those of its pods, and those that are attached without one.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;

use orch_sdk::volume::{Collection, Identity, Migrated, Pod, VolumeAttachment};

use crate::resolve::{Affected, Attachable, Resolver, Volumes};

#[derive(Default)]
pub struct Attached {
    pods: HashMap<String, (usize, Pod)>,
    by_node: HashMap<usize, Vec<String>>,
    /// Nodes with pods that use a claim, once for each use.
    by_claim: HashMap<String, Vec<usize>>,
    attachments: Collection<VolumeAttachment>,
    /// Keys of attachments by the name of their node.
    by_name: HashMap<String, Vec<String>>,
    /// Names of nodes by the volume that is attached to them.
    holders: HashMap<String, Vec<String>>,
    /// Worked out when asked for; gone after any change that could matter.
    known: HashMap<usize, Present>,
    /// Indexes of the nodes in `known` by name.
    indexes: HashMap<String, usize>,
}

/// The volumes of one node.
#[derive(Debug, Clone, Default)]
pub struct Present {
    pods: Volumes,
    counts: BTreeMap<String, i64>,
}

impl Present {
    pub fn has_pods(&self, volume: &Attachable) -> bool {
        self.pods.contains_key(volume)
    }

    pub fn count(&self, driver: &str) -> i64 {
        self.counts.get(driver).copied().unwrap_or(0)
    }
}

impl Attached {
    /// Pods without volumes of a driver are the many, and are not kept.
    pub fn upsert(&mut self, key: String, node: usize, pod: Pod) {
        self.remove(&key);
        let claims: Vec<String> = pod.claims().map(|claim| pod.claim_key(&claim)).collect();
        let has_disk = || pod.spec.volumes.iter().any(|volume| Migrated::of_inline(volume).is_some());
        if claims.is_empty() && !has_disk() {
            return;
        }
        for claim in claims {
            self.by_claim.entry(claim).or_default().push(node);
        }
        self.by_node.entry(node).or_default().push(key.clone());
        self.pods.insert(key, (node, pod));
        self.known.remove(&node);
    }

    pub fn remove(&mut self, key: &str) {
        let Some((node, pod)) = self.pods.remove(key) else { return };
        self.known.remove(&node);
        take_out(&mut self.by_node, &node, &key.to_string());
        for claim in pod.claims() {
            take_out(&mut self.by_claim, &pod.claim_key(&claim), &node);
        }
    }

    pub fn upsert_attachment(&mut self, identity: &Identity, object: &str) {
        let key = identity.key();
        let before = self.attachments.upsert(object);
        self.unlist(before);
        if let Some(now) = self.attachments.get(&key) {
            let node = now.spec.node_name.clone();
            if let Some(volume) = now.spec.source.persistent_volume_name.clone() {
                self.holders.entry(volume).or_default().push(node.clone());
            }
            self.forget_name(&node);
            self.by_name.entry(node).or_default().push(key);
        }
    }

    pub fn remove_attachment(&mut self, key: &str) {
        let before = self.attachments.remove(key);
        self.unlist(before);
    }

    fn unlist(&mut self, attachment: Option<VolumeAttachment>) {
        let Some(attachment) = attachment else { return };
        let node = &attachment.spec.node_name;
        take_out(&mut self.by_name, node, &attachment.metadata.key());
        if let Some(volume) = &attachment.spec.source.persistent_volume_name {
            take_out(&mut self.holders, volume, node);
        }
        self.forget_name(node);
    }

    fn forget_name(&mut self, name: &str) {
        if let Some(index) = self.indexes.remove(name) {
            self.known.remove(&index);
        }
    }

    /// The node at this index is another, or the same under another name.
    pub fn forget_node(&mut self, index: usize) {
        self.known.remove(&index);
    }

    /// What pods use may be another volume now.
    pub fn forget(&mut self, affected: Affected) {
        match affected {
            Affected::Nobody => {}
            Affected::Everybody => self.known.clear(),
            Affected::Claim(claim) => self.forget_users(&claim),
            Affected::Volume { name, claims } => {
                claims.iter().for_each(|claim| self.forget_users(claim));
                for node in self.holders.get(&name).cloned().unwrap_or_default() {
                    self.forget_name(&node);
                }
            }
        }
    }

    fn forget_users(&mut self, claim: &str) {
        for node in self.by_claim.get(claim).into_iter().flatten() {
            self.known.remove(node);
        }
    }

    /// What the node has. A node is known by index to pods, and by name to attachments.
    pub fn on(&mut self, node: usize, name: &str, resolver: &Resolver) -> &Present {
        if !self.known.contains_key(&node) {
            let present = self.work_out(node, name, resolver);
            self.known.insert(node, present);
            self.indexes.insert(name.into(), node);
        }
        &self.known[&node]
    }

    fn work_out(&self, node: usize, name: &str, resolver: &Resolver) -> Present {
        let mut present = Present::default();
        for (_, pod) in keys(&self.by_node, &node).filter_map(|key| self.pods.get(key)) {
            present.pods.extend(resolver.of_resident(pod));
        }
        let listed = keys(&self.by_name, name).filter_map(|key| self.attachments.get(key));
        let held: BTreeSet<Attachable> =
            listed.filter_map(|attachment| resolver.of_attachment(attachment)).collect();
        let alone = held.into_iter().filter(|volume| !present.pods.contains_key(volume));
        let drivers: Vec<String> =
            present.pods.keys().cloned().chain(alone).map(|volume| volume.driver).collect();
        for driver in drivers {
            *present.counts.entry(driver).or_default() += 1;
        }
        present
    }
}

fn keys<'a, Q, K>(lists: &'a HashMap<K, Vec<String>>, of: &Q) -> impl Iterator<Item = &'a String>
where
    K: Borrow<Q> + Hash + Eq,
    Q: Hash + Eq + ?Sized,
{
    lists.get(of).map(Vec::as_slice).unwrap_or_default().iter()
}

/// One of them, and the list when it was the last.
fn take_out<K: Hash + Eq, V: PartialEq>(lists: &mut HashMap<K, Vec<V>>, of: &K, value: &V) {
    let Some(list) = lists.get_mut(of) else { return };
    if let Some(position) = list.iter().position(|known| known == value) {
        list.swap_remove(position);
    }
    if list.is_empty() {
        lists.remove(of);
    }
}
