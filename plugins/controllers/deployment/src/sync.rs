//! One reconciliation: read, decide, write.

use orch_sdk::controller::{Api, ApiError, DeleteOptions, Error, Kind, Outcome, PatchType, Selection};
use orch_sdk::object::Object;
use orch_sdk::selector::Selector;
use orch_sdk::{Value, claim, json};

use crate::annotations::{self, REVISION};
use crate::progress::{self, PROGRESSING};
use crate::revision::{self, Sets};
use crate::rollout::{self, Resize};
use crate::sets::{self, replicas};
use crate::status::{self, new_condition, set_condition};
use crate::strategy::{self, fenceposts};

const SETS: Kind = Kind::REPLICA_SET;

pub fn sync(api: &dyn Api, deployment: Value) -> Result<Outcome, Error> {
    let selector = Selector::from_label_selector(deployment.at(&["spec", "selector"]))?;
    if selector.is_empty() {
        api.event(
            &deployment,
            "Warning",
            "SelectingAll",
            "This deployment is selecting all pods. A non-empty selector is required.",
        );
        return Ok(Outcome::done());
    }
    let candidates = api.list(SETS, Selection::within(deployment.namespace()))?;
    let mut mine = claim::claim(api, &deployment, &selector, candidates)?;
    sets::sort_by_age(&mut mine);
    let sets = Sets::tell_apart(&deployment, mine);
    let told = deployment.at(&["status"]).clone();
    Rollout { api, deployment, told, sets }.run()
}

struct Rollout<'a> {
    api: &'a dyn Api,
    /// As read, but for the conditions and the revision this reconciliation writes.
    deployment: Value,
    /// The status as read.
    told: Value,
    sets: Sets,
}

