//! `orch:scheduler`.

use std::sync::Arc;

use serde_json::Value;
use wasmtime::component::HasSelf;

use super::bindings::scheduler::exports::orch::scheduler::policy as wit;
use super::bindings::scheduler::{Scheduler, SchedulerPre};
use super::resident::{Instance, Instantiate, Resident};
use super::{Context, HostState, pre_instantiate};
use crate::calls::scheduler::{Delta, Description, Rejection, SchedulerPlugin};
use crate::calls::{CallError, NodeSet};
use crate::{Artifact, Limits, LoadError, PluginEngine, Snapshot, World};

/// A loaded scheduling policy.
pub struct SchedulerComponent {
    description: Description,
    resident: Resident<Make>,
}

struct Make(SchedulerPre<HostState<()>>);

impl PluginEngine {
    /// Instantiates a scheduling policy, asks what it is and gives it its configuration.
    pub fn load_scheduler(
        self: &Arc<Self>,
        name: &str,
        artifact: &Artifact,
        config: &Value,
        limits: Limits,
    ) -> Result<Arc<SchedulerComponent>, LoadError> {
        let pre = pre_instantiate(self, artifact, World::Scheduler, |linker| {
            Scheduler::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
        })?;
        let pre =
            SchedulerPre::new(pre).map_err(|cause| LoadError::Link { world: World::Scheduler, cause })?;
        let context = Context::new(self, name, artifact, limits);
        let make = Make(pre);
        let mut first = make.instantiate(&context).map_err(|error| context.describe_failed(&error))?;
        let description = describe(&context, &mut first)?;
        let config = config.to_string();
        configured(&context, make.configure(&context, &mut first, &config))?;
        Ok(Arc::new(SchedulerComponent {
            description,
            resident: Resident::new(context, make, first, config),
        }))
    }
}

/// A configuration that cannot be given is refused like one that is.
pub(super) fn configured(
    context: &Context,
    result: Result<Result<(), String>, CallError>,
) -> Result<(), LoadError> {
    let message = match result {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(message)) => message,
        Err(error) => error.to_string(),
    };
    Err(LoadError::Configure { plugin: context.name.to_string(), message })
}

fn describe(context: &Context, instance: &mut Instance<Scheduler>) -> Result<Description, LoadError> {
    let begun = context.begin(&mut instance.store, "describe", false);
    let result = instance.exports.orch_scheduler_policy().call_describe(&mut instance.store);
    let description = context.end(begun, &instance.store, result);
    description
        .map(Description::from)
        .map_err(|error| LoadError::Describe { plugin: context.name.to_string(), cause: error.to_string() })
}

impl Instantiate for Make {
    type Exports = Scheduler;

    fn instantiate(&self, context: &Context) -> wasmtime::Result<Instance<Scheduler>> {
        let mut store = context.store(());
        let begun = context.begin(&mut store, "instantiate", false);
        let exports = self.0.instantiate(&mut store);
        drop(begun);
        Ok(Instance { exports: exports?, store })
    }

    fn configure(
        &self,
        context: &Context,
        instance: &mut Instance<Scheduler>,
        config: &str,
    ) -> Result<Result<(), String>, CallError> {
        let begun = context.begin(&mut instance.store, "configure", false);
        let result = instance.exports.orch_scheduler_policy().call_configure(&mut instance.store, config);
        context.end(begun, &instance.store, result)
    }
}

impl SchedulerComponent {
    pub fn digest(&self) -> &str {
        &self.resident.context.digest
    }

    pub fn abi(&self) -> &str {
        &self.resident.context.abi
    }

    pub fn stats(&self) -> Snapshot {
        self.resident.context.stats.snapshot()
    }

    /// A new configuration on the resident state as it is.
    pub fn configure(&self, config: &Value) -> Result<(), CallError> {
        self.resident.configure(&config.to_string())
    }

