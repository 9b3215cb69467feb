//! Webhooks as a stage of the chain.

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use orch_object::{Kind, Status};
use serde_json::{Value, json};

use super::Surroundings;
use super::exchange::Verdict;
use super::hook::Webhook;
use super::matching::{Shown, conditions_hold, internal, wanted_version};
use crate::matching::{is_exempt, request_kind};
use crate::review::Review;
use crate::stage::{Memory, Notes, Stage};

/// All webhooks, asked over the network.
pub struct Webhooks {
    around: Arc<dyn Surroundings>,
}

/// Why a webhook does not let a request pass.
enum Objection {
    Refused(Status),
    /// There is no verdict; the failure policy decides.
    NoVerdict(String),
}

impl Webhooks {
    pub fn new(around: Arc<dyn Surroundings>) -> Self {
        Webhooks { around }
    }
}

#[async_trait]
impl Stage for Webhooks {
    async fn mutate(
        &self,
        review: &Review<'_>,
        object: &mut Value,
        notes: &mut Notes,
        memory: &mut Memory,
    ) -> Result<(), Status> {
        let hooks = self.around.hooks();
        if hooks.mutating.is_empty() || is_exempt(review.kind) {
            return Ok(());
        }
        memory.begin(object);
        let before = std::mem::take(object);
        let mut mutation = Mutation {
            around: &*self.around,
            review,
            shown: Shown::own(&before, review),
            dirty: false,
            notes,
            memory,
        };
        for (index, hook) in hooks.mutating.iter().enumerate() {
            mutation.ask(index, hook).await?;
        }
        let after = mutation.finish().await?;
        *object = after.unwrap_or(before);
        memory.end(object);
        Ok(())
    }

    async fn validate(&self, review: &Review<'_>, object: &Value, notes: &mut Notes) -> Result<(), Status> {
        let hooks = self.around.hooks();
        if hooks.validating.is_empty() || is_exempt(review.kind) {
            return Ok(());
        }
        let own = Shown::own(object, review);
        let mut relevant: Vec<(&Webhook, Shown<'_>)> = Vec::new();
        for hook in &hooks.validating {
            let Some(wanted) = wanted_version(hook, review, object, &*self.around)? else { continue };
            let known = relevant.iter().map(|(_, shown)| shown).find(|shown| shown.is_of(wanted.as_deref()));
            let shown = match known {
                Some(known) => known.clone(),
                None if own.is_of(wanted.as_deref()) => own.clone(),
                None => own.converted(&*self.around, review.kind, wanted).await?,
            };
            if conditions_hold(hook, review, &shown, &*self.around)? {
                relevant.push((hook, shown));
            }
        }
        let asked = relevant.iter().enumerate().map(|(index, (hook, shown))| async move {
            let mut notes = Notes::default();
            let verdict = self.validate_by(index, hook, review, shown, &mut notes).await;
            (notes, verdict)
        });
        let mut verdict = Ok(());
        for (said, one) in futures::future::join_all(asked).await {
            notes.extend(said);
            verdict = verdict.and(one);
        }
        verdict
    }
}

impl Webhooks {
    async fn validate_by(
        &self,
        index: usize,
        hook: &Webhook,
        review: &Review<'_>,
        shown: &Shown<'_>,
        notes: &mut Notes,
    ) -> Result<(), Status> {
        let answer = call(&*self.around, hook, review, shown, false).await;
        match answer.and_then(|verdict| heard(hook, verdict, notes)) {
            Ok(_) => Ok(()),
            Err(objection) => {
                let key = format!("failed-open.validating.webhook.admission.k8s.io/round_0_index_{index}");
                overrule(hook, objection, notes, key)
            }
        }
    }
}

/// One round of mutation under way.
struct Mutation<'a> {
    around: &'a dyn Surroundings,
    review: &'a Review<'a>,
    shown: Shown<'a>,
    /// The object is no longer what the client sent.
    dirty: bool,
    notes: &'a mut Notes,
    memory: &'a mut Memory,
}

