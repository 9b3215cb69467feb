//! From a reservation to bound claims: what to write, what to wait for, and what went wrong.

use orch_sdk::scheduler::{NodeSet, Patch, PatchType};
use orch_sdk::volume::{
    BOUND_BY_CONTROLLER, Claim, ClaimReference, NodeRow, PersistentVolume, Pod, SELECTED_NODE,
};
use orch_sdk::{Value, json};

use crate::assumed::{self, Held, Step};
use crate::claims::Refusal;
use crate::state::State;

#[derive(Debug, Default)]
pub struct Outcome {
    pub patches: Vec<Patch>,
    /// Every claim is bound to a volume that the node reaches.
    pub ready: bool,
}

/// How far a claim is.
enum Progress {
    Done,
    Waiting,
    /// The scheduler has yet to do its part.
    Open,
}

impl State {
    /// Holds a volume for each claim of the pod that has none, or that one is made for the node.
    pub fn reserve(&mut self, pod: &Pod, node: usize) -> Result<(), String> {
        let key = assumed::key_of(pod);
        self.assumed.release(&key);
        let claims = self.claims_of(pod).map_err(|refusal| match refusal {
            Refusal::Pod(reason) | Refusal::Failure(reason) => reason,
        })?;
        if claims.delayed.is_empty() {
            return Ok(());
        }
        let name = self.name_of(node)?.to_string();
        let plan = self.plan(&claims, &NodeSet::from_iter([node]))?;
        let matches = plan.matches.iter().map(|found| {
            let volume = found.volume.metadata.name.clone();
            (Step::Bind { claim: found.claim.metadata.key(), volume }, ClaimReference::of(found.claim))
        });
        let provisions = plan.provisions.iter().map(|found| {
            (Step::Provision { claim: found.claim.metadata.key() }, ClaimReference::of(found.claim))
        });
        let steps = matches.chain(provisions).collect();
        if let Some(rejection) = plan.conflicts.into_rejections().into_iter().next() {
            return Err(rejection.reason);
        }
        self.assumed.hold(&key, &name, steps);
        Ok(())
    }

    fn name_of(&self, node: usize) -> Result<&str, String> {
        let row = self.reach.node(node).ok_or_else(|| format!("no node has the index {node}"))?;
        Ok(&row.name)
    }

    /// Asked again and again until it is ready or fails. An instance that was not asked to reserve (a
    /// newer one) decides anew: what was written before is what it finds.
    pub fn bind(&mut self, pod: &Pod, node: usize) -> Result<Outcome, String> {
        let mut outcome = Outcome { patches: Vec::new(), ready: true };
        let mut open = Vec::new();
        for claim in self.usable_claims_of(pod)? {
            match self.progress(claim, node)? {
                Progress::Done => {}
                Progress::Waiting => outcome.ready = false,
                Progress::Open => open.push(claim.metadata.key()),
            }
        }
        if open.is_empty() {
            return Ok(outcome);
        }
        outcome.ready = false;
        let key = assumed::key_of(pod);
        if !self.assumed.covers(&key, &open) {
            self.reserve(pod, node)?;
        }
        let mut steps = self.assumed.steps_of(&key).to_vec();
        for held in steps.iter_mut().filter(|held| open.iter().any(|claim| claim == held.step.claim())) {
            let (patch, revision) = self.advise(held, node)?;
            outcome.patches.extend(patch);
            held.advised = Some(revision);
        }
        self.assumed.replace_steps(&key, steps);
        Ok(outcome)
    }

    /// What the objects themselves say.
    fn progress(&self, claim: &Claim, node: usize) -> Result<Progress, String> {
        let row = self.reach.node(node).ok_or_else(|| format!("no node has the index {node}"))?;
        if claim.spec.volume_name.is_empty() {
            return self.unbound_progress(claim, row);
        }
        // The volume may be told after its claim.
        let Some(volume) = self.volumes.get(&claim.spec.volume_name) else { return Ok(Progress::Waiting) };
        check_reach(volume, row)?;
        Ok(if claim.is_bound() { Progress::Done } else { Progress::Waiting })
    }

