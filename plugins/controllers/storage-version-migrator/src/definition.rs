//! What the definition of a custom resource is told of its migrations.

use orch_sdk::controller::{Api, Error, Kind, PatchType};
use orch_sdk::object::Object;
use orch_sdk::time::rfc3339;
use orch_sdk::{Value, json};

const DEFINITION: Kind = Kind::new("apiextensions.k8s.io/v1", "CustomResourceDefinition");
const CONDITION: &str = "StorageMigrating";

/// `name`: of the resource, and so of its definition; others have none.
pub fn begin(api: &dyn Api, name: &str, migration: &str) -> Result<(), Error> {
    let Some(definition) = read(api, name)? else { return Ok(()) };
    let message = format!("Migration {migration} is running");
    tell(api, &definition, "True", "MigrationRunning", &message, None)
}

/// After a migration that succeeded only the storage version is stored, unless the definition has changed
/// since the migration began.
pub fn close(api: &dyn Api, name: &str, succeeded: bool) -> Result<(), Error> {
    let Some(definition) = read(api, name)? else { return Ok(()) };
    let conditions = definition.items(&["status", "conditions"]);
    let seen = conditions.iter().find(|condition| condition["type"] == CONDITION);
    let unchanged = seen.is_some_and(|seen| seen["observedGeneration"] == definition.generation());
    let (reason, message) = match (succeeded, unchanged) {
        (true, true) => {
            ("MigrationSucceeded", "The migration has succeeded and the stored versions have been updated")
        }
        (true, false) => (
            "MigrationSucceeded",
            "The migration has succeeded but the stored versions have not been updated due to a generation mismatch",
        ),
        (false, _) => ("MigrationFailed", "The migration has failed"),
    };
    let versions = definition.items(&["spec", "versions"]);
    let stored = versions.iter().find(|version| version["storage"] == true && succeeded && unchanged);
    tell(api, &definition, "False", reason, message, stored.map(|version| &version["name"]))
}

fn read(api: &dyn Api, name: &str) -> Result<Option<Value>, Error> {
    if name.ends_with('.') {
        return Ok(None); // of the core group
    }
    Ok(api.get_live(DEFINITION.object("", name))?)
}

/// Fails when the definition has changed since it was read.
fn tell(
    api: &dyn Api,
    definition: &Value,
    status: &str,
    reason: &str,
    message: &str,
    stored: Option<&Value>,
) -> Result<(), Error> {
    let condition = json!({ "type": CONDITION, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": rfc3339(api.now_ms()), "observedGeneration": definition.generation() });
    let mut body = json!({ "apiVersion": DEFINITION.api_version, "kind": DEFINITION.kind,
        "metadata": { "name": definition.name(), "resourceVersion": definition.resource_version() },
        "status": { "conditions": [condition] } });
    if let Some(stored) = stored {
        body["status"]["storedVersions"] = json!([stored]);
    }
    let at = DEFINITION.object("", definition.name());
    api.patch_subresource(at, "status", PatchType::Apply, &body)?;
    Ok(())
}
