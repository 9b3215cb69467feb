//! Validating policies at work (`…/policy/validating`).

use std::collections::BTreeMap;
use std::sync::Arc;

use orch_object::cel::{self, Meter, PER_POLICY};
use orch_object::{Kind, Status};
use serde_json::{Value, json};

use super::compiled::{Annotation, Binding, Policy, Validation};
use super::conditions::{Failure, evaluate};
use super::inputs::{Inputs, Scope, namespace_of_cluster};
use super::installed::Bound;
use super::{OnFailure, params, patch};
use crate::matching::namespace_of;
use crate::{Cluster, Notes, Review};

/// Bytes of a computed message.
const LONGEST_MESSAGE: usize = 5 * 1024;
/// Bytes of an annotation.
const LONGEST_ANNOTATION: usize = 10 * 1024;
/// Failures that an audit event lists.
const MOST_FAILURES: usize = 50;
const FAILURES: &str = "validation.policy.admission.k8s.io/validation_failure";

/// A denial.
struct Denied {
    policy: String,
    binding: Option<String>,
    message: String,
    /// Empty: `Invalid`.
    reason: String,
}

/// What one validation says.
enum Verdict {
    Admitted,
    /// Its message and reason.
    Denied(String, String),
}

struct Dispatch<'a> {
    review: &'a Review<'a>,
    cluster: &'a Arc<dyn Cluster>,
    denied: Vec<Denied>,
    failures: Vec<Value>,
    notes: &'a mut Notes,
}

pub(super) fn run(
    pairs: &[Bound],
    review: &Review<'_>,
    object: &Value,
    cluster: &Arc<dyn Cluster>,
    notes: &mut Notes,
) -> Result<(), Status> {
    let kinds = cluster.kinds();
    let namespaces = |name: &str| namespace_of_cluster(cluster, name);
    let mut dispatch = Dispatch { review, cluster, denied: Vec::new(), failures: Vec::new(), notes };
    for Bound { policy, bindings } in pairs {
        let matched = match &policy.matcher {
            Ok(matcher) => matcher.matches(review, object, &kinds, &namespaces).map_err(|s| s.message),
            Err(why) => Err(why.clone()),
        };
        let kind = match matched {
            Ok(Some(kind)) => kind,
            Ok(None) => continue,
            Err(why) => {
                dispatch.misconfigured(policy, None, &why);
                continue;
            }
        };
        let (object, old) = patch::shown(review, kind, object);
        let inputs = Inputs::new(review, kind, &object, old.as_deref(), cluster);
        let mut annotations = BTreeMap::new();
        for binding in bindings {
            let applies = match &binding.matcher {
                Ok(matcher) => matcher.matches(review, &object, &kinds, &namespaces).map_err(|s| s.message),
                Err(why) => Err(why.clone()),
            };
            match applies {
                Ok(Some(_)) => dispatch.bound(policy, binding, &inputs, &mut annotations),
                Ok(None) => {}
                Err(why) => dispatch.misconfigured(policy, Some(binding), &why),
            }
        }
        dispatch.publish(policy, annotations);
    }
    dispatch.finish(object)
}

impl Dispatch<'_> {
    /// What is wrong with the policy itself denies, if failures do.
    fn misconfigured(&mut self, policy: &Policy, binding: Option<&Binding>, why: &str) {
        if policy.on_failure == OnFailure::Ignore {
            return;
        }
        let what = if binding.is_some() { "binding" } else { "policy" };
        self.denied.push(Denied {
            policy: policy.name.clone(),
            binding: binding.map(|binding| binding.name.clone()),
            message: format!("failed to configure {what}: {why}"),
            reason: String::new(),
        });
    }

    fn bound(
        &mut self,
        policy: &Policy,
        binding: &Binding,
        inputs: &Inputs<'_>,
        annotations: &mut BTreeMap<String, Vec<String>>,
    ) {
        let params = match params::collect(policy, binding, namespace_of(self.review), self.cluster) {
            Ok(params) => params,
            Err(why) => return self.misconfigured(policy, Some(binding), &why),
        };
        for params in params {
            for (index, verdict) in validate(policy, inputs, params.clone()).into_iter().enumerate() {
                if let Verdict::Denied(message, reason) = verdict {
                    self.act(policy, binding, index, &message, &reason);
                }
            }
            self.annotate(policy, binding, inputs, params, annotations);
        }
    }

    fn act(&mut self, policy: &Policy, binding: &Binding, index: usize, message: &str, reason: &str) {
        for action in &binding.actions {
            match action.as_str() {
                "Deny" => self.denied.push(Denied {
                    policy: policy.name.clone(),
                    binding: Some(binding.name.clone()),
                    message: message.to_owned(),
                    reason: reason.to_owned(),
                }),
                "Warn" => self.notes.warnings.push(format!(
                    "Validation failed for ValidatingAdmissionPolicy '{}' with binding '{}': {message}",
                    policy.name, binding.name
                )),
                "Audit" => self.failures.push(json!({
                    "message": message,
                    "policy": policy.name,
                    "binding": binding.name,
                    "expressionIndex": index,
                    "validationActions": binding.actions,
                })),
                _ => {}
            }
        }
    }

    fn annotate(
        &mut self,
        policy: &Policy,
        binding: &Binding,
        inputs: &Inputs<'_>,
        params: Option<Arc<Value>>,
        annotations: &mut BTreeMap<String, Vec<String>>,
    ) {
        if policy.annotations.is_empty()
            || !matches!(policy.conditions.hold(inputs, params.clone()), Ok(true))
        {
            return;
        }
        let meter = Meter::new(PER_POLICY);
        let scope = Scope::new(inputs, params, &policy.variables, &meter);
        for annotation in &policy.annotations {
            match annotation_value(annotation, &scope) {
                Ok(None) => {}
                Ok(Some(value)) => {
                    let values = annotations.entry(annotation.key.clone()).or_default();
                    if !values.contains(&value) {
                        values.push(value);
                    }
                }
                Err(_) if policy.on_failure == OnFailure::Ignore => {}
                Err(message) => self.denied.push(Denied {
                    policy: policy.name.clone(),
                    binding: Some(binding.name.clone()),
                    message,
                    reason: String::new(),
                }),
            }
        }
    }

    fn publish(&mut self, policy: &Policy, annotations: BTreeMap<String, Vec<String>>) {
        let named = annotations
            .into_iter()
            .map(|(key, values)| (format!("{}/{key}", policy.name), values.join(", ")));
        self.notes.annotations.extend(named);
    }

    fn finish(mut self, object: &Value) -> Result<(), Status> {
        if !self.failures.is_empty() {
            self.failures.truncate(MOST_FAILURES);
            let failures = Value::from(std::mem::take(&mut self.failures));
            self.notes.annotations.insert(FAILURES.into(), failures.to_string());
        }
        match self.denied.first() {
            None => Ok(()),
            Some(denied) => Err(refusal(self.review.kind, object, self.review.name, denied)),
        }
    }
}

