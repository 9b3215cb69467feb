//! Limit ranges and quotas.

use serde_json::{Value, json};

use super::amount::{self, entries};
use super::{Errors, IMMUTABLE, Path, is_empty, items, metadata, text};
use crate::names;
use crate::quantity::Quantity;
use crate::status::FieldError;

const LIMIT_TYPES: [&str; 3] = ["Container", "PersistentVolumeClaim", "Pod"];
const SCOPES: [&str; 7] = [
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "VolumeAttributesClass",
    "CrossNamespacePodAffinity",
];
const OPPOSITES: [[&str; 2]; 2] = [["BestEffort", "NotBestEffort"], ["Terminating", "NotTerminating"]];
/// Their meaning takes no values.
const EXISTING: [&str; 5] =
    ["BestEffort", "NotBestEffort", "Terminating", "NotTerminating", "CrossNamespacePodAffinity"];
const COMPUTE: [&str; 6] =
    ["cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"];
const NOT_EXISTING: &str = "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";

pub(crate) fn validate_limit_range(range: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(range, old, names::dns1123_subdomain, &mut errors);
    let path = Path::new("spec").child("limits");
    let mut seen = Vec::new();
    for (index, limit) in items(&range["spec"]["limits"]).iter().enumerate() {
        let at = path.index(index);
        let kind = text(&limit["type"]);
        validate_limit_type(kind, &at.child("type"), &mut errors);
        if seen.contains(&kind) {
            errors.duplicate(&at.child("type"), kind);
        }
        seen.push(kind);
        validate_limit(limit, kind, &at, &mut errors);
    }
    errors.into_vec()
}

fn validate_limit_type(kind: &str, path: &Path, errors: &mut Errors) {
    let before = errors.len();
    errors.rule(path, kind, names::qualified_name);
    if errors.len() == before && !kind.contains('/') && !LIMIT_TYPES.contains(&kind) {
        errors.invalid(path, &kind.into(), "must be a standard limit type or fully qualified");
    }
}

fn validate_limit(limit: &Value, kind: &str, path: &Path, errors: &mut Errors) {
    let mut resources: Vec<&String> = Vec::new();
    for field in ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] {
        let defaults = field.starts_with("default");
        if field == "maxLimitRequestRatio" {
            validate_storage(limit, kind, path, errors);
        }
        if kind == "Pod" && defaults {
            if !is_empty(&limit[field]) {
                errors.forbidden(&path.child(field), "may not be specified when `type` is 'Pod'");
            }
            continue;
        }
        for (name, _) in entries(&limit[field]) {
            let at = path.child(field).key(name);
            match kind {
                "Pod" | "Container" => amount::validate_container_name(name, &at, errors),
                _ => amount::validate_name(name, &at, errors),
            }
            resources.push(name);
        }
    }
    resources.sort_unstable();
    resources.dedup();
    for resource in resources {
        validate_order(limit, kind, resource, path, errors);
    }
}

fn validate_storage(limit: &Value, kind: &str, path: &Path, errors: &mut Errors) {
    if kind == "PersistentVolumeClaim"
        && limit["min"]["storage"].is_null()
        && limit["max"]["storage"].is_null()
    {
        let detail = "either minimum or maximum storage value is required, but neither was provided";
        errors.required(&path.child("limits"), detail);
    }
}

