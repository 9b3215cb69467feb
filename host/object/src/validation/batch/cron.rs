//! CronJobs.

use std::path::Path as File;

use serde_json::Value;

use super::super::{Errors, Path, metadata, same, text};
use super::{job, schedule};
use crate::names;
use crate::status::FieldError;

/// A CronJob's jobs have eleven characters more.
const LONGEST_NAME: usize = 52;
const ZONES: [&str; 3] = ["/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/usr/share/lib/zoneinfo"];
const LONGEST_ZONE_PART: usize = 14;

pub(crate) fn validate_cron_job(job: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate_either(job, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &job["spec"]);
    validate_schedule(spec, old, &path.child("schedule"), &mut errors);
    errors.not_negative(&path.child("startingDeadlineSeconds"), &spec["startingDeadlineSeconds"]);
    if old.is_none_or(|old| !same(&old["spec"]["timeZone"], &spec["timeZone"])) {
        validate_zone(&spec["timeZone"], &path.child("timeZone"), &mut errors);
    }
    let policies = ["Allow", "Forbid", "Replace"];
    errors.required_listed(&path.child("concurrencyPolicy"), &spec["concurrencyPolicy"], &policies);
    validate_template(&spec["jobTemplate"]["spec"], &path.at(&["jobTemplate", "spec"]), &mut errors);
    for field in ["successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
        errors.not_negative(&path.child(field), &spec[field]);
    }
    if old.is_none() && text(&job["metadata"]["name"]).len() > LONGEST_NAME {
        let at = Path::new("metadata").child("name");
        errors.invalid(
            &at,
            &job["metadata"]["name"],
            format!("must be no more than {LONGEST_NAME} characters"),
        );
    }
    // What upstream's types themselves say is found last.
    if text(&spec["schedule"]).is_empty() {
        errors.required(&path.child("schedule"), "");
    }
    errors.into_vec()
}

fn validate_schedule(spec: &Value, old: Option<&Value>, path: &Path, errors: &mut Errors) {
    let written = text(&spec["schedule"]);
    if written.is_empty() {
        return;
    }
    if let Err(why) = schedule::parse(written) {
        errors.invalid(path, &spec["schedule"], why);
    }
    let had_zone = old.is_some_and(|old| text(&old["spec"]["schedule"]).contains("TZ"));
    match (written.contains("TZ"), had_zone) {
        (true, true) if !spec["timeZone"].is_null() => {
            let detail = "cannot use both timeZone field and TZ or CRON_TZ in schedule";
            errors.invalid(path, &spec["schedule"], detail);
        }
        (true, false) => {
            let detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
            errors.invalid(path, &spec["schedule"], detail);
        }
        _ => {}
    }
}

fn validate_zone(zone: &Value, path: &Path, errors: &mut Errors) {
    let Some(name) = zone.as_str() else { return };
    if name.is_empty() {
        return errors.invalid(path, zone, "timeZone must be nil or non-empty string");
    }
    if !name.split('/').all(is_zone_part) {
        return errors.invalid(path, zone, format!("unknown time zone {name}"));
    }
    if name.eq_ignore_ascii_case("local") {
        let detail = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
        errors.invalid(path, zone, detail);
    }
    if !is_zone(name) {
        errors.invalid(path, zone, format!("unknown time zone {name}"));
    }
}

fn is_zone_part(part: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_+".contains(c);
    (1..=LONGEST_ZONE_PART).contains(&part.len())
        && part.chars().all(allowed)
        && part != "."
        && part != ".."
        && !part.starts_with('-')
}

/// Whether the machine, or the zones that come with this program, know it.
fn is_zone(name: &str) -> bool {
    ["UTC", "Local"].contains(&name)
        || ZONES.iter().any(|folder| File::new(folder).join(name).is_file())
        || jiff::tz::TimeZone::get(name).is_ok_and(|zone| zone.iana_name() == Some(name))
}

fn validate_template(spec: &Value, path: &Path, errors: &mut Errors) {
    job::validate_spec(spec, path, errors);
    if spec["selector"].is_object() {
        errors.shown(&path.child("selector"), &spec["selector"], "`selector` will be auto-generated");
    }
    if spec["manualSelector"] == true {
        let error = FieldError::not_listed(path.child("manualSelector").as_str(), true, &["nil", "false"]);
        errors.push(error);
    }
}
