//! What is held for pods that have a node but are not bound yet: volumes for claims, nodes for claims.
//! It ends when the pod lets go, or when the objects themselves say it.

use std::collections::{BTreeSet, HashMap};

use orch_sdk::volume::{Claim, ClaimReference, PersistentVolume, Pod};

/// A write that a pod's claim needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The volume is told the claim.
    Bind { claim: String, volume: String },
    /// The claim is told the node.
    Provision { claim: String },
}

impl Step {
    pub fn claim(&self) -> &str {
        match self {
            Step::Bind { claim, .. } | Step::Provision { claim } => claim,
        }
    }
}

/// A step, and the revision of the object it was advised for, once it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub step: Step,
    pub advised: Option<String>,
}

/// One thing held by several pods stays until the last lets go.
#[derive(Debug)]
struct Shared<T> {
    value: T,
    holders: BTreeSet<String>,
}

#[derive(Debug, Default)]
pub struct Assumed {
    pods: HashMap<String, Vec<Held>>,
    volumes: HashMap<String, Shared<ClaimReference>>,
    claims: HashMap<String, Shared<String>>,
}

/// What a pod's reservation is known by.
pub fn key_of(pod: &Pod) -> String {
    let metadata = &pod.metadata;
    if metadata.uid.is_empty() { metadata.key() } else { metadata.uid.clone() }
}

impl Assumed {
    pub fn claim_of(&self, volume: &str) -> Option<&ClaimReference> {
        self.volumes.get(volume).map(|held| &held.value)
    }

    pub fn node_of(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim).map(|held| held.value.as_str())
    }

    pub fn steps_of(&self, pod: &str) -> &[Held] {
        self.pods.get(pod).map(Vec::as_slice).unwrap_or_default()
    }

    /// The same steps, with what has been advised since.
    pub fn replace_steps(&mut self, pod: &str, steps: Vec<Held>) {
        self.pods.insert(pod.into(), steps);
    }

    /// Whether there is a step for each of the claims.
    pub fn covers(&self, pod: &str, claims: &[String]) -> bool {
        let steps = self.steps_of(pod);
        claims.iter().all(|claim| steps.iter().any(|held| held.step.claim() == claim))
    }

    /// Each step with the claim it is for. Of what is held already, the value stays.
    pub fn hold(&mut self, pod: &str, node: &str, steps: Vec<(Step, ClaimReference)>) {
        for (step, reference) in &steps {
            match step {
                Step::Bind { volume, .. } => share(&mut self.volumes, volume, reference.clone(), pod),
                Step::Provision { claim } => share(&mut self.claims, claim, node.to_string(), pod),
            }
        }
        let held = steps.into_iter().map(|(step, _)| Held { step, advised: None });
        self.pods.insert(pod.into(), held.collect());
    }

    pub fn release(&mut self, pod: &str) {
        for held in self.pods.remove(pod).unwrap_or_default() {
            match held.step {
                Step::Bind { volume, .. } => let_go(&mut self.volumes, &volume, pod),
                Step::Provision { claim } => let_go(&mut self.claims, &claim, pod),
            }
        }
    }

    /// The volume says itself whose it is.
    pub fn saw_volume(&mut self, volume: &PersistentVolume) {
        if volume.spec.claim_ref.as_ref().is_some_and(|claim| !claim.uid.is_empty()) {
            self.lost_volume(&volume.metadata.name);
        }
    }

    /// The claim says itself where it goes.
    pub fn saw_claim(&mut self, key: &str, claim: &Claim) {
        if claim.selected_node().is_some() || claim.is_bound() {
            self.lost_claim(key);
        }
    }

    pub fn lost_volume(&mut self, name: &str) {
        self.volumes.remove(name);
    }

    pub fn lost_claim(&mut self, key: &str) {
        self.claims.remove(key);
    }
}

fn share<T>(things: &mut HashMap<String, Shared<T>>, name: &str, value: T, pod: &str) {
    let shared = things.entry(name.into()).or_insert_with(|| Shared { value, holders: BTreeSet::new() });
    shared.holders.insert(pod.into());
}

fn let_go<T>(things: &mut HashMap<String, Shared<T>>, name: &str, pod: &str) {
    let Some(shared) = things.get_mut(name) else { return };
    shared.holders.remove(pod);
    if shared.holders.is_empty() {
        things.remove(name);
    }
}
