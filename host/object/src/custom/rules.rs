//! `x-kubernetes-validations`: rules in CEL, on the place they stand at
//! (`apiextensions-apiserver/pkg/apiserver/schema/cel`).

use cel::{Program, Value};
use serde_json::Value as Json;

use super::expression::{self, Budget, optional};
use super::path::FieldPath;
use super::schema::{Additional, List, Schema, list};
use super::text;
use crate::status::{FieldError, FieldErrorKind};
use crate::validation::{Errors, Path};

const OUT_OF_BUDGET: &str =
    "validation failed due to running out of cost budget, no further validation rules will be run";
const REASONS: [&str; 4] =
    ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];

/// One rule of one place.
#[derive(Debug)]
pub(crate) struct Rule {
    program: Option<Program>,
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
        let program = expression::compile(source).ok();
        let message = match text(&json["message"]) {
            "" => format!("failed rule: {source}"),
            message => message.trim().to_owned(),
        };
        let field_text = text(&json["fieldPath"]).to_owned();
        Rule {
            is_transition: program.as_ref().is_some_and(|p| p.references().has_variable("oldSelf")),
            program,
            message,
            message_expression: json["messageExpression"].as_str().and_then(|e| expression::compile(e).ok()),
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
    budget: Budget,
    errors: Vec<FieldError>,
}

/// What the rules of a whole object find.
pub(super) fn evaluate(schema: &Schema, new: &Json, old: Option<&Json>) -> Vec<FieldError> {
    if !schema.has_rules {
        return Vec::new();
    }
    let mut walk = Walk { budget: Budget::new(), errors: Vec::new() };
    walk.place(schema, new, old, "", true);
    walk.errors
}

impl Walk {
    fn place(&mut self, schema: &Schema, new: &Json, old: Option<&Json>, path: &str, resource: bool) {
        if !schema.has_rules || new.is_null() || self.budget.is_spent() {
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
            self.rule(rule, schema, &value, before.as_ref(), path);
            if self.budget.is_spent() {
                self.errors.push(FieldError::invalid(path, shown(schema), OUT_OF_BUDGET));
                return;
            }
        }
    }

    fn rule(&mut self, rule: &Rule, schema: &Schema, value: &Value, before: Option<&Value>, path: &str) {
        let Some(program) = &rule.program else { return };
        let message = match expression::run(program, value, before, &self.budget) {
            Ok(Value::Bool(true)) => return,
            Ok(Value::Bool(false)) => self.message(rule, value, before),
            Ok(_) => "internal error: rule evaluated to a non-boolean value".into(),
            Err(_) if self.budget.is_spent() => return,
            Err(error) => format!("{}: {error}", rule.message),
        };
        let at = match (&rule.field_path, path) {
            (None, path) => path.to_owned(),
            (Some(_), "") => rule.field_text.trim_start_matches('.').to_owned(),
            (Some(_), path) => format!("{path}{}", rule.field_text),
        };
        let error = FieldError::invalid(&at, shown(schema), message);
        self.errors.push(match rule.kind {
            FieldErrorKind::Invalid | FieldErrorKind::Duplicate => FieldError { kind: rule.kind, ..error },
            kind => FieldError { kind, value: None, ..error },
        });
    }

    fn message(&self, rule: &Rule, value: &Value, before: Option<&Value>) -> String {
        let computed =
            rule.message_expression.as_ref().map(|e| expression::run(e, value, before, &self.budget));
        match computed {
            // A message is one line that says something.
            Some(Ok(Value::String(text))) if !text.trim().is_empty() && !text.contains('\n') => {
                text.trim().to_owned()
            }
            _ => rule.message.clone(),
        }
    }
}

/// Upstream shows the type of the place instead of its value.
fn shown(schema: &Schema) -> &'static str {
    schema.kind.map_or("", |kind| kind.name())
}

/// The item that was this one before: only lists told apart by keys have such.
fn counterpart<'v>(schema: &Schema, item: &Json, old: &'v Json) -> Option<&'v Json> {
    let List::Map(keys) = &schema.list else { return None };
    list(old).iter().find(|before| keys.iter().all(|key| before.get(key) == item.get(key)))
}

/// What is wrong with the rules of a place, while its definition is checked.
pub(super) fn validate(schema: &Json, path: &Path, errors: &mut Errors) {
    for (index, rule) in list(&schema["x-kubernetes-validations"]).iter().enumerate() {
        let at = path.child("x-kubernetes-validations").index(index);
        let source = text(&rule["rule"]).trim();
        if source.is_empty() {
            errors.required(&at.child("rule"), "rule is not specified");
        } else if let Err(why) = expression::compile(source) {
            errors.invalid(&at.child("rule"), &rule["rule"], why);
        } else if let Some(unknown) = unknown_variable(source) {
            let why = format!("compilation failed: undeclared reference to '{unknown}' (in container '')");
            errors.invalid(&at.child("rule"), &rule["rule"], why);
        }
        let message = text(&rule["message"]);
        if message.trim().is_empty() && !rule["message"].is_null() && !message.is_empty() {
            errors.invalid(&at.child("message"), &rule["message"], "message must be non-empty if specified");
        } else if message.trim().contains('\n') {
            errors.invalid(&at.child("message"), &rule["message"], "message must not contain line breaks");
        } else if source.contains('\n') && message.is_empty() && rule["messageExpression"].is_null() {
            errors.required(&at.child("message"), "message must be specified if rule contains line breaks");
        }
        if let Some(computed) = rule["messageExpression"].as_str()
            && let Err(why) = expression::compile(computed)
        {
            errors.invalid(&at.child("messageExpression"), &rule["messageExpression"], why);
        }
        errors.optional_one_of(&at.child("reason"), &rule["reason"], &REASONS);
        field_path(rule, schema, &at, errors);
    }
}

fn field_path(rule: &Json, schema: &Json, at: &Path, errors: &mut Errors) {
    let given = text(&rule["fieldPath"]);
    if given.is_empty() {
        return;
    }
    let place = given.split('.').skip(1).try_fold(schema, |schema, name| {
        schema["properties"]
            .get(name)
            .or_else(|| schema.get("additionalProperties").filter(|each| each.is_object()))
    });
    if !given.starts_with('.') || place.is_none() {
        let why = format!("fieldPath must be a valid path: {given} does not refer to a valid field");
        errors.invalid(&at.child("fieldPath"), &rule["fieldPath"], why);
    }
}

/// A variable that no rule has. Loop variables are the rule's own and do not count.
fn unknown_variable(source: &str) -> Option<String> {
    let program = expression::compile(source).ok()?;
    expression::free_variables(program.expression())
        .into_iter()
        .find(|name| name != "self" && name != "oldSelf" && !expression::is_type(name))
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
