//! Keeps the status of PodDisruptionBudgets, by which evictions are granted, and withdraws the promise of a
//! disruption that did not come (`pkg/controller/disruption`).
//! <https://kubernetes.io/docs/tasks/run-application/configure-pdb/>

mod expected;
mod stale;
mod status;

use orch_sdk::controller::{
    Api, Change, Controller, Description, Error, Kind, Outcome, Selection, split_key,
};
use orch_sdk::object::{Object, identity};
use orch_sdk::selector::Selector;
use orch_sdk::{Value, serde_json};

use status::Counts;

const BUDGET: Kind = Kind::new("policy/v1", "PodDisruptionBudget");
/// Begins, in place of a name, a key that stands for all budgets that select the labels which follow.
/// Neither this nor [`STALE`] can begin a name.
const SELECTING: char = '?';
/// Begins the name of a pod whose promised disruption is to be looked at.
const STALE: char = '!';
/// Until a budget that could not be counted is counted again, if neither it nor its pods change.
const RETRY_MS: u64 = 60_000;

#[derive(Default)]
pub struct Disruption;

orch_sdk::export_controller!(Disruption);

impl Controller for Disruption {
    fn describe() -> Description {
        let of_budgets = ["metadata.generation", "spec", "status"];
        let of_pods = [
            "metadata.labels",
            "metadata.deletionTimestamp",
            "status.phase",
            "status.conditions[*].type",
            "status.conditions[*].status",
            "status.conditions[*].reason",
        ];
        Description::new().watches(BUDGET, &of_budgets).watches_mapped(Kind::POD, &of_pods)
    }

    /// Pods with the same labels concern the same budgets, so that a rollout of many wakes each once.
    fn keys(&mut self, _: usize, change: Change, pod: &Value, before: Option<&Value>) -> Vec<String> {
        let labels_of = |pod: &Value| pod.at(&["metadata", "labels"]).clone();
        let mut all = vec![labels_of(pod)];
        all.extend(before.map(labels_of).filter(|old| *old != all[0]));
        let namespace = pod.namespace();
        let mut keys: Vec<String> =
            all.iter().map(|labels| format!("{namespace}/{SELECTING}{labels}")).collect();
        if change != Change::Deleted && stale::is_promised(pod) {
            keys.push(format!("{namespace}/{STALE}{}", pod.name()));
        }
        keys
    }

    fn reconcile(&mut self, api: &dyn Api, key: &str) -> Result<Outcome, Error> {
        let (namespace, rest) = split_key(key);
        if let Some(labels) = rest.strip_prefix(SELECTING) {
            return all_selecting(api, namespace, labels);
        }
        if let Some(pod) = rest.strip_prefix(STALE) {
            return stale::withdraw(api, namespace, pod);
        }
        match api.get(BUDGET.object(namespace, rest))? {
            Some(budget) => sync(api, &budget),
            None => Ok(Outcome::done()),
        }
    }
}

fn all_selecting(api: &dyn Api, namespace: &str, labels: &str) -> Result<Outcome, Error> {
    let labels: Value = serde_json::from_str(labels).map_err(|error| error.to_string())?;
    let mut outcome = Outcome::done();
    let mut failed = None;
    for budget in api.list(BUDGET, Selection::within(namespace))? {
        // One that cannot be read is told so in its own turn.
        if !selector_of(&budget).is_ok_and(|selector| selector.is_some_and(|s| s.matches(&labels))) {
            continue;
        }
        match sync(api, &budget) {
            Ok(Outcome { requeue_after_ms }) => {
                let waits = outcome.requeue_after_ms.into_iter().chain(requeue_after_ms);
                outcome.requeue_after_ms = waits.min();
            }
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(outcome), Err)
}

/// `None`: no selector selects no pod, while an empty one selects all.
fn selector_of(budget: &Value) -> Result<Option<Selector>, String> {
    let selector = budget.at(&["spec", "selector"]);
    if selector.is_null() { Ok(None) } else { Selector::from_label_selector(selector).map(Some) }
}

fn sync(api: &dyn Api, budget: &Value) -> Result<Outcome, Error> {
    match count(api, budget) {
        Ok((counts, next)) => {
            status::write(api, budget, status::of(budget, &counts, api.now_ms()))?;
            Ok(next.map_or_else(Outcome::done, Outcome::requeue_after_ms))
        }
        // What cannot be counted must not be evicted.
        Err(error) => {
            status::write(api, budget, status::closed(budget, &error.to_string(), api.now_ms()))?;
            Ok(Outcome::requeue_after_ms(RETRY_MS))
        }
    }
}

/// What the budget's status says, and in how many milliseconds that may change by itself.
fn count(api: &dyn Api, budget: &Value) -> Result<(Counts, Option<u64>), Error> {
    let pods = pods_of(api, budget).inspect_err(|error| {
        api.event(budget, "Warning", "NoPods", &format!("Failed to get pods: {error}"));
    })?;
    if pods.is_empty() {
        api.event(budget, "Normal", "NoPods", "No matching pods found");
    }
    let expected = expected::of(api, budget, &pods).inspect_err(|error| {
        let message = format!("Failed to calculate the number of expected pods: {error}");
        api.event(budget, "Warning", "CalculateExpectedPodCountFailed", &message);
    })?;
    if expected.unmanaged {
        let selector = selector_of(budget)?.map(|selector| selector.to_string()).unwrap_or_default();
        let message = format!(
            "Pods selected by this PodDisruptionBudget (selector: {selector}) were found to be unmanaged. As a \
             result, the status of the PDB cannot be calculated correctly, which may result in undefined \
             behavior. To account for these pods please set \".spec.minAvailable\" field of the PDB to an \
             integer value."
        );
        api.event(budget, "Warning", "UnmanagedPods", &message);
    }
    let now = api.now_ms();
    let promised = stale::promised(api, budget, &pods, now);
    let healthy = pods.iter().filter(|pod| status::counts_as_healthy(pod, &promised.pods)).count();
    let counts = Counts {
        healthy: healthy as i64,
        desired: expected.desired,
        expected: expected.pods,
        promised: promised.pods,
    };
    Ok((counts, promised.next))
}

fn pods_of(api: &dyn Api, budget: &Value) -> Result<Vec<Value>, Error> {
    let Some(selector) = selector_of(budget)? else { return Ok(Vec::new()) };
    let labels = selector.to_string();
    let selected = Selection::within(budget.namespace()).labels(&labels);
    let mut pods = Vec::new();
    api.each(Kind::POD, selected, &mut |pod| pods.push(seen(&pod)))?;
    Ok(pods)
}

/// Of a pod what counts here: a budget may have thousands.
fn seen(pod: &Value) -> Value {
    let mut seen = identity(pod);
    for field in ["deletionTimestamp", "ownerReferences"] {
        let value = pod.at(&["metadata", field]);
        if !value.is_null() {
            seen.set(&["metadata", field], value.clone());
        }
    }
    seen.set(&["status", "conditions"], pod.items(&["status", "conditions"]).to_vec());
    seen
}

#[cfg(test)]
mod tests;