    fn ask<R>(
        &self,
        function: &'static str,
        call: impl FnOnce(&mut Instance<Scheduler>) -> wasmtime::Result<Result<R, String>>,
    ) -> Result<R, CallError> {
        self.resident
            .call(function, |instance, _, context| {
                let begun = context.begin(&mut instance.store, function, false);
                let result = call(instance);
                context.end(begun, &instance.store, result)
            })?
            .map_err(|message| self.resident.context.refused(function, message))
    }
}

/// Far above any cluster; keeps a component from handing back arbitrary amounts.
const MOST_NODES: usize = 1 << 20;
const MOST_REJECTIONS: usize = 1024;
const LONGEST_REASON: usize = 1024;

impl SchedulerPlugin for SchedulerComponent {
    fn name(&self) -> &str {
        &self.resident.context.name
    }

    fn description(&self) -> &Description {
        &self.description
    }

    fn instance(&self) -> u64 {
        self.resident.instance()
    }

    fn sync(&self, deltas: &[Delta]) -> Result<(), CallError> {
        let deltas: Vec<wit::Delta> = deltas.iter().map(wit::Delta::from).collect();
        self.ask("sync", |instance| {
            instance.exports.orch_scheduler_policy().call_sync(&mut instance.store, &deltas)
        })
    }

    fn filter(&self, pod: &str) -> Result<Vec<Rejection>, CallError> {
        let verdict = self.ask("filter", |instance| {
            instance.exports.orch_scheduler_policy().call_filter(&mut instance.store, pod)
        })?;
        check_rejections(&verdict.rejections)
            .map_err(|error| self.resident.context.refused("filter", error))?;
        Ok(verdict.rejections.into_iter().map(Rejection::from).collect())
    }

    fn score(&self, pod: &str, feasible: &NodeSet) -> Result<Vec<u8>, CallError> {
        let scores = self.ask("score", |instance| {
            instance.exports.orch_scheduler_policy().call_score(&mut instance.store, pod, feasible)
        })?;
        check_scores(&scores).map_err(|error| self.resident.context.refused("score", error))?;
        Ok(scores)
    }
}

fn check_rejections(rejections: &[wit::Rejection]) -> Result<(), String> {
    if rejections.len() > MOST_REJECTIONS {
        return Err(format!("{} rejections, at most {MOST_REJECTIONS} are read", rejections.len()));
    }
    for rejection in rejections {
        if rejection.reason.is_empty() || rejection.reason.len() > LONGEST_REASON {
            return Err(format!(
                "a reason of {} bytes, 1 to {LONGEST_REASON} are shown",
                rejection.reason.len()
            ));
        }
        if rejection.nodes.len() > MOST_NODES / 64 {
            return Err(format!("a set of {} words", rejection.nodes.len()));
        }
    }
    Ok(())
}

fn check_scores(scores: &[u8]) -> Result<(), String> {
    if scores.len() > MOST_NODES {
        return Err(format!("{} scores", scores.len()));
    }
    match scores.iter().position(|score| *score > 100) {
        Some(node) => Err(format!("score {} for node index {node}, the highest is 100", scores[node])),
        None => Ok(()),
    }
}

impl From<wit::Description> for Description {
    fn from(description: wit::Description) -> Self {
        Description {
            interests: description.interests.into_iter().map(Into::into).collect(),
            filters: description.points.contains(wit::Points::FILTER),
            scores: description.points.contains(wit::Points::SCORE),
            depends_on_other_nodes: description.depends_on_other_nodes,
        }
    }
}

impl From<&Delta> for wit::Delta {
    fn from(delta: &Delta) -> Self {
        match delta {
            Delta::NodeUpsert(index, node) => wit::Delta::NodeUpsert((*index, node.clone())),
            Delta::NodeRemove(index) => wit::Delta::NodeRemove(*index),
            Delta::PodUpsert(key, index, pod) => wit::Delta::PodUpsert((key.clone(), *index, pod.clone())),
            Delta::PodRemove(key) => wit::Delta::PodRemove(key.clone()),
        }
    }
}

impl From<wit::Rejection> for Rejection {
    fn from(rejection: wit::Rejection) -> Self {
        let wit::Rejection { reason, nodes, unresolvable } = rejection;
        Rejection { reason, nodes, unresolvable }
    }
}
