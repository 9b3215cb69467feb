//! Whether a webhook is to be asked, and about which version of the object.

use std::borrow::Cow;
use std::sync::Arc;

use orch_object::{Kind, Status};
use serde_json::Value;

use super::Surroundings;
use super::hook::Webhook;
use crate::policy::Inputs;
use crate::review::Review;

/// The objects of a request in one version.
#[derive(Debug, Clone)]
pub struct Shown<'a> {
    /// `None`: the client's own version.
    pub kind: Option<Arc<Kind>>,
    pub object: Cow<'a, Value>,
    pub old: Cow<'a, Value>,
}

impl<'a> Shown<'a> {
    /// As the client sees them.
    pub fn own(object: &'a Value, review: &Review<'a>) -> Shown<'a> {
        let old = review.old.unwrap_or(&Value::Null);
        Shown { kind: None, object: Cow::Borrowed(object), old: Cow::Borrowed(old) }
    }

    /// The same objects in another version.
    pub async fn converted(
        &self,
        around: &dyn Surroundings,
        own: &Kind,
        wanted: Option<Arc<Kind>>,
    ) -> Result<Shown<'a>, Status> {
        let from = self.kind.as_deref().unwrap_or(own);
        let to = wanted.as_deref().unwrap_or(own);
        let object = convert(around, &self.object, from, to).await?;
        let old = convert(around, &self.old, from, to).await?;
        Ok(Shown { object: Cow::Owned(object), old: Cow::Owned(old), kind: wanted })
    }

    pub fn is_of(&self, kind: Option<&Kind>) -> bool {
        match (&self.kind, kind) {
            (None, None) => true,
            (Some(a), Some(b)) => a.group == b.group && a.version == b.version,
            (None, Some(_)) | (Some(_), None) => false,
        }
    }
}

async fn convert(around: &dyn Surroundings, object: &Value, from: &Kind, to: &Kind) -> Result<Value, Status> {
    match object.is_null() {
        true => Ok(Value::Null),
        false => around.convert(object, from, to).await.map_err(|why| internal(&why)),
    }
}

/// 500 with the cause apart, as upstream words it.
pub fn internal(why: &str) -> Status {
    Status::internal_error(why)
}

/// The version a webhook wants to see; the outer `None`: the request does not concern it.
pub fn wanted_version(
    hook: &Webhook,
    review: &Review<'_>,
    object: &Value,
    around: &dyn Surroundings,
) -> Result<Option<Option<Arc<Kind>>>, Status> {
    let kinds = around.kinds();
    let matcher = hook.matcher.as_ref().map_err(|why| internal(why))?;
    let found = matcher.matches(review, object, &kinds, &|name| around.namespace(name))?;
    let is_own = |kind: &Kind| (&kind.group, &kind.version) == (&review.kind.group, &review.kind.version);
    Ok(found.map(|kind| match is_own(kind) {
        true => None,
        false => kinds.by_plural(&kind.group, &kind.version, &kind.plural).cloned(),
    }))
}

/// Whether the webhook's conditions hold; a condition that fails is judged by the failure policy.
pub fn conditions_hold(
    hook: &Webhook,
    review: &Review<'_>,
    shown: &Shown<'_>,
    around: &dyn Surroundings,
) -> Result<bool, Status> {
    if hook.conditions.is_empty() {
        return Ok(true);
    }
    let kind = shown.kind.as_deref().unwrap_or(review.kind);
    let old = Some(&*shown.old).filter(|old| !old.is_null());
    let cluster = around.cluster();
    match hook.conditions.hold(&Inputs::new(review, kind, &shown.object, old, &cluster), None) {
        Ok(holds) => Ok(holds),
        Err(why) if hook.ignores_failures => {
            tracing::debug!(webhook = %hook.name, why, "a match condition failed; the webhook is left out");
            Ok(false)
        }
        Err(why) => Err(Status::forbidden(review.kind, review.name, &why)),
    }
}