impl Rollout<'_> {
    fn run(&mut self) -> Result<Outcome, Error> {
        if self.deployment.is_being_deleted() {
            return self.tell_counts();
        }
        if let Some(condition) = progress::paused_condition(&self.deployment, self.api.now_ms()) {
            self.note(condition);
        }
        let paused = self.deployment.at(&["spec", "paused"]) == &Value::Bool(true);
        if paused || rollout::was_scaled(&self.deployment, &self.sets) {
            return self.scale(paused);
        }
        if strategy::is_rolling_update(&self.deployment) { self.roll() } else { self.recreate() }
    }

    fn scale(&mut self, paused: bool) -> Result<Outcome, Error> {
        self.sync_new_set()?;
        for resize in rollout::scale(&self.deployment, &self.sets) {
            self.resize(&resize)?;
        }
        self.size_annotations()?;
        if paused {
            self.clean_up()?;
        }
        self.tell_counts()
    }

    fn roll(&mut self) -> Result<Outcome, Error> {
        self.ensure_new_set()?;
        if let Some(resize) = rollout::grow_new(&self.deployment, &self.sets) {
            self.resize(&resize)?;
            return self.tell_progress();
        }
        let smaller = rollout::shrink_old(&self.deployment, &self.sets);
        for resize in &smaller {
            self.resize(resize)?;
        }
        if smaller.is_empty() && progress::is_complete(&self.deployment, self.deployment.at(&["status"])) {
            self.clean_up()?;
        }
        self.tell_progress()
    }

    fn recreate(&mut self) -> Result<Outcome, Error> {
        self.sync_new_set()?;
        let active: Vec<Resize> = self
            .sets
            .old
            .iter()
            .filter(|set| sets::is_active(set))
            .map(|set| Resize { name: set.name().into(), to: 0 })
            .collect();
        for resize in &active {
            self.resize(resize)?;
        }
        if !active.is_empty() || self.old_pods_run()? {
            return self.tell_progress();
        }
        self.ensure_new_set()?;
        if let Some(new) = &self.sets.new {
            let grown = Resize { name: new.name().into(), to: strategy::replicas(&self.deployment) };
            self.resize(&grown)?;
        }
        if progress::is_complete(&self.deployment, self.deployment.at(&["status"])) {
            self.clean_up()?;
        }
        self.tell_progress()
    }

    /// Recreate promises that no two versions run at once: pods that still end count.
    fn old_pods_run(&self) -> Result<bool, Error> {
        if sets::total_status(&self.sets.old, "replicas") > 0 {
            return Ok(true);
        }
        for set in &self.sets.old {
            let selector = Selector::from_label_selector(set.at(&["spec", "selector"]))?.to_string();
            let pods = self.api.list(Kind::POD, Selection::within(set.namespace()).labels(&selector))?;
            let runs = |pod: &Value| {
                pod.controller().is_some_and(|owner| owner.uid == set.uid())
                    && !matches!(pod.at(&["status", "phase"]).as_str(), Some("Succeeded" | "Failed"))
            };
            if pods.iter().any(runs) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The set for the present template, made when there is none.
    fn ensure_new_set(&mut self) -> Result<(), Error> {
        if self.sets.new.is_some() {
            return self.sync_new_set();
        }
        let revision = self.sets.next_revision();
        let desired = strategy::replicas(&self.deployment);
        let size = rollout::new_set_size(&self.deployment, 0, sets::total(&self.sets.old));
        let max = desired + fenceposts(&self.deployment).max_surge;
        let set = revision::new_set(&self.deployment, revision, size, max);
        let created = match self.api.create(&set) {
            Ok(created) => created,
            Err(error) if error.is_already_exists() => return self.collided(&set, error),
            Err(error) if error.is_namespace_terminating() => return Err(error.into()),
            Err(error) => return Err(self.failed_to_create(&set, error)),
        };
        if size > 0 {
            self.tell_resize("up", created.name(), 0, size);
        }
        self.write_revision(revision)?;
        self.note_progress("NewReplicaSetCreated", &format!("Created new replica set {:?}", created.name()));
        self.sets.new = Some(created);
        Ok(())
    }

    /// The name is taken: by this very set, when the cache lagged; else another hash is tried next.
    fn collided(&mut self, wanted: &Value, error: ApiError) -> Result<(), Error> {
        let there = self.api.get_live(SETS.object(wanted.namespace(), wanted.name()))?;
        let ours = |set: &Value| set.controller().is_some_and(|owner| owner.uid == self.deployment.uid());
        if let Some(set) = there.filter(ours)
            && Sets::tell_apart(&self.deployment, vec![set.clone()]).new.is_some()
        {
            self.sets.new = Some(set);
            return self.sync_new_set();
        }
        let collisions = self.deployment.at(&["status", "collisionCount"]).as_i64().unwrap_or(0) + 1;
        let at = Kind::DEPLOYMENT.object(self.deployment.namespace(), self.deployment.name());
        let body = json!({"status": {"collisionCount": collisions}});
        self.api.patch_subresource(at, "status", PatchType::Merge, &body)?;
        Err(error.into())
    }

    fn failed_to_create(&mut self, set: &Value, error: ApiError) -> Error {
        let message = format!("Failed to create new replica set {:?}: {}", set.name(), error.message);
        self.api.event(&self.deployment, "Warning", "ReplicaSetCreateError", &message);
        if strategy::progress_deadline_seconds(&self.deployment).is_some() {
            let now = self.api.now_ms();
            let mut after = self.deployment.at(&["status"]).clone();
            let mut conditions = self.deployment.items(&["status", "conditions"]).to_vec();
            set_condition(
                &mut conditions,
                new_condition(PROGRESSING, "False", "ReplicaSetCreateError", &message, now),
            );
            after["conditions"] = conditions.into();
            // The error that led here is the one to report.
            let _ = status::write(self.api, &self.deployment, &self.told, &after);
        }
        Error::Other(message)
    }

    /// The new set's annotations and `minReadySeconds` follow the Deployment.
    fn sync_new_set(&mut self) -> Result<(), Error> {
        let Some(new) = &self.sets.new else { return Ok(()) };
        let annotations = annotations::for_new_set(&self.deployment, new, self.sets.next_revision());
        let min_ready = revision::min_ready_seconds(&self.deployment);
        let (annotated, ready) =
            (annotations == annotations::of(new), min_ready == revision::min_ready_seconds(new));
        let revision = annotations.get(REVISION).and_then(|text| text.parse().ok());
        let name = new.name().to_string();
        if !annotated || !ready {
            let body = json!({"metadata": {"annotations": annotations}, "spec": {"minReadySeconds": min_ready.unwrap_or(0)}});
            let at = SETS.object(self.deployment.namespace(), &name);
            self.sets.new = Some(self.api.patch(at, PatchType::Merge, &body)?);
        }
        if let Some(revision) = revision {
            self.write_revision(revision)?;
        }
        if status::condition(self.deployment.items(&["status", "conditions"]), PROGRESSING).is_none() {
            self.note_progress("FoundNewReplicaSet", &format!("Found new replica set {name:?}"));
        }
        Ok(())
    }

    fn write_revision(&mut self, revision: i64) -> Result<(), Error> {
        let revision = revision.to_string();
        if self.deployment.annotation(REVISION) == Some(revision.as_str()) {
            return Ok(());
        }
        let at = Kind::DEPLOYMENT.object(self.deployment.namespace(), self.deployment.name());
        let body = json!({"metadata": {"uid": self.deployment.uid(), "annotations": {REVISION: revision}}});
        self.api.patch(at, PatchType::Merge, &body)?;
        self.deployment.set(&["metadata", "annotations", REVISION], revision);
        Ok(())
    }

    fn note_progress(&mut self, reason: &str, message: &str) {
        if strategy::progress_deadline_seconds(&self.deployment).is_some() {
            self.note(new_condition(PROGRESSING, "True", reason, message, self.api.now_ms()));
        }
    }

    /// A condition for the status that is written in the end.
    fn note(&mut self, condition: Value) {
        let mut conditions = self.deployment.items(&["status", "conditions"]).to_vec();
        set_condition(&mut conditions, condition);
        self.deployment.set(&["status", "conditions"], conditions);
    }

    fn resize(&mut self, resize: &Resize) -> Result<(), Error> {
        let Some(set) =
            self.sets.old.iter_mut().chain(&mut self.sets.new).find(|set| set.name() == resize.name)
        else {
            return Ok(());
        };
        let from = replicas(set);
        if from == resize.to {
            return Ok(());
        }
        let desired = strategy::replicas(&self.deployment);
        let sizes = annotations::for_size(desired, desired + fenceposts(&self.deployment).max_surge);
        let annotations: annotations::Annotations =
            sizes.into_iter().map(|(key, value)| (key.to_string(), value)).collect();
        let body = json!({
            "metadata": {"uid": set.uid(), "annotations": annotations},
            "spec": {"replicas": resize.to},
        });
        let at = SETS.object(self.deployment.namespace(), &resize.name);
        *set = self.api.patch(at, PatchType::Merge, &body)?;
        self.tell_resize(if from < resize.to { "up" } else { "down" }, &resize.name, from, resize.to);
        Ok(())
    }

    /// After a scaling every active set knows what it was sized for, whether its size changed or not.
    fn size_annotations(&mut self) -> Result<(), Error> {
        let desired = strategy::replicas(&self.deployment);
        let sizes = annotations::for_size(desired, desired + fenceposts(&self.deployment).max_surge);
        for set in self.sets.old.iter_mut().chain(&mut self.sets.new).filter(|set| sets::is_active(set)) {
            if sizes.iter().all(|(key, value)| set.annotation(key) == Some(value)) {
                continue;
            }
            let annotations: annotations::Annotations =
                sizes.iter().map(|(key, value)| (key.to_string(), value.clone())).collect();
            let body = json!({"metadata": {"uid": set.uid(), "annotations": annotations}});
            let name = set.name().to_string();
            *set =
                self.api.patch(SETS.object(self.deployment.namespace(), &name), PatchType::Merge, &body)?;
        }
        Ok(())
    }

    fn tell_resize(&self, direction: &str, set: &str, from: i64, to: i64) {
        let message = format!("Scaled {direction} replica set {set} from {from} to {to}");
        self.api.event(&self.deployment, "Normal", "ScalingReplicaSet", &message);
    }

    fn clean_up(&self) -> Result<(), Error> {
        for name in rollout::to_clean_up(&self.deployment, &self.sets) {
            match self.api.delete(SETS.object(self.deployment.namespace(), &name), &DeleteOptions::default())
            {
                Err(error) if !error.is_not_found() => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }

    /// The status without an estimate of progress.
    fn tell_counts(&mut self) -> Result<Outcome, Error> {
        let after = status::calculate(&self.deployment, &self.sets, self.api.now_ms());
        status::write(self.api, &self.deployment, &self.told, &after)?;
        Ok(Outcome::done())
    }

    fn tell_progress(&mut self) -> Result<Outcome, Error> {
        let now = self.api.now_ms();
        let mut after = status::calculate(&self.deployment, &self.sets, now);
        progress::update(&self.deployment, &self.sets, &mut after, now);
        status::write(self.api, &self.deployment, &self.told, &after)?;
        Ok(match progress::next_check_ms(&self.deployment, &after, now) {
            Some(millis) => Outcome::requeue_after_ms(millis),
            None => Outcome::done(),
        })
    }
}
