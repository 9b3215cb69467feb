//! The judgement of one object, as upstream's `attemptToDeleteItem`.

use orch_sdk::controller::{Api, ApiError, DeleteOptions, Error, Kind, PatchType, Propagation};
use orch_sdk::object::{Object, Owner};
use orch_sdk::{Value, json};

use crate::key::At;

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

/// Looks at an object as it is now.
pub fn look(api: &dyn Api, at: &At) -> Result<(), Error> {
    match read(api, at)? {
        Found::There(object) => judge(api, &object),
        Found::Absent | Found::Unknown => Ok(()),
    }
}

/// Looks at everything that named this owner.
pub fn owner_is_gone(api: &dyn Api, uid: &str) -> Result<(), Error> {
    api.dependents(uid)?.iter().try_for_each(|dependent| look(api, &At::of(dependent)))
}

enum Found {
    There(Value),
    Absent,
    /// Of a kind that is not served (now): nothing can be said of it.
    Unknown,
}

fn read(api: &dyn Api, at: &At) -> Result<Found, Error> {
    match api.get_live(at.object()) {
        Ok(Some(object)) if object.uid() == at.uid => Ok(Found::There(object)),
        Ok(_) => Ok(Found::Absent),
        Err(error) if error.is_not_found() => Ok(Found::Unknown),
        Err(error) => Err(error.into()),
    }
}

fn judge(api: &dyn Api, object: &Value) -> Result<(), Error> {
    let has = |finalizer: &str| object.finalizers().any(|known| known == finalizer);
    if object.is_being_deleted() {
        if has(ORPHAN) {
            return orphan_dependents(api, object);
        }
        return if has(FOREGROUND) { wait_for_dependents(api, object) } else { Ok(()) };
    }
    let owners = Owners::classify(api, object)?;
    if owners.is_empty() {
        return Ok(());
    }
    if !owners.solid.is_empty() {
        return keep_only(api, object, &owners);
    }
    let dependents = if owners.waiting.is_empty() { Vec::new() } else { api.dependents(object.uid())? };
    let propagation = if !dependents.is_empty() {
        if dependents.iter().any(waits_for_dependents) {
            unblock_owners(api, object)?;
        }
        Propagation::Foreground
    } else if has(ORPHAN) {
        Propagation::Orphan
    } else if has(FOREGROUND) {
        Propagation::Foreground
    } else {
        Propagation::Background
    };
    let options = DeleteOptions::uid(object.uid()).propagation(propagation);
    unless_gone(api.delete(place(object), &options))
}

fn waits_for_dependents(object: &Value) -> bool {
    object.is_being_deleted() && object.finalizers().any(|known| known == FOREGROUND)
}

/// Its owners and one of its dependents wait for their dependents: perhaps for each other, in a
/// circle. Nobody waits for this one, then.
fn unblock_owners(api: &dyn Api, object: &Value) -> Result<(), Error> {
    let mut references = object.items(&["metadata", "ownerReferences"]).to_vec();
    references.iter_mut().filter(|reference| reference["blockOwnerDeletion"] == true).for_each(|reference| {
        reference["blockOwnerDeletion"] = false.into();
    });
    write_owners(api, object, references.iter())
}

/// The uids of an object's owners, by what they are.
#[derive(Debug, Default)]
struct Owners {
    /// There, or beyond knowing: they keep the object.
    solid: Vec<String>,
    absent: Vec<String>,
    /// Being deleted in the foreground: they wait for the object to go.
    waiting: Vec<String>,
}

impl Owners {
    fn classify(api: &dyn Api, object: &Value) -> Result<Self, Error> {
        let mut owners = Owners::default();
        for owner in object.owners() {
            owners.list_for(api, &owner, object)?.push(owner.uid.into());
        }
        Ok(owners)
    }

