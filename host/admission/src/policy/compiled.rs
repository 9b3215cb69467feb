//! Policies and bindings, read once from their objects.

use orch_object::cel::{Composition, Given, Program, Wanted};
use serde_json::Value;

use super::{MatchConditions, OnFailure};
use crate::Matcher;

/// An expression, or why it cannot be run.
pub(super) type Compiled = Result<Program, String>;

pub(super) struct Policy {
    pub name: String,
    pub matcher: Result<Matcher, String>,
    pub on_failure: OnFailure,
    /// apiVersion and kind.
    pub param_kind: Option<(String, String)>,
    pub conditions: MatchConditions,
    pub variables: Vec<Variable>,
    pub validations: Vec<Validation>,
    pub annotations: Vec<Annotation>,
    pub mutations: Vec<Mutation>,
    /// `reinvocationPolicy: IfNeeded`
    pub again_if_needed: bool,
}

pub(super) struct Variable {
    pub name: String,
    pub program: Compiled,
}

pub(super) struct Validation {
    pub expression: String,
    pub program: Compiled,
    pub message: String,
    pub message_expression: Option<Compiled>,
    /// `Invalid`, `Forbidden`, …
    pub reason: String,
}

/// Of an audit event.
pub(super) struct Annotation {
    pub key: String,
    pub expression: String,
    pub program: Compiled,
}

pub(super) struct Mutation {
    pub kind: PatchKind,
    pub expression: String,
    pub program: Compiled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PatchKind {
    ApplyConfiguration,
    Json,
}

pub(super) struct Binding {
    pub name: String,
    pub policy: String,
    pub matcher: Result<Matcher, String>,
    /// Null: no params.
    pub param_ref: Value,
    pub actions: Vec<String>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

impl Policy {
    pub fn read(policy: &Value) -> Policy {
        let spec = &policy["spec"];
        let given = Given { params: !spec["paramKind"].is_null(), authorizer: true };
        let mut composition = Composition::default();
        let variables: Vec<Variable> = list(&spec["variables"])
            .iter()
            .map(|variable| {
                let name = text(&variable["name"]);
                let program = composition.declare(&name, &text(&variable["expression"]), given);
                Variable { name, program }
            })
            .collect();
        Policy {
            name: text(&policy["metadata"]["name"]),
            matcher: matcher(&spec["matchConstraints"]),
            on_failure: OnFailure::read(spec),
            param_kind: given
                .params
                .then(|| (text(&spec["paramKind"]["apiVersion"]), text(&spec["paramKind"]["kind"]))),
            conditions: MatchConditions::compile(&spec["matchConditions"], given.params),
            validations: validations(spec, &composition, given),
            annotations: annotations(spec, &composition, given),
            mutations: mutations(spec, &composition, given),
            variables,
            again_if_needed: spec["reinvocationPolicy"] == "IfNeeded",
        }
    }
}

fn matcher(resources: &Value) -> Result<Matcher, String> {
    Matcher::of_resources(resources).map_err(|error| error.to_string())
}

fn validations(spec: &Value, composition: &Composition, given: Given) -> Vec<Validation> {
    let read = |validation: &Value| {
        let expression = text(&validation["expression"]);
        let computed = text(&validation["messageExpression"]);
        // Messages are no place to ask for rights.
        let of_message = Given { authorizer: false, ..given };
        Validation {
            program: composition.compile(&expression, given, Wanted::Bool),
            expression,
            message: text(&validation["message"]),
            message_expression: (!computed.trim().is_empty())
                .then(|| composition.compile(&computed, of_message, Wanted::String)),
            reason: validation["reason"].as_str().unwrap_or("Invalid").to_owned(),
        }
    };
    list(&spec["validations"]).iter().map(read).collect()
}

fn annotations(spec: &Value, composition: &Composition, given: Given) -> Vec<Annotation> {
    let read = |annotation: &Value| {
        let expression = text(&annotation["valueExpression"]);
        Annotation {
            key: text(&annotation["key"]),
            program: composition.compile(&expression, given, Wanted::StringOrNull),
            expression,
        }
    };
    list(&spec["auditAnnotations"]).iter().map(read).collect()
}

fn mutations(spec: &Value, composition: &Composition, given: Given) -> Vec<Mutation> {
    let read = |mutation: &Value| {
        let (kind, field, wanted) = match mutation["patchType"].as_str() {
            Some("JSONPatch") => (PatchKind::Json, "jsonPatch", Wanted::JsonPatches),
            _ => (PatchKind::ApplyConfiguration, "applyConfiguration", Wanted::Object),
        };
        let expression = text(&mutation[field]["expression"]);
        Mutation { kind, program: composition.compile(&expression, given, wanted), expression }
    };
    list(&spec["mutations"]).iter().map(read).collect()
}

impl Binding {
    pub fn read(binding: &Value) -> Binding {
        let spec = &binding["spec"];
        Binding {
            name: text(&binding["metadata"]["name"]),
            policy: text(&spec["policyName"]),
            matcher: matcher(&spec["matchResources"]),
            param_ref: spec["paramRef"].clone(),
            actions: list(&spec["validationActions"]).iter().map(text).collect(),
        }
    }
}