/// A pair that must be in order: the lesser and its words, the greater and its words, the field and the
/// value that upstream says it of.
type Order = [&'static str; 6];

const ORDERS: [Order; 6] = [
    ["min", "min", "max", "max", "min", "min"],
    ["min", "min", "defaultRequest", "default request", "defaultRequest", "defaultRequest"],
    ["defaultRequest", "default request", "max", "max", "defaultRequest", "defaultRequest"],
    ["defaultRequest", "default request", "default", "default limit", "defaultRequest", "defaultRequest"],
    ["min", "min", "default", "default", "default", "min"],
    ["default", "default", "max", "max", "default", "max"],
];

fn validate_order(limit: &Value, kind: &str, resource: &str, path: &Path, errors: &mut Errors) {
    let of = |field: &str| {
        let ignored = kind == "Pod" && field.starts_with("default");
        Quantity::from_json(&limit[field][resource]).ok().filter(|_| !ignored)
    };
    for [less, less_called, more, more_called, field, shown] in ORDERS {
        let Some((low, high)) = of(less).zip(of(more)) else { continue };
        if low > high {
            let detail = format!("{less_called} value {low} is greater than {more_called} value {high}");
            errors.invalid(&path.child(field).key(resource), &limit[shown][resource], detail);
        }
    }
    validate_ratio(limit, resource, path, errors);
    let (default, request) = (of("default"), of("defaultRequest"));
    if let Some((default, request)) = default.zip(request)
        && !amount::may_overcommit(resource)
        && default != request
    {
        let detail =
            format!("default value {default} must equal to defaultRequest value {request} in {resource}");
        let at = path.child("defaultRequest").key(resource);
        errors.invalid(&at, &limit["defaultRequest"][resource], detail);
    }
}

fn validate_ratio(limit: &Value, resource: &str, path: &Path, errors: &mut Errors) {
    let of = |field: &str| Quantity::from_json(&limit[field][resource]).ok();
    let Some(ratio) = of("maxLimitRequestRatio") else { return };
    let (at, shown) =
        (path.child("maxLimitRequestRatio").key(resource), &limit["maxLimitRequestRatio"][resource]);
    if ratio < Quantity::decimal(1) {
        errors.invalid(&at, shown, format!("ratio {ratio} is less than 1"));
    }
    if let Some((least, most)) = of("min").zip(of("max")) {
        let widest = most.approximate() / least.approximate();
        if ratio.approximate() > widest {
            errors.invalid(&at, shown, format!("ratio {ratio} is greater than max/min = {widest:.6}"));
        }
    }
}

pub(crate) fn validate_resource_quota(quota: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate_either(quota, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &quota["spec"]);
    validate_amounts(&spec["hard"], &path.child("hard"), &mut errors);
    validate_scopes(spec, &path.child("scopes"), &mut errors);
    validate_selector(spec, &path.child("scopeSelector").child("matchExpressions"), &mut errors);
    if let Some(old) = old {
        let sorted = |spec: &Value| {
            let mut scopes: Vec<String> =
                items(&spec["scopes"]).iter().map(|scope| text(scope).into()).collect();
            scopes.sort_unstable();
            scopes.dedup();
            scopes
        };
        if sorted(spec) != sorted(&old["spec"]) {
            errors.shown(&path.child("scopes"), &spec["scopes"], IMMUTABLE);
        }
    }
    errors.into_vec()
}

fn validate_amounts(amounts: &Value, path: &Path, errors: &mut Errors) {
    for (name, value) in entries(amounts) {
        amount::validate_quota_name(name, &path.key(name), errors);
        amount::validate_amount(name, value, &path.key(name), errors);
    }
}

/// Whether a scope says something of the resource.
fn covers(scope: &str, resource: &str) -> bool {
    match scope {
        "BestEffort" => resource == "pods",
        "VolumeAttributesClass" => ["persistentvolumeclaims", "requests.storage"].contains(&resource),
        scope if SCOPES.contains(&scope) => resource == "pods" || COMPUTE.contains(&resource),
        _ => true,
    }
}

fn uncovered<'v>(spec: &'v Value, scope: &str) -> impl Iterator<Item = &'v String> {
    let scope = scope.to_owned();
    let measured = entries(&spec["hard"]).map(|(resource, _)| resource);
    measured.filter(move |resource| amount::is_of_quotas(resource) && !covers(&scope, resource))
}

fn validate_scopes(spec: &Value, path: &Path, errors: &mut Errors) {
    let scopes: Vec<&str> = items(&spec["scopes"]).iter().map(text).collect();
    for scope in &scopes {
        if !SCOPES.contains(scope) {
            errors.invalid(path, &spec["scopes"], "unsupported scope");
        }
        for _ in uncovered(spec, scope) {
            errors.invalid(path, &spec["scopes"], "unsupported scope applied to resource");
        }
    }
    for _ in OPPOSITES.iter().filter(|pair| pair.iter().all(|scope| scopes.contains(scope))) {
        errors.invalid(path, &spec["scopes"], "conflicting scopes");
    }
}

fn validate_selector(spec: &Value, path: &Path, errors: &mut Errors) {
    let expressions = items(&spec["scopeSelector"]["matchExpressions"]);
    for expression in expressions {
        let (scope, operator) = (&expression["scopeName"], text(&expression["operator"]));
        if !SCOPES.contains(&text(scope)) {
            errors.invalid(&path.child("scopeName"), scope, "unsupported scope");
        }
        for _ in uncovered(spec, text(scope)) {
            errors.invalid(path, &go_selector(expressions), "unsupported scope applied to resource");
        }
        if EXISTING.contains(&text(scope)) && operator != "Exists" {
            errors.invalid(&path.child("operator"), &expression["operator"], NOT_EXISTING);
        }
        validate_operator(expression, operator, path, errors);
    }
    let scopes: Vec<&str> = expressions.iter().map(|expression| text(&expression["scopeName"])).collect();
    for _ in OPPOSITES.iter().filter(|pair| pair.iter().all(|scope| scopes.contains(scope))) {
        errors.shown(path, &spec["scopes"], "conflicting scopes");
    }
}

fn validate_operator(expression: &Value, operator: &str, path: &Path, errors: &mut Errors) {
    let (values, at) = (&expression["values"], path.child("values"));
    match operator {
        "In" | "NotIn" if is_empty(values) => {
            let detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
            errors.required(&at, detail);
        }
        "Exists" | "DoesNotExist" if !is_empty(values) => {
            let detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
            errors.invalid(&at, values, detail);
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        _ => {
            errors.invalid(&path.child("operator"), &expression["operator"], "not a valid selector operator")
        }
    }
}

/// As upstream's internal type prints it.
fn go_selector(expressions: &[Value]) -> Value {
    let go = |expression: &Value| {
        json!({
            "ScopeName": expression["scopeName"], "Operator": expression["operator"],
            "Values": expression["values"],
        })
    };
    json!({ "MatchExpressions": expressions.iter().map(go).collect::<Value>() })
}

/// A write of the status.
pub(crate) fn validate_quota_part(quota: &Value, old: &Value, part: &str, _: &str) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate_change(quota, old, &mut errors);
    for list in ["hard", "used"] {
        validate_amounts(&quota["status"][list], &Path::new(part).child(list), &mut errors);
    }
    errors.into_vec()
}