impl Mutation<'_> {
    async fn ask(&mut self, index: usize, hook: &Webhook) -> Result<(), Status> {
        let Some(wanted) = wanted_version(hook, self.review, &self.shown.object, self.around)? else {
            return Ok(());
        };
        // Whoever was left out of the first round is not asked in the second.
        if !self.memory.wants(&hook.id) {
            return Ok(());
        }
        if !self.shown.is_of(wanted.as_deref()) {
            self.shown = self.shown.converted(self.around, self.review.kind, wanted).await?;
        }
        if !conditions_hold(hook, self.review, &self.shown, self.around)? {
            return Ok(());
        }
        let round = usize::from(self.memory.is_second_round());
        let place = format!("round_{round}_index_{index}");
        let answer = call(self.around, hook, self.review, &self.shown, true).await;
        let patched = match answer.and_then(|verdict| heard(hook, verdict, self.notes)) {
            Ok(verdict) => self.patch(hook, &verdict, &place),
            Err(objection) => Err(objection),
        };
        let changed = matches!(patched, Ok(true));
        let annotation =
            json!({ "configuration": hook.configuration, "webhook": hook.name, "mutated": changed });
        let key = format!("mutation.webhook.admission.k8s.io/{place}");
        self.notes.annotations.insert(key, annotation.to_string());
        if changed {
            self.dirty = true;
            self.memory.changed();
        }
        if hook.reinvoked {
            self.memory.asked(&hook.id);
        }
        match patched {
            Ok(_) => Ok(()),
            Err(objection) => {
                let key = format!("failed-open.mutation.webhook.admission.k8s.io/{place}");
                overrule(hook, objection, self.notes, key)
            }
        }
    }

    /// True: the object is another now.
    fn patch(&mut self, hook: &Webhook, verdict: &Verdict, place: &str) -> Result<bool, Objection> {
        if verdict.patch.is_empty() {
            return Ok(false);
        }
        let patch: json_patch::Patch = serde_json::from_slice(&verdict.patch).map_err(|error| {
            Objection::NoVerdict(format!("received undecodable patch in webhook response: {error}"))
        })?;
        if patch.is_empty() {
            return Ok(false);
        }
        let refused = |why: String| Objection::Refused(internal(&why));
        if self.shown.object.is_null() {
            return Err(refused(format!(
                "admission webhook {:?} attempted to modify the object, which is not supported for this operation",
                hook.name
            )));
        }
        let mut patched = self.shown.object.clone().into_owned();
        json_patch::patch(&mut patched, &patch).map_err(|error| refused(error.to_string()))?;
        let kind = self.shown.kind.as_deref().unwrap_or(self.review.kind);
        settle(self.review, kind, &mut patched).map_err(refused)?;
        let changed = patched != *self.shown.object;
        self.shown.object = Cow::Owned(patched);
        let annotation = json!({ "configuration": hook.configuration, "webhook": hook.name,
            "patch": patch, "patchType": "JSONPatch" });
        let key = format!("patch.webhook.admission.k8s.io/{place}");
        self.notes.annotations.insert(key, annotation.to_string());
        Ok(changed)
    }

    /// The object as the client's version shows it; `None`: nobody changed it.
    async fn finish(self) -> Result<Option<Value>, Status> {
        if !self.dirty {
            return Ok(None);
        }
        let shown = match self.shown.kind {
            None => self.shown,
            Some(_) => self.shown.converted(self.around, self.review.kind, None).await?,
        };
        Ok(Some(shown.object.into_owned()))
    }
}

/// A patched object is read as one that a client sends: types, unknown fields, defaults.
fn settle(review: &Review<'_>, kind: &Kind, object: &mut Value) -> Result<(), String> {
    // What stands for the object at a sub-resource, and options of a connection, are others' to check.
    if request_kind(kind, review.subresource) != request_kind(kind, "") {
        return Ok(());
    }
    let decoded = kind.decode(object);
    if let Some(error) = decoded.errors.first() {
        return Err(error.clone());
    }
    kind.default(object);
    Ok(())
}

async fn call(
    around: &dyn Surroundings,
    hook: &Webhook,
    review: &Review<'_>,
    shown: &Shown<'_>,
    mutating: bool,
) -> Result<Verdict, Objection> {
    if review.dry_run && !hook.supports_dry_run() {
        let message = format!("admission webhook {:?} does not support dry run", hook.name);
        return Err(Objection::Refused(Status::bad_request(message)));
    }
    let Some(version) = hook.version else {
        let why = "could not create admission objects: webhook does not accept known AdmissionReview versions (v1, v1beta1)";
        return Err(Objection::NoVerdict(why.into()));
    };
    let uid = uuid::Uuid::new_v4().to_string();
    let kind = shown.kind.as_deref().unwrap_or(review.kind);
    let request = review.request_shown_as(&uid, kind, Some((&shown.object, &shown.old)));
    let failed = |why: String| Objection::NoVerdict(format!("failed to call webhook: {why}"));
    let body = around.call(&hook.client, version.review(request), hook.timeout).await.map_err(failed)?;
    Verdict::read(&body, &uid, mutating, version).map_err(|why| match why.starts_with("received invalid") {
        true => Objection::NoVerdict(why),
        false => failed(why),
    })
}

/// Notes what a verdict says beside yes or no.
fn heard(hook: &Webhook, mut verdict: Verdict, notes: &mut Notes) -> Result<Verdict, Objection> {
    for (key, value) in std::mem::take(&mut verdict.annotations) {
        notes.annotations.insert(format!("{}/{key}", hook.name), value);
    }
    notes.warnings.append(&mut verdict.warnings);
    match verdict.allowed {
        true => Ok(verdict),
        false => Err(Objection::Refused(verdict.refusal(&hook.name))),
    }
}

/// A webhook without a verdict may be passed over, if it allows that.
fn overrule(hook: &Webhook, objection: Objection, notes: &mut Notes, key: String) -> Result<(), Status> {
    match objection {
        Objection::Refused(status) => Err(status),
        Objection::NoVerdict(why) if hook.ignores_failures => {
            tracing::warn!(webhook = %hook.name, why, "a webhook failed; its policy is to go on");
            notes.annotations.insert(key, hook.name.clone());
            Ok(())
        }
        Objection::NoVerdict(why) => {
            tracing::warn!(webhook = %hook.name, why, "a webhook failed; its policy is to refuse");
            Err(internal(&format!("failed calling webhook {:?}: {why}", hook.name)))
        }
    }
}

#[cfg(test)]
mod tests;
