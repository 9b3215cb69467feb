//! Objects of a kind in another of its versions: by the row, or by the webhook that a definition names
//! (`apiextensions-apiserver/pkg/apiserver/conversion`).

mod kept;
mod review;

use std::sync::Arc;
use std::time::Duration;

use orch_object::custom::ConversionWebhook;
use orch_object::{Kind, Status};
use orch_store::Stamped;
use orch_watch::Object;
use parking_lot::Mutex;
use serde_json::Value;

use crate::outbound::Outbound;
use crate::verbs::{stamp, stamped_at};
use kept::Kept;

/// How long a conversion may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a webhook may answer: a page of large objects.
const MOST_BYTES: usize = 64 << 20;
/// Objects in one review.
const MOST_OBJECTS: usize = 500;

/// Shows stored objects, and stores shown ones.
pub struct Converter {
    outbound: Outbound,
    kept: Mutex<Kept>,
}

impl Converter {
    pub fn new(outbound: Outbound) -> Self {
        Converter { outbound, kept: Mutex::default() }
    }

    /// A stored object as the kind's version shows it.
    pub async fn present(&self, kind: &Kind, stored: Arc<Object>) -> Result<Arc<Object>, Status> {
        match kind.conversion_webhook() {
            None => Ok(present(kind, stored)),
            Some(webhook) => {
                let mut shown = self.present_by(webhook, kind, vec![stored]).await?;
                shown.pop().ok_or_else(|| failed("the object was lost".into()))
            }
        }
    }

    /// As [`Converter::present`], for all of a list at once.
    pub async fn present_all(
        &self,
        kind: &Kind,
        stored: Vec<Arc<Object>>,
    ) -> Result<Vec<Arc<Object>>, Status> {
        match kind.conversion_webhook() {
            None => Ok(stored.into_iter().map(|object| present(kind, object)).collect()),
            Some(webhook) => self.present_by(webhook, kind, stored).await,
        }
    }

    /// The bytes to store: an object of another version of its kind is stored as the storage version.
    pub async fn stamped(&self, kind: &Kind, object: &Value) -> Result<Stamped, Status> {
        let renamed = kind.custom.as_ref().filter(|custom| object["apiVersion"] != custom.stored_as);
        let stored = match (kind.conversion_webhook(), renamed) {
            (Some(webhook), Some(custom)) => Some(self.one(webhook, object, &custom.stored_as).await?),
            _ => kind.to_stored(object),
        };
        Ok(stamp(stored.as_ref().unwrap_or(object)))
    }

    /// A stored object's value as the kind's version shows it; nothing is kept.
    pub async fn shown(&self, kind: &Kind, stored: &Value) -> Result<Value, Status> {
        let wanted = kind.api_version();
        let mut shown = match kind.conversion_webhook().filter(|_| stored["apiVersion"] != wanted) {
            Some(webhook) => self.one(webhook, stored, &wanted).await?,
            None => stored.clone(),
        };
        settle(kind, &mut shown);
        Ok(shown)
    }

    /// An object of one version as another shows it; nothing is kept.
    pub async fn between(&self, object: &Value, from: &Kind, to: &Kind) -> Result<Value, Status> {
        let (before, after) = (from.api_version(), to.api_version());
        if before == after {
            return Ok(object.clone());
        }
        if let Some(webhook) = from.conversion_webhook() {
            let mut shown = self.one(webhook, object, &after).await?;
            settle(to, &mut shown);
            return Ok(shown);
        }
        let stored = from.to_stored(object);
        let stored = stored.as_ref().unwrap_or(object);
        Ok(to.present(stored).unwrap_or_else(|| stored.clone()))
    }

    async fn present_by(
        &self,
        webhook: &ConversionWebhook,
        kind: &Kind,
        mut objects: Vec<Arc<Object>>,
    ) -> Result<Vec<Arc<Object>>, Status> {
        let wanted = kind.api_version();
        let mut missing = Vec::new();
        for (index, object) in objects.iter_mut().enumerate() {
            if object.value()["apiVersion"] == wanted {
                *object = present(kind, object.clone());
            } else if let Some(kept) = self.kept.lock().get(webhook, &wanted, object) {
                *object = kept;
            } else {
                missing.push(index);
            }
        }
        for part in missing.chunks(MOST_OBJECTS) {
            let stored: Vec<Arc<Value>> = part.iter().map(|index| objects[*index].value()).collect();
            let converted = self.convert(webhook, &stored, &wanted).await?;
            for (index, mut value) in part.iter().zip(converted) {
                settle(kind, &mut value);
                let stored = objects[*index].clone();
                let revision = value["metadata"]["resourceVersion"].as_str().unwrap_or_default();
                let bytes = stamped_at(&value, revision);
                let shown = stored.shown_as(value, bytes);
                self.kept.lock().put(webhook, &wanted, &shown);
                objects[*index] = shown;
            }
        }
        Ok(objects)
    }

    async fn one(&self, webhook: &ConversionWebhook, object: &Value, wanted: &str) -> Result<Value, Status> {
        let converted = self.convert(webhook, &[Arc::new(object.clone())], wanted).await?;
        converted.into_iter().next().ok_or_else(|| failed("the object was lost".into()))
    }

    async fn convert(
        &self,
        webhook: &ConversionWebhook,
        objects: &[Arc<Value>],
        wanted: &str,
    ) -> Result<Vec<Value>, Status> {
        let about = objects.first().map(|object| review::in_words(object)).unwrap_or_default();
        let failed = |why: String| failed(format!("conversion webhook for {about} {why}"));
        let (uid, body) = review::request(&webhook.versions, objects, wanted).map_err(&failed)?;
        let answer = self.outbound.post(&webhook.client, body, PATIENCE, false, MOST_BYTES).await;
        let answer = answer.map_err(|why| failed(format!("failed: {why}")))?;
        review::answer(&answer, &uid, objects, wanted).map_err(failed)
    }
}

/// A stored object as the kind's version shows it, where the row knows how.
fn present(kind: &Kind, stored: Arc<Object>) -> Arc<Object> {
    if kind.is_shown_as_stored() {
        return stored;
    }
    match kind.present(&stored.value()) {
        None => stored,
        Some(shown) => {
            let revision = shown["metadata"]["resourceVersion"].as_str().unwrap_or_default();
            let bytes = stamped_at(&shown, revision);
            stored.shown_as(shown, bytes)
        }
    }
}

/// What a webhook made is pruned and defaulted as what clients send.
fn settle(kind: &Kind, object: &mut Value) {
    if let Some(settled) = kind.present(object) {
        *object = settled;
    }
}

fn failed(why: String) -> Status {
    tracing::warn!(why, "an object cannot be converted");
    Status::new(500, "", why)
}
