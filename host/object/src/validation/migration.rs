//! StorageVersionMigrations.

use serde_json::Value;

use super::condition::validate_conditions;
use super::{Errors, Path, items, metadata, text};
use crate::names;
use crate::status::FieldError;

pub(crate) fn validate_migration(migration: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(migration, old, names::dns1123_subdomain, &mut errors);
    let (path, resource) = (Path::new("spec").child("resource"), &migration["spec"]["resource"]);
    match text(&resource["resource"]) {
        "" => errors.required(&path.child("resource"), "resource is required to be set"),
        name => errors.rule(&path.child("resource"), name, names::dns1035_label),
    }
    if !text(&resource["group"]).is_empty() {
        errors.rule(&path.child("group"), text(&resource["group"]), names::dns1123_subdomain);
    }
    if let Some(old) = old {
        errors.immutable(&Path::new("spec"), &migration["spec"], &old["spec"]);
    }
    errors.into_vec()
}

pub(crate) fn validate_status(new: &Value, old: &Value, _: &str, _now: &str) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let (path, status) = (Path::new("status"), &new["status"]);
    let (version, before) = (text(&status["resourceVersion"]), text(&old["status"]["resourceVersion"]));
    let at = path.child("resourceVersion");
    if !version.is_empty() && version.parse::<u64>().is_err() {
        errors.invalid(&at, &status["resourceVersion"], "resource version is not well formed");
    }
    let conditions = path.child("conditions");
    validate_conditions(&status["conditions"], &conditions, &mut errors);
    if !before.is_empty() && before != version {
        errors.invalid(&at, &status["resourceVersion"], super::IMMUTABLE);
    }
    if is_true(new, "Succeeded") && is_true(new, "Failed") {
        let detail = "Both success and failed conditions cannot be true at the same time";
        errors.invalid(&conditions, &status["conditions"], detail);
    }
    for (kind, named) in [("Succeeded", "Success"), ("Failed", "Failed")] {
        if is_true(old, kind) && !is_true(new, kind) {
            let detail = format!("{named} condition cannot be set to false once it is true");
            errors.invalid(&conditions, &status["conditions"], detail);
        }
    }
    errors.into_vec()
}

fn is_true(migration: &Value, kind: &str) -> bool {
    items(&migration["status"]["conditions"]).iter().any(|c| c["type"] == kind && c["status"] == "True")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_migration_ends_once() {
        let migration = |succeeded: &str, failed: &str| {
            let condition = |kind: &str, status: &str| json!({ "type": kind, "status": status, "reason": "R", "lastTransitionTime": "2026-01-01T00:00:00Z" });
            json!({ "status": { "resourceVersion": "5", "conditions": [
                condition("Succeeded", succeeded), condition("Failed", failed)] } })
        };
        let details = |new: Value, old: Value| -> Vec<String> {
            validate_status(&new, &old, "status", "").into_iter().map(|e| e.detail).collect()
        };
        assert_eq!(details(migration("True", "False"), json!({})), [""; 0]);
        assert_eq!(
            details(migration("True", "True"), json!({})),
            ["Both success and failed conditions cannot be true at the same time"]
        );
        assert_eq!(
            details(migration("False", "False"), migration("True", "False")),
            ["Success condition cannot be set to false once it is true"]
        );
    }
}
