//! DaemonSets.

use serde_json::Value;

use super::super::{Errors, Path, metadata, pod, selector, text};
use super::{
    NO_MATCH, amount, validate_counts, validate_not_more_than_all, validate_restarts, validate_share,
};
use crate::names;
use crate::status::FieldError;

pub(crate) fn validate_daemon_set(set: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate_either(set, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &set["spec"]);
    let at = path.child("selector");
    if let Some(old) = old {
        errors.immutable_selector(&at, &spec["selector"], &old["spec"]["selector"]);
    }
    selector::validate(&spec["selector"], &at, &mut errors);
    let (template, of_template) = (&spec["template"], path.child("template"));
    let (wanted, labels) = (&spec["selector"], &template["metadata"]["labels"]);
    let selects = wanted.is_object() && selector::matches(wanted, labels);
    if selector::can_be_read(wanted) && !selects {
        errors.shown(&of_template.at(&["metadata", "labels"]), labels, NO_MATCH);
    }
    if wanted.is_object() && selector::is_empty(wanted) {
        errors.shown(&at, wanted, "empty selector is invalid for daemonset");
    }
    pod::validate_template(template, &of_template, &mut errors);
    validate_restarts(template, "DaemonSet", &of_template, &mut errors);
    errors.not_negative(&path.child("minReadySeconds"), &spec["minReadySeconds"]);
    validate_strategy(&spec["updateStrategy"], &path.child("updateStrategy"), &mut errors);
    errors.not_negative(&path.child("revisionHistoryLimit"), &spec["revisionHistoryLimit"]);
    errors.into_vec()
}

fn validate_strategy(strategy: &Value, path: &Path, errors: &mut Errors) {
    let (rolling, at) = (&strategy["rollingUpdate"], path.child("rollingUpdate"));
    match text(&strategy["type"]) {
        "OnDelete" => {}
        "RollingUpdate" if rolling.is_object() => validate_rolling(rolling, &at, errors),
        "RollingUpdate" => errors.required(&at, ""),
        _ => {
            let shown = super::go_strategy(strategy);
            errors.push(FieldError::not_listed(path.as_str(), shown, &["RollingUpdate", "OnDelete"]));
        }
    }
}

/// Exactly one of the two: a node runs the new pod before the old one goes, or after.
fn validate_rolling(rolling: &Value, path: &Path, errors: &mut Errors) {
    const FIELDS: [&str; 2] = ["maxUnavailable", "maxSurge"];
    for field in FIELDS {
        validate_share(&rolling[field], &path.child(field), errors);
    }
    for field in FIELDS {
        validate_not_more_than_all(&rolling[field], &path.child(field), errors);
    }
    match FIELDS.map(|field| amount(&rolling[field]) != 0) {
        [true, true] => {
            let detail = "may not be set when maxUnavailable is non-zero";
            errors.invalid(&path.child("maxSurge"), &rolling["maxSurge"], detail);
        }
        [false, false] => errors.required(&path.child("maxUnavailable"), "cannot be 0 when maxSurge is 0"),
        _ => {}
    }
}

/// A write of the status.
pub(crate) fn validate_daemon_set_part(set: &Value, old: &Value, part: &str, _: &str) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let path = Path::new(part);
    metadata::validate_change(set, old, &mut errors);
    let counts = [
        "currentNumberScheduled",
        "numberMisscheduled",
        "desiredNumberScheduled",
        "numberReady",
        "observedGeneration",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberUnavailable",
        "collisionCount",
    ];
    validate_counts(&set["status"], &counts, &path, &mut errors);
    super::validate_collisions(set, old, &path, &mut errors);
    errors.into_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_of_two_shares_is_set() {
        let found = |rolling: Value| {
            let mut errors = Errors::default();
            validate_rolling(&rolling, &Path::new("r"), &mut errors);
            errors.into_vec().iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert!(found(json!({ "maxUnavailable": 1, "maxSurge": 0 })).is_empty());
        let none = "r.maxUnavailable: Required value: cannot be 0 when maxSurge is 0";
        assert_eq!(found(json!({ "maxUnavailable": 0, "maxSurge": "0%" })), [none]);
        let both = "r.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero";
        assert_eq!(found(json!({ "maxUnavailable": "10%", "maxSurge": 1 })), [both]);
    }
}
