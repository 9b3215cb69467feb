//! The writes.

use orch_sdk::controller::{Api, ApiError, Error, Kind, ObjectRef, PatchType, Resource, Selection};
use orch_sdk::object::Object;
use orch_sdk::{Value, json};

use crate::status;

/// Writes each object as it is that is not newer than the version.
pub fn write(api: &dyn Api, migration: &Value, resource: &Resource, until: u64) -> Result<(), Error> {
    let mut progress = Progress::default();
    let mut old = Vec::new();
    for namespace in namespaces(api, resource)? {
        let objects = api.list(resource.as_kind(), Selection::within(&namespace))?;
        progress.total += objects.len();
        let written_at = |object: &Value| object.resource_version().parse().unwrap_or(0);
        let remaining = objects.iter().filter(|object| written_at(object) <= until);
        old.extend(remaining.map(|object| (namespace.clone(), object.name().to_owned(), version(object))));
    }
    progress.left = old.len();
    for (namespace, name, version) in old {
        let at = resource.as_kind().object(&namespace, &name);
        match touch(api, at, &version) {
            Ok(()) => progress.left -= 1,
            Err(error) if may_pass(&error) => {
                let message = format!("{}; transient error: {error}", progress.message());
                // The message is for people; what counts is that this is tried again.
                let _ = status::run(api, migration, &message);
                return Err(error.into());
            }
            Err(error) => {
                let why = format!(
                    "{}/{} not yet migrated. migration encountered unhandled error: {}",
                    progress.left, progress.total, error.message
                );
                return status::fail(api, migration, Some(&progress.message()), &why);
            }
        }
    }
    status::succeed(api, migration, &progress.message())
}

fn version(object: &Value) -> String {
    object.resource_version().to_owned()
}

/// One after the other, so that not all objects are in memory at once.
fn namespaces(api: &dyn Api, resource: &Resource) -> Result<Vec<String>, Error> {
    if !resource.namespaced {
        return Ok(vec![String::new()]);
    }
    let namespaces = api.list(Kind::NAMESPACE, Selection::default())?;
    Ok(namespaces.iter().map(|namespace| namespace.name().to_owned()).collect())
}

#[derive(Default)]
struct Progress {
    left: usize,
    total: usize,
}

impl Progress {
    fn message(&self) -> String {
        status::progress(self.left, self.total)
    }
}

/// A write that changes nothing. Who was faster has migrated the object, or it is gone.
fn touch(api: &dyn Api, at: ObjectRef, version: &str) -> Result<(), ApiError> {
    let body = json!({ "apiVersion": at.kind.api_version, "kind": at.kind.kind,
        "metadata": { "resourceVersion": version } });
    match api.patch(at, PatchType::Merge, &body) {
        Err(error) if !error.is_conflict() && !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

fn may_pass(error: &ApiError) -> bool {
    [429, 500, 503, 504].contains(&error.code)
}
