//! `orch:admission`.

mod known;

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;
use wasmtime::Store;
use wasmtime::component::{HasSelf, InstancePre};

use known::Known;

use super::bindings::admission::AdmissionView;
use super::bindings::admission::exports::orch::admission::{check as wit, relevance, view};
use super::resident::{Instance, Instantiate, Resident};
use super::scheduler::configured;
use super::{Context, HostState, pre_instantiate};
use crate::calls::CallError;
use crate::calls::admission::{
    AdmissionPlugin, Admitted, Condition, Delta, Denial, Description, Operation, Reading, Rule,
};
use crate::view::View;
use crate::{Artifact, Limits, LoadError, PluginEngine, Snapshot, World};

/// A loaded admission check.
pub struct AdmissionComponent {
    description: Description,
    about: Mutex<About>,
    resident: Resident<Make>,
    known: Known,
}

/// What a check says of itself as it is configured.
#[derive(Clone)]
struct About {
    conditions: Arc<[Condition]>,
    view: Arc<View>,
}

/// A linked component and where its functions are.
struct Make {
    component: InstancePre<HostState<()>>,
    check: wit::GuestIndices,
    /// Since 0.1.1, and not of every component.
    relevance: Option<relevance::GuestIndices>,
    /// Since 0.1.2.
    view: Option<view::GuestIndices>,
}

struct Exports {
    check: wit::Guest,
    relevance: Option<relevance::Guest>,
    view: Option<view::Guest>,
}

/// The most that a component may say of what matters to it, and of what it reads.
const MOST_CONDITIONS: usize = 64;

impl PluginEngine {
    /// Instantiates an admission check, asks what it is and gives it its configuration.
    pub fn load_admission(
        self: &Arc<Self>,
        name: &str,
        artifact: &Artifact,
        config: &Value,
        limits: Limits,
    ) -> Result<Arc<AdmissionComponent>, LoadError> {
        let pre = pre_instantiate(self, artifact, World::Admission, |linker| {
            AdmissionView::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
        })?;
        let make = Make::new(pre).map_err(|cause| LoadError::Link { world: World::Admission, cause })?;
        let context = Context::new(self, name, artifact, limits);
        let mut first = make.instantiate(&context).map_err(|error| context.describe_failed(&error))?;
        let description = describe(&context, &mut first)?;
        let config = config.to_string();
        configured(&context, make.configure(&context, &mut first, &config))?;
        let about = About::ask(&context, &mut first).map_err(|error| LoadError::Describe {
            plugin: context.name.to_string(),
            cause: error.to_string(),
        })?;
        Ok(Arc::new(AdmissionComponent {
            description,
            about: Mutex::new(about),
            resident: Resident::new(context, make, first, config),
            known: Known::default(),
        }))
    }
}

fn describe(context: &Context, instance: &mut Instance<Exports>) -> Result<Description, LoadError> {
    let begun = context.begin(&mut instance.store, "describe", false);
    let result = instance.exports.check.call_describe(&mut instance.store);
    let description = context.end(begun, &instance.store, result);
    description
        .map(Description::from)
        .map_err(|error| LoadError::Describe { plugin: context.name.to_string(), cause: error.to_string() })
}

impl About {
    fn ask(context: &Context, instance: &mut Instance<Exports>) -> Result<Self, CallError> {
        let conditions = conditions(context, instance)?;
        let view = View::new(readings(context, instance)?);
        let view = view.map_err(|message| context.refused("reads", message))?;
        Ok(About { conditions, view: Arc::new(view) })
    }
}

fn conditions(context: &Context, instance: &mut Instance<Exports>) -> Result<Arc<[Condition]>, CallError> {
    let Some(relevance) = &instance.exports.relevance else { return Ok(Arc::default()) };
    let begun = context.begin(&mut instance.store, "conditions", false);
    let result = relevance.call_conditions(&mut instance.store);
    let conditions = context.end(begun, &instance.store, result)?;
    if conditions.len() > MOST_CONDITIONS {
        return Err(context.refused("conditions", format!("more than {MOST_CONDITIONS} conditions")));
    }
    Ok(conditions.into_iter().map(Condition::from).collect())
}

