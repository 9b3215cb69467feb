//! What extension servers say of themselves: their resources, and where their schemas are.

use std::sync::Arc;

use orch_object::openapi::merge_v2;
use orch_object::{Kind, Kinds, Scope, Strategy, Subresource};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{Aggregator, Remote};

const AGGREGATED: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";

/// Every group version of an extension server.
#[derive(Debug, Default, Clone)]
pub struct Discovered {
    pub versions: Vec<RemoteVersion>,
    /// Of the versions that answer.
    kinds: Kinds,
}

impl PartialEq for Discovered {
    fn eq(&self, other: &Self) -> bool {
        self.versions == other.versions // the kinds are made of them
    }
}

/// One group version.
#[derive(Debug, Clone, PartialEq)]
pub struct RemoteVersion {
    pub group: String,
    pub version: String,
    /// As aggregated discovery lists them.
    pub resources: Vec<Value>,
    /// False: it did not answer the last time.
    pub current: bool,
    /// `serverRelativeURL` of its OpenAPI v3 document; empty: it has none.
    pub openapi: String,
    /// Its part of OpenAPI v2, where it has one.
    pub schemas: Option<Arc<Schemas>>,
}

/// Paths of OpenAPI v2, and what they refer to.
#[derive(Debug)]
pub struct Schemas {
    document: Value,
    pub hash: String,
}

impl PartialEq for Schemas {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl Discovered {
    pub fn new(mut versions: Vec<RemoteVersion>) -> Self {
        versions.sort_by(|a, b| (&a.group, &a.version).cmp(&(&b.group, &b.version)));
        let current = versions.iter().filter(|version| version.current);
        let kinds = Kinds::new(current.flat_map(RemoteVersion::rows).collect());
        Discovered { versions, kinds }
    }

    /// Rows of what extension servers serve: what discovery tells, nothing of how objects look.
    pub fn kinds(&self) -> &Kinds {
        &self.kinds
    }

    /// Of all documents of OpenAPI v2 together; empty: there are none.
    pub fn fingerprint(&self) -> String {
        self.schemas().map(|(_, schemas)| schemas.hash.as_str()).collect()
    }

    /// Puts what extension servers describe into the document of everything.
    pub fn describe(&self, whole: &mut Value) {
        for (version, schemas) in self.schemas() {
            merge_v2(whole, &schemas.document, &prefix(&version.group, &version.version));
        }
    }

    fn schemas(&self) -> impl Iterator<Item = (&RemoteVersion, &Schemas)> {
        self.versions.iter().filter_map(|version| Some((version, &**version.schemas.as_ref()?)))
    }

    /// Whether it answered the last time.
    pub fn answers(&self, remote: &Remote) -> bool {
        self.version(remote).is_some_and(|known| known.current)
    }

    pub fn version(&self, remote: &Remote) -> Option<&RemoteVersion> {
        self.versions.iter().find(|known| known.group == remote.group && known.version == remote.version)
    }
}

impl RemoteVersion {
    /// Nothing is known of it yet.
    pub fn unknown(remote: &Remote) -> Self {
        RemoteVersion {
            group: remote.group.clone(),
            version: remote.version.clone(),
            resources: Vec::new(),
            current: false,
            openapi: String::new(),
            schemas: None,
        }
    }

    pub fn gone_stale(&self) -> Self {
        RemoteVersion { current: false, ..self.clone() }
    }

    fn rows(&self) -> impl Iterator<Item = Kind> {
        self.resources.iter().filter_map(|resource| self.row(resource))
    }

    /// `None`: the resource has no kind, and so no objects.
    fn row(&self, resource: &Value) -> Option<Kind> {
        let kind = resource["responseKind"]["kind"].as_str().filter(|kind| !kind.is_empty())?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let part = |part: &Value| Subresource {
            name: text(&part["subresource"]),
            group: text(&part["responseKind"]["group"]),
            version: text(&part["responseKind"]["version"]),
            kind: text(&part["responseKind"]["kind"]),
            verbs: texts(&part["verbs"]),
        };
        Some(Kind {
            group: self.group.clone(),
            version: self.version.clone(),
            kind: kind.to_owned(),
            list_kind: format!("{kind}List"),
            plural: text(&resource["resource"]),
            singular: text(&resource["singularResource"]),
            scope: if resource["scope"] == "Namespaced" { Scope::Namespaced } else { Scope::Cluster },
            short_names: texts(&resource["shortNames"]),
            categories: texts(&resource["categories"]),
            verbs: texts(&resource["verbs"]),
            subresources: resource["subresources"].as_array().into_iter().flatten().map(part).collect(),
            columns: Vec::new(),
            selectable_fields: Vec::new(),
            schema: String::new(),
            has_generation: false,
            strategy: Strategy::default(),
            conversion: None,
            custom: None,
        })
    }

