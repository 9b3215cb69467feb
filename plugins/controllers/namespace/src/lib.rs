//! Empties a namespace that is being deleted, over every namespaced kind, then lets it go.
//!
//! Pods go first: nothing they use is taken from under them. What remains, and why, stands in the
//! namespace's conditions, in upstream's words ([`conditions`]).

mod conditions;
mod content;

use orch_sdk::controller::{
    Api, Change, Controller, DeleteOptions, Description, Error, Kind, Outcome, PatchType,
};
use orch_sdk::object::Object;
use orch_sdk::{Value, json};

#[derive(Default)]
pub struct Namespaces;

orch_sdk::export_controller!(Namespaces);

/// What this controller holds a namespace by.
const FINALIZER: &str = "kubernetes";
/// What is being finalized tells when it is gone; this is for what nobody tells.
const LOOK_AGAIN_MS: u64 = 5_000;

impl Controller for Namespaces {
    fn describe() -> Description {
        Description::new()
            .concurrency(4)
            .watches(
                Kind::NAMESPACE,
                &["metadata.deletionTimestamp", "metadata.finalizers", "spec.finalizers"],
            )
            // Identity only: nothing but coming and going is told.
            .watches_mapped(Kind::ANY, &["metadata.namespace"])
    }

    /// What is gone may have been the last of its namespace.
    fn keys(&mut self, _: usize, change: Change, object: &Value, _: Option<&Value>) -> Vec<String> {
        match object.namespace() {
            namespace if change == Change::Deleted && !namespace.is_empty() => vec![namespace.into()],
            _ => Vec::new(),
        }
    }

    fn reconcile(&mut self, api: &dyn Api, key: &str) -> Result<Outcome, Error> {
        let going = |namespace: &Value| namespace.is_being_deleted();
        if !api.get(Kind::NAMESPACE.object("", key))?.as_ref().is_some_and(going) {
            return Ok(Outcome::done());
        }
        match api.get_live(Kind::NAMESPACE.object("", key))?.filter(going) {
            Some(namespace) => empty(api, &namespace),
            None => Ok(Outcome::done()),
        }
    }
}

fn holds(namespace: &Value) -> bool {
    namespace.items(&["spec", "finalizers"]).iter().any(|finalizer| finalizer == FINALIZER)
}

fn empty(api: &dyn Api, namespace: &Value) -> Result<Outcome, Error> {
    if !holds(namespace) {
        return Ok(Outcome::done()); // others' finalizers are theirs to take away
    }
    if namespace.at(&["status", "phase"]) != "Terminating" {
        write_status(api, namespace, json!({"phase": "Terminating"}))?;
    }
    let remaining = content::remove(api, namespace.name());
    let before = namespace.items(&["status", "conditions"]);
    let after = conditions::update(before, &remaining, api.now_ms());
    if after != before {
        write_status(api, namespace, json!({"phase": "Terminating", "conditions": after}))?;
    }
    if let Some(error) = remaining.errors.first() {
        return Err(Error::Other(error.clone()));
    }
    if !remaining.is_empty() || !remaining.undiscovered.is_empty() {
        return Ok(Outcome::requeue_after_ms(LOOK_AGAIN_MS));
    }
    finalize(api, namespace)
}

fn write_status(api: &dyn Api, namespace: &Value, status: Value) -> Result<(), Error> {
    let at = Kind::NAMESPACE.object("", namespace.name());
    let body = json!({"metadata": {"uid": namespace.uid()}, "status": status});
    match api.patch_subresource(at, "status", PatchType::Merge, &body) {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}

/// Takes this controller's finalizer away; the API removes a namespace that nothing holds.
fn finalize(api: &dyn Api, namespace: &Value) -> Result<Outcome, Error> {
    let at = Kind::NAMESPACE.object("", namespace.name());
    let Some(mut live) = api.get_live(at)?.filter(|live| live.uid() == namespace.uid()) else {
        return Ok(Outcome::done());
    };
    let others = live.items(&["spec", "finalizers"]).iter().filter(|finalizer| *finalizer != FINALIZER);
    let others: Value = others.cloned().collect();
    live.set(&["spec", "finalizers"], others);
    match api.update_subresource(&live, "finalize") {
        Err(error) if error.is_not_found() => return Ok(Outcome::done()),
        result => result?,
    };
    if live.items(&["spec", "finalizers"]).is_empty() && api.get_live(at)?.is_some() {
        match api.delete(at, &DeleteOptions::uid(namespace.uid())) {
            Err(error) if !error.is_not_found() && !error.is_conflict() => return Err(error.into()),
            _ => {}
        }
    }
    Ok(Outcome::done())
}

#[cfg(test)]
mod tests;
