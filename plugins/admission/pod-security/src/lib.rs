//! Pods, and templates of pods, are as the Pod Security Standards of their namespace's labels want
//! them: refused, noted or warned of where not.
//! <https://kubernetes.io/docs/concepts/security/pod-security-admission/>
//!
//! Configuration, as upstream's: `{"defaults": {"enforce": "baseline", "enforce-version": "latest", "audit":
//! …, "warn": …}, "exemptions": {"usernames": [], "namespaces": [], "runtimeClasses": []}}`. By default
//! everything is privileged.

mod checks;
mod config;
mod existing;
mod pod;
mod policy;

use std::collections::BTreeMap;

use orch_sdk::Value;
use orch_sdk::admission::{Admitted, Check, Condition, Delta, Denial, Description, Operation, Request};
use orch_sdk::object::Object;

use config::Config;
use existing::Existing;
use pod::Pod;
use policy::{Level, Policy, Standard};

/// Of pods. Any other may change what the standards are about.
const HARMLESS: [&str; 8] =
    ["attach", "binding", "eviction", "exec", "log", "portforward", "proxy", "status"];

/// Pods, and what makes them.
const OF_CORE: [&str; 5] =
    ["pods", "pods/ephemeralcontainers", "pods/resize", "podtemplates", "replicationcontrollers"];
const OF_APPS: [&str; 4] = ["daemonsets", "deployments", "replicasets", "statefulsets"];
const OF_BATCH: [&str; 2] = ["cronjobs", "jobs"];

#[derive(Default)]
pub struct PodSecurity {
    config: Config,
    namespaces: BTreeMap<String, Value>,
    pods: Existing,
}

orch_sdk::export_admission!(PodSecurity);

impl Check for PodSecurity {
    fn describe() -> Description {
        let operations = [Operation::Create, Operation::Update];
        Description::new()
            .reviews(&operations, &[""], &[&["namespaces"], &OF_CORE[..]].concat())
            .reviews(&operations, &["apps"], &OF_APPS)
            .reviews(&operations, &["batch"], &OF_BATCH)
            .reads("v1", "Namespace", &["metadata.labels"])
            .reads("v1", "Pod", &existing::FIELDS)
    }

    fn configure(&mut self, config: &Value) -> Result<(), String> {
        self.config = Config::read(config)?;
        Ok(())
    }

    /// What namespaces say of themselves always matters; what is in them where they say anything, or
    /// where the defaults do.
    fn conditions(&self) -> Vec<Condition> {
        if !self.config.defaults.is_privileged() {
            return Vec::new();
        }
        let in_namespaces = Condition::on(&[&OF_CORE[..], &OF_APPS, &OF_BATCH].concat());
        vec![in_namespaces.namespace_labels(&[&format!("{}*", policy::PREFIX)])]
    }

    fn sync(&mut self, delta: Delta) -> Result<(), String> {
        match delta {
            Delta::Upsert(object) if object.kind() == "Pod" => self.pods.put(&object),
            Delta::Remove(object) if object.kind() == "Pod" => self.pods.remove(&object),
            Delta::Upsert(namespace) => drop(self.namespaces.insert(namespace.name().into(), namespace)),
            Delta::Remove(namespace) => drop(self.namespaces.remove(namespace.name())),
        }
        Ok(())
    }

    fn review(&mut self, request: &Request) -> Result<Admitted, Denial> {
        match request.resource.resource.as_str() {
            "namespaces" => self.review_namespace(request),
            "pods" => self.review_pod(request),
            _ => self.review_template(request),
        }
    }
}

impl PodSecurity {
    fn policy_of(&self, namespace: &str) -> Policy {
        let namespace = self.namespaces.get(namespace);
        namespace.map_or(self.config.defaults, |namespace| Policy::of(namespace, self.config.defaults).0)
    }

    fn review_namespace(&self, request: &Request) -> Result<Admitted, Denial> {
        if !request.sub_resource.is_empty() {
            return Ok(Admitted::unchanged());
        }
        let (new, old) = (&request.object, &request.old_object);
        let (policy, errors) = Policy::of(new, self.config.defaults);
        let (before, known) = match request.operation {
            Operation::Update => Policy::of(old, self.config.defaults),
            _ => (self.config.defaults, Vec::new()),
        };
        if !errors.is_empty() && errors != known {
            return Err(invalid(new.name(), &errors));
        }
        let exempt = self.config.exempts_namespace(new.name());
        if request.operation == Operation::Create {
            return Ok(warned(exempt.then(|| self.exemption_warning(new, &policy)).flatten()));
        }
        let relaxed =
            policy.enforce.version == before.enforce.version && policy.enforce.level <= before.enforce.level;
        if policy.enforce == before.enforce || policy.enforce.level == Level::Privileged || relaxed {
            return Ok(Admitted::unchanged());
        }
        if exempt {
            return Ok(warned(self.exemption_warning(new, &policy)));
        }
        Ok(warned(self.pods.warnings(new.name(), policy.enforce, &self.config)))
    }

