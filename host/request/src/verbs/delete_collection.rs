//! Deletecollection: a delete for each object of a list.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use orch_client::{DeleteOptions, ListOptions, Target};
use orch_object::Status;
use orch_watch::Object;

use super::api::{Api, Call};
use super::delete::warn_of_orphans;
use super::list::{Listed, Selection};
use super::modify::Reviewed;

/// Deletes under way at one time: enough for the store to gather them into few commits.
const WORKERS: usize = 16;

impl Api {
    /// Returns the list that was deleted.
    pub async fn delete_collection(
        &self,
        call: &Call,
        target: &Target,
        list: &ListOptions,
        options: &DeleteOptions,
    ) -> Result<Listed, Status> {
        let kind = self.kind(&target.resource).await?;
        self.authorize(call, "deletecollection", target)?;
        let selection = Selection::parse(&kind, list, &self.converter)?;
        warn_of_orphans(call, &kind, options);
        let listed = self.list_authorized(&kind, target, list, &selection).await?;
        futures::stream::iter(listed.items.clone())
            .map(|object: Arc<Object>| {
                let metadata = &object.value()["metadata"];
                let target = Target {
                    namespace: metadata["namespace"].as_str().map(String::from),
                    name: metadata["name"].as_str().unwrap_or_default().into(),
                    ..target.clone()
                };
                let kind = kind.clone();
                async move {
                    match self.delete_authorized(call, &kind, &target, options, Reviewed::Object).await {
                        // Somebody else was faster.
                        Err(status) if status.is_not_found() => Ok(()),
                        other => other.map(drop),
                    }
                }
            })
            .buffer_unordered(WORKERS)
            .try_collect::<()>()
            .await?;
        Ok(listed)
    }
}
