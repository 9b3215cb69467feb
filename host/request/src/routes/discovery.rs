//! Discovery, in its plain and aggregated forms; made once for each state of the table of kinds.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, VARY};
use orch_object::custom::names::VersionRank;
use orch_object::{Kind, Kinds, Scope, Status};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::aggregation::{Discovered, RemoteVersion, priorities};
use crate::definitions::Latest;
use crate::encode::negotiate::{Form, Offer, accept};
use crate::encode::{full, respond};

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// The documents of the table as it is.
pub struct DiscoveryOf {
    server_address: String,
    made: Latest<Discovery, Discovered>,
}

impl DiscoveryOf {
    pub fn new(server_address: String) -> Self {
        DiscoveryOf { server_address, made: Latest::default() }
    }

    pub fn of(&self, kinds: &Arc<Kinds>, remote: &Arc<Discovered>) -> Arc<Discovery> {
        self.made.of_both(kinds, remote, || Discovery::new(kinds, remote, &self.server_address))
    }
}

/// Every discovery document.
pub struct Discovery {
    /// By path: `/api`, `/apis`, `/apis/GROUP`, `/api/v1`, `/apis/GROUP/VERSION`.
    plain: BTreeMap<String, Bytes>,
    /// `/api` and `/apis`, with their hashes.
    core: (Bytes, String),
    groups: (Bytes, String),
}

impl Discovery {
    pub fn new(kinds: &Kinds, remote: &Discovered, server_address: &str) -> Self {
        let groups = group_versions(kinds, remote);
        let mut plain = BTreeMap::new();
        let mut put = |path: String, value: Value| plain.insert(path, Bytes::from(value.to_string()));
        put("/api".into(), api_versions(server_address));
        let named: Vec<(&str, &Vec<String>)> =
            groups.iter().filter(|(g, _)| !g.is_empty()).map(|(g, v)| (g.as_str(), v)).collect();
        let listed: Vec<Value> = named.iter().map(|(group, versions)| api_group(group, versions)).collect();
        put("/apis".into(), json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": listed }));
        for (group, versions) in &named {
            let mut document = api_group(group, versions);
            document["kind"] = "APIGroup".into();
            document["apiVersion"] = "v1".into();
            put(format!("/apis/{group}"), document);
        }
        for (group, versions) in &groups {
            // Of the others, who serves them tells.
            for version in versions.iter().filter(|version| remote_version(remote, group, version).is_none())
            {
                put(prefix(group, version), resource_list(kinds, group, version));
            }
        }
        let core = aggregated(kinds, remote, groups.iter().filter(|(g, _)| g.is_empty()));
        let others = aggregated(kinds, remote, groups.iter().filter(|(g, _)| !g.is_empty()));
        Discovery { plain, core: hashed(core), groups: hashed(others) }
    }

    /// `None`: no discovery path.
    pub fn answer(&self, path: &str, headers: &HeaderMap) -> Result<Option<Response>, Status> {
        let Some(plain) = self.plain.get(path) else { return Ok(None) };
        // Only these have an aggregated form.
        let offer = if matches!(path, "/api" | "/apis") { Offer::DISCOVERY } else { Offer::PLAIN };
        let accepted = accept(headers, offer).map_err(|refusal| not_acceptable(headers, refusal))?;
        let document = match (accepted.form, path) {
            (Form::Discovery, "/api") => &self.core,
            (Form::Discovery, "/apis") => &self.groups,
            _ => return Ok(Some(respond(200, plain.clone(), accepted))),
        };
        Ok(Some(with_etag(document, headers)))
    }
}

const ENCODED: [&str; 3] = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];

/// Where the client reads none of the encodings, upstream's router says it, in front of what knows of forms.
fn not_acceptable(headers: &HeaderMap, refusal: Status) -> Status {
    let texts: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|text| text.to_str().ok()).collect();
    if ENCODED.iter().any(|known| texts.iter().any(|text| text.contains(known))) {
        return refusal;
    }
    let message = format!("406: Not Acceptable\n\nAvailable representations: {}", ENCODED.join(", "));
    Status { details: Some(json!({})), ..Status::new(406, "NotAcceptable", message) }
}

