//! What stands below an object's own URL, and kinds that are asked rather than stored.
//!
//! Each sub-resource is a row here: how it is read, and what a write to it means.

mod binding;
mod eviction;
mod reviews;
mod scale;
mod token;

use orch_client::{Patch, Target, WriteOptions};
use orch_object::{Kind, Status};
use serde_json::Value;

use crate::verbs::{Api, Call, Part, Written};

/// The sub-resources this server carries out itself. Streams are `routes`' business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subresource {
    /// `status`, and what is written like it: the `approval` of certificate requests.
    Status,
    /// One thing of a pod's spec: `resize`, `ephemeralcontainers`.
    Piece,
    Scale,
    Finalize,
    Binding,
    Eviction,
    Token,
}

fn find(kind: &Kind, name: &str) -> Result<Subresource, Status> {
    if !kind.has_subresource(name) {
        return Err(crate::causes::no_such_resource());
    }
    match name {
        "status" | "approval" => Ok(Subresource::Status),
        "resize" | "ephemeralcontainers" => Ok(Subresource::Piece),
        "scale" => Ok(Subresource::Scale),
        "finalize" => Ok(Subresource::Finalize),
        "binding" => Ok(Subresource::Binding),
        "eviction" => Ok(Subresource::Eviction),
        "token" => Ok(Subresource::Token),
        other => Err(Status::not_implemented(format!(
            "the sub-resource {other:?} of {} is not implemented",
            kind.qualified_resource()
        ))),
    }
}

pub async fn get(api: &Api, call: &Call, target: &Target) -> Result<Written, Status> {
    let kind = api.kind(&target.resource).await?;
    let subresource = find(&kind, &target.subresource)?;
    api.authorize(call, "get", target)?;
    let current = api.current(&kind, target).await?;
    match subresource {
        Subresource::Status | Subresource::Piece => Ok(Written::from_object(&current)),
        Subresource::Scale => Ok(Written::unstored(scale::shown(&kind, &current.value())?)),
        Subresource::Finalize | Subresource::Binding | Subresource::Eviction | Subresource::Token => {
            Err(crate::causes::method_not_allowed())
        }
    }
}

pub async fn update(
    api: &Api,
    call: &Call,
    target: &Target,
    object: Value,
    options: &WriteOptions,
) -> Result<Written, Status> {
    let kind = api.kind(&target.resource).await?;
    let subresource = find(&kind, &target.subresource)?;
    api.authorize(call, "update", target)?;
    match subresource {
        Subresource::Status => api.update_part(call, &kind, target, object, Part::Status, options).await,
        Subresource::Piece => api.update_part(call, &kind, target, object, Part::Piece, options).await,
        Subresource::Scale => scale::update(api, call, &kind, target, &object, options).await,
        Subresource::Finalize => finalize(api, call, &kind, target, &object, options).await,
        Subresource::Binding | Subresource::Eviction | Subresource::Token => {
            Err(crate::causes::method_not_allowed())
        }
    }
}

pub async fn patch(
    api: &Api,
    call: &Call,
    target: &Target,
    patch: &Patch,
    options: &WriteOptions,
) -> Result<Written, Status> {
    let kind = api.kind(&target.resource).await?;
    let subresource = find(&kind, &target.subresource)?;
    api.authorize(call, "patch", target)?;
    match subresource {
        Subresource::Status => api.patch_part(call, &kind, target, patch, Part::Status, options).await,
        Subresource::Piece => api.patch_part(call, &kind, target, patch, Part::Piece, options).await,
        Subresource::Scale => scale::patch(api, call, &kind, target, patch, options).await,
        Subresource::Finalize | Subresource::Binding | Subresource::Eviction | Subresource::Token => {
            Err(crate::causes::method_not_allowed())
        }
    }
}

/// A POST to a sub-resource.
pub async fn create(
    api: &Api,
    call: &Call,
    target: &Target,
    object: Value,
    options: &WriteOptions,
) -> Result<Written, Status> {
    let kind = api.kind(&target.resource).await?;
    let subresource = find(&kind, &target.subresource)?;
    api.authorize(call, "create", target)?;
    match subresource {
        Subresource::Binding => binding::bind(api, call, &kind, target, &object, options).await,
        Subresource::Eviction => eviction::evict(api, call, &kind, target, &object, options).await,
        Subresource::Token => token::request(api, call, &kind, target, object, options).await,
        Subresource::Status | Subresource::Piece | Subresource::Scale | Subresource::Finalize => {
            Err(crate::causes::method_not_allowed())
        }
    }
}

/// A POST of an object: stored, or, for kinds without storage, answered.
pub async fn create_object(
    api: &Api,
    call: &Call,
    target: &Target,
    object: Value,
    options: &WriteOptions,
) -> Result<Written, Status> {
    let group_resource = (&*target.resource.group, &*target.resource.plural);
    if let Some(review) = reviews::find(group_resource.0, group_resource.1) {
        let kind = api.kind(&target.resource).await?;
        api.authorize(call, "create", target)?;
        return reviews::answer(api, call, &kind, target, review, object, options)
            .await
            .map(Written::unstored);
    }
    if group_resource == ("", "bindings") {
        // The old way to bind: the Binding's own name is the pod's.
        let pods = orch_client::Resource::core("pods");
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_string();
        let target = Target {
            resource: pods,
            name,
            subresource: "binding".into(),
            namespace: target.namespace.clone(),
        };
        return create(api, call, &target, object, options).await;
    }
    api.create(call, target, object, options).await
}

/// Replaces `spec.finalizers` of a Namespace; with the last one an emptied Namespace goes.
async fn finalize(
    api: &Api,
    call: &Call,
    kind: &Kind,
    target: &Target,
    object: &Value,
    options: &WriteOptions,
) -> Result<Written, Status> {
    let finalizers = object["spec"]["finalizers"].clone();
    let version = object["metadata"]["resourceVersion"].clone();
    let change = |old: &std::sync::Arc<Value>| {
        let mut new = (**old).clone();
        match new["spec"].as_object_mut() {
            Some(spec) if finalizers.is_null() => drop(spec.remove("finalizers")),
            Some(spec) => drop(spec.insert("finalizers".into(), finalizers.clone())),
            None => new["spec"] = serde_json::json!({ "finalizers": finalizers }),
        }
        new["metadata"]["resourceVersion"] = version.clone();
        Ok(new)
    };
    let modification =
        crate::verbs::Modification { part: Part::Any, options, change: &change, keeps_managed_fields: false };
    api.modify(call, kind, target, &modification).await
}
