//! Registry credentials from pull secrets (`.dockerconfigjson`, `.dockercfg`) and the node. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use orch_container::runtime::Credentials;
use serde_json::Value;

const DOCKER_HUB: &str = "docker.io";

/// Credentials in these secrets whose registry is the image's, most specific first.
pub fn matching<'a>(image: &str, secrets: impl Iterator<Item = &'a Arc<Value>>) -> Vec<Credentials> {
    fitting(image, secrets.flat_map(|secret| entries(&auths(secret))))
}

/// The same, in a docker configuration (`~/.docker/config.json`).
pub fn in_docker_config(image: &str, config: &Value) -> Vec<Credentials> {
    fitting(image, entries(&config["auths"]).into_iter())
}

fn fitting(image: &str, all: impl Iterator<Item = (String, Credentials)>) -> Vec<Credentials> {
    let (host, path) = split(image);
    let mut found: Vec<(usize, Credentials)> = all
        .filter(|(registry, _)| fits(registry, &host, &path))
        .map(|(registry, credentials)| (registry.len(), credentials))
        .collect();
    found.sort_by_key(|(length, _)| std::cmp::Reverse(*length));
    found.into_iter().map(|(_, credentials)| credentials).collect()
}

pub fn of_node(image: &str, configured: &BTreeMap<String, Credentials>) -> Option<Credentials> {
    let (host, path) = split(image);
    configured.iter().find(|(registry, _)| fits(registry, &host, &path)).map(|(_, found)| found.clone())
}

/// Registry host and repository, with Docker Hub's short names written out.
fn split(image: &str) -> (String, String) {
    match image.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (host.into(), path.into()),
        Some(_) => (DOCKER_HUB.into(), image.into()),
        None => (DOCKER_HUB.into(), format!("library/{image}")),
    }
}

fn auths(secret: &Value) -> Value {
    let decoded = |key: &str| -> Option<Value> {
        let bytes = base64::engine::general_purpose::STANDARD.decode(secret["data"][key].as_str()?).ok()?;
        serde_json::from_slice(&bytes).ok()
    };
    let auths = match secret["type"].as_str() {
        Some("kubernetes.io/dockerconfigjson") => decoded(".dockerconfigjson").map(|c| c["auths"].clone()),
        Some("kubernetes.io/dockercfg") => decoded(".dockercfg"),
        Some(_) | None => None,
    };
    auths.unwrap_or_default()
}

fn entries(auths: &Value) -> Vec<(String, Credentials)> {
    let map = auths.as_object().into_iter().flatten();
    map.filter_map(|(registry, auth)| Some((registry.clone(), credentials(auth)?))).collect()
}

fn credentials(auth: &Value) -> Option<Credentials> {
    let text = |key: &str| auth[key].as_str().filter(|s| !s.is_empty()).map(str::to_string);
    if let (Some(username), Some(password)) = (text("username"), text("password")) {
        return Some(Credentials::Basic { username, password });
    }
    if let Some(encoded) = text("auth") {
        let bytes = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
        let pair = String::from_utf8(bytes).ok()?;
        let (username, password) = pair.split_once(':')?;
        return Some(Credentials::Basic { username: username.into(), password: password.into() });
    }
    text("registrytoken").map(Credentials::Bearer)
}

/// `https://index.docker.io/v1/`, `registry.example`, `registry.example/team`, `*.example`.
fn fits(registry: &str, host: &str, path: &str) -> bool {
    let bare = registry.trim_start_matches("https://").trim_start_matches("http://");
    let (pattern, prefix) = bare.split_once('/').unwrap_or((bare, ""));
    let prefix = prefix.trim_end_matches('/');
    let is_hub = |name: &str| matches!(name, "docker.io" | "index.docker.io" | "registry-1.docker.io");
    if is_hub(pattern) {
        return is_hub(host);
    }
    // Docker's API version in the address is not part of the repository.
    let prefix = if matches!(prefix, "v1" | "v2") { "" } else { prefix };
    host_fits(pattern, host)
        && (prefix.is_empty() || path == prefix || path.starts_with(&format!("{prefix}/")))
}

fn host_fits(pattern: &str, host: &str) -> bool {
    let labels = |name: &str| name.split('.').map(str::to_string).collect::<Vec<_>>();
    let (pattern, host) = (labels(pattern), labels(host));
    let one = |(pattern, label): (&String, &String)| match pattern.split_once('*') {
        Some((start, end)) => {
            label.len() >= start.len() + end.len() && label.starts_with(start) && label.ends_with(end)
        }
        None => pattern == label,
    };
    pattern.len() == host.len() && pattern.iter().zip(&host).all(one)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn finds_credentials_by_registry_and_path() {
        let config = json!({"auths": {
            "registry.example:5000": {"auth": base64::engine::general_purpose::STANDARD.encode("u:p:w")},
            "registry.example:5000/team": {"username": "team", "password": "x"},
            "https://index.docker.io/v1/": {"username": "hub", "password": "y"},
            "*.wild.example": {"username": "w", "password": "z"}}});
        let encoded = base64::engine::general_purpose::STANDARD.encode(config.to_string());
        let secret = Arc::new(
            json!({"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": encoded}}),
        );
        let users = |image: &str| -> Vec<String> {
            matching(image, std::iter::once(&secret))
                .into_iter()
                .map(|c| match c {
                    Credentials::Basic { username, .. } => username,
                    other => panic!("{other:?}"),
                })
                .collect()
        };
        assert_eq!(users("registry.example:5000/team/app:1"), ["team", "u"]);
        assert_eq!(users("registry.example:5000/other"), ["u"]);
        assert_eq!(users("busybox"), ["hub"]);
        assert_eq!(users("a.wild.example/x"), ["w"]);
        assert!(users("quay.example/x").is_empty());
    }
}
