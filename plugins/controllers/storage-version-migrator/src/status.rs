//! What a migration is told of itself.

use orch_sdk::controller::{Api, Error};
use orch_sdk::object::Object;
use orch_sdk::time::rfc3339;
use orch_sdk::{Value, json};

pub const RUNNING: &str = "Running";
pub const SUCCEEDED: &str = "Succeeded";
pub const FAILED: &str = "Failed";

/// Type, status, reason, message.
type Condition<'a> = (&'a str, &'a str, &'a str, &'a str);

pub fn is_true(migration: &Value, condition: &str) -> bool {
    let conditions = migration.items(&["status", "conditions"]);
    conditions.iter().any(|known| known["type"] == condition && known["status"] == "True")
}

/// How far it is, in upstream's words. `total` 0: nothing has been counted.
pub fn progress(left: usize, total: usize) -> String {
    match (left, total) {
        (_, 0) => "The migration is running".into(),
        (0, total) => format!("The migration is running, {total} objects verified migrated"),
        (left, total) => format!("The migration is running, {left}/{total} objects not yet migrated"),
    }
}

pub fn run(api: &dyn Api, migration: &Value, message: &str) -> Result<(), Error> {
    write(api, migration, &[(RUNNING, "True", "MigrationRunning", message)])
}

pub fn begin_at(api: &dyn Api, migration: &Value, version: &str) -> Result<(), Error> {
    let mut migration = migration.clone();
    migration.set(&["status", "resourceVersion"], version);
    update(api, &migration)
}

pub fn succeed(api: &dyn Api, migration: &Value, progress: &str) -> Result<(), Error> {
    let running = (RUNNING, "True", "MigrationRunning", progress);
    let succeeded = (SUCCEEDED, "True", "StorageVersionMigrationSucceeded", "Migration completed");
    write(api, migration, &[running, succeeded])
}

pub fn fail(api: &dyn Api, migration: &Value, progress: Option<&str>, why: &str) -> Result<(), Error> {
    let running = progress.map(|progress| (RUNNING, "True", "MigrationRunning", progress));
    let failed = (FAILED, "True", "StorageVersionMigrationFailed", why);
    let conditions: Vec<Condition> = running.into_iter().chain([failed]).collect();
    write(api, migration, &conditions)
}

pub fn close(api: &dyn Api, migration: &Value) -> Result<(), Error> {
    write(api, migration, &[(RUNNING, "False", "MigrationCompleted", "Migration completed")])
}

fn write(api: &dyn Api, migration: &Value, conditions: &[Condition]) -> Result<(), Error> {
    let mut after = migration.clone();
    let mut told = migration.items(&["status", "conditions"]).to_vec();
    for (condition_type, status, reason, message) in conditions {
        let known = told.iter().position(|known| known["type"] == *condition_type);
        let same = known.filter(|index| told[*index]["status"] == *status);
        let since = same
            .map_or_else(|| rfc3339(api.now_ms()).into(), |index| told[index]["lastTransitionTime"].clone());
        let new = json!({ "type": condition_type, "status": status, "reason": reason, "message": message,
            "lastTransitionTime": since });
        match known {
            Some(index) => told[index] = new,
            None => told.push(new),
        }
    }
    after.set(&["status", "conditions"], told);
    if after == *migration { Ok(()) } else { update(api, &after) }
}

/// A migration that is gone needs nothing.
fn update(api: &dyn Api, migration: &Value) -> Result<(), Error> {
    match api.update_status(migration) {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}
