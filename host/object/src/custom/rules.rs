//! `x-kubernetes-validations`: rules in CEL, on the place they stand at
//! (`apiextensions-apiserver/pkg/apiserver/schema/cel`).

mod cost;
mod definition;
mod types;

use serde_json::Value as Json;

pub(super) use definition::{validate_expressions, validate_form};

use super::expression::{self, optional};
use super::path::FieldPath;
use super::schema::{Additional, Kind, List, Schema, list};
use super::text;
use super::validate::shown_value;
use crate::cel::{self, Environment, Fault, Meter, PER_POLICY, Program, Type, Value, Variables};
use crate::status::{FieldError, FieldErrorKind};

const OUT_OF_BUDGET: &str =
    "validation failed due to running out of cost budget, no further validation rules will be run";

/// One rule of one place.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Or why it cannot run; definitions that were accepted earlier may hold such.
    program: Result<Program, String>,
    /// The message, or the rule itself.
    subject: String,
    message: String,
    message_expression: Option<Program>,
    kind: FieldErrorKind,
    field_path: Option<FieldPath>,
    field_text: String,
    /// It asks for the value before the update.
    is_transition: bool,
    /// It runs without a value before, too.
    optional_old: bool,
}

impl Rule {
    pub fn parse(json: &Json) -> Rule {
        let source = text(&json["rule"]).trim();
        // Types were checked with the definition.
        let environment = Environment::default().with("self", Type::Dyn).with("oldSelf", Type::Dyn);
        let compile = |text: &str| cel::compile(text, &environment);
        let program = compile(source);
        let message = match text(&json["message"]) {
            "" => format!("failed rule: {source}"),
            message => message.trim().to_owned(),
        };
        let field_text = text(&json["fieldPath"]).to_owned();
        Rule {
            is_transition: program.as_ref().is_ok_and(|program| program.uses("oldSelf")),
            program,
            subject: match text(&json["message"]).trim() {
                "" => source.to_owned(),
                message => message.to_owned(),
            },
            message,
            message_expression: json["messageExpression"].as_str().and_then(|text| compile(text).ok()),
            kind: match text(&json["reason"]) {
                "FieldValueForbidden" => FieldErrorKind::Forbidden,
                "FieldValueRequired" => FieldErrorKind::Required,
                "FieldValueDuplicate" => FieldErrorKind::Duplicate,
                _ => FieldErrorKind::Invalid,
            },
            field_path: (!field_text.is_empty()).then(|| FieldPath::parse(&field_text)),
            field_text,
            optional_old: json["optionalOldSelf"] == true,
        }
    }
}

/// An object on its way through its schema.
struct Walk {
    meter: Meter,
    /// A rule cost more than one may, and that has been said.
    stopped: bool,
    errors: Vec<FieldError>,
}

/// What the rules of a whole object find.
pub(super) fn evaluate(schema: &Schema, new: &Json, old: Option<&Json>) -> Vec<FieldError> {
    if !schema.has_rules {
        return Vec::new();
    }
    let mut walk = Walk { meter: Meter::new(PER_POLICY), stopped: false, errors: Vec::new() };
    walk.place(schema, new, old, "", true);
    walk.errors
}

