//! `orch:scheduler`.

use std::sync::Arc;

use serde_json::Value;
use wasmtime::Store;
use wasmtime::component::HasSelf;

use super::bindings::scheduler::SchedulerFull;
use super::resident::{Instance, Instantiate, Resident};
use super::{Context, HostState, pre_instantiate};
use crate::calls::scheduler::{
    Advice, Delta, Description, Eviction, Permission, Plan, SchedulerPlugin, Scope, Verdict,
};
use crate::calls::{CallError, NodeSet};
use crate::{Artifact, Limits, LoadError, PluginEngine, Snapshot, World};

mod answers;
mod latest;
mod v0_1;

/// A loaded scheduling policy.
pub struct SchedulerComponent {
    description: Description,
    resident: Resident<Make>,
}

/// A linked component of one of the versions the host speaks.
enum Make {
    Latest(latest::Pre),
    V0_1(v0_1::Pre),
}

enum Exports {
    Latest(latest::Exports),
    V0_1(v0_1::Exports),
}

type State = Store<HostState<()>>;
/// The outer error: the call failed. The inner: what the component answered.
type Answered<R> = wasmtime::Result<Result<R, String>>;

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
            SchedulerFull::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
        })?;
        let link = |cause| LoadError::Link { world: World::Scheduler, cause };
        let make = if artifact.abi.starts_with("0.1.") {
            Make::V0_1(v0_1::Pre::new(pre).map_err(link)?)
        } else {
            Make::Latest(latest::Pre::new(pre).map_err(link)?)
        };
        let context = Context::new(self, name, artifact, limits);
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

fn describe(context: &Context, instance: &mut Instance<Exports>) -> Result<Description, LoadError> {
    let failed = |cause: String| LoadError::Describe { plugin: context.name.to_string(), cause };
    let begun = context.begin(&mut instance.store, "describe", false);
    let result = instance.exports.describe(&mut instance.store);
    let description =
        context.end(begun, &instance.store, result).map_err(|error| failed(error.to_string()))?;
    instance.exports.check(&description).map_err(failed)?;
    Ok(description)
}

impl Instantiate for Make {
    type Exports = Exports;

    fn instantiate(&self, context: &Context) -> wasmtime::Result<Instance<Exports>> {
        let mut store = context.store(());
        let begun = context.begin(&mut store, "instantiate", false);
        let exports = match self {
            Make::Latest(pre) => pre.instantiate(&mut store).map(Exports::Latest),
            Make::V0_1(pre) => pre.instantiate(&mut store).map(Exports::V0_1),
        };
        drop(begun);
        Ok(Instance { exports: exports?, store })
    }

    fn configure(
        &self,
        context: &Context,
        instance: &mut Instance<Exports>,
        config: &str,
    ) -> Result<Result<(), String>, CallError> {
        let begun = context.begin(&mut instance.store, "configure", false);
        let result = match &instance.exports {
            Exports::Latest(exports) => exports.configure(&mut instance.store, config),
            Exports::V0_1(exports) => exports.configure(&mut instance.store, config),
        };
        context.end(begun, &instance.store, result)
    }
}

impl Exports {
    fn describe(&self, store: &mut State) -> wasmtime::Result<Description> {
        match self {
            Exports::Latest(exports) => exports.describe(store),
            Exports::V0_1(exports) => exports.describe(store),
        }
    }

    /// Everything it takes part in must be there.
    fn check(&self, description: &Description) -> Result<(), String> {
        match self {
            Exports::Latest(exports) => exports.check(description.points),
            Exports::V0_1(_) => Ok(()),
        }
    }

    /// For extension points that only the latest version has: the host asks nobody else.
    fn latest(&self) -> wasmtime::Result<&latest::Exports> {
        match self {
            Exports::Latest(exports) => Ok(exports),
            Exports::V0_1(_) => Err(wasmtime::format_err!("orch:scheduler@0.1.0 has no such function")),
        }
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
        call: impl FnOnce(&Exports, &mut State) -> Answered<R>,
    ) -> Result<R, CallError> {
        self.resident
            .call(function, |instance, _, context| {
                let begun = context.begin(&mut instance.store, function, false);
                let result = call(&instance.exports, &mut instance.store);
                context.end(begun, &instance.store, result)
            })?
            .map_err(|message| self.resident.context.refused(function, message))
    }

    fn checked<R>(
        &self,
        function: &'static str,
        answer: R,
        check: impl FnOnce(&R) -> Result<(), String>,
    ) -> Result<R, CallError> {
        check(&answer).map_err(|message| self.resident.context.refused(function, message))?;
        Ok(answer)
    }
}

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
        self.ask("sync", |exports, store| match exports {
            Exports::Latest(exports) => exports.sync(store, deltas),
            Exports::V0_1(exports) => exports.sync(store, deltas),
        })
    }

    fn filter(&self, pod: &str, nodes: &NodeSet) -> Result<Verdict, CallError> {
        let verdict = self.ask("filter", |exports, store| match exports {
            Exports::Latest(exports) => exports.filter(store, pod, nodes),
            Exports::V0_1(exports) => exports.filter(store, pod),
        })?;
        self.checked("filter", verdict, answers::check_verdict)
    }

    fn score(&self, pod: &str, nodes: &NodeSet) -> Result<Vec<u32>, CallError> {
        let scores = self.ask("score", |exports, store| match exports {
            Exports::Latest(exports) => exports.score(store, pod, nodes),
            Exports::V0_1(exports) => exports.score(store, pod, nodes),
        })?;
        let normalization = self.description.normalization;
        self.checked("score", scores, |scores| answers::check_scores(scores, nodes, normalization))
    }

    fn rank(&self, pod: &str) -> Result<i64, CallError> {
        self.ask("rank", |exports, store| exports.latest()?.rank(store, pod))
    }

    fn propose(&self, pod: &str, nodes: &NodeSet) -> Result<Plan, CallError> {
        let plan = self.ask("propose", |exports, store| exports.latest()?.propose(store, pod, nodes))?;
        self.checked("propose", plan, answers::check_plan)
    }

    fn choose(&self, pod: &str, candidates: &[Eviction]) -> Result<Option<usize>, CallError> {
        let choice = self.ask("choose", |exports, store| exports.latest()?.choose(store, pod, candidates))?;
        self.checked("choose", choice, |choice| answers::check_choice(*choice, candidates.len()))
    }

    fn reserve(&self, pod: &str, node: u32) -> Result<(), CallError> {
        self.ask("reserve", |exports, store| exports.latest()?.reserve(store, pod, node))
    }

    fn unreserve(&self, pod: &str, node: u32) -> Result<(), CallError> {
        self.ask("unreserve", |exports, store| exports.latest()?.unreserve(store, pod, node))
    }

    fn permit(&self, pod: &str, node: u32) -> Result<Permission, CallError> {
        self.ask("permit", |exports, store| exports.latest()?.permit(store, pod, node))
    }

    fn pre_bind(&self, pod: &str, node: u32) -> Result<Advice, CallError> {
        let advice = self.ask("pre-bind", |exports, store| exports.latest()?.pre_bind(store, pod, node))?;
        self.checked("pre-bind", advice, answers::check_advice)
    }
}

/// Before 0.2.0 a component said one thing for filter and score alike.
fn scope(depends_on_other_nodes: bool) -> Scope {
    if depends_on_other_nodes { Scope::Cluster } else { Scope::Node }
}
