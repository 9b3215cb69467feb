//! Jobs.

use serde_json::Value;

use super::super::{Errors, IMMUTABLE, Path, items, metadata, pod, same, selector, text};
use super::policy;
use crate::names;
use crate::status::FieldError;

const COUNTS: [&str; 7] = [
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
];
const MOST_INDEXES: i64 = 100_000;
const MOST_WITH_MANY: i64 = 10_000;
const LONGEST_MANAGER: usize = 63;
const NO_MATCH: &str = "`selector` does not match template `labels`";
const NEEDS_INDEXES: &str = "requires indexed completion mode";
/// Labels by which a job finds its pods, and the field of its metadata that each holds.
const GENERATED: [(&str, &str); 4] = [
    ("controller-uid", "uid"),
    ("job-name", "name"),
    ("batch.kubernetes.io/controller-uid", "uid"),
    ("batch.kubernetes.io/job-name", "name"),
];

pub(crate) fn validate_job(job: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate_either(job, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &job["spec"]);
    if old.is_none() {
        validate_generated_selector(job, &mut errors);
    }
    validate_spec(spec, &path, &mut errors);
    validate_selector(spec, &path, &mut errors);
    if let Some(old) = old {
        validate_update(spec, &old["spec"], &path, &mut errors);
    }
    validate_name(job, &mut errors);
    errors.into_vec()
}

/// The labels that the server writes, unless the job has a selector of its own.
fn validate_generated_selector(job: &Value, errors: &mut Errors) {
    let spec = &job["spec"];
    if spec["manualSelector"] == true || !spec["selector"].is_object() {
        return;
    }
    let labels = &spec["template"]["metadata"]["labels"];
    let at = Path::new("spec").at(&["template", "metadata", "labels"]);
    let mut expected = serde_json::Map::new();
    for (label, field) in GENERATED {
        let value = &job["metadata"][field];
        match labels.get(label) {
            None => errors.required(&at.key(label), &format!("must be '{}'", text(value))),
            Some(given) if given != value => {
                errors.shown(&at.key(label), labels, &format!("must be '{}'", text(value)));
            }
            Some(_) => {}
        }
        expected.insert(label.into(), value.clone());
    }
    let readable = selector::can_be_read(&spec["selector"]);
    if readable && !selector::matches(&spec["selector"], &expected.into()) {
        errors.shown(
            &Path::new("spec").child("selector"),
            &spec["selector"],
            "`selector` not auto-generated",
        );
    }
}

fn validate_selector(spec: &Value, path: &Path, errors: &mut Errors) {
    let (wanted, at) = (&spec["selector"], path.child("selector"));
    if wanted.is_object() {
        selector::validate(wanted, &at, errors);
    } else {
        errors.required(&at, "");
    }
    let labels = &spec["template"]["metadata"]["labels"];
    let selects = wanted.is_object() && selector::matches(wanted, labels);
    if selector::can_be_read(wanted) && !selects {
        errors.shown(&path.at(&["template", "metadata", "labels"]), labels, NO_MATCH);
    }
}

/// The pods of an indexed job have its name and their index for a hostname.
fn validate_name(job: &Value, errors: &mut Errors) {
    let (spec, name) = (&job["spec"], &job["metadata"]["name"]);
    let Some(completions) = spec["completions"].as_i64().filter(|completions| *completions > 0) else {
        return;
    };
    let last = format!("{}-{}", text(name), completions - 1);
    if spec["completionMode"] == "Indexed" && !names::is_dns1123_label(&last) {
        let at = Path::new("metadata").child("name");
        errors.invalid(&at, name, format!("will not able to create pod with invalid DNS label: {last}"));
    }
}

