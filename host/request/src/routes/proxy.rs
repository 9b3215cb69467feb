//! `pods/NAME/proxy`, `services/NAME/proxy` and `nodes/NAME/proxy`: requests handed on to what runs there.

use std::net::IpAddr;

use axum::extract::Request;
use axum::response::Response;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Method, header};
use orch_client::Target;
use orch_client::node::{LogOptions, PodRef};
use orch_object::{Connects, Kind, Status};
use serde_json::{Value, json};

use super::Routes;
use crate::encode::full;
use crate::key;
use crate::outbound::{Manner, Trust, authority, endpoint, slices_of};
use crate::proxy::{Destination, Links, forward};
use crate::streams::serve_log;
use crate::verbs::namespace;

/// The port of the node agent, as clients know it.
const KUBELET: &str = "10250";

/// `[scheme:]name[:port]`
struct Id<'a> {
    scheme: Scheme,
    name: &'a str,
    port: &'a str,
}

impl<'a> Id<'a> {
    fn parse(id: &'a str, what: &str) -> Result<Id<'a>, Status> {
        let parts: Vec<&str> = id.split(':').collect();
        let (scheme, name, port) = match parts[..] {
            [name] => ("", name, ""),
            [name, port] => ("", name, port),
            [scheme, name, port] => (scheme, name, port),
            _ => ("", "", ""),
        };
        let scheme = match scheme {
            "" | "http" => Scheme::HTTP,
            "https" => Scheme::HTTPS,
            _ => return Err(Status::bad_request(format!("invalid {what} request {id:?}"))),
        };
        match name {
            "" => Err(Status::bad_request(format!("invalid {what} request {id:?}"))),
            name => Ok(Id { scheme, name, port }),
        }
    }
}

/// The name of the object that a request is about, without scheme and port.
pub fn object_name(id: &str) -> &str {
    let parts: Vec<&str> = id.split(':').collect();
    match parts[..] {
        [_, name, _] => name,
        _ => parts[0],
    }
}

/// Authorized and admitted already.
pub async fn answer(
    routes: &Routes,
    kind: &Kind,
    connects: Connects,
    target: &Target,
    request: Request,
) -> Result<Response, Status> {
    let Some((prefix, rest)) = split(request.uri().path()) else {
        return Err(Status::bad_request("the path of the request names nothing to proxy to"));
    };
    if rest.is_empty() && matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(to_the_root(&request));
    }
    let (scheme, address) = match connects {
        Connects::Pod => pod(routes, kind, target).await?,
        Connects::Service => service(routes, kind, target).await?,
        Connects::Node => match node(routes, kind, target).await? {
            Some(found) => found,
            None => return kubelet(routes, kind, target, rest, request.method()).await,
        },
        Connects::Plugin => return Err(Status::not_implemented("this kind cannot be proxied to")),
    };
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let path = if rest.is_empty() { "/" } else { rest };
    let path: PathAndQuery = format!("{path}{query}").parse().map_err(|error| {
        Status::bad_request(format!("the path of the request cannot be proxied: {error}"))
    })?;
    let destination = Destination {
        // What runs in a cluster signs its own certificates.
        manner: Manner { trust: Trust::Anybody, server_name: None, certificate: None },
        scheme,
        address,
        host: None,
        path,
        links: Some(Links { prefix: prefix.to_owned() }),
    };
    forward(&routes.outbound, destination, request).await
}

/// `/api/v1/…/NAME/proxy` and what follows it, both still encoded.
fn split(path: &str) -> Option<(&str, &str)> {
    let mut segments = 0;
    let mut wanted = usize::MAX;
    let mut at = 0;
    for segment in path.split('/') {
        at += segment.len() + 1;
        if segment.is_empty() {
            continue;
        }
        segments += 1;
        if segments == 3 {
            // `api/v1/namespaces/NAMESPACE/pods/NAME/proxy`, `api/v1/nodes/NAME/proxy`
            wanted = if segment == "namespaces" { 7 } else { 5 };
        }
        if segments == wanted {
            return Some(path.split_at(at - 1));
        }
    }
    None
}

