//! The component's side of `orch:admission`.

use serde_json::Value;

use super::{Admitted, Check, Condition, Delta, Denial, Description, Operation, Reading, Rule};
use crate::bindings::admission::exports::orch::admission::{check as wit, relevance, view};
use crate::bindings::scheduler::orch::host::interests;

/// Implemented by `export_admission!`: where the one instance of the check lives.
pub trait Exports: 'static {
    type Check: Check;
    fn with<R>(f: impl FnOnce(&mut Self::Check) -> R) -> R;
}

impl<T: Exports> wit::Guest for T {
    fn describe() -> wit::Description {
        crate::log::report_panics();
        T::Check::describe().into()
    }

    fn configure(config: String) -> Result<(), String> {
        let config = parse(&config)?;
        T::with(|check| check.configure(&config))
    }

    fn sync(deltas: Vec<wit::Delta>) -> Result<(), String> {
        T::with(|check| deltas.into_iter().try_for_each(|delta| check.sync(read_delta(delta)?)))
    }

    fn review(request: String) -> Result<wit::Admitted, wit::Denial> {
        let request = serde_json::from_str(&request).map_err(|error| wit::Denial {
            code: 500,
            reason: "InternalError".into(),
            message: format!("not an AdmissionRequest: {error}"),
        })?;
        match T::with(|check| check.review(&request)) {
            Ok(Admitted { patch, warnings }) => Ok(wit::Admitted { patch, warnings }),
            Err(Denial { code, reason, message }) => Err(wit::Denial { code, reason, message }),
        }
    }
}

impl<T: Exports> relevance::Guest for T {
    fn conditions() -> Vec<relevance::Condition> {
        let condition = |Condition { resources, groups, namespace_labels }| relevance::Condition {
            resources,
            groups,
            namespace_labels,
        };
        T::with(|check| check.conditions()).into_iter().map(condition).collect()
    }
}

impl<T: Exports> view::Guest for T {
    fn reads() -> Vec<view::Reading> {
        let reading = |Reading { resources, fields }| view::Reading { resources, fields };
        T::with(|check| check.reads()).into_iter().map(reading).collect()
    }
}

fn parse(json: &str) -> Result<Value, String> {
    serde_json::from_str(json).map_err(|error| format!("not JSON: {error}"))
}

fn read_delta(delta: wit::Delta) -> Result<Delta, String> {
    Ok(match delta {
        wit::Delta::Upsert(object) => Delta::Upsert(parse(&object)?),
        wit::Delta::Remove(object) => Delta::Remove(parse(&object)?),
    })
}

impl From<Description> for wit::Description {
    fn from(description: Description) -> Self {
        wit::Description {
            rules: description.rules.into_iter().map(wit::Rule::from).collect(),
            interests: description.interests.into_iter().map(interests::Interest::from).collect(),
            mutates: description.mutates,
        }
    }
}

impl From<Rule> for wit::Rule {
    fn from(rule: Rule) -> Self {
        let Rule { operations, api_groups, resources } = rule;
        wit::Rule {
            operations: operations.into_iter().map(wit::Operation::from).collect(),
            api_groups,
            resources,
        }
    }
}

impl From<Operation> for wit::Operation {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::Create => wit::Operation::Create,
            Operation::Update => wit::Operation::Update,
            Operation::Delete => wit::Operation::Delete,
            Operation::Connect => wit::Operation::Connect,
        }
    }
}