fn readings(context: &Context, instance: &mut Instance<Exports>) -> Result<Vec<Reading>, CallError> {
    let Some(view) = &instance.exports.view else { return Ok(Vec::new()) };
    let begun = context.begin(&mut instance.store, "reads", false);
    let result = view.call_reads(&mut instance.store);
    let readings = context.end(begun, &instance.store, result)?;
    if readings.len() > MOST_CONDITIONS {
        return Err(context.refused("reads", format!("more than {MOST_CONDITIONS} readings")));
    }
    let reading = |view::Reading { resources, fields }| Reading { resources, fields };
    Ok(readings.into_iter().map(reading).collect())
}

impl Make {
    fn new(component: InstancePre<HostState<()>>) -> wasmtime::Result<Self> {
        Ok(Make {
            check: wit::GuestIndices::new(&component)?,
            relevance: relevance::GuestIndices::new(&component).ok(),
            view: view::GuestIndices::new(&component).ok(),
            component,
        })
    }

    fn load(&self, store: &mut Store<HostState<()>>) -> wasmtime::Result<Exports> {
        let instance = self.component.instantiate(&mut *store)?;
        let relevance = self.relevance.as_ref().map(|indices| indices.load(&mut *store, &instance));
        let view = self.view.as_ref().map(|indices| indices.load(&mut *store, &instance));
        Ok(Exports {
            check: self.check.load(&mut *store, &instance)?,
            relevance: relevance.transpose()?,
            view: view.transpose()?,
        })
    }
}

impl Instantiate for Make {
    type Exports = Exports;

    fn instantiate(&self, context: &Context) -> wasmtime::Result<Instance<Exports>> {
        let mut store = context.store(());
        let begun = context.begin(&mut store, "instantiate", false);
        let exports = self.load(&mut store);
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
        let result = instance.exports.check.call_configure(&mut instance.store, config);
        context.end(begun, &instance.store, result)
    }
}

impl AdmissionComponent {
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
        self.resident.configure(&config.to_string())?;
        let changed =
            self.resident.call("conditions", |instance, _, context| About::ask(context, instance))?;
        *self.about.lock() = changed;
        self.known.forget();
        Ok(())
    }
}

/// As large as the API takes in one request.
const LONGEST_PATCH: usize = 3 << 20;
const MOST_WARNINGS: usize = 64;
const LONGEST_MESSAGE: usize = 4096;

impl AdmissionPlugin for AdmissionComponent {
    fn name(&self) -> &str {
        &self.resident.context.name
    }

    fn description(&self) -> &Description {
        &self.description
    }

    fn conditions(&self) -> Arc<[Condition]> {
        self.about.lock().conditions.clone()
    }

    fn view(&self) -> Arc<View> {
        self.about.lock().view.clone()
    }

    fn instance(&self) -> u64 {
        self.resident.instance()
    }

    fn sync(&self, deltas: &[Delta]) -> Result<(), CallError> {
        self.known.forget();
        let deltas: Vec<wit::Delta> = deltas.iter().map(wit::Delta::from).collect();
        self.resident
            .call("sync", |instance, _, context| {
                let begun = context.begin(&mut instance.store, "sync", false);
                let result = instance.exports.check.call_sync(&mut instance.store, &deltas);
                context.end(begun, &instance.store, result)
            })?
            .map_err(|message| self.resident.context.refused("sync", message))
    }