fn with_etag((bytes, hash): &(Bytes, String), headers: &HeaderMap) -> Response {
    let etag = format!("\"{hash}\"");
    let known = headers.get(IF_NONE_MATCH).and_then(|v| v.to_str().ok()) == Some(etag.as_str());
    let mut response =
        if known { full(304, AGGREGATED, Bytes::new()) } else { full(200, AGGREGATED, bytes.clone()) };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(AGGREGATED));
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public"));
    if let Ok(value) = HeaderValue::from_str(&etag) {
        response.headers_mut().insert(ETAG, value);
    }
    response
}

fn hashed(document: Value) -> (Bytes, String) {
    let text = document.to_string();
    let hash = hex::encode_upper(Sha256::digest(text.as_bytes()));
    (text.into(), hash)
}

fn prefix(group: &str, version: &str) -> String {
    if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") }
}

/// Groups in the order clients prefer them, each with its versions, the preferred one first.
fn group_versions(kinds: &Kinds, remote: &Discovered) -> Vec<(String, Vec<String>)> {
    let mut groups: Vec<(String, BTreeSet<(VersionRank, String)>)> = Vec::new();
    let own = kinds.rows().iter().map(|kind| (&kind.group, &kind.version));
    let others = remote.versions.iter().map(|version| (&version.group, &version.version));
    for (group, version) in own.chain(others) {
        let rank = (VersionRank::of(version), version.clone());
        match groups.iter_mut().find(|(known, _)| known == group) {
            Some((_, versions)) => drop(versions.insert(rank)),
            None => groups.push((group.clone(), BTreeSet::from([rank]))),
        }
    }
    groups.sort_by_cached_key(|(group, versions)| {
        let of_version = |(_, version): &(VersionRank, String)| priorities(group, version).0;
        (Reverse(versions.iter().map(of_version).max()), group.clone())
    });
    groups
        .into_iter()
        .map(|(group, versions)| (group, versions.into_iter().map(|(_, version)| version).collect()))
        .collect()
}

fn api_versions(server_address: &str) -> Value {
    json!({
        "kind": "APIVersions", "versions": ["v1"],
        "serverAddressByClientCIDRs": [{ "clientCIDR": "0.0.0.0/0", "serverAddress": server_address }],
    })
}

fn api_group(group: &str, versions: &[String]) -> Value {
    let versions: Vec<Value> = versions
        .iter()
        .map(|version| json!({ "groupVersion": format!("{group}/{version}"), "version": version }))
        .collect();
    json!({ "name": group, "versions": versions, "preferredVersion": versions[0] })
}

fn rows<'a>(kinds: &'a Kinds, group: &'a str, version: &'a str) -> impl Iterator<Item = &'a Kind> {
    let mut rows: Vec<&Kind> =
        kinds.rows().iter().map(|k| &**k).filter(|k| k.group == group && k.version == version).collect();
    rows.sort_by(|a, b| a.plural.cmp(&b.plural));
    rows.into_iter()
}

fn resource_list(kinds: &Kinds, group: &str, version: &str) -> Value {
    let group_version = if group.is_empty() { version.to_string() } else { format!("{group}/{version}") };
    let mut resources = Vec::new();
    for kind in rows(kinds, group, version) {
        resources.push(resource(kind));
        for subresource in &kind.subresources {
            let mut entry = json!({
                "name": format!("{}/{}", kind.plural, subresource.name), "singularName": "",
                "namespaced": kind.namespaced(), "kind": subresource.kind, "verbs": subresource.verbs,
            });
            // Left out where it is the parent's own.
            let own = (subresource.group.as_str(), subresource.version.as_str());
            if own != (group, version) && !own.1.is_empty() {
                entry["group"] = subresource.group.clone().into();
                entry["version"] = subresource.version.clone().into();
            }
            resources.push(entry);
        }
    }
    let mut list =
        json!({ "kind": "APIResourceList", "groupVersion": group_version, "resources": resources });
    // The core group's is older than the field.
    if !group.is_empty() {
        list["apiVersion"] = "v1".into();
    }
    list
}

