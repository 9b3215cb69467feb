//! Update: the whole object, or its status.

use orch_client::{Target, WriteOptions};
use orch_object::{Kind, Status};
use serde_json::Value;

use super::api::{Api, Call, Written, namespace};
use super::create::Ownership;
use super::modify::{Modification, Part};
use super::{decode, metadata};
use crate::key;

/// Kinds of which an update must say which version it changes; custom resources are others
/// (`AllowUnconditionalUpdate`).
const VERSIONED: &[(&str, &str)] = &[
    ("admissionregistration.k8s.io", "mutatingadmissionpolicies"),
    ("admissionregistration.k8s.io", "mutatingadmissionpolicybindings"),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
    ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
    ("admissionregistration.k8s.io", "validatingadmissionpolicybindings"),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
    ("apiextensions.k8s.io", "customresourcedefinitions"),
    ("apiregistration.k8s.io", "apiservices"),
    ("certificates.k8s.io", "clustertrustbundles"),
    ("certificates.k8s.io", "podcertificaterequests"),
    ("coordination.k8s.io", "leases"),
    ("node.k8s.io", "runtimeclasses"),
    ("policy", "poddisruptionbudgets"),
    ("storage.k8s.io", "csidrivers"),
    ("storage.k8s.io", "csinodes"),
    ("storage.k8s.io", "csistoragecapacities"),
    ("storage.k8s.io", "volumeattachments"),
    ("storagemigration.k8s.io", "storageversionmigrations"),
];

/// Kinds that a PUT may create (`AllowCreateOnUpdate`).
const CREATED_BY_UPDATE: &[(&str, &str)] = &[
    ("", "endpoints"),
    ("", "events"),
    ("", "limitranges"),
    ("", "services"),
    ("coordination.k8s.io", "leases"),
    ("events.k8s.io", "events"),
    ("node.k8s.io", "runtimeclasses"),
    ("rbac.authorization.k8s.io", "clusterrolebindings"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("rbac.authorization.k8s.io", "rolebindings"),
    ("rbac.authorization.k8s.io", "roles"),
];

impl Api {
    /// Replaces the object.
    pub async fn update(
        &self,
        call: &Call,
        target: &Target,
        object: Value,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        let kind = self.kind(&target.resource).await?;
        self.authorize(call, "update", target)?;
        self.update_part(call, &kind, target, object, Part::Main, options).await
    }

    /// Replaces a part of the object; authorized already.
    pub(crate) async fn update_part(
        &self,
        call: &Call,
        kind: &Kind,
        target: &Target,
        mut object: Value,
        part: Part,
        options: &WriteOptions,
    ) -> Result<Written, Status> {
        decode::check(call, kind, &mut object, &options.field_validation)?;
        metadata::match_named_target(&mut object, kind, target)?;
        if part == Part::Main && self.update_creates(kind, target, &object).await? {
            self.authorize(call, "create", target)?;
            return self.create_authorized(call, kind, target, object, options, Ownership::Record).await;
        }
        let change = |_: &std::sync::Arc<Value>| match must_be_versioned(kind) && !is_versioned(&object) {
            true => Err(Status::unversioned(kind, &target.name)),
            false => Ok(object.clone()),
        };
        let modification = Modification { part, options, change: &change, keeps_managed_fields: false };
        self.modify(call, kind, target, &modification).await
    }

    async fn update_creates(&self, kind: &Kind, target: &Target, object: &Value) -> Result<bool, Status> {
        if !CREATED_BY_UPDATE.contains(&(kind.group.as_str(), kind.plural.as_str())) || is_versioned(object) {
            return Ok(false);
        }
        self.fresh().await?;
        Ok(self.cache.get(&key::of(kind, namespace(target), &target.name)).is_none())
    }
}

fn must_be_versioned(kind: &Kind) -> bool {
    kind.custom.is_some() || VERSIONED.contains(&(kind.group.as_str(), kind.plural.as_str()))
}

fn is_versioned(object: &Value) -> bool {
    !object["metadata"]["resourceVersion"].as_str().unwrap_or_default().is_empty()
}
