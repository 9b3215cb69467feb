//! Holding an object that is being deleted while something needs it.

use serde_json::Value;

use crate::controller::{Api, Error, ObjectRef};
use crate::object::Object;

/// Holds an object by a finalizer: one that stays gets it where it is missing, one that is being deleted
/// loses it once it is not `used`. `object` is what was read at `at`; the write fails when it has changed
/// since, and is then tried again.
pub fn hold_while(
    api: &dyn Api,
    at: ObjectRef,
    object: &Value,
    finalizer: &str,
    used: impl FnOnce() -> Result<bool, Error>,
) -> Result<(), Error> {
    let held = object.finalizers().any(|known| known == finalizer);
    let finalizers: Vec<&str> = match (object.is_being_deleted(), held) {
        (false, false) => object.finalizers().chain([finalizer]).collect(),
        (true, true) if !used()? => object.finalizers().filter(|known| *known != finalizer).collect(),
        (true, _) | (false, true) => return Ok(()),
    };
    let Some(mut live) = api.get_live(at)?.filter(|live| live.uid() == object.uid()) else { return Ok(()) };
    live.set(&["metadata", "resourceVersion"], object.resource_version());
    live.set(&["metadata", "finalizers"], finalizers);
    match api.update(&live) {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}