fn validate(policy: &Policy, inputs: &Inputs<'_>, params: Option<Arc<Value>>) -> Vec<Verdict> {
    let failed = |message: String| match policy.on_failure {
        OnFailure::Ignore => Verdict::Admitted,
        OnFailure::Fail => Verdict::Denied(message, String::new()),
    };
    match policy.conditions.hold(inputs, params.clone()) {
        Ok(true) => {}
        Ok(false) => return Vec::new(),
        // An ignored failure of a condition leaves the policy out.
        Err(_) if policy.on_failure == OnFailure::Ignore => return Vec::new(),
        Err(why) => return vec![failed(why)],
    }
    let meter = Meter::new(PER_POLICY);
    let scope = Scope::new(inputs, params, &policy.variables, &meter);
    let mut verdicts = Vec::new();
    for validation in &policy.validations {
        match evaluate(&validation.program, &validation.expression, &scope) {
            Ok(cel::Value::Bool(true)) => verdicts.push(Verdict::Admitted),
            Ok(_) => match message(validation, &scope) {
                Ok(message) => verdicts.push(Verdict::Denied(message, validation.reason.clone())),
                Err(why) => verdicts.push(failed(format!("failed messageExpression: {why}"))),
            },
            Err(Failure::Here(why)) => verdicts.push(failed(why)),
            Err(why @ Failure::OutOfBudget) => return vec![failed(why.to_string())],
        }
    }
    verdicts
}

/// What a failed validation says: the computed message, else the given one, else the expression.
fn message(validation: &Validation, scope: &Scope<'_>) -> Result<String, Failure> {
    if let Some(program) = &validation.message_expression {
        match evaluate(program, "messageExpression", scope) {
            Ok(value) => {
                let text = value.as_text().unwrap_or_default().trim();
                if !text.is_empty() && text.len() <= LONGEST_MESSAGE && !text.contains('\n') {
                    return Ok(text.to_owned());
                }
            }
            Err(why @ Failure::OutOfBudget) => return Err(why),
            Err(Failure::Here(why)) => tracing::debug!(why, "a messageExpression has no value"),
        }
    }
    Ok(match validation.message.trim() {
        "" => format!("failed expression: {}", validation.expression.trim()),
        message => message.to_owned(),
    })
}

/// `None`: it is left out.
fn annotation_value(annotation: &Annotation, scope: &Scope<'_>) -> Result<Option<String>, String> {
    match evaluate(&annotation.program, annotation.expression.trim(), scope) {
        Ok(cel::Value::Null) => Ok(None),
        Ok(cel::Value::String(text)) => {
            let mut value = text.trim().to_owned();
            let end = (0..=LONGEST_ANNOTATION).rev().find(|at| value.is_char_boundary(*at)).unwrap_or(0);
            value.truncate(end);
            Ok((!value.is_empty()).then_some(value))
        }
        Ok(other) => Err(format!(
            "valueExpression '{}' resulted in unsupported return type: {}. Return type must be either string or null.",
            annotation.expression,
            other.type_name()
        )),
        Err(why) => Err(why.to_string()),
    }
}

fn refusal(kind: &Kind, object: &Value, name: &str, denied: &Denied) -> Status {
    let by = match &denied.binding {
        Some(binding) => format!("'{}' with binding '{binding}'", denied.policy),
        None => format!("'{}'", denied.policy),
    };
    let message = format!("ValidatingAdmissionPolicy {by} denied request: {}", denied.message);
    let mut status = Status::forbidden(kind, name_of(object, name), &message);
    let (reason, code) = match denied.reason.as_str() {
        "Forbidden" => ("Forbidden", 403),
        "Unauthorized" => ("Unauthorized", 401),
        "RequestEntityTooLarge" => ("RequestEntityTooLarge", 413),
        _ => ("Invalid", 422),
    };
    status.reason = reason.into();
    status.code = code;
    if let Some(details) = &mut status.details {
        details["causes"] = json!([{ "message": message }]);
    }
    status
}

/// What a refusal calls an object whose name is still to be made.
pub(super) fn name_of<'o>(object: &'o Value, name: &'o str) -> &'o str {
    let metadata = &object["metadata"];
    [Some(name), metadata["name"].as_str(), metadata["generateName"].as_str()]
        .into_iter()
        .flatten()
        .find(|name| !name.is_empty())
        .unwrap_or("Unknown")
}
