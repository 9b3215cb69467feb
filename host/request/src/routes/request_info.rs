//! A URL and method as the API understands them (`k8s.io/apiserver/pkg/endpoints/request`).

use http::Method;

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestInfo {
    Resource(ResourceRequest),
    /// Discovery, OpenAPI, health, version, or nothing at all.
    Path {
        verb: String,
        path: String,
    },
}

/// A request on a resource; empty strings where the URL names nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResourceRequest {
    /// `get list watch create update patch delete deletecollection`
    pub verb: String,
    pub group: String,
    pub version: String,
    pub namespace: String,
    pub resource: String,
    pub name: String,
    pub subresource: String,
    /// What follows the sub-resource: `proxy` takes a path.
    pub rest: String,
}

impl RequestInfo {
    /// Reads method, path (still percent-encoded) and whether the query asks for a watch.
    pub fn parse(method: &Method, path: &str, watch: bool) -> Self {
        parse_resource(method, path, watch).map(RequestInfo::Resource).unwrap_or_else(|| RequestInfo::Path {
            verb: method.as_str().to_ascii_lowercase(),
            path: path.to_string(),
        })
    }
}

fn parse_resource(method: &Method, path: &str, watch: bool) -> Option<ResourceRequest> {
    let parts: Vec<String> = path.split('/').filter(|p| !p.is_empty()).map(decode).collect();
    let mut parts = parts.iter().map(String::as_str);
    let (group, version) = match parts.next()? {
        "api" => ("", parts.next()?),
        "apis" => (parts.next()?, parts.next()?),
        _ => return None,
    };
    let mut rest: Vec<&str> = parts.collect();
    // The old form `/api/v1/watch/pods`.
    let watch_path = rest.first() == Some(&"watch") && rest.len() > 1;
    if watch_path {
        rest.remove(0);
    }
    let mut request = ResourceRequest { group: group.into(), version: version.into(), ..Default::default() };
    fill(&mut request, &rest)?;
    let named = !request.name.is_empty();
    request.verb = match *method {
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if named => "delete",
        Method::DELETE => "deletecollection",
        Method::GET | Method::HEAD if watch_path || (watch && !named) => "watch",
        Method::GET | Method::HEAD if named => "get",
        Method::GET | Method::HEAD => "list",
        // What is proxied to may know it; of the verbs it is none.
        _ if request.subresource == "proxy" => "",
        _ => return None,
    }
    .into();
    Some(request)
}

/// Reads what stands after the version: `pods/x`, `namespaces/n/pods/x/log`, `namespaces/n/status`.
fn fill(request: &mut ResourceRequest, parts: &[&str]) -> Option<()> {
    let mut parts = parts;
    if let ["namespaces", namespace, third, ..] = parts
        && !["status", "finalize"].contains(third)
    {
        request.namespace = namespace.to_string();
        parts = &parts[2..];
    } else if let ["namespaces", namespace, ..] = parts {
        // A request about a namespace is authorized in that namespace.
        request.namespace = namespace.to_string();
    }
    request.resource = parts.first()?.to_string();
    request.name = parts.get(1).unwrap_or(&"").to_string();
    request.subresource = parts.get(2).unwrap_or(&"").to_string();
    request.rest = parts.get(3..).unwrap_or_default().join("/");
    Some(())
}

/// Percent-decodes one path segment; what is not valid UTF-8 stays as it was.
fn decode(segment: &str) -> String {
    percent_decode(segment).unwrap_or_else(|| segment.to_string())
}

pub fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |b: Option<u8>| (b? as char).to_digit(16);
        bytes.push((digit(rest.next())? * 16 + digit(rest.next())?) as u8);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(method: Method, path: &str) -> [String; 6] {
        match RequestInfo::parse(&method, path, false) {
            RequestInfo::Resource(r) => [r.verb, r.group, r.namespace, r.resource, r.name, r.subresource],
            RequestInfo::Path { path, .. } => panic!("{path} is no resource"),
        }
    }

    #[test]
    fn resources_are_found_in_urls() {
        let cases = [
            (Method::GET, "/api/v1/pods", ["list", "", "", "pods", "", ""]),
            (Method::GET, "/api/v1/watch/pods", ["watch", "", "", "pods", "", ""]),
            (Method::POST, "/api/v1/namespaces", ["create", "", "", "namespaces", "", ""]),
            (Method::GET, "/api/v1/namespaces/a", ["get", "", "a", "namespaces", "a", ""]),
            (
                Method::PUT,
                "/api/v1/namespaces/a/finalize",
                ["update", "", "a", "namespaces", "a", "finalize"],
            ),
            (Method::GET, "/api/v1/namespaces/a/pods/p/log", ["get", "", "a", "pods", "p", "log"]),
            (
                Method::DELETE,
                "/apis/apps/v1/namespaces/a/deployments",
                ["deletecollection", "apps", "a", "deployments", "", ""],
            ),
            (
                Method::PATCH,
                "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode",
                ["patch", "rbac.authorization.k8s.io", "", "clusterroles", "system:node", ""],
            ),
        ];
        for (method, path, expected) in cases {
            assert_eq!(resource(method, path), expected, "{path}");
        }
    }

    #[test]
    fn other_paths_are_paths() {
        for path in ["/", "/api", "/api/v1", "/apis/apps/v1", "/healthz", "/openapi/v3"] {
            let info = RequestInfo::parse(&Method::GET, path, false);
            assert!(matches!(info, RequestInfo::Path { .. }), "{path}");
        }
    }
}