    /// As aggregated discovery shows it.
    pub fn to_json(&self) -> Value {
        let freshness = if self.current { "Current" } else { "Stale" };
        json!({ "version": self.version, "resources": self.resources, "freshness": freshness })
    }
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(String::from).collect()
}

/// Asks an extension server that is available; `None`: it does not say.
pub async fn ask(aggregator: &Aggregator, remote: &Remote) -> Option<RemoteVersion> {
    let resources = match aggregated(aggregator, remote).await {
        Some(resources) => resources,
        None => plain(aggregator, remote).await?,
    };
    let openapi = openapi(aggregator, remote).await.unwrap_or_default();
    let schemas = schemas(aggregator, remote).await.map(Arc::new);
    Some(RemoteVersion { resources, current: true, openapi, schemas, ..RemoteVersion::unknown(remote) })
}

/// Where the paths of a group version begin.
fn prefix(group: &str, version: &str) -> String {
    format!("/apis/{group}/{version}/")
}

async fn schemas(aggregator: &Aggregator, remote: &Remote) -> Option<Schemas> {
    let whole = document(aggregator, remote, "/openapi/v2", "application/json").await?;
    let mut part = json!({});
    merge_v2(&mut part, &whole, &prefix(&remote.group, &remote.version));
    let hash = hex::encode(Sha256::digest(part.to_string()));
    Some(Schemas { document: part, hash })
}

async fn document(
    aggregator: &Aggregator,
    remote: &Remote,
    path: &str,
    accept: &'static str,
) -> Option<Value> {
    match aggregator.get(remote, path, accept).await {
        Ok((_, body)) => serde_json::from_slice(&body).ok(),
        Err(why) => {
            tracing::debug!(service = %remote.name, path, why, "an extension server has no such document");
            None
        }
    }
}

async fn aggregated(aggregator: &Aggregator, remote: &Remote) -> Option<Vec<Value>> {
    let list = document(aggregator, remote, "/apis", AGGREGATED).await?;
    let group = list["items"].as_array()?.iter().find(|group| group["metadata"]["name"] == remote.group)?;
    let version = group["versions"].as_array()?.iter().find(|v| v["version"] == remote.version)?;
    version["resources"].as_array().cloned()
}

async fn plain(aggregator: &Aggregator, remote: &Remote) -> Option<Vec<Value>> {
    let path = format!("/apis/{}/{}", remote.group, remote.version);
    let list = document(aggregator, remote, &path, "application/json").await?;
    Some(in_aggregated_form(list["resources"].as_array()?, remote))
}

async fn openapi(aggregator: &Aggregator, remote: &Remote) -> Option<String> {
    let index = document(aggregator, remote, "/openapi/v3", "application/json").await?;
    let path = format!("apis/{}/{}", remote.group, remote.version);
    index["paths"][path]["serverRelativeURL"].as_str().map(String::from)
}

/// An APIResourceList's entries, with each sub-resource at its resource.
fn in_aggregated_form(listed: &[Value], remote: &Remote) -> Vec<Value> {
    let kind = |entry: &Value| {
        let text = |field: &str, own: &str| entry[field].as_str().unwrap_or(own).to_owned();
        json!({ "group": text("group", &remote.group), "version": text("version", &remote.version), "kind": entry["kind"] })
    };
    let name = |entry: &Value| entry["name"].as_str().unwrap_or_default().to_owned();
    let whole = listed.iter().filter(|entry| !name(entry).contains('/'));
    whole
        .map(|entry| {
            let scope = if entry["namespaced"] == true { "Namespaced" } else { "Cluster" };
            let mut resource = Map::new();
            resource.insert("resource".into(), entry["name"].clone());
            resource.insert("responseKind".into(), kind(entry));
            resource.insert("scope".into(), scope.into());
            resource.insert("singularResource".into(), entry["singularName"].clone());
            for field in ["verbs", "shortNames", "categories"] {
                if entry[field].is_array() {
                    resource.insert(field.into(), entry[field].clone());
                }
            }
            let prefix = format!("{}/", name(entry));
            let parts = listed.iter().filter_map(|part| {
                let part_name = name(part);
                let part_name = part_name.strip_prefix(&prefix)?.to_owned();
                Some(json!({ "subresource": part_name, "responseKind": kind(part), "verbs": part["verbs"] }))
            });
            let parts: Vec<Value> = parts.collect();
            if !parts.is_empty() {
                resource.insert("subresources".into(), parts.into());
            }
            Value::Object(resource)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_discovery_says_the_same() {
        let object = json!({ "metadata": { "name": "v1.a.example" },
            "spec": { "group": "a.example", "version": "v1", "service": { "namespace": "n", "name": "s" } } });
        let remote = Remote::of(&object).unwrap();
        let listed = [
            json!({ "name": "flunders", "singularName": "flunder", "namespaced": true, "kind": "Flunder", "verbs": ["get"], "shortNames": ["fl"] }),
            json!({ "name": "flunders/scale", "namespaced": true, "group": "autoscaling", "version": "v1", "kind": "Scale", "verbs": ["get"] }),
        ];
        let expected = json!([{
            "resource": "flunders", "singularResource": "flunder", "scope": "Namespaced", "verbs": ["get"], "shortNames": ["fl"],
            "responseKind": { "group": "a.example", "version": "v1", "kind": "Flunder" },
            "subresources": [{ "subresource": "scale", "verbs": ["get"],
                "responseKind": { "group": "autoscaling", "version": "v1", "kind": "Scale" } }],
        }]);
        assert_eq!(Value::from(in_aggregated_form(&listed, &remote)), expected);
    }
}
