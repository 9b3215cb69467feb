//! Finds the resource that a word on the command line means (`po`, `deploy/web`, `Service`).

use anyhow::{Context, bail};
use serde_json::Value;

use super::Session;

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// A served resource, as discovery tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    pub group: String,
    pub version: String,
    pub kind: String,
    pub plural: String,
    pub singular: String,
    pub short_names: Vec<String>,
    pub namespaced: bool,
}

/// A resource and, when one was given, a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    pub resource: Resource,
    pub name: Option<String>,
}

impl Resource {
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `deployment.apps`, `pod`: as kubectl prints what it did.
    pub fn printed(&self) -> String {
        if self.group.is_empty() {
            self.singular.clone()
        } else {
            format!("{}.{}", self.singular, self.group)
        }
    }

    /// The URL path of the collection, or of one object of it.
    pub fn path(&self, namespace: Option<&str>, name: Option<&str>) -> String {
        let mut path = match self.group.as_str() {
            "" => format!("/api/{}", self.version),
            group => format!("/apis/{group}/{}", self.version),
        };
        if let (true, Some(namespace)) = (self.namespaced, namespace) {
            path += &format!("/namespaces/{namespace}");
        }
        path += &format!("/{}", self.plural);
        if let Some(name) = name {
            path += &format!("/{name}");
        }
        path
    }

    fn answers_to(&self, word: &str) -> bool {
        let word = word.to_lowercase();
        let (name, group) = match word.split_once('.') {
            Some((name, group)) => (name, Some(group)),
            None => (word.as_str(), None),
        };
        group.is_none_or(|g| g == self.group)
            && (name == self.plural
                || name == self.singular
                || name == self.kind.to_lowercase()
                || self.short_names.iter().any(|s| s == name))
    }
}

/// Everything the server serves, core first.
pub async fn all(session: &Session) -> anyhow::Result<Vec<Resource>> {
    let mut found = Vec::new();
    for path in ["/api", "/apis"] {
        let groups = session.request("GET", path, AGGREGATED, Vec::new()).await?;
        found.extend(read(&groups));
    }
    Ok(found)
}

fn read(groups: &Value) -> Vec<Resource> {
    let mut found = Vec::new();
    for group in list(&groups["items"]) {
        for version in list(&group["versions"]) {
            for resource in list(&version["resources"]) {
                found.push(Resource {
                    group: text(&group["metadata"]["name"]),
                    version: text(&version["version"]),
                    kind: text(&resource["responseKind"]["kind"]),
                    plural: text(&resource["resource"]),
                    singular: text(&resource["singularResource"]),
                    short_names: list(&resource["shortNames"]).iter().map(text).collect(),
                    namespaced: resource["scope"] == "Namespaced",
                });
            }
        }
    }
    found
}

/// `pods`, `pods a b`, `deploy/web`, `pods,services`.
pub fn asked(served: &[Resource], what: &[String]) -> anyhow::Result<Vec<Asked>> {
    let mut out = Vec::new();
    let (first, rest) = what.split_first().context("name a resource, e.g. `pods` or `deploy/web`")?;
    if first.contains('/') {
        for word in what {
            let (resource, name) =
                word.split_once('/').with_context(|| format!("{word}: write it as KIND/NAME"))?;
            out.push(Asked { resource: find(served, resource)?, name: Some(name.into()) });
        }
        return Ok(out);
    }
    for word in first.split(',') {
        let resource = find(served, word)?;
        if rest.is_empty() {
            out.push(Asked { resource, name: None });
        } else {
            out.extend(
                rest.iter().map(|name| Asked { resource: resource.clone(), name: Some(name.clone()) }),
            );
        }
    }
    Ok(out)
}

fn find(served: &[Resource], word: &str) -> anyhow::Result<Resource> {
    match served.iter().find(|r| r.answers_to(word)) {
        Some(resource) => Ok(resource.clone()),
        None => bail!("the server doesn't have a resource type \"{word}\""),
    }
}

/// The resource of an object in a file.
pub fn of(served: &[Resource], object: &Value) -> anyhow::Result<Resource> {
    let (api_version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
    if api_version.is_empty() || kind.is_empty() {
        bail!("an object without apiVersion or kind: {}", object["metadata"]["name"]);
    }
    served
        .iter()
        .find(|r| r.api_version() == api_version && r.kind == kind)
        .cloned()
        .with_context(|| format!("the server serves no {kind} in {api_version}"))
}

pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served() -> Vec<Resource> {
        let row = |group: &str, kind: &str, plural: &str, short: &[&str]| Resource {
            group: group.into(),
            version: "v1".into(),
            kind: kind.into(),
            plural: plural.into(),
            singular: kind.to_lowercase(),
            short_names: short.iter().map(|s| s.to_string()).collect(),
            namespaced: true,
        };
        vec![row("", "Pod", "pods", &["po"]), row("apps", "Deployment", "deployments", &["deploy"])]
    }

    #[test]
    fn words_mean_resources() {
        let words = |w: &[&str]| {
            let owned: Vec<String> = w.iter().map(|s| s.to_string()).collect();
            asked(&served(), &owned).map(|found| {
                found.into_iter().map(|a| (a.resource.plural, a.name.unwrap_or_default())).collect::<Vec<_>>()
            })
        };
        let pair = |a: &str, b: &str| (a.to_string(), b.to_string());
        assert_eq!(words(&["po"]).unwrap(), [pair("pods", "")]);
        assert_eq!(words(&["pods", "a", "b"]).unwrap(), [pair("pods", "a"), pair("pods", "b")]);
        assert_eq!(words(&["deploy/web", "pod/x"]).unwrap(), [pair("deployments", "web"), pair("pods", "x")]);
        assert_eq!(words(&["po,deployments.apps"]).unwrap(), [pair("pods", ""), pair("deployments", "")]);
        assert!(words(&["gadgets"]).unwrap_err().to_string().contains("\"gadgets\""));
    }
}
