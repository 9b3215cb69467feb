//! From a pod's volumes to what a CSI driver attaches for them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use orch_sdk::volume::{
    Claim, ClaimUse, Collection, Identity, Migrated, PersistentVolume, Pod, StorageClass, Volume,
    VolumeAttachment, VolumeAttachmentSpec, driver_of_provisioner,
};

/// What is read of PersistentVolumes.
pub const VOLUME: [&str; 8] = [
    "metadata.labels",
    "spec.csi.driver",
    "spec.csi.volumeHandle",
    "spec.gcePersistentDisk.pdName",
    "spec.awsElasticBlockStore.volumeID",
    "spec.azureDisk.diskURI",
    "spec.cinder.volumeID",
    "spec.portworxVolume.volumeID",
];

/// A volume as its driver knows it: several pods may use it, it is attached once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attachable {
    pub driver: String,
    pub handle: String,
}

/// Volumes, and whether each is an in-tree disk that is the driver's only since those moved to CSI.
pub type Volumes = BTreeMap<Attachable, bool>;

/// Whose answer may differ after a change.
#[derive(Debug, PartialEq, Eq)]
pub enum Affected {
    Nobody,
    /// Those who use this claim.
    Claim(String),
    /// Those who have this volume attached, or use one of these claims.
    Volume {
        name: String,
        claims: Vec<String>,
    },
    Everybody,
}

#[derive(Default)]
pub struct Resolver {
    claims: Collection<Claim>,
    volumes: Collection<PersistentVolume>,
    classes: Collection<StorageClass>,
    /// Claims by the volume they name.
    named: HashMap<String, BTreeSet<String>>,
}

impl Resolver {
    pub fn upsert(&mut self, identity: &Identity, object: &str) -> Affected {
        let key = identity.key();
        match identity.kind.as_str() {
            "PersistentVolumeClaim" => {
                let before = self.claims.upsert(object);
                self.unname(before);
                if let Some(now) = self.claims.get(&key).filter(|claim| !claim.spec.volume_name.is_empty()) {
                    self.named.entry(now.spec.volume_name.clone()).or_default().insert(key.clone());
                }
                Affected::Claim(key)
            }
            "PersistentVolume" => {
                self.volumes.upsert(object);
                self.users(&key)
            }
            "StorageClass" => {
                self.classes.upsert(object);
                Affected::Everybody
            }
            _ => Affected::Nobody,
        }
    }

    pub fn remove(&mut self, identity: &Identity) -> Affected {
        let key = identity.key();
        match identity.kind.as_str() {
            "PersistentVolumeClaim" => {
                let before = self.claims.remove(&key);
                self.unname(before);
                Affected::Claim(key)
            }
            "PersistentVolume" => {
                self.volumes.remove(&key);
                self.users(&key)
            }
            "StorageClass" => {
                self.classes.remove(&key);
                Affected::Everybody
            }
            _ => Affected::Nobody,
        }
    }

    fn unname(&mut self, claim: Option<Claim>) {
        let Some(claim) = claim else { return };
        let volume = &claim.spec.volume_name;
        if let Some(claims) = self.named.get_mut(volume) {
            claims.remove(&claim.metadata.key());
            if claims.is_empty() {
                self.named.remove(volume);
            }
        }
    }

    fn users(&self, volume: &str) -> Affected {
        let claims = self.named.get(volume).map(|claims| claims.iter().cloned().collect());
        Affected::Volume { name: volume.into(), claims: claims.unwrap_or_default() }
    }

    /// The volumes of a pod to be placed, or why it can go nowhere.
    pub fn of_new_pod(&self, pod: &Pod) -> Result<Volumes, String> {
        let mut found: Volumes = inline(&pod.spec.volumes).collect();
        for wanted in pod.claims() {
            if wanted.name.is_empty() {
                return Err("PersistentVolumeClaim had no name".into());
            }
            let claim = self.claims.get(&pod.claim_key(&wanted)).ok_or_else(|| missing(pod, &wanted))?;
            if wanted.ephemeral {
                pod.check_owner(claim)?;
            }
            found.extend(self.of_claim(claim));
        }
        Ok(found)
    }

    /// The volumes of a pod that runs. Claims that are gone, or are not the pod's, count nothing: the rest
    /// of the node must not suffer for it.
    pub fn of_resident(&self, pod: &Pod) -> Volumes {
        let claims = pod.claims().filter_map(|wanted| {
            let claim = self.claims.get(&pod.claim_key(&wanted))?;
            (!wanted.ephemeral || pod.check_owner(claim).is_ok()).then_some(claim)
        });
        inline(&pod.spec.volumes).chain(claims.filter_map(|claim| self.of_claim(claim))).collect()
    }

    /// What an attachment holds, as pods would.
    pub fn of_attachment(&self, attachment: &VolumeAttachment) -> Option<Attachable> {
        let VolumeAttachmentSpec { attacher, source, .. } = &attachment.spec;
        let volume = self.volumes.get(source.persistent_volume_name.as_deref()?)?;
        let handle = volume.spec.csi.as_ref()?.volume_handle.clone();
        (!attacher.is_empty()).then(|| Attachable { driver: attacher.clone(), handle })
    }

    fn of_claim(&self, claim: &Claim) -> Option<(Attachable, bool)> {
        match self.volumes.get(&claim.spec.volume_name) {
            Some(volume) => of_volume(volume),
            None => self.of_class(claim),
        }
    }

    /// A volume yet to be made is one of its class's driver, known by its claim.
    fn of_class(&self, claim: &Claim) -> Option<(Attachable, bool)> {
        let class = self.classes.get(claim.class())?;
        let driver = driver_of_provisioner(&class.provisioner).filter(|driver| !driver.is_empty())?;
        // No driver names a volume like that.
        let handle = format!("\0{}", claim.metadata.key());
        Some((Attachable { driver: driver.into(), handle }, driver != class.provisioner))
    }
}

/// Upstream's words where a claim of a template is still to be made; it says so before it counts.
fn missing(pod: &Pod, claim: &ClaimUse) -> String {
    let (namespace, name) = (&pod.metadata.namespace, &claim.name);
    match claim.ephemeral {
        true => {
            format!("waiting for ephemeral volume controller to create the persistentvolumeclaim {name:?}")
        }
        false => format!("looking up PVC {namespace}/{name}: persistentvolumeclaim {name:?} not found"),
    }
}

fn inline(volumes: &[Volume]) -> impl Iterator<Item = (Attachable, bool)> {
    volumes.iter().filter_map(Migrated::of_inline).map(moved)
}

fn of_volume(volume: &PersistentVolume) -> Option<(Attachable, bool)> {
    match &volume.spec.csi {
        Some(source) if source.driver.is_empty() || source.volume_handle.is_empty() => None,
        Some(source) => {
            Some((Attachable { driver: source.driver.clone(), handle: source.volume_handle.clone() }, false))
        }
        None => Migrated::of_persistent(volume).map(moved),
    }
}

fn moved(Migrated { driver, handle }: Migrated) -> (Attachable, bool) {
    (Attachable { driver: driver.into(), handle }, true)
}
