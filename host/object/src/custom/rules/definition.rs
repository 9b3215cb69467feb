//! Whether the rules of a definition can be: checked when the schema around them is sound
//! (`apiextensions/validation/validation.go`).

use serde_json::{Value, json};

use super::super::schema::{fields, list};
use super::super::text;
use super::{cost, types};
use crate::cel::{self, Environment, Program, Type};
use crate::status::FieldError;
use crate::validation::{Errors, Path};

const REASONS: [&str; 4] =
    ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
/// Units one rule may cost by its estimate.
const MOST: u64 = 10_000_000;
/// Units all rules of a schema may cost together.
const MOST_TOGETHER: u64 = 100_000_000;
/// Bytes of an expression.
const LONGEST: usize = 1024 * 1024;

/// What is wrong with how rules are written down, apart from their expressions.
pub(crate) fn validate_form(schema: &Value, path: &Path, errors: &mut Errors) {
    for (index, rule) in list(&schema["x-kubernetes-validations"]).iter().enumerate() {
        let at = path.child("x-kubernetes-validations").index(index);
        let (source, message) = (text(&rule["rule"]).trim(), text(&rule["message"]));
        let lines = |text: &str| text.contains(['\n', '\r']);
        if source.is_empty() {
            errors.required(&at.child("rule"), "rule is not specified");
        } else if !message.is_empty() && message.trim().is_empty() {
            errors.invalid(&at.child("message"), &rule["message"], "must be non-empty if specified");
        } else if lines(message.trim()) {
            errors.invalid(&at.child("message"), &rule["message"], "must not contain line breaks");
        } else if lines(source) && message.trim().is_empty() {
            errors.required(&at.child("message"), "message must be specified if rule contains line breaks");
        }
        let computed = text(&rule["messageExpression"]);
        if !computed.is_empty() && computed.trim().is_empty() {
            let why = "messageExpression must be non-empty if specified";
            errors.required(&at.child("messageExpression"), why);
        }
        errors.optional_one_of(&at.child("reason"), &rule["reason"], &REASONS);
        field_path(rule, schema, &at.child("fieldPath"), errors);
    }
}

fn field_path(rule: &Value, schema: &Value, at: &Path, errors: &mut Errors) {
    let given = text(&rule["fieldPath"]);
    if given.is_empty() {
        return;
    }
    if given.trim().is_empty() {
        errors.invalid(at, &rule["fieldPath"], "must be non-empty if specified");
    }
    if given.contains(['\n', '\r']) {
        errors.invalid(at, &rule["fieldPath"], "must not contain line breaks");
    }
    if !leads_to_field(schema, given) {
        errors.invalid(at, &rule["fieldPath"], "must be a valid path");
    }
}

/// `.spec.name`, `.labels['a.b']`.
fn leads_to_field(schema: &Value, path: &str) -> bool {
    let mut place = schema;
    let mut rest = path;
    while !rest.is_empty() {
        let (name, after) = if let Some(quoted) = rest.strip_prefix("['") {
            let Some((name, after)) = quoted.split_once("']") else { return false };
            (name, after)
        } else {
            let Some(named) = rest.strip_prefix('.') else { return false };
            let end = named.find(['.', '[']).unwrap_or(named.len());
            named.split_at(end)
        };
        let each = place.get("additionalProperties").filter(|each| each.is_object());
        let Some(next) = place["properties"].get(name).or(each) else { return false };
        (place, rest) = (next, after);
    }
    !path.is_empty()
}

/// What the walk carries down to the places below.
#[derive(Clone)]
struct Above {
    /// How often this place occurs in one object; none: nobody says.
    places: Option<u64>,
    /// The place above whose parts cannot be told apart before and after an update.
    uncorrelatable: Option<Path>,
}

/// Each expression and what it may cost.
#[derive(Default)]
struct Costs(Vec<(Path, u64)>);

/// What is wrong with the expressions of a schema.
pub(crate) fn validate_expressions(schema: &Value, path: &Path, errors: &mut Errors) {
    let mut costs = Costs::default();
    let above = Above { places: Some(1), uncorrelatable: None };
    walk(schema, path, true, &above, errors, &mut costs);
    let total = costs.0.iter().fold(0_u64, |sum, (_, cost)| sum.saturating_add(*cost));
    if total > MOST_TOGETHER {
        costs.0.sort_by_key(|(_, cost)| std::cmp::Reverse(*cost));
        for (at, _) in costs.0.iter().filter(|(_, cost)| *cost >= MOST_TOGETHER / 100).take(4) {
            let why =
                "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema";
            errors.forbidden(at, why);
        }
        let what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
        errors.forbidden(path, exceeds(what, total, MOST_TOGETHER));
    }
}