/// Of templates of jobs too, which have no selector yet.
pub(super) fn validate_spec(spec: &Value, path: &Path, errors: &mut Errors) {
    for field in COUNTS {
        errors.not_negative(&path.child(field), &spec[field]);
    }
    if let Some(manager) = spec["managedBy"].as_str() {
        validate_manager(manager, &path.child("managedBy"), errors);
    }
    validate_mode(spec, path, errors);
    policy::validate_failures(spec, &path.child("podFailurePolicy"), errors);
    policy::validate_success(spec, &path.child("successPolicy"), errors);
    validate_replacement(spec, &path.child("podReplacementPolicy"), errors);
    let at = path.child("template");
    pod::validate_template(&spec["template"], &at, errors);
    validate_restart(spec, &at.at(&["spec", "restartPolicy"]), errors);
    // What upstream's types themselves say is found last.
    if !spec["maxFailedIndexes"].is_null() && spec["backoffLimitPerIndex"].is_null() {
        errors.required(&path.child("backoffLimitPerIndex"), "when maxFailedIndexes is specified");
    }
}

/// `acme.io/foo`
fn validate_manager(manager: &str, path: &Path, errors: &mut Errors) {
    const PATH: &str = "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')";
    match manager.split_once('/') {
        _ if manager.is_empty() => errors.required(path, ""),
        Some((host, rest)) if !host.is_empty() && !rest.is_empty() => {
            errors.rule(path, host, names::dns1123_subdomain);
            let allowed = |c: char| c.is_ascii_alphanumeric() || "/-._~%!$&'()*+,;=:".contains(c);
            if !rest.chars().all(allowed) {
                errors.invalid(path, &rest.into(), PATH);
            }
        }
        _ => {
            let detail = "must be a domain-prefixed path (such as \"acme.io/foo\")";
            errors.invalid(path, &manager.into(), detail);
        }
    }
    if manager.len() > LONGEST_MANAGER {
        errors.too_long(path, LONGEST_MANAGER);
    }
}

fn validate_mode(spec: &Value, path: &Path, errors: &mut Errors) {
    let mode = &spec["completionMode"];
    if !mode.is_null() {
        errors.listed(&path.child("completionMode"), mode, &["NonIndexed", "Indexed"]);
    }
    if mode == "Indexed" {
        validate_indexed(spec, path, errors);
    }
    for field in ["backoffLimitPerIndex", "maxFailedIndexes"] {
        if (mode.is_null() || mode == "NonIndexed") && !spec[field].is_null() {
            errors.invalid(&path.child(field), &spec[field], NEEDS_INDEXES);
        }
    }
}

fn validate_indexed(spec: &Value, path: &Path, errors: &mut Errors) {
    let completions = spec["completions"].as_i64();
    if completions.is_none() {
        errors.required(&path.child("completions"), "when completion mode is Indexed");
    }
    let at_most = |field: &str, most: Option<i64>, beyond: &str, errors: &mut Errors| {
        let detail = format!("must be less than or equal to {beyond}");
        if spec[field].as_i64().zip(most).is_some_and(|(number, most)| number > most) {
            errors.invalid(&path.child(field), &spec[field], detail);
        }
    };
    let with_mode = format!("{MOST_INDEXES} when completion mode is Indexed");
    at_most("parallelism", Some(MOST_INDEXES), &with_mode, errors);
    at_most("maxFailedIndexes", completions, "completions", errors);
    at_most("maxFailedIndexes", Some(MOST_INDEXES), &MOST_INDEXES.to_string(), errors);
    let many = completions.is_some_and(|completions| completions > MOST_INDEXES);
    if !many || spec["backoffLimitPerIndex"].is_null() {
        return;
    }
    if spec["maxFailedIndexes"].is_null() {
        let detail = format!("must be specified when completions is above {MOST_INDEXES}");
        errors.required(&path.child("maxFailedIndexes"), &detail);
    }
    let with_many = format!(
        "{MOST_WITH_MANY} when completions are above {MOST_INDEXES} and used with backoff limit per index"
    );
    at_most("parallelism", Some(MOST_WITH_MANY), &with_many, errors);
    at_most("maxFailedIndexes", Some(MOST_WITH_MANY), &with_many, errors);
}