    fn list_for(
        &mut self,
        api: &dyn Api,
        owner: &Owner<'_>,
        object: &Value,
    ) -> Result<&mut Vec<String>, Error> {
        // A cluster-scoped object cannot say which namespace an owner is in: it is left alone.
        let lost = object.namespace().is_empty() && is_namespaced(api, owner);
        Ok(match read(api, &At::of_owner(owner, object))? {
            Found::Unknown => &mut self.solid,
            Found::Absent if lost => &mut self.solid,
            Found::Absent => &mut self.absent,
            Found::There(owner) => {
                if waits_for_dependents(&owner) {
                    &mut self.waiting
                } else {
                    &mut self.solid
                }
            }
        })
    }

    fn is_empty(&self) -> bool {
        self.solid.is_empty() && self.absent.is_empty() && self.waiting.is_empty()
    }
}

fn is_namespaced(api: &dyn Api, owner: &Owner<'_>) -> bool {
    let wanted = Kind::new(owner.api_version, owner.kind);
    api.resources().iter().any(|resource| resource.as_kind() == wanted && resource.namespaced)
}

fn place(object: &Value) -> orch_sdk::controller::ObjectRef<'_> {
    Kind::new(object.api_version(), object.kind()).object(object.namespace(), object.name())
}

/// Somebody still wants the object: owners that are gone or going are taken off it.
fn keep_only(api: &dyn Api, object: &Value, owners: &Owners) -> Result<(), Error> {
    if owners.absent.is_empty() && owners.waiting.is_empty() {
        return Ok(());
    }
    let solid = |reference: &&Value| owners.solid.iter().any(|uid| reference["uid"] == uid.as_str());
    write_owners(api, object, object.items(&["metadata", "ownerReferences"]).iter().filter(solid))
}

fn write_owners<'a>(
    api: &dyn Api,
    object: &Value,
    owners: impl Iterator<Item = &'a Value>,
) -> Result<(), Error> {
    let body = json!({"metadata": {
        "uid": object.uid(),
        "resourceVersion": object.resource_version(),
        "ownerReferences": owners.collect::<Vec<_>>(),
    }});
    unless_gone(api.patch(place(object), PatchType::Merge, &body))
}

/// Every dependent is let go, then the finalizer that asked for it.
fn orphan_dependents(api: &dyn Api, owner: &Value) -> Result<(), Error> {
    for dependent in api.dependents(owner.uid())? {
        if let Found::There(dependent) = read(api, &At::of(&dependent))? {
            let others = dependent.items(&["metadata", "ownerReferences"]).iter();
            write_owners(api, &dependent, others.filter(|reference| reference["uid"] != owner.uid()))?;
        }
    }
    remove_finalizer(api, owner, ORPHAN)
}

/// The owner goes when no dependent that blocks it is left; until then they are told to go.
fn wait_for_dependents(api: &dyn Api, owner: &Value) -> Result<(), Error> {
    let blocks = |dependent: &Value| {
        dependent.owners().any(|reference| reference.uid == owner.uid() && reference.block_owner_deletion)
    };
    let mut blocked = false;
    for dependent in api.dependents(owner.uid())?.iter().filter(|dependent| blocks(dependent)) {
        if let Found::There(dependent) = read(api, &At::of(dependent))?.filter(blocks) {
            blocked = true;
            if !dependent.is_being_deleted() {
                judge(api, &dependent)?;
            }
        }
    }
    if blocked { Ok(()) } else { remove_finalizer(api, owner, FOREGROUND) }
}

impl Found {
    /// What is there and does not pass counts as absent.
    fn filter(self, passes: impl Fn(&Value) -> bool) -> Found {
        match self {
            Found::There(object) if !passes(&object) => Found::Absent,
            found => found,
        }
    }
}

fn remove_finalizer(api: &dyn Api, object: &Value, finalizer: &str) -> Result<(), Error> {
    let others: Vec<&str> = object.finalizers().filter(|known| *known != finalizer).collect();
    let body = json!({"metadata": {
        "uid": object.uid(),
        "resourceVersion": object.resource_version(),
        "finalizers": others,
    }});
    unless_gone(api.patch(place(object), PatchType::Merge, &body))
}

fn unless_gone<T>(result: Result<T, ApiError>) -> Result<(), Error> {
    match result {
        Err(error) if !error.is_not_found() => Err(error.into()),
        _ => Ok(()),
    }
}
