//! An operator: a Website becomes a ConfigMap of its pages, a Deployment that serves them, and a
//! Service.
//!
//! All sites of a namespace are listed in its ConfigMap `websites`, which no single site owns: that
//! is what the finalizer is for.

mod condition;
mod manifests;

use orch_sdk::controller::{Api, Controller, Description, Error, Kind, Outcome, PatchType, split_key};
use orch_sdk::object::Object;
use orch_sdk::{Value, json};

const WEBSITE: Kind<'static> = Kind::new("example.orch.dev/v1", "Website");
const CONFIG_MAP: Kind<'static> = Kind::new("v1", "ConfigMap");
const FINALIZER: &str = "example.orch.dev/website";
const LIST: &str = "websites";
const CHANGES: &str = "website_changes_total";
const READY: &str = "website_ready_replicas";

#[derive(Default)]
pub struct WebsiteOperator;

orch_sdk::export_controller!(WebsiteOperator);

/// An object is there as it should be, or its name belongs to somebody else.
enum Ensured {
    Done(Value),
    Conflict(String),
}

impl Controller for WebsiteOperator {
    fn describe() -> Description {
        Description::new()
            .concurrency(2)
            .watches(WEBSITE, &["spec", "metadata.generation", "metadata.deletionTimestamp"])
            .watches_owned(CONFIG_MAP, WEBSITE, &["metadata.ownerReferences", "data"])
            .watches_owned(Kind::SERVICE, WEBSITE, &["metadata.ownerReferences", "spec"])
            .watches_owned(
                Kind::DEPLOYMENT,
                WEBSITE,
                &["metadata.ownerReferences", "spec", "status.readyReplicas"],
            )
            .counter(CHANGES, "Objects of websites that were created or put right.")
            .gauge(READY, "Replicas of a website that are ready.")
    }

    fn reconcile(&mut self, api: &dyn Api, key: &str) -> Result<Outcome, Error> {
        let (namespace, name) = split_key(key);
        match api.get(WEBSITE.object(namespace, name))? {
            None => api.forget(READY, &[("namespace", namespace), ("website", name)]),
            Some(site) if site.is_being_deleted() => let_go(api, &site)?,
            Some(site) => publish(api, site)?,
        }
        Ok(Outcome::done())
    }
}

fn publish(api: &dyn Api, site: Value) -> Result<(), Error> {
    let site = hold(api, site)?;
    let mut ready = 0;
    for wanted in manifests::objects_of(&site) {
        match ensure(api, &site, &wanted)? {
            Ensured::Done(found) if found.kind() == "Deployment" => {
                ready = found.at(&["status", "readyReplicas"]).as_i64().unwrap_or(0);
            }
            Ensured::Done(_) => {}
            Ensured::Conflict(message) => {
                api.event(&site, "Warning", "Conflict", &message);
                return tell(api, &site, 0, "Conflict", &message);
            }
        }
    }
    enlist(api, &site)?;
    let wanted = manifests::replicas(&site);
    let reason = if ready >= wanted { "Available" } else { "Progressing" };
    tell(api, &site, ready, reason, &format!("{ready} of {wanted} replicas are ready"))
}

/// With the finalizer on it.
fn hold(api: &dyn Api, site: Value) -> Result<Value, Error> {
    if site.finalizers().any(|one| one == FINALIZER) {
        return Ok(site);
    }
    let finalizers: Vec<&str> = site.finalizers().chain([FINALIZER]).collect();
    let patch = json!({"metadata": {"finalizers": finalizers}});
    Ok(api.patch(WEBSITE.object(site.namespace(), site.name()), PatchType::Merge, &patch)?)
}

/// Makes an object what it should be.
fn ensure(api: &dyn Api, site: &Value, wanted: &Value) -> Result<Ensured, Error> {
    let kind = Kind::new(wanted.api_version(), wanted.kind());
    let Some(found) = api.get(kind.object(wanted.namespace(), wanted.name()))? else {
        let made = api.create(wanted)?;
        api.event(site, "Normal", "Created", &format!("{} {}", kind.kind, wanted.name()));
        api.count(CHANGES, &[("kind", kind.kind), ("change", "created")], 1.0);
        return Ok(Ensured::Done(made));
    };
    if found.controller().is_none_or(|owner| owner.uid != site.uid()) {
        let message = format!("{} {} belongs to somebody else", kind.kind, wanted.name());
        return Ok(Ensured::Conflict(message));
    }
    if manifests::is_as_wanted(wanted, &found) {
        return Ok(Ensured::Done(found));
    }
    let put_right = api.update(&manifests::corrected(wanted, found))?;
    api.count(CHANGES, &[("kind", kind.kind), ("change", "put-right")], 1.0);
    Ok(Ensured::Done(put_right))
}

/// Writes the status, when it differs.
fn tell(api: &dyn Api, site: &Value, ready: i64, reason: &str, message: &str) -> Result<(), Error> {
    api.gauge(READY, &[("namespace", site.namespace()), ("website", site.name())], ready as f64);
    let mut after = site.clone();
    after.set(&["status", "observedGeneration"], site.generation());
    after.set(&["status", "readyReplicas"], ready);
    condition::set(&mut after, "Ready", reason == "Available", reason, message, api.now_ms());
    if after["status"] != site["status"] {
        api.update_status(&after)?;
    }
    Ok(())
}

fn enlist(api: &dyn Api, site: &Value) -> Result<(), Error> {
    let (namespace, name) = (site.namespace(), site.name());
    let entry = json!({name: format!("http://{name}.{namespace}.svc")});
    match api.get(CONFIG_MAP.object(namespace, LIST))? {
        None => {
            let metadata = json!({"name": LIST, "namespace": namespace});
            let list = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": entry});
            api.create(&list)?;
        }
        Some(list) if list["data"][name] == entry[name] => {}
        Some(_) => {
            api.patch(CONFIG_MAP.object(namespace, LIST), PatchType::Merge, &json!({"data": entry}))?;
        }
    }
    Ok(())
}

fn let_go(api: &dyn Api, site: &Value) -> Result<(), Error> {
    if !site.finalizers().any(|one| one == FINALIZER) {
        return Ok(());
    }
    let (namespace, name) = (site.namespace(), site.name());
    let gone = json!({"data": {name: null}});
    match api.patch(CONFIG_MAP.object(namespace, LIST), PatchType::Merge, &gone) {
        Err(error) if !error.is_not_found() => return Err(error.into()),
        Ok(_) | Err(_) => {}
    }
    let others: Vec<&str> = site.finalizers().filter(|one| *one != FINALIZER).collect();
    let others = if others.is_empty() { Value::Null } else { json!(others) };
    let patch = json!({"metadata": {"finalizers": others}});
    api.patch(WEBSITE.object(namespace, name), PatchType::Merge, &patch)?;
    Ok(())
}

#[cfg(test)]
mod tests;
