//! Eviction: a delete that PodDisruptionBudgets may refuse
//! (`pkg/registry/core/pod/storage/eviction.go`).
//!
//! ```text
//! Eviction ─► admission ─► budgets ─► one disruption less ─► DisruptionTarget ─► delete
//! ```
//!
//! Admission sees the Eviction alone: what is written for it is reviewed with it.

mod budget;

use std::sync::Arc;
use std::time::Duration;

use orch_client::{DeleteOptions, Resource, Target, WriteOptions};
use orch_object::{Kind, LabelSelector, Status};
use serde_json::{Value, json};

use crate::key;
use crate::verbs::{
    Api, Call, Modification, Part, Reviewed, Written, check_preconditions, delete_options, time,
};
use budget::Verdict;

/// Tries while others write the pod.
const TRIES: usize = 20;
/// Before a budget that others change is read again.
const AGAIN: Duration = Duration::from_millis(20);
const BUDGETS: Resource = Resource::new("policy", "v1", "poddisruptionbudgets");

pub async fn evict(
    api: &Api,
    call: &Call,
    kind: &Kind,
    target: &Target,
    eviction: &Value,
    options: &WriteOptions,
) -> Result<Written, Status> {
    let name = eviction["metadata"]["name"].as_str().unwrap_or_default();
    if !name.is_empty() && name != target.name {
        return Err(Status::bad_request("name in URL does not match name in Eviction object"));
    }
    let mut eviction = eviction.clone();
    eviction["apiVersion"] = "policy/v1".into();
    eviction["kind"] = "Eviction".into();
    api.admit_posted(call, kind, target, &mut eviction, options).await?;
    let mut delete = delete_options(&eviction["deleteOptions"])?;
    delete.dry_run |= options.dry_run;
    let target = Target { subresource: String::new(), ..target.clone() };
    Evicting { api, call, kind, target, options: delete }.run().await?;
    Ok(Written::unstored(json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201,
    })))
}

/// An eviction that admission let pass.
struct Evicting<'a> {
    api: &'a Api,
    call: &'a Call,
    kind: &'a Kind,
    target: Target,
    options: DeleteOptions,
}

impl Evicting<'_> {
    async fn run(&self) -> Result<(), Status> {
        let insists = self.options.preconditions.resource_version.is_some();
        let mut tries = 0;
        loop {
            let pod = self.api.current(self.kind, &self.target).await?.value();
            let budgets = self.budgets(&pod);
            let deleted = match budget::judge(&pod, &budgets)? {
                Verdict::Free => self.delete(&pod, false).await,
                Verdict::FreeAsItIs => self.delete(&pod, true).await,
                Verdict::Spare(name) => {
                    let deleted = self.delete(&pod, true).await;
                    // It may have become healthy since, and count.
                    let is_other = |status: &Status| status.is_conflict() && !insists;
                    return deleted
                        .map_err(|status| if is_other(&status) { budget::busy(&name) } else { status });
                }
                Verdict::Spend(name) => {
                    self.spend(&name).await?;
                    return self.delete(&pod, false).await;
                }
            };
            tries += 1;
            match deleted {
                Err(status) if status.is_conflict() && !insists && tries < TRIES => {}
                done => return done,
            }
        }
    }

    /// Those that count the pod; a selector that cannot be read selects nothing.
    fn budgets(&self, pod: &Value) -> Vec<Arc<Value>> {
        let all = key::prefix("policy", "poddisruptionbudgets", self.target.namespace.as_deref());
        let selects = |budget: &Value| {
            LabelSelector::from_json(Some(&budget["spec"]["selector"]))
                .is_ok_and(|selector| selector.matches_object(pod))
        };
        let budgets = self.api.cache.list(&all).items;
        budgets.iter().map(|budget| budget.value()).filter(|budget| selects(budget)).collect()
    }

    /// Takes one disruption from the budget; a dry run only sees whether there is one.
    async fn spend(&self, name: &str) -> Result<(), Status> {
        let kind = self.api.kind(&BUDGETS).await?;
        let target = Target { name: name.into(), subresource: "status".into(), ..Target::all(&BUDGETS) };
        let target = Target { namespace: self.target.namespace.clone(), ..target };
        let now = time(self.api.clock.now());
        let pod = &self.target.name;
        let change = |budget: &Arc<Value>| budget::spent(budget, pod, &now);
        let options = WriteOptions { dry_run: self.options.dry_run, ..WriteOptions::default() };
        let modification = Modification {
            part: Part::Status,
            options: &options,
            change: &change,
            keeps_managed_fields: false,
        };
        let call = crate::definitions::call();
        for _ in 1..TRIES {
            match self.api.modify(&call, &kind, &target, &modification).await {
                // Another eviction or the budget's controller was faster: what they left is looked at.
                Err(status) if status.is_conflict() => tokio::time::sleep(AGAIN).await,
                done => return done.map(drop),
            }
        }
        self.api.modify(&call, &kind, &target, &modification).await.map(drop)
    }

    /// `as_it_is`: only while the pod is in the version that was judged.
    async fn delete(&self, pod: &Value, as_it_is: bool) -> Result<(), Status> {
        let mut options = self.options.clone();
        let metadata = |field: &str| pod["metadata"][field].as_str().map(String::from);
        if options.preconditions.uid.is_none() {
            // It was judged for this pod, not for the next of its name.
            options.preconditions.uid = metadata("uid");
        }
        if as_it_is && options.preconditions.resource_version.is_none() {
            options.preconditions.resource_version = metadata("resourceVersion");
        }
        if !options.dry_run {
            let marked = self.mark(&options).await?;
            if let Some(version) = &mut options.preconditions.resource_version {
                *version = marked.value["metadata"]["resourceVersion"].as_str().unwrap_or_default().into();
            }
        }
        let deleted =
            self.api.delete_authorized(self.call, self.kind, &self.target, &options, Reviewed::Already);
        deleted.await.map(drop)
    }

    /// Says in the pod's status why it goes.
    async fn mark(&self, options: &DeleteOptions) -> Result<Written, Status> {
        let now = time(self.api.clock.now());
        let change = |pod: &Arc<Value>| {
            check_preconditions(options, pod, self.kind, &self.target.name)?;
            Ok(budget::disrupted(pod, &now))
        };
        let target = Target { subresource: "status".into(), ..self.target.clone() };
        let modification = Modification {
            part: Part::Status,
            options: &WriteOptions::default(),
            change: &change,
            keeps_managed_fields: true,
        };
        let (api, call) = (self.api, self.call);
        api.modify_reviewed(call, self.kind, &target, &modification, Reviewed::Already).await
    }
}
