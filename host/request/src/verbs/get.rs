//! Get: one object, never stale unless asked so.

use std::sync::Arc;

use orch_client::Target;
use orch_object::{Source, Status};
use orch_watch::Object;

use super::api::{Api, Call, namespace};
use crate::key;

impl Api {
    /// `resource_version`: `None` is the most recent, `0` whatever the cache has, N not older than that.
    pub async fn get(
        &self,
        call: &Call,
        target: &Target,
        resource_version: Option<&str>,
    ) -> Result<Arc<Object>, Status> {
        let kind = self.kind(&target.resource).await?;
        self.authorize(call, "get", target)?;
        match kind.strategy.source {
            Source::Components => return self.component(&kind, target).await,
            Source::Store => {}
        }
        match resource_version.filter(|v| !v.is_empty()) {
            None => return self.current(&kind, target).await,
            Some("0") => {}
            Some(version) => self.not_older_than(super::list::revision(version)?).await?,
        }
        let found = self.cache.get(&key::of(&kind, namespace(target), &target.name));
        let stored = found.ok_or_else(|| Status::not_found(&kind, &target.name))?;
        self.converter.present(&kind, stored).await
    }
}

impl Api {
    /// The objects whose `ownerReferences` name the uid; for those who may list everything they own.
    pub async fn dependents(
        &self,
        call: &Call,
        owner_uid: &str,
    ) -> Result<Vec<Arc<serde_json::Value>>, Status> {
        self.fresh().await?;
        let dependents = self.cache.dependents(owner_uid);
        let visible = dependents.iter().filter(|object| self.may_see(call, &object.value()));
        Ok(visible.map(|object| object.value()).collect())
    }

    fn may_see(&self, call: &Call, object: &serde_json::Value) -> bool {
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_string();
        let kinds = self.kinds();
        let kind = kinds.by_kind(&text(&object["apiVersion"]), &text(&object["kind"]));
        kind.is_some_and(|kind| {
            let attributes = crate::authz::Attributes {
                verb: "list".into(),
                namespace: text(&object["metadata"]["namespace"]),
                group: kind.group.clone(),
                resource: kind.plural.clone(),
                ..Default::default()
            };
            self.authorizer.authorize(&call.identity, &attributes).is_ok()
        })
    }
}
