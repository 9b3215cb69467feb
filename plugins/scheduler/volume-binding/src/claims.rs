//! A pod's claims: those that have a volume, and those that wait for the pod's node.

use orch_sdk::volume::{Claim, ClaimUse, Pod};

use crate::state::State;

/// Why a pod's claims are no good.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The pod can go nowhere; in a user's words.
    Pod(String),
    /// The question cannot be answered.
    Failure(String),
}

#[derive(Debug, Default)]
pub struct PodClaims<'a> {
    pub bound: Vec<&'a Claim>,
    /// To be bound once there is a node.
    pub delayed: Vec<&'a Claim>,
}

impl PodClaims<'_> {
    pub fn is_empty(&self) -> bool {
        self.bound.is_empty() && self.delayed.is_empty()
    }
}

impl State {
    /// Each claim once, however many volumes name it.
    pub fn claims_of(&self, pod: &Pod) -> Result<PodClaims<'_>, Refusal> {
        let mut sorted = PodClaims::default();
        let mut waits_for_controller = false;
        for claim in self.usable_claims_of(pod).map_err(Refusal::Pod)? {
            if claim.is_bound() {
                sorted.bound.push(claim);
            } else if self.is_delayed(claim).map_err(Refusal::Failure)? {
                sorted.delayed.push(claim);
            } else {
                waits_for_controller = true;
            }
        }
        match waits_for_controller {
            true => Err(Refusal::Pod("pod has unbound immediate PersistentVolumeClaims".into())),
            false => Ok(sorted),
        }
    }

    /// The pod's claims, each once, or why one of them cannot be used.
    pub fn usable_claims_of(&self, pod: &Pod) -> Result<Vec<&Claim>, String> {
        let mut claims: Vec<&Claim> = Vec::new();
        for wanted in pod.claims() {
            let claim = self.claims.get(&pod.claim_key(&wanted)).ok_or_else(|| missing(&wanted))?;
            let name = &claim.metadata.name;
            if claim.is_lost() {
                let volume = &claim.spec.volume_name;
                return Err(format!(
                    "persistentvolumeclaim {name:?} bound to non-existent persistentvolume {volume:?}"
                ));
            }
            if claim.metadata.deletion_timestamp.is_some() {
                return Err(format!("persistentvolumeclaim {name:?} is being deleted"));
            }
            if wanted.ephemeral {
                pod.check_owner(claim)?;
            }
            if !claims.iter().any(|known| known.metadata.name == *name) {
                claims.push(claim);
            }
        }
        Ok(claims)
    }

    /// A claim that names a volume already is no longer the scheduler's to bind.
    fn is_delayed(&self, claim: &Claim) -> Result<bool, String> {
        match self.classes.get(claim.class()) {
            Some(class) => Ok(class.waits_for_consumer()? && claim.spec.volume_name.is_empty()),
            None => Ok(false),
        }
    }
}

fn missing(wanted: &ClaimUse) -> String {
    let name = &wanted.name;
    match wanted.ephemeral {
        true => {
            format!("waiting for ephemeral volume controller to create the persistentvolumeclaim {name:?}")
        }
        false => format!("persistentvolumeclaim {name:?} not found"),
    }
}