    fn review(&self, request: &str) -> Result<Result<Admitted, Denial>, CallError> {
        let request = request.to_string();
        let verdict = self.resident.call("review", |instance, _, context| {
            let begun = context.begin(&mut instance.store, "review", false);
            let result = instance.exports.check.call_review(&mut instance.store, &request);
            context.end(begun, &instance.store, result)
        })?;
        let verdict = verdict.map(Admitted::from).map_err(Denial::from);
        self.check(&verdict).map_err(|error| self.resident.context.refused("review", error))?;
        Ok(verdict)
    }

    fn review_cut(&self, request: &str) -> Result<Result<Admitted, Denial>, CallError> {
        let age = match self.known.answer(request) {
            Ok(admitted) => return Ok(Ok(admitted)),
            Err(age) => age,
        };
        let verdict = self.review(request)?;
        if let Ok(admitted) = &verdict {
            self.known.keep(request, age, admitted);
        }
        Ok(verdict)
    }
}

impl AdmissionComponent {
    fn check(&self, verdict: &Result<Admitted, Denial>) -> Result<(), String> {
        match verdict {
            Ok(admitted) => self.check_admitted(admitted),
            Err(denial) => check_denial(denial),
        }
    }

    fn check_admitted(&self, admitted: &Admitted) -> Result<(), String> {
        if !admitted.patch.is_empty() && !self.description.mutates {
            return Err("it returned a patch and does not say `mutates`".into());
        }
        if admitted.patch.len() > LONGEST_PATCH {
            return Err(format!("a patch of {} bytes", admitted.patch.len()));
        }
        let too_long = admitted.warnings.iter().any(|warning| warning.len() > LONGEST_MESSAGE);
        if too_long || admitted.warnings.len() > MOST_WARNINGS {
            return Err(format!("more than {MOST_WARNINGS} warnings, or one over {LONGEST_MESSAGE} bytes"));
        }
        Ok(())
    }
}

fn check_denial(denial: &Denial) -> Result<(), String> {
    if !(400..600).contains(&denial.code) {
        return Err(format!("a denial with the code {}, which is no HTTP error", denial.code));
    }
    if denial.message.len() > 16 * LONGEST_MESSAGE || denial.reason.len() > 256 {
        return Err("a denial with an endless message".into());
    }
    Ok(())
}

impl From<wit::Description> for Description {
    fn from(description: wit::Description) -> Self {
        Description {
            rules: description.rules.into_iter().map(Rule::from).collect(),
            interests: description.interests.into_iter().map(Into::into).collect(),
            mutates: description.mutates,
        }
    }
}

impl From<wit::Rule> for Rule {
    fn from(rule: wit::Rule) -> Self {
        let operations = rule.operations.into_iter().map(Operation::from).collect();
        Rule { operations, api_groups: rule.api_groups, resources: rule.resources }
    }
}

impl From<relevance::Condition> for Condition {
    fn from(condition: relevance::Condition) -> Self {
        let relevance::Condition { resources, groups, namespace_labels } = condition;
        Condition { resources, groups, namespace_labels }
    }
}

impl From<wit::Operation> for Operation {
    fn from(operation: wit::Operation) -> Self {
        match operation {
            wit::Operation::Create => Operation::Create,
            wit::Operation::Update => Operation::Update,
            wit::Operation::Delete => Operation::Delete,
            wit::Operation::Connect => Operation::Connect,
        }
    }
}

impl From<&Delta> for wit::Delta {
    fn from(delta: &Delta) -> Self {
        match delta {
            Delta::Upsert(object) => wit::Delta::Upsert(object.clone()),
            Delta::Remove(object) => wit::Delta::Remove(object.clone()),
        }
    }
}

impl From<wit::Admitted> for Admitted {
    fn from(admitted: wit::Admitted) -> Self {
        let wit::Admitted { patch, warnings } = admitted;
        Admitted { patch, warnings }
    }
}

impl From<wit::Denial> for Denial {
    fn from(denial: wit::Denial) -> Self {
        let wit::Denial { code, reason, message } = denial;
        Denial { code, reason, message }
    }
}
