//! OpenAPI v3: one document for each group and version and each part of discovery, made when asked for
//! and not kept; and v2, one document of everything, converted from it.
//!
//! Good for `kubectl explain`, for kubectl's choice of server-side validation (the `fieldValidation`
//! parameter of PATCH), for its strategic merge patches (list and merge markers of the schemas), and for
//! whoever makes clients of it.

mod gnostic;
mod merge;
mod operations;
mod parameters;
mod paths;
mod schemas;
mod v2;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::schema::full_definitions;
use crate::{Kind, Kinds};
use operations::{JSON, capitalized, tag};
use parameters::Options;
use paths::{ENCODED, Inquiry, Route};
use schemas::META;

pub use gnostic::{v2 as v2_protobuf, v3 as v3_protobuf};
pub use merge::merge_v2;
pub use v2::v2;

/// The Kubernetes version whose API this is.
const VERSION: &str = "1.37";

/// What a document of v3 is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Document {
    /// `/api/`: the versions of the core group.
    Legacy,
    /// `/apis/`: the groups.
    Groups,
    Group(String),
    Version {
        group: String,
        version: String,
    },
    /// `/version/`: the server's own.
    Code,
    /// What verifies the tokens of service accounts, and where it is.
    Keys,
    Issuer,
}

impl Document {
    fn group(&self) -> Option<(&str, &str)> {
        match self {
            Document::Version { group, version } => Some((group, version)),
            _ => None,
        }
    }
}

/// All of them, by what follows `/openapi/v3/` in their URLs.
pub fn documents(kinds: &Kinds) -> BTreeMap<String, Document> {
    let fixed = [
        (".well-known/openid-configuration", Document::Issuer),
        ("api", Document::Legacy),
        ("apis", Document::Groups),
        ("openid/v1/jwks", Document::Keys),
        ("version", Document::Code),
    ];
    let mut documents: BTreeMap<String, Document> =
        fixed.into_iter().map(|(path, document)| (path.to_owned(), document)).collect();
    for kind in kinds.rows() {
        let Kind { group, version, .. } = &**kind;
        let path = match group.as_str() {
            "" => format!("api/{version}"),
            group => format!("apis/{group}/{version}"),
        };
        documents.insert(path, Document::Version { group: group.clone(), version: version.clone() });
        // Groups of custom resources have none of their own.
        if !group.is_empty() && kind.custom.is_none() {
            documents.insert(format!("apis/{group}"), Document::Group(group.clone()));
        }
    }
    documents
}

pub fn v3(kinds: &Kinds, document: &Document) -> Value {
    let definitions = full_definitions();
    let rows = rows(kinds, document);
    let paths = paths::items(routes(document, &rows, &Options::new(&definitions)));
    let schemas = schemas::schemas(&paths, kinds, document.group().into_iter().collect(), &definitions);
    let mut whole = json!({
        "openapi": "3.0.0",
        "info": { "title": "Kubernetes", "version": VERSION },
        "paths": paths,
        "components": {},
    });
    if schemas.as_object().is_some_and(|schemas| !schemas.is_empty()) {
        whole["components"]["schemas"] = schemas;
    }
    if is_custom(&rows) {
        whole["info"] = json!({ "title": "Kubernetes CRD Swagger", "version": "v0.1.0" });
    } else {
        whole["components"]["securitySchemes"] = security();
    }
    whole
}

fn security() -> Value {
    json!({ "BearerToken": {
        "type": "apiKey", "name": "authorization", "in": "header",
        "description": "Bearer Token authentication",
    } })
}

/// Changes whenever the document does: for the index, which would otherwise have to build them all.
pub fn fingerprint(kinds: &Kinds, document: &Document) -> String {
    let mut hasher = DefaultHasher::new();
    schemas::hash_definitions(&mut hasher);
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    document.hash(&mut hasher);
    for kind in rows(kinds, document) {
        (&kind.kind, &kind.plural, &kind.schema, &kind.verbs).hash(&mut hasher);
        for part in &kind.subresources {
            (&part.name, &part.verbs).hash(&mut hasher);
        }
        kind.custom.as_ref().map(|custom| custom.fingerprint()).hash(&mut hasher);
    }
    format!("{:016X}", hasher.finish())
}

fn rows<'k>(kinds: &'k Kinds, document: &Document) -> Vec<&'k Arc<Kind>> {
    let Document::Version { group, version } = document else { return Vec::new() };
    kinds.rows().iter().filter(|kind| kind.group == *group && kind.version == *version).collect()
}

fn is_custom(rows: &[&Arc<Kind>]) -> bool {
    rows.iter().any(|kind| kind.custom.is_some())
}

fn routes(document: &Document, rows: &[&Arc<Kind>], options: &Options) -> Vec<Route> {
    match document {
        Document::Version { group, version } => {
            let kinds = rows.iter().flat_map(|kind| paths::of_kind(kind, options));
            let discovery = (!is_custom(rows)).then(|| paths::resources(group, version));
            discovery.into_iter().chain(kinds).collect()
        }
        Document::Legacy => vec![inquiry("/api/", "getCoreAPIVersions", VERSIONS, "core", "APIVersions")],
        Document::Groups => vec![inquiry("/apis/", "getAPIVersions", VERSIONS, "apis", "APIGroupList")],
        Document::Group(group) => {
            let tag = tag(group, "");
            let id = format!("get{}APIGroup", capitalized(&tag));
            vec![inquiry(&format!("/apis/{group}/"), &id, "get information of a group", &tag, "APIGroup")]
        }
        Document::Code => vec![version()],
        Document::Keys => vec![keys()],
        Document::Issuer => vec![issuer()],
    }
}

const VERSIONS: &str = "get available API versions";

fn inquiry(path: &str, id: &str, description: &str, tag: &str, answer: &str) -> Route {
    let answer = reference(&format!("{META}.{answer}"));
    Inquiry { path, id, description, tag, answer, media: &ENCODED }.route()
}

fn version() -> Route {
    Inquiry {
        path: "/version/",
        id: "getCodeVersion",
        description: "get the version information for this server",
        tag: "version",
        answer: reference("io.k8s.apimachinery.pkg.version.Info"),
        media: &[JSON],
    }
    .route()
}

fn keys() -> Route {
    Inquiry {
        path: "/openid/v1/jwks/",
        id: "getServiceAccountIssuerOpenIDKeyset",
        description: "get the public keys that verify the tokens of service accounts",
        tag: "openid",
        answer: json!({ "type": "string" }),
        media: &["application/jwk-set+json"],
    }
    .route()
}

fn issuer() -> Route {
    Inquiry {
        path: "/.well-known/openid-configuration/",
        id: "getServiceAccountIssuerOpenIDConfiguration",
        description: "get the OpenID configuration of the issuer of service accounts' tokens",
        tag: "WellKnown",
        answer: json!({ "type": "string" }),
        media: &[JSON],
    }
    .route()
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