/// Relative links of a root page work below a slash only.
fn to_the_root(request: &Request) -> Response {
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut response = full(301, "text/plain; charset=utf-8", "");
    if let Ok(location) = HeaderValue::from_str(&format!("{}/{query}", request.uri().path())) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

async fn object(
    routes: &Routes,
    kind: &Kind,
    target: &Target,
    name: &str,
) -> Result<std::sync::Arc<Value>, Status> {
    let target = Target { name: name.to_owned(), ..target.clone() };
    Ok(routes.api.current(kind, &target).await?.value())
}

async fn pod(routes: &Routes, kind: &Kind, target: &Target) -> Result<(Scheme, Authority), Status> {
    let id = Id::parse(&target.name, "pod")?;
    let pod = object(routes, kind, target, id.name).await?;
    let first = || {
        let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
        containers.flat_map(|c| c["ports"][0]["containerPort"].as_u64()).next()
    };
    let port = match id.port {
        "" => first(),
        port => Some(port.parse().map_err(|_| Status::bad_request(format!("invalid port {port:?}")))?),
    };
    let default = if id.scheme == Scheme::HTTPS { 443 } else { 80 };
    let address = pod["status"]["podIPs"][0]["ip"].as_str().unwrap_or_default();
    Ok((id.scheme, allowed(address, port.unwrap_or(default))?))
}

/// Nobody is led to the machines' own addresses, or to nowhere.
fn allowed(address: &str, port: u64) -> Result<Authority, Status> {
    let global = match address.parse() {
        Ok(IpAddr::V4(ip)) => {
            !(ip.is_loopback()
                || ip.is_link_local()
                || ip.is_multicast()
                || ip.is_unspecified()
                || ip.is_broadcast())
        }
        Ok(IpAddr::V6(ip)) => {
            !(ip.is_loopback() || ip.is_unicast_link_local() || ip.is_multicast() || ip.is_unspecified())
        }
        Err(_) => false,
    };
    let not_allowed = || Status::bad_request("address not allowed");
    authority(address, port).filter(|_| global).ok_or_else(not_allowed)
}

async fn service(routes: &Routes, kind: &Kind, target: &Target) -> Result<(Scheme, Authority), Status> {
    let id = Id::parse(&target.name, "service")?;
    let unavailable =
        |error: &dyn std::fmt::Display| Status::new(503, "ServiceUnavailable", error.to_string());
    let port_name = match id.port.parse::<u16>() {
        Err(_) => id.port.to_owned(),
        Ok(number) => {
            let service = object(routes, kind, target, id.name).await?;
            let ports = service["spec"]["ports"].as_array().into_iter().flatten();
            let entry = ports.into_iter().find(|entry| entry["port"] == number);
            let missing = format!("no service port {number} found for service {:?}", id.name);
            let entry = entry.ok_or_else(|| unavailable(&missing))?;
            entry["name"].as_str().unwrap_or_default().to_owned()
        }
    };
    let cache = routes.api.cache();
    let slices = slices_of(cache, namespace(target), id.name);
    // An endpoint that is no pod could be anybody.
    let is_pod = |endpoint: &Value| {
        let pod = endpoint["targetRef"]["name"].as_str().unwrap_or_default();
        let pod = cache.get(&key::object("", "pods", namespace(target), pod));
        let ips = pod.map(|pod| pod.value()["status"]["podIPs"].clone()).unwrap_or_default();
        let mut ips = ips.as_array().into_iter().flatten();
        ips.any(|ip| ip["ip"] == endpoint["addresses"][0])
    };
    let address = endpoint(id.name, &port_name, &slices, is_pod).map_err(|error| unavailable(&error))?;
    Ok((id.scheme, address))
}

/// `None`: the node agent itself is meant.
async fn node(routes: &Routes, kind: &Kind, target: &Target) -> Result<Option<(Scheme, Authority)>, Status> {
    let id = Id::parse(&target.name, "node")?;
    let node = object(routes, kind, target, id.name).await?;
    if id.port.is_empty() || id.port == KUBELET {
        return Ok(None);
    }
    let addresses = node["status"]["addresses"].as_array().into_iter().flatten();
    let internal = addresses.into_iter().find(|address| address["type"] == "InternalIP");
    let address = internal.and_then(|internal| internal["address"].as_str()).unwrap_or_default();
    let port = id.port.parse().map_err(|_| Status::bad_request(format!("invalid port {:?}", id.port)))?;
    Ok(Some((id.scheme, allowed(address, port)?)))
}

/// What the node agent has to say over HTTP: `healthz`, `pods`, `containerLogs/NAMESPACE/POD/CONTAINER`.
async fn kubelet(
    routes: &Routes,
    kind: &Kind,
    target: &Target,
    rest: &str,
    method: &Method,
) -> Result<Response, Status> {
    let name = object_name(&target.name);
    let node = super::stream::connection(routes, kind, target, name)?;
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Err(crate::causes::method_not_allowed());
    }
    let parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
    match parts[..] {
        ["healthz"] => Ok(full(200, "text/plain; charset=utf-8", "ok")),
        ["pods"] => {
            let all = routes.api.cache().list(&key::prefix("", "pods", None)).items;
            let on_node = all.iter().map(|pod| pod.value()).filter(|pod| pod["spec"]["nodeName"] == name);
            let items: Vec<Value> = on_node.map(|pod| (*pod).clone()).collect();
            let list = json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items });
            Ok(full(200, "application/json", list.to_string()))
        }
        ["containerLogs", namespace, pod, container] => {
            let pods = routes.api.kind(&orch_client::Resource::core("pods")).await?;
            let target = Target::named(&orch_client::Resource::core("pods"), namespace, pod);
            let found = routes.api.current(&pods, &target).await?.value();
            let uid = found["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
            let pod = PodRef { namespace: namespace.into(), name: pod.into(), uid };
            let options = LogOptions { container: container.into(), ..LogOptions::default() };
            Ok(serve_log(node, pod, options).await)
        }
        _ => Ok(full(404, "text/plain; charset=utf-8", "404 page not found\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cut_behind_proxy() {
        let cases = [
            ("/api/v1/namespaces/n/pods/p/proxy", Some(("/api/v1/namespaces/n/pods/p/proxy", ""))),
            ("/api/v1/namespaces/n/pods/p/proxy/", Some(("/api/v1/namespaces/n/pods/p/proxy", "/"))),
            (
                "/api/v1/namespaces/n/services/https:s:1/proxy/a%2Fb//proxy/",
                Some(("/api/v1/namespaces/n/services/https:s:1/proxy", "/a%2Fb//proxy/")),
            ),
            ("/api/v1/nodes/n/proxy/pods", Some(("/api/v1/nodes/n/proxy", "/pods"))),
            ("/api/v1/nodes/n", None),
        ];
        for (path, expected) in cases {
            assert_eq!(split(path), expected, "{path}");
        }
    }

    #[test]
    fn names_carry_scheme_and_port() {
        let parts = |id| {
            Id::parse(id, "pod").map(|id| (id.scheme.to_string(), id.name.to_owned(), id.port.to_owned()))
        };
        let id =
            |scheme: &str, name: &str, port: &str| Ok((scheme.to_owned(), name.to_owned(), port.to_owned()));
        assert_eq!(parts("p"), id("http", "p", ""));
        assert_eq!(parts("p:80"), id("http", "p", "80"));
        assert_eq!(parts("https:p:web"), id("https", "p", "web"));
        assert_eq!(parts("ftp:p:1").unwrap_err().message, r#"invalid pod request "ftp:p:1""#);
        assert!(parts(":80").is_err() && parts("a:b:c:d").is_err());
    }

    #[test]
    fn own_addresses_are_out_of_bounds() {
        for address in ["127.0.0.1", "169.254.1.1", "0.0.0.0", "::1", "fe80::1", "", "name"] {
            assert!(allowed(address, 80).is_err(), "{address}");
        }
        assert_eq!(allowed("10.0.0.1", 80).unwrap().as_str(), "10.0.0.1:80");
    }
}