fn resource(kind: &Kind) -> Value {
    let mut entry = json!({
        "name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced(),
        "kind": kind.kind, "verbs": kind.verbs,
    });
    if !kind.short_names.is_empty() {
        entry["shortNames"] = json!(kind.short_names);
    }
    if !kind.categories.is_empty() {
        entry["categories"] = json!(kind.categories);
    }
    if kind.verbs.iter().any(|verb| verb == "list") {
        let hash = Sha256::digest(format!("{}/{}/{}", kind.group, kind.version, kind.plural).as_bytes());
        use base64::Engine;
        entry["storageVersionHash"] = base64::engine::general_purpose::STANDARD.encode(&hash[..8]).into();
    }
    entry
}

/// What an extension server says of a group version.
fn remote_version<'a>(remote: &'a Discovered, group: &str, version: &str) -> Option<&'a RemoteVersion> {
    remote.versions.iter().find(|known| known.group == group && known.version == version)
}

fn aggregated<'a>(
    kinds: &Kinds,
    remote: &Discovered,
    groups: impl Iterator<Item = &'a (String, Vec<String>)>,
) -> Value {
    let items: Vec<Value> = groups
        .map(|(group, versions)| {
            let versions: Vec<Value> = versions
                .iter()
                .map(|version| {
                    if let Some(told) = remote_version(remote, group, version) {
                        return told.to_json();
                    }
                    let resources: Vec<Value> =
                        rows(kinds, group, version).map(aggregated_resource).collect();
                    json!({ "version": version, "resources": resources, "freshness": "Current" })
                })
                .collect();
            let metadata = if group.is_empty() { json!({}) } else { json!({ "name": group }) };
            json!({ "metadata": metadata, "versions": versions })
        })
        .collect();
    json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items,
    })
}

fn aggregated_resource(kind: &Kind) -> Value {
    let scope = match kind.scope {
        Scope::Cluster => "Cluster",
        Scope::Namespaced => "Namespaced",
    };
    let mut entry = json!({
        "resource": kind.plural,
        "responseKind": response_kind(kind, &kind.group, &kind.version, &kind.kind),
        "scope": scope, "singularResource": kind.singular, "verbs": kind.verbs,
    });
    if !kind.short_names.is_empty() {
        entry["shortNames"] = json!(kind.short_names);
    }
    if !kind.categories.is_empty() {
        entry["categories"] = json!(kind.categories);
    }
    if !kind.subresources.is_empty() {
        let subresources: Vec<Value> = kind
            .subresources
            .iter()
            .map(|subresource| {
                json!({
                    "subresource": subresource.name, "verbs": subresource.verbs,
                    "responseKind": response_kind(
                        kind, &subresource.group, &subresource.version, &subresource.kind),
                })
            })
            .collect();
        entry["subresources"] = subresources.into();
    }
    entry
}

/// Group and version are left empty where they are those of the list.
fn response_kind(of: &Kind, group: &str, version: &str, kind: &str) -> Value {
    let own = (group, version) == (of.group.as_str(), of.version.as_str());
    let (group, version) = if own && of.custom.is_none() { ("", "") } else { (group, version) };
    json!({ "group": group, "version": version, "kind": kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_clients_expect() {
        let mut versions = ["v1alpha1", "v1beta1", "v2", "v1", "v1beta2", "v10"];
        versions.sort_by_key(|v| VersionRank::of(v));
        assert_eq!(versions, ["v10", "v2", "v1", "v1beta2", "v1beta1", "v1alpha1"]);
    }
}
