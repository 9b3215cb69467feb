//! `orch:admission`.

use std::sync::Arc;

use serde_json::Value;
use wasmtime::component::HasSelf;

use super::bindings::admission::exports::orch::admission::check as wit;
use super::bindings::admission::{Admission, AdmissionPre};
use super::resident::{Instance, Instantiate, Resident};
use super::scheduler::configured;
use super::{Context, HostState, pre_instantiate};
use crate::calls::CallError;
use crate::calls::admission::{AdmissionPlugin, Admitted, Delta, Denial, Description, Operation, Rule};
use crate::{Artifact, Limits, LoadError, PluginEngine, Snapshot, World};

/// A loaded admission check.
pub struct AdmissionComponent {
    description: Description,
    resident: Resident<Make>,
}

struct Make(AdmissionPre<HostState<()>>);

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
            Admission::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
        })?;
        let pre =
            AdmissionPre::new(pre).map_err(|cause| LoadError::Link { world: World::Admission, cause })?;
        let context = Context::new(self, name, artifact, limits);
        let make = Make(pre);
        let mut first = make.instantiate(&context).map_err(|error| context.describe_failed(&error))?;
        let description = describe(&context, &mut first)?;
        let config = config.to_string();
        configured(&context, make.configure(&context, &mut first, &config))?;
        Ok(Arc::new(AdmissionComponent {
            description,
            resident: Resident::new(context, make, first, config),
        }))
    }
}

fn describe(context: &Context, instance: &mut Instance<Admission>) -> Result<Description, LoadError> {
    let begun = context.begin(&mut instance.store, "describe", false);
    let result = instance.exports.orch_admission_check().call_describe(&mut instance.store);
    let description = context.end(begun, &instance.store, result);
    description
        .map(Description::from)
        .map_err(|error| LoadError::Describe { plugin: context.name.to_string(), cause: error.to_string() })
}

impl Instantiate for Make {
    type Exports = Admission;

    fn instantiate(&self, context: &Context) -> wasmtime::Result<Instance<Admission>> {
        let mut store = context.store(());
        let begun = context.begin(&mut store, "instantiate", false);
        let exports = self.0.instantiate(&mut store);
        drop(begun);
        Ok(Instance { exports: exports?, store })
    }

    fn configure(
        &self,
        context: &Context,
        instance: &mut Instance<Admission>,
        config: &str,
    ) -> Result<Result<(), String>, CallError> {
        let begun = context.begin(&mut instance.store, "configure", false);
        let result = instance.exports.orch_admission_check().call_configure(&mut instance.store, config);
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
        self.resident.configure(&config.to_string())
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

    fn instance(&self) -> u64 {
        self.resident.instance()
    }

    fn sync(&self, deltas: &[Delta]) -> Result<(), CallError> {
        let deltas: Vec<wit::Delta> = deltas.iter().map(wit::Delta::from).collect();
        self.resident
            .call("sync", |instance, _, context| {
                let begun = context.begin(&mut instance.store, "sync", false);
                let result = instance.exports.orch_admission_check().call_sync(&mut instance.store, &deltas);
                context.end(begun, &instance.store, result)
            })?
            .map_err(|message| self.resident.context.refused("sync", message))
    }

    fn review(&self, request: &str) -> Result<Result<Admitted, Denial>, CallError> {
        let request = request.to_string();
        let verdict = self.resident.call("review", |instance, _, context| {
            let begun = context.begin(&mut instance.store, "review", false);
            let result = instance.exports.orch_admission_check().call_review(&mut instance.store, &request);
            context.end(begun, &instance.store, result)
        })?;
        let verdict = verdict.map(Admitted::from).map_err(Denial::from);
        self.check(&verdict).map_err(|error| self.resident.context.refused("review", error))?;
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