fn validate_replacement(spec: &Value, path: &Path, errors: &mut Errors) {
    let policy = &spec["podReplacementPolicy"];
    if policy.is_null() {
        return;
    }
    if spec["podFailurePolicy"].is_object() {
        errors.listed(path, policy, &["Failed"]);
    } else {
        errors.listed(path, policy, &["Failed", "TerminatingOrFailed"]);
    }
}

/// Pods of a job come to an end.
fn validate_restart(spec: &Value, path: &Path, errors: &mut Errors) {
    let policy = &spec["template"]["spec"]["restartPolicy"];
    match text(policy) {
        "" | "Always" => errors.required(path, "valid values: \"OnFailure\", \"Never\""),
        "OnFailure" if spec["podFailurePolicy"].is_object() => {
            let detail = "only \"Never\" is supported when podFailurePolicy is specified";
            errors.invalid(path, policy, detail);
        }
        "OnFailure" | "Never" => {}
        _ => errors.listed(path, policy, &["OnFailure", "Never"]),
    }
}

fn validate_update(spec: &Value, old: &Value, path: &Path, errors: &mut Errors) {
    validate_completions(spec, old, &path.child("completions"), errors);
    errors.immutable_selector(&path.child("selector"), &spec["selector"], &old["selector"]);
    validate_template_update(spec, old, path, errors);
    for field in ["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"]
    {
        if !same(&spec[field], &old[field]) {
            errors.shown(&path.child(field), &policy::go(field, &spec[field]), IMMUTABLE);
        }
    }
}

/// An indexed job may grow and shrink as a whole.
fn validate_completions(spec: &Value, old: &Value, path: &Path, errors: &mut Errors) {
    let completions = &spec["completions"];
    if same(completions, &old["completions"]) {
        return;
    }
    if spec["completionMode"] != "Indexed" {
        return errors.shown(path, completions, IMMUTABLE);
    }
    if !completions.is_null() && completions != &spec["parallelism"] {
        errors.shown(path, completions, "can only be modified in tandem with spec.parallelism");
    }
}

/// While a job has not started, where its pods run and what they ask for may still be decided.
fn validate_template_update(spec: &Value, old: &Value, path: &Path, errors: &mut Errors) {
    let (template, before) = (&spec["template"], &old["template"]);
    if old["suspend"] != true {
        if !same(template, before) {
            errors.shown(&path.child("template"), template, IMMUTABLE);
        }
        return;
    }
    let mut allowed = before["spec"].clone();
    if !allowed.is_object() || !template["spec"].is_object() {
        return errors.shown(&path.child("template.spec"), &template["spec"], IMMUTABLE);
    }
    let mut take = |at: &[&str]| {
        let (last, parents) = at.split_last().expect("a path");
        let value = at.iter().fold(&template["spec"], |value, name| &value[*name]).clone();
        parents.iter().fold(&mut allowed, |target, name| &mut target[*name])[*last] = value;
    };
    take(&["nodeSelector"]);
    take(&["tolerations"]);
    take(&["schedulingGates"]);
    if template["spec"]["affinity"].is_object() || before["spec"]["affinity"].is_object() {
        take(&["affinity", "nodeAffinity"]);
    }
    take_resources(&mut allowed, &template["spec"]);
    if !same(&template["spec"], &allowed) {
        errors.shown(&path.child("template.spec"), &template["spec"], IMMUTABLE);
    }
}

fn take_resources(allowed: &mut Value, spec: &Value) {
    for field in ["containers", "initContainers"] {
        let new = items(&spec[field]);
        let Some(old) = allowed[field].as_array_mut().filter(|old| old.len() == new.len()) else { continue };
        for (old, new) in old.iter_mut().zip(new).filter(|(old, new)| old["name"] == new["name"]) {
            old["resources"] = new["resources"].clone();
        }
    }
}

