//! OpenAPI v3: one document for each group and version, made when asked for and not kept; and v2, one
//! document of everything, converted from it.
//!
//! Good for `kubectl explain`, for kubectl's choice of server-side validation (the `fieldValidation`
//! parameter of PATCH) and for its strategic merge patches (list and merge markers of the schemas).

mod gnostic;
mod operations;
mod paths;
mod schemas;
mod v2;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::{Kind, Kinds};

pub use gnostic::encode as v2_protobuf;
pub use v2::v2;

/// The Kubernetes version whose API this is.
const VERSION: &str = "v1.37.0";

/// The document at `/openapi/v3/api/v1` (an empty group) or `/openapi/v3/apis/{group}/{version}`.
pub fn v3(kinds: &Kinds, group: &str, version: &str) -> Value {
    let rows: Vec<&Arc<Kind>> = rows(kinds, group, version).collect();
    json!({
        "openapi": "3.0.0",
        "info": { "title": "Kubernetes", "version": VERSION },
        "paths": paths::paths(&rows),
        "components": { "schemas": schemas::schemas(&rows) },
    })
}

/// Changes whenever the document does: for the index, which would otherwise have to build them all.
pub fn fingerprint(kinds: &Kinds, group: &str, version: &str) -> String {
    let mut hasher = DefaultHasher::new();
    schemas::hash_definitions(&mut hasher);
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    for kind in rows(kinds, group, version) {
        (&kind.kind, &kind.plural, &kind.schema, &kind.verbs).hash(&mut hasher);
        for part in &kind.subresources {
            (&part.name, &part.verbs).hash(&mut hasher);
        }
        kind.custom.as_ref().map(|custom| custom.fingerprint()).hash(&mut hasher);
    }
    format!("{:016X}", hasher.finish())
}

fn rows<'k>(kinds: &'k Kinds, group: &str, version: &str) -> impl Iterator<Item = &'k Arc<Kind>> {
    kinds.rows().iter().filter(move |kind| kind.group == group && kind.version == version)
}

/// What the markers call `x-kubernetes-group-version-kind`.
fn group_version_kind(group: &str, version: &str, kind: &str) -> Value {
    json!({ "group": group, "version": version, "kind": kind })
}

fn reference(definition: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{definition}") })
}

#[cfg(test)]
mod tests;