fn walk(schema: &Value, path: &Path, resource: bool, above: &Above, errors: &mut Errors, costs: &mut Costs) {
    let rules = list(&schema["x-kubernetes-validations"]);
    if !rules.is_empty() {
        let of = types::of_schema(schema, "self", resource).unwrap_or(Type::Dyn);
        for (index, rule) in rules.iter().enumerate() {
            let at = path.child("x-kubernetes-validations").index(index);
            Expressions { schema, rule, of: &of, above, at: &at }.check(errors, costs);
        }
    }
    let embedded = |part: &Value| part["x-kubernetes-embedded-resource"] == true;
    let times =
        |most: &Value| above.places.zip(most.as_u64()).map(|(places, most)| places.saturating_mul(most));
    let atomic = |holds: bool| match (&above.uncorrelatable, holds) {
        (None, true) => Some(path.clone()),
        (known, _) => known.clone(),
    };
    let below_object =
        Above { uncorrelatable: atomic(schema["x-kubernetes-map-type"] == "atomic"), ..above.clone() };
    for (name, field) in fields(&schema["properties"]) {
        let at = path.child("properties").key(name);
        walk(field, &at, embedded(field), &below_object, errors, costs);
    }
    let each = &schema["additionalProperties"];
    if each.is_object() {
        let below = Above { places: times(&schema["maxProperties"]), ..below_object };
        walk(each, &path.child("additionalProperties"), embedded(each), &below, errors, costs);
    }
    let items = &schema["items"];
    if items.is_object() {
        let uncorrelatable = atomic(schema["x-kubernetes-list-type"] != "map");
        let below = Above { places: times(&schema["maxItems"]), uncorrelatable };
        walk(items, &path.child("items"), embedded(items), &below, errors, costs);
    }
}

/// The expressions of one rule.
struct Expressions<'a> {
    schema: &'a Value,
    rule: &'a Value,
    of: &'a Type,
    above: &'a Above,
    at: &'a Path,
}

impl Expressions<'_> {
    fn check(&self, errors: &mut Errors, costs: &mut Costs) {
        let optional_old = self.rule["optionalOldSelf"] == true;
        let old = if optional_old { Type::optional(self.of.clone()) } else { self.of.clone() };
        let environment = Environment::default().with("self", self.of.clone()).with("oldSelf", old);
        let source = text(&self.rule["rule"]);
        let at = self.at.child("rule");
        let program = match compile(source, &environment, &Type::Bool) {
            Ok(program) => program,
            Err(why) => {
                let why = match why {
                    Wrong::Expression(why) => format!("compilation failed: {why}"),
                    Wrong::Type => "cel expression must evaluate to a bool".into(),
                };
                return errors.push(FieldError::invalid(at.as_str(), self.shown(), why));
            }
        };
        let places = self.above.places.unwrap_or_else(|| cost::most_places(self.schema));
        let most = cost::most(&program, self.schema).saturating_mul(places);
        if most > MOST {
            errors.forbidden(&at, exceeds("estimated rule cost", most, MOST));
        }
        costs.0.push((at.clone(), most));
        self.check_old(&program, errors);
        self.check_message(&environment, errors);
    }

    fn check_old(&self, program: &Program, errors: &mut Errors) {
        if !program.uses("oldSelf") {
            if !self.rule["optionalOldSelf"].is_null() {
                let at = self.at.child("optionalOldSelf");
                let why = "may not be set if oldSelf is not used in rule";
                errors.invalid(&at, &self.rule["optionalOldSelf"], why);
            }
        } else if let Some(above) = &self.above.uncorrelatable {
            let why =
                format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {above}");
            errors.invalid(&self.at.child("rule"), &self.rule["rule"], why);
        }
    }

    fn check_message(&self, environment: &Environment, errors: &mut Errors) {
        let computed = text(&self.rule["messageExpression"]);
        if computed.trim().is_empty() {
            return;
        }
        let why = match compile(computed, environment, &Type::String) {
            Ok(_) => return,
            Err(Wrong::Expression(why)) => format!("messageExpression compilation failed: {why}"),
            Err(Wrong::Type) => "messageExpression must evaluate to a string".into(),
        };
        let at = self.at.child("messageExpression");
        errors.push(FieldError::invalid(at.as_str(), self.shown(), why));
    }

    /// The whole rule, in Go's names.
    fn shown(&self) -> Value {
        let rule = self.rule;
        json!({
            "Rule": text(&rule["rule"]),
            "Message": text(&rule["message"]),
            "MessageExpression": text(&rule["messageExpression"]),
            "Reason": rule["reason"],
            "FieldPath": text(&rule["fieldPath"]),
            "OptionalOldSelf": rule["optionalOldSelf"],
        })
    }
}

enum Wrong {
    Expression(String),
    Type,
}

fn compile(source: &str, environment: &Environment, wanted: &Type) -> Result<Program, Wrong> {
    if source.len() > LONGEST {
        return Err(Wrong::Expression(format!("the expression is longer than {LONGEST} bytes")));
    }
    let program = cel::compile(source, environment).map_err(Wrong::Expression)?;
    if program.of().is_exactly(wanted) { Ok(program) } else { Err(Wrong::Type) }
}

fn exceeds(what: &str, cost: u64, most: u64) -> String {
    let factor = cost as f64 / most as f64;
    let factor = match factor {
        large if large > 100.0 => "more than 100x".to_owned(),
        small if small < 1.5 => format!("{small:.6}x"),
        other => format!("{other:.1}x"),
    };
    format!(
        "{what} exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, \
         maxProperties, and maxLength where arrays, maps, and strings are declared)"
    )
}