impl Walk {
    fn place(&mut self, schema: &Schema, new: &Json, old: Option<&Json>, path: &str, resource: bool) {
        if !schema.has_rules || new.is_null() || self.meter.is_spent() {
            return;
        }
        self.rules(schema, new, old, path, resource);
        match new {
            Json::Object(fields) => {
                for (name, value) in fields {
                    let Some(field) = schema.field(name) else { continue };
                    let at = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    self.place(field, value, old.and_then(|old| old.get(name)), &at, field.embedded);
                }
            }
            Json::Array(items) => {
                let Some(item) = &schema.items else { return };
                for (index, value) in items.iter().enumerate() {
                    let before = old.and_then(|old| counterpart(schema, value, old));
                    self.place(item, value, before, &format!("{path}[{index}]"), item.embedded);
                }
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
    }

    fn rules(&mut self, schema: &Schema, new: &Json, old: Option<&Json>, path: &str, resource: bool) {
        if schema.rules.is_empty() {
            return;
        }
        let unchanged = old == Some(new);
        let value = expression::value(schema, new, resource);
        let before = old.map(|old| expression::value(schema, old, resource));
        for rule in &schema.rules {
            let before = match (rule.is_transition, rule.optional_old, &before) {
                // What was wrong before and has not been touched is let be.
                (false, _, _) if unchanged => continue,
                (false, _, _) => None,
                (true, true, before) => Some(optional(before.clone())),
                (true, false, Some(before)) => Some(before.clone()),
                (true, false, None) => continue,
            };
            self.rule(rule, schema, new, &value, before, path);
            if self.meter.is_spent() {
                if !self.stopped {
                    self.errors.push(FieldError::invalid(path, type_name(schema), OUT_OF_BUDGET));
                }
                return;
            }
        }
    }

    fn rule(
        &mut self,
        rule: &Rule,
        schema: &Schema,
        json: &Json,
        value: &Value,
        before: Option<Value>,
        path: &str,
    ) {
        let mut variables = vec![("self", value.clone())];
        variables.extend(before.map(|before| ("oldSelf", before)));
        let ran = match &rule.program {
            Ok(program) => program.run(&variables, &self.meter),
            Err(why) => {
                let why = format!("rule compile error: {why}");
                return self.errors.push(FieldError::invalid(path, type_name(schema), why));
            }
        };
        match ran {
            Ok(Value::Bool(true)) => {}
            Ok(_) => {
                let message = self.message(rule, &variables);
                self.errors.push(failure(rule, schema, json, path, message));
            }
            Err(_) if self.meter.is_spent() => {}
            Err(fault) => {
                let subject = &rule.subject;
                let why = match &fault {
                    Fault::NoSuchOverload => format!(
                        "'{fault}': call arguments did not match a supported operator, function or macro signature for rule: {subject}"
                    ),
                    Fault::TooCostly => format!(
                        "'{fault}': no further validation rules will be run due to call cost exceeds limit for rule: {subject}"
                    ),
                    _ => format!("{fault} evaluating rule: {subject}"),
                };
                self.errors.push(FieldError::invalid(path, type_name(schema), why));
                if fault.is_final() {
                    self.stopped = true;
                    self.meter.exhaust();
                }
            }
        }
    }

    fn message(&self, rule: &Rule, variables: &dyn Variables) -> String {
        match rule.message_expression.as_ref().map(|program| program.run(variables, &self.meter)) {
            // A message is one line that says something.
            Some(Ok(Value::String(text))) if !text.trim().is_empty() && !text.contains('\n') => {
                text.trim().to_owned()
            }
            _ => rule.message.clone(),
        }
    }
}

/// Upstream shows the value where it is short, and nothing of objects and lists.
fn failure(rule: &Rule, schema: &Schema, json: &Json, path: &str, message: String) -> FieldError {
    let at = match (&rule.field_path, path) {
        (None, path) => path.to_owned(),
        (Some(_), "") => rule.field_text.trim_start_matches('.').to_owned(),
        (Some(_), path) => format!("{path}{}", rule.field_text),
    };
    let shows = matches!(rule.kind, FieldErrorKind::Invalid | FieldErrorKind::Duplicate)
        && !matches!(schema.kind, Some(Kind::Object | Kind::Array));
    FieldError { field: at, kind: rule.kind, value: shows.then(|| shown_value(json)), detail: message }
}

/// What stands for the value where a rule has no answer.
fn type_name(schema: &Schema) -> &'static str {
    schema.kind.map_or("", |kind| kind.name())
}

/// The item that was this one before: only lists told apart by keys have such.
fn counterpart<'v>(schema: &Schema, item: &Json, old: &'v Json) -> Option<&'v Json> {
    let List::Map(keys) = &schema.list else { return None };
    list(old).iter().find(|before| keys.iter().all(|key| before.get(key) == item.get(key)))
}

/// True when a rule stands here or below.
pub(super) fn any(schema: &Schema) -> bool {
    let below = match &schema.additional {
        Additional::Each(each) => each.has_rules,
        Additional::Any | Additional::None | Additional::Unspecified => false,
    };
    !schema.rules.is_empty()
        || below
        || schema.properties.values().any(|field| field.has_rules)
        || schema.items.as_ref().is_some_and(|items| items.has_rules)
}