/// A write of the status.
pub(crate) fn validate_job_part(job: &Value, old: &Value, part: &str, _: &str) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let (path, status) = (Path::new(part), &job["status"]);
    metadata::validate_change(job, old, &mut errors);
    for field in ["active", "succeeded", "failed", "ready", "terminating"] {
        errors.not_negative(&path.child(field), &status[field]);
    }
    let number = |field: &str| status[field].as_i64().unwrap_or(0);
    if number("ready") > number("active") {
        errors.invalid(&path.child("ready"), &status["ready"], "cannot set more ready pods than active");
    }
    let finished = is(job, "Complete") || is(job, "Failed");
    validate_conditions(job, old, &path, &mut errors);
    if finished && number("active") > 0 {
        errors.invalid(&path.child("active"), &status["active"], "active>0 is invalid for finished job");
    }
    if finished && status["startTime"].is_null() {
        errors.required(&path.child("startTime"), "startTime is required for finished job");
    }
    if is(job, "Complete") && status["completionTime"].is_null() {
        errors.required(&path.child("completionTime"), "completionTime is required for Complete jobs");
    }
    if !is(job, "Complete") && !status["completionTime"].is_null() {
        let detail = "cannot set completionTime when there is no Complete=True condition";
        errors.invalid(&path.child("completionTime"), &status["completionTime"], detail);
    }
    let moved = !old["status"]["startTime"].is_null() && old["status"]["startTime"] != status["startTime"];
    if moved && job["spec"]["suspend"] != true {
        let detail = "field is immutable for unsuspended job once set";
        errors.shown(&path.child("startTime"), &status["startTime"], detail);
    }
    errors.into_vec()
}

fn is(job: &Value, condition: &str) -> bool {
    let conditions = items(&job["status"]["conditions"]);
    conditions.iter().any(|found| found["type"] == condition && found["status"] == "True")
}

/// What a job may say of its end.
fn validate_conditions(job: &Value, old: &Value, path: &Path, errors: &mut Errors) {
    let complete_alone = is(job, "Complete") && !is(job, "SuccessCriteriaMet");
    let failed_alone = is(job, "Failed") && !is(job, "FailureTarget");
    let both = |a: &str, b: &str| is(job, a) && is(job, b);
    let found = [
        (both("Complete", "Failed"), "cannot set Complete=True and Failed=true conditions"),
        (both("Complete", "FailureTarget"), "cannot set Complete=True and FailureTarget=true conditions"),
        (failed_alone, "cannot set Failed=True condition without the FailureTarget=true condition"),
        (complete_alone, "cannot set Complete=True condition without the SuccessCriteriaMet=true condition"),
        (
            both("SuccessCriteriaMet", "Failed"),
            "cannot set SuccessCriteriaMet=True and Failed=true conditions",
        ),
        (
            both("SuccessCriteriaMet", "FailureTarget"),
            "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions",
        ),
    ];
    for (_, detail) in found.into_iter().filter(|(wrong, _)| *wrong) {
        errors.without_value(&path.child("conditions"), detail);
    }
    for condition in ["Failed", "Complete", "FailureTarget", "SuccessCriteriaMet"] {
        if is(old, condition) && !is(job, condition) {
            let terminal = if condition == "SuccessCriteriaMet" { "" } else { "terminal " };
            errors.without_value(
                &path.child("conditions"),
                &format!("cannot disable the {terminal}{condition}=True condition"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn managers_have_a_domain_and_a_path() {
        let found = |manager: &str| {
            let mut errors = Errors::default();
            validate_manager(manager, &Path::new("m"), &mut errors);
            errors.into_vec().len()
        };
        for (manager, expected) in
            [("acme.io/foo", 0), ("foo", 1), ("", 1), ("/foo", 1), ("Acme.io/foo", 1), ("a/ b", 1)]
        {
            assert_eq!(found(manager), expected, "{manager}");
        }
    }

    #[test]
    fn indexed_jobs_grow_as_a_whole() {
        let job = |completions: i64, parallelism: i64| json!({ "completionMode": "Indexed", "completions": completions, "parallelism": parallelism });
        let found = |new: Value, old: Value| {
            let mut errors = Errors::default();
            validate_completions(&new, &old, &Path::new("spec.completions"), &mut errors);
            errors.into_vec().len()
        };
        assert_eq!(found(job(3, 3), job(2, 2)), 0);
        assert_eq!(found(job(3, 2), job(2, 2)), 1);
    }
}
