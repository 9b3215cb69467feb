//! The resident objects, and what is held for pods on their way.

use std::collections::{BTreeSet, HashMap};

use orch_sdk::volume::{
    Claim, ClaimReference, Collection, CsiDriver, CsiStorageCapacity, Identity, PersistentVolume,
    StorageClass,
};

use crate::assumed::Assumed;
use crate::reach::Reach;

#[derive(Default)]
pub struct State {
    pub reach: Reach,
    pub claims: Collection<Claim>,
    pub volumes: Collection<PersistentVolume>,
    pub classes: Collection<StorageClass>,
    pub drivers: Collection<CsiDriver>,
    pub capacities: Collection<CsiStorageCapacity>,
    pub assumed: Assumed,
    volumes_by_class: HashMap<String, BTreeSet<String>>,
    capacities_by_class: HashMap<String, BTreeSet<String>>,
}

impl State {
    pub fn upsert(&mut self, identity: &Identity, object: &str) {
        let key = identity.key();
        match identity.kind.as_str() {
            "PersistentVolumeClaim" => {
                self.claims.upsert(object);
                if let Some(claim) = self.claims.get(&key) {
                    self.assumed.saw_claim(&key, claim);
                }
            }
            "PersistentVolume" => {
                let before = self.volumes.upsert(object);
                unlist(&mut self.volumes_by_class, before.as_ref().map(PersistentVolume::class), &key);
                if let Some(volume) = self.volumes.get(&key) {
                    self.volumes_by_class.entry(volume.class().into()).or_default().insert(key);
                    self.assumed.saw_volume(volume);
                }
            }
            "StorageClass" => _ = self.classes.upsert(object),
            "CSIDriver" => _ = self.drivers.upsert(object),
            "CSIStorageCapacity" => {
                let before = self.capacities.upsert(object);
                let class = before.as_ref().map(|before| before.storage_class_name.as_str());
                unlist(&mut self.capacities_by_class, class, &key);
                if let Some(capacity) = self.capacities.get(&key) {
                    let class = capacity.storage_class_name.clone();
                    self.capacities_by_class.entry(class).or_default().insert(key);
                }
            }
            _ => {}
        }
    }

    pub fn remove(&mut self, identity: &Identity) {
        let key = identity.key();
        match identity.kind.as_str() {
            "PersistentVolumeClaim" => {
                self.claims.remove(&key);
                self.assumed.lost_claim(&key);
            }
            "PersistentVolume" => {
                let before = self.volumes.remove(&key);
                unlist(&mut self.volumes_by_class, before.as_ref().map(PersistentVolume::class), &key);
                self.assumed.lost_volume(&key);
            }
            "StorageClass" => _ = self.classes.remove(&key),
            "CSIDriver" => _ = self.drivers.remove(&key),
            "CSIStorageCapacity" => {
                let before = self.capacities.remove(&key);
                let class = before.as_ref().map(|before| before.storage_class_name.as_str());
                unlist(&mut self.capacities_by_class, class, &key);
            }
            _ => {}
        }
    }

    pub fn volumes_of(&self, class: &str) -> impl Iterator<Item = &PersistentVolume> {
        let names = self.volumes_by_class.get(class).into_iter().flatten();
        names.filter_map(|name| self.volumes.get(name))
    }

    pub fn capacities_of(&self, class: &str) -> impl Iterator<Item = &CsiStorageCapacity> {
        let keys = self.capacities_by_class.get(class).into_iter().flatten();
        keys.filter_map(|key| self.capacities.get(key))
    }

    /// The claim a volume is bound to, meant for, or held for.
    pub fn claim_of<'a>(&'a self, volume: &'a PersistentVolume) -> Option<&'a ClaimReference> {
        self.assumed.claim_of(&volume.metadata.name).or(volume.spec.claim_ref.as_ref())
    }

    /// The node a claim's volume is being made for, or is held to be made for.
    pub fn selected_node<'a>(&'a self, claim: &'a Claim) -> Option<&'a str> {
        self.assumed.node_of(&claim.metadata.key()).or(claim.selected_node())
    }
}

fn unlist(by_class: &mut HashMap<String, BTreeSet<String>>, class: Option<&str>, key: &str) {
    let Some(class) = class else { return };
    if let Some(keys) = by_class.get_mut(class) {
        keys.remove(key);
        if keys.is_empty() {
            by_class.remove(class);
        }
    }
}
