//! Mutating policies at work (`…/policy/mutating`).

use std::sync::Arc;

use orch_object::cel::{Meter, PER_POLICY};
use orch_object::{Kind, Status};
use serde_json::{Value, json};

use super::compiled::{Binding, Mutation, Policy};
use super::conditions::evaluate;
use super::inputs::{Inputs, Scope, namespace_of_cluster};
use super::installed::Bound;
use super::validate::name_of;
use super::{OnFailure, params, patch};
use crate::matching::namespace_of;
use crate::{Cluster, Memory, Review};

/// A policy with a binding and one of its params, on its way to the object.
struct Invocation<'a> {
    policy: &'a Policy,
    binding: &'a Binding,
    /// The version the policy asks for.
    kind: &'a Kind,
    params: Option<Arc<Value>>,
}

struct Refused {
    message: String,
    /// Empty: `Forbidden`.
    reason: &'static str,
}

pub(super) fn run(
    pairs: &[Bound],
    review: &Review<'_>,
    object: &mut Value,
    cluster: &Arc<dyn Cluster>,
    memory: &mut Memory,
) -> Result<(), Status> {
    let kinds = cluster.kinds();
    let mut refused = Vec::new();
    let mut invocations = Vec::new();
    for Bound { policy, bindings } in pairs {
        let kind = match matched(&policy.matcher, review, object, &kinds, cluster) {
            Ok(Some(kind)) => kind,
            Ok(None) => continue,
            Err(why) => {
                refuse(&mut refused, policy, None, &format!("failed to configure policy: {why}"), "");
                continue;
            }
        };
        for binding in bindings {
            let params = match matched(&binding.matcher, review, object, &kinds, cluster) {
                Ok(None) => continue,
                Ok(Some(_)) => params::collect(policy, binding, namespace_of(review), cluster),
                Err(why) => Err(why),
            };
            match params {
                Ok(params) => invocations.extend(params.into_iter().map(|params| Invocation {
                    policy,
                    binding,
                    kind,
                    params,
                })),
                Err(why) => {
                    let why = format!("failed to configure binding: {why}");
                    refuse(&mut refused, policy, Some(binding), &why, "");
                }
            }
        }
    }
    for invocation in &invocations {
        invocation.run(review, object, cluster, memory, &mut refused);
    }
    match refused.first() {
        None => Ok(()),
        Some(first) => Err(refusal(review, object, first, &refused)),
    }
}

fn matched<'k>(
    matcher: &Result<crate::Matcher, String>,
    review: &Review<'k>,
    object: &Value,
    kinds: &'k orch_object::Kinds,
    cluster: &Arc<dyn Cluster>,
) -> Result<Option<&'k Kind>, String> {
    let namespaces = |name: &str| namespace_of_cluster(cluster, name);
    let matcher = matcher.as_ref().map_err(String::clone)?;
    matcher.matches(review, object, kinds, &namespaces).map_err(|status| status.message)
}

/// What fails counts only where the policy says so.
fn refuse(
    refused: &mut Vec<Refused>,
    policy: &Policy,
    binding: Option<&Binding>,
    why: &str,
    reason: &'static str,
) {
    if policy.on_failure == OnFailure::Ignore {
        return;
    }
    let message = match binding {
        Some(binding) => {
            format!("policy '{}' with binding '{}' denied request: {why}", policy.name, binding.name)
        }
        None => format!("policy {:?} denied request: {why}", policy.name),
    };
    refused.push(Refused { message, reason });
}

impl Invocation<'_> {
    /// Tells it from the others of the same request.
    fn key(&self) -> String {
        let text = |field: &str| {
            let params = self.params.as_ref().map(|params| &params["metadata"][field]);
            params.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        format!("{}/{}/{}/{}", self.policy.name, self.binding.name, text("namespace"), text("name"))
    }

    fn run(
        &self,
        review: &Review<'_>,
        object: &mut Value,
        cluster: &Arc<dyn Cluster>,
        memory: &mut Memory,
        refused: &mut Vec<Refused>,
    ) {
        let Invocation { policy, binding, kind, params } = self;
        let key = self.key();
        if !memory.wants(&key) {
            return;
        }
        let holds = with_inputs(review, kind, object, cluster, |inputs| {
            policy.conditions.hold(inputs, params.clone())
        });
        match holds {
            Ok(true) => {}
            Ok(false) => return,
            Err(why) => return refuse(refused, policy, Some(binding), &why, "Invalid"),
        }
        let mut changed = false;
        for mutation in &policy.mutations {
            match mutate(mutation, self, review, object, cluster) {
                Ok(patched) => {
                    changed |= patched != *object;
                    *object = patched;
                }
                Err(why) => refuse(refused, policy, Some(binding), &why, "Invalid"),
            }
        }
        if changed {
            memory.changed();
        }
        if policy.again_if_needed {
            memory.asked(&key);
        }
    }
}

fn with_inputs<T>(
    review: &Review<'_>,
    kind: &Kind,
    object: &Value,
    cluster: &Arc<dyn Cluster>,
    ask: impl FnOnce(&Inputs<'_>) -> T,
) -> T {
    let shown = patch::converted(review.kind, kind, object);
    let old = review.old.map(|old| patch::converted(review.kind, kind, old));
    ask(&Inputs::new(review, kind, &shown, old.as_deref(), cluster))
}

/// The object after one mutation, in the version of the request.
fn mutate(
    mutation: &Mutation,
    invocation: &Invocation<'_>,
    review: &Review<'_>,
    object: &Value,
    cluster: &Arc<dyn Cluster>,
) -> Result<Value, String> {
    let Invocation { policy, kind, params, .. } = invocation;
    let given = with_inputs(review, kind, object, cluster, |inputs| {
        let meter = Meter::new(PER_POLICY);
        let scope = Scope::new(inputs, params.clone(), &policy.variables, &meter);
        evaluate(&mutation.program, mutation.expression.trim(), &scope).map_err(|why| why.to_string())
    })?;
    let shown = patch::converted(review.kind, kind, object);
    let patched = patch::apply(kind, &shown, &given, mutation.kind)?;
    Ok(patch::converted(kind, review.kind, &patched).into_owned())
}

fn refusal(review: &Review<'_>, object: &Value, first: &Refused, all: &[Refused]) -> Status {
    let mut status = Status::forbidden(review.kind, name_of(object, review.name), "");
    status.message = first.message.clone();
    if !first.reason.is_empty() {
        status.reason = first.reason.into();
    }
    let causes: Vec<Value> = all.iter().map(|refused| json!({ "message": refused.message })).collect();
    if let Some(details) = &mut status.details {
        details["causes"] = causes.into();
    }
    status
}