    fn exemption_warning(&self, namespace: &Value, policy: &Policy) -> Option<String> {
        let idle = policy.is_privileged() || *policy == self.config.defaults;
        (!idle).then(|| {
            format!(
                "namespace {:?} is exempt from Pod Security, and the policy ({}) will be ignored",
                namespace.name(),
                policy.labelled(namespace),
            )
        })
    }

    fn review_pod(&self, request: &Request) -> Result<Admitted, Denial> {
        if HARMLESS.contains(&request.sub_resource.as_str()) || self.config.exempts(request) {
            return Ok(Admitted::unchanged());
        }
        let policy = self.policy_of(&request.namespace);
        let (new, old) = (&request.object, &request.old_object);
        if policy.is_privileged() || request.operation == Operation::Update && !is_significant(new, old) {
            return Ok(Admitted::unchanged());
        }
        let Some(pod) = Pod::of(new).filter(|pod| !self.config.exempts_runtime(pod)) else {
            return Ok(Admitted::unchanged());
        };
        let violations = checks::evaluate(policy.enforce, &pod);
        if !violations.is_empty() {
            let why =
                format!("violates PodSecurity \"{}\": {}", policy.enforce, checks::in_detail(&violations));
            note(request, &policy, &pod);
            return Err(Denial::forbidden(why));
        }
        note(request, &policy, &pod);
        Ok(warned(would_violate(policy.warn, &pod)))
    }

    /// What makes pods is never refused: its pods are.
    fn review_template(&self, request: &Request) -> Result<Admitted, Denial> {
        let policy = self.policy_of(&request.namespace);
        let idle = policy.warn.level == Level::Privileged && policy.audit.level == Level::Privileged;
        if idle || !request.sub_resource.is_empty() || self.config.exempts(request) {
            return Ok(Admitted::unchanged());
        }
        let Some(pod) = Pod::of(&request.object).filter(|pod| !self.config.exempts_runtime(pod)) else {
            return Ok(Admitted::unchanged());
        };
        note(request, &policy, &pod);
        Ok(warned(would_violate(policy.warn, &pod)))
    }
}

fn would_violate(standard: Standard, pod: &Pod) -> Option<String> {
    let violations = checks::evaluate(standard, pod);
    let detail = || format!("would violate PodSecurity \"{standard}\": {}", checks::in_detail(&violations));
    (!violations.is_empty()).then(detail)
}

/// Mode `audit`: to this plugin's log.
fn note(request: &Request, policy: &Policy, pod: &Pod) {
    if let Some(violation) = would_violate(policy.audit, pod) {
        let Request { namespace, name, resource, user_info, .. } = request;
        let (resource, user) = (&resource.resource, &user_info.username);
        orch_sdk::log::info(&format!("audit: {resource} {namespace}/{name} of {user} {violation}"));
    }
}

fn warned(warnings: impl IntoIterator<Item = String>) -> Admitted {
    Admitted { warnings: warnings.into_iter().collect(), ..Admitted::default() }
}

fn invalid(name: &str, errors: &[String]) -> Denial {
    let listed = if errors.len() == 1 { errors.concat() } else { format!("[{}]", errors.join(", ")) };
    Denial::invalid(format!("Namespace {name:?} is invalid: {listed}"))
}

/// Whether an update changes more than what the standards never look at: images come and containers
/// are added.
fn is_significant(new: &Value, old: &Value) -> bool {
    let lists = ["containers", "initContainers"];
    let differ = lists.iter().any(|list| {
        let (new, old) = (new.items(&["spec", list]), old.items(&["spec", list]));
        new.len() != old.len() || new.iter().zip(old).any(|(new, old)| new["image"] != old["image"])
    });
    let ephemeral = |pod| Object::items(pod, &["spec", "ephemeralContainers"]);
    let known = |new: &Value| {
        ephemeral(old).iter().any(|old| old["name"] == new["name"] && old["image"] == new["image"])
    };
    differ || !ephemeral(new).iter().all(known)
}

#[cfg(test)]
mod tests;