    fn unbound_progress(&self, claim: &Claim, row: &NodeRow) -> Result<Progress, String> {
        match claim.selected_node() {
            Some(name) if name == row.name => return Ok(Progress::Waiting),
            Some(_) => return Err(format!("provisioning failed for PVC {:?}", claim.metadata.name)),
            None => {}
        }
        let is_ours = |volume: &&PersistentVolume| {
            let theirs = volume.spec.claim_ref.as_ref();
            theirs.is_some_and(|theirs| !theirs.uid.is_empty() && theirs.is_to(claim))
        };
        match self.volumes_of(claim.class()).find(is_ours) {
            Some(volume) => check_reach(volume, row).map(|()| Progress::Waiting),
            None => Ok(Progress::Open),
        }
    }

    /// The write that a step needs, once, and the revision it is for. An object that is newer than that and
    /// still does not say what was written has been changed by another.
    fn advise(&self, held: &Held, node: usize) -> Result<(Option<Patch>, String), String> {
        let claim = self.claim(held.step.claim())?;
        match &held.step {
            Step::Bind { volume, .. } => {
                let volume = self.volume(volume)?;
                let reset = || format!("ClaimRef got reset for pv {:?}", volume.metadata.name);
                let revision = &volume.metadata.resource_version;
                once(held, revision, || Ok(told_claim(volume, claim)), reset)
            }
            Step::Provision { .. } => {
                let reset = || format!("selectedNode annotation reset for PVC {:?}", claim.metadata.name);
                let revision = &claim.metadata.resource_version;
                once(held, revision, || Ok(told_node(claim, self.name_of(node)?)), reset)
            }
        }
    }

    fn volume(&self, name: &str) -> Result<&PersistentVolume, String> {
        self.volumes
            .get(name)
            .ok_or_else(|| format!("failed to check binding: persistentvolume {name:?} not found"))
    }

    fn claim(&self, key: &str) -> Result<&Claim, String> {
        self.claims
            .get(key)
            .ok_or_else(|| format!("failed to check binding: persistentvolumeclaim {key:?} not found"))
    }
}

fn once(
    held: &Held,
    revision: &str,
    patch: impl FnOnce() -> Result<Patch, String>,
    reset: impl FnOnce() -> String,
) -> Result<(Option<Patch>, String), String> {
    match &held.advised {
        Some(known) if known == revision => Ok((None, revision.into())),
        Some(_) => Err(reset()),
        None => Ok((Some(patch()?), revision.into())),
    }
}

fn check_reach(volume: &PersistentVolume, node: &NodeRow) -> Result<(), String> {
    if volume.is_reachable(&node.labels) {
        return Ok(());
    }
    Err(format!(
        "pv {:?} node affinity doesn't match node {:?}: no matching NodeSelectorTerms",
        volume.metadata.name, node.name
    ))
}

/// Written only over the revision that the decision was made on.
fn with_revision(mut metadata: Value, revision: &str) -> Value {
    if !revision.is_empty() {
        metadata["resourceVersion"] = revision.into();
    }
    metadata
}

fn told_claim(volume: &PersistentVolume, claim: &Claim) -> Patch {
    let theirs = &claim.metadata;
    let mut metadata = json!({});
    // One that was meant for the claim stays so when the claim goes; a matched one becomes free.
    let was_meant = volume.spec.claim_ref.as_ref().is_some_and(|reference| reference.is_to(claim));
    if !was_meant && !volume.metadata.annotations.contains_key(BOUND_BY_CONTROLLER) {
        metadata["annotations"] = json!({BOUND_BY_CONTROLLER: "yes"});
    }
    let mut reference = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "namespace": theirs.namespace, "name": theirs.name, "uid": theirs.uid,
    });
    if !theirs.resource_version.is_empty() {
        reference["resourceVersion"] = theirs.resource_version.as_str().into();
    }
    let metadata = with_revision(metadata, &volume.metadata.resource_version);
    let body = json!({"metadata": metadata, "spec": {"claimRef": reference}});
    merge("PersistentVolume", "", &volume.metadata.name, &body)
}

fn told_node(claim: &Claim, node: &str) -> Patch {
    let metadata = json!({"annotations": {SELECTED_NODE: node}});
    let body = json!({"metadata": with_revision(metadata, &claim.metadata.resource_version)});
    merge("PersistentVolumeClaim", &claim.metadata.namespace, &claim.metadata.name, &body)
}

fn merge(kind: &str, namespace: &str, name: &str, body: &Value) -> Patch {
    Patch {
        api_version: "v1".into(),
        kind: kind.into(),
        namespace: namespace.into(),
        name: name.into(),
        subresource: String::new(),
        patch_type: PatchType::Merge,
        body: body.to_string(),
    }
}
