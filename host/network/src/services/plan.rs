//! Which ports lead where: Services, EndpointSlices and the node's pods in, fronts with their
//! endpoints out. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddrV4};

use serde_json::Value;

/// Upstream's default, three hours.
const AFFINITY_SECONDS: u64 = 10_800;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

impl Protocol {
    pub fn word(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        }
    }

    fn parse(value: &Value) -> Option<Protocol> {
        match value.as_str().unwrap_or("TCP") {
            "TCP" => Some(Protocol::Tcp),
            "UDP" => Some(Protocol::Udp),
            "SCTP" => Some(Protocol::Sctp),
            _ => None,
        }
    }
}

/// Where clients knock.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Front {
    /// A cluster or external IP.
    Address(Ipv4Addr, Protocol, u16),
    /// A NodePort, on every address of the node.
    Node(Protocol, u16),
    /// A pod's `hostPort` without a `hostIP`, on every address of the node.
    Host(Protocol, u16),
}

/// Who answers for a front.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backends {
    /// In a stable order; none: refuse.
    pub endpoints: Vec<SocketAddrV4>,
    /// How long a client is led to the endpoint that answered it, since it last knocked
    /// (`sessionAffinity: ClientIP`).
    pub affinity_seconds: Option<u64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    pub fronts: BTreeMap<Front, Backends>,
}

/// Reads the ports of every Service, the ready endpoints of its slices, and the `hostPort`s of the
/// node's pods.
pub fn plan<'a>(
    services: impl Iterator<Item = &'a Value>,
    slices: impl Iterator<Item = &'a Value>,
    pods: impl Iterator<Item = &'a Value>,
) -> Plan {
    let mut by_service: BTreeMap<(String, String), Vec<&Value>> = BTreeMap::new();
    for slice in slices {
        let name = text(&slice["metadata"]["labels"]["kubernetes.io/service-name"]);
        by_service.entry((text(&slice["metadata"]["namespace"]), name)).or_default().push(slice);
    }
    let mut plan = Plan::default();
    for service in services {
        let key = (text(&service["metadata"]["namespace"]), text(&service["metadata"]["name"]));
        let slices = by_service.get(&key).map_or(&[][..], Vec::as_slice);
        for port in list(&service["spec"]["ports"]) {
            let Some(protocol) = Protocol::parse(&port["protocol"]) else { continue };
            let backends = Backends {
                endpoints: endpoints(slices, port, protocol),
                affinity_seconds: affinity(&service["spec"]),
            };
            for front in fronts(&service["spec"], port, protocol) {
                plan.fronts.insert(front, backends.clone());
            }
        }
    }
    for (front, endpoint) in pods.flat_map(host_ports) {
        plan.fronts.insert(front, Backends { endpoints: vec![endpoint], affinity_seconds: None });
    }
    plan
}

/// Whether any container of the pod asks for a port of the node.
pub fn wants_host_ports(pod: &Value) -> bool {
    ports_of(pod).any(|port| number(&port["hostPort"]).is_some())
}

/// Ports of all containers; those of init containers that end before the others begin do no harm.
fn ports_of(pod: &Value) -> impl Iterator<Item = &Value> {
    let spec = &pod["spec"];
    let containers = list(&spec["initContainers"]).iter().chain(list(&spec["containers"]));
    containers.flat_map(|container| list(&container["ports"]))
}

fn host_ports(pod: &Value) -> Vec<(Front, SocketAddrV4)> {
    let ended = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    let ip = pod["status"]["podIP"].as_str().and_then(|ip| ip.parse().ok());
    let Some(ip) = ip.filter(|_| !ended && pod["spec"]["hostNetwork"] != true) else { return Vec::new() };
    let mapped = |port: &Value| {
        let (protocol, host_port) = (Protocol::parse(&port["protocol"])?, number(&port["hostPort"])?);
        let front = match port["hostIP"].as_str() {
            None | Some("" | "0.0.0.0") => Front::Host(protocol, host_port),
            Some(address) => Front::Address(address.parse().ok()?, protocol, host_port),
        };
        Some((front, SocketAddrV4::new(ip, number(&port["containerPort"])?)))
    };
    ports_of(pod).filter_map(mapped).collect()
}

fn fronts(spec: &Value, port: &Value, protocol: Protocol) -> Vec<Front> {
    let Some(number) = number(&port["port"]) else { return Vec::new() };
    if spec["type"] == "ExternalName" {
        return Vec::new();
    }
    let addresses: BTreeSet<Ipv4Addr> = std::iter::once(&spec["clusterIP"])
        .chain(list(&spec["clusterIPs"]))
        .chain(list(&spec["externalIPs"]))
        .filter_map(|ip| ip.as_str()?.parse().ok())
        .collect();
    let mut fronts: Vec<Front> =
        addresses.into_iter().map(|ip| Front::Address(ip, protocol, number)).collect();
    if matches!(spec["type"].as_str(), Some("NodePort" | "LoadBalancer"))
        && let Some(node_port) = self::number(&port["nodePort"])
    {
        fronts.push(Front::Node(protocol, node_port));
    }
    fronts
}

fn affinity(spec: &Value) -> Option<u64> {
    let seconds = &spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"];
    (spec["sessionAffinity"] == "ClientIP").then(|| seconds.as_u64().unwrap_or(AFFINITY_SECONDS))
}

/// Ready ones; when there are none, those that still serve while they terminate (as upstream does).
fn endpoints(slices: &[&Value], port: &Value, protocol: Protocol) -> Vec<SocketAddrV4> {
    let name = port["name"].as_str().unwrap_or_default();
    let (mut ready, mut serving) = (BTreeSet::new(), BTreeSet::new());
    for slice in slices.iter().filter(|s| s["addressType"] == "IPv4") {
        let number = list(&slice["ports"])
            .iter()
            .find(|p| {
                p["name"].as_str().unwrap_or_default() == name
                    && Protocol::parse(&p["protocol"]) == Some(protocol)
            })
            .and_then(|p| number(&p["port"]));
        let Some(number) = number else { continue };
        for endpoint in list(&slice["endpoints"]) {
            let conditions = &endpoint["conditions"];
            let is_ready = conditions["ready"].as_bool().unwrap_or(true);
            let is_serving = conditions["serving"].as_bool().unwrap_or(is_ready);
            let addresses =
                list(&endpoint["addresses"]).iter().filter_map(|a| a.as_str()?.parse::<Ipv4Addr>().ok());
            for address in addresses.map(|ip| SocketAddrV4::new(ip, number)) {
                if is_ready {
                    ready.insert(address);
                } else if is_serving && conditions["terminating"] == true {
                    serving.insert(address);
                }
            }
        }
    }
    let chosen = if ready.is_empty() { serving } else { ready };
    chosen.into_iter().collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_string()
}

fn number(value: &Value) -> Option<u16> {
    value.as_u64().and_then(|n| u16::try_from(n).ok()).filter(|n| *n > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn service(spec: Value) -> Value {
        json!({"metadata": {"namespace": "default", "name": "web"}, "spec": spec})
    }

    fn slice(endpoints: Value) -> Value {
        json!({
            "metadata": {"namespace": "default", "name": "web-x", "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4", "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}], "endpoints": endpoints,
        })
    }

    fn backends(spec: Value, endpoints: Value) -> Vec<(Front, Vec<String>)> {
        let (service, slice) = (service(spec), slice(endpoints));
        let plan = plan([&service].into_iter(), [&slice].into_iter(), [].into_iter());
        let words = |to: Backends| to.endpoints.iter().map(ToString::to_string).collect();
        plan.fronts.into_iter().map(|(front, to)| (front, words(to))).collect()
    }

    fn cluster_ip() -> Value {
        json!({"clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7"], "ports": [{"name": "http", "port": 80}]})
    }

    #[test]
    fn only_ready_endpoints_answer() {
        let endpoints = json!([
            {"addresses": ["10.244.0.3"], "conditions": {"ready": true}},
            {"addresses": ["10.244.0.2"], "conditions": {}},
            {"addresses": ["10.244.0.4"], "conditions": {"ready": false, "serving": true, "terminating": true}},
        ]);
        let front = Front::Address(Ipv4Addr::new(10, 96, 0, 7), Protocol::Tcp, 80);
        let ready = vec!["10.244.0.2:8080".to_string(), "10.244.0.3:8080".into()];
        assert_eq!(backends(cluster_ip(), endpoints), [(front, ready)]);
    }

    #[test]
    fn terminating_ones_answer_when_nothing_else_does() {
        let endpoints = json!([
            {"addresses": ["10.244.0.4"], "conditions": {"ready": false, "serving": true, "terminating": true}},
            {"addresses": ["10.244.0.5"], "conditions": {"ready": false, "serving": false}},
        ]);
        assert_eq!(backends(cluster_ip(), endpoints)[0].1, ["10.244.0.4:8080"]);
        assert!(
            backends(cluster_ip(), json!([]))[0].1.is_empty(),
            "a front without endpoints stays, to refuse"
        );
    }

    #[test]
    fn affinity_lasts_as_long_as_the_service_says() {
        let seconds = |more: Value| {
            let mut spec = cluster_ip();
            spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let service = service(spec);
            let plan = plan([&service].into_iter(), [].into_iter(), [].into_iter());
            plan.fronts.into_values().next().unwrap().affinity_seconds
        };
        assert_eq!(seconds(json!({"sessionAffinity": "None"})), None);
        assert_eq!(seconds(json!({"sessionAffinity": "ClientIP"})), Some(10_800));
        let config = json!({"clientIP": {"timeoutSeconds": 60}});
        assert_eq!(
            seconds(json!({"sessionAffinity": "ClientIP", "sessionAffinityConfig": config})),
            Some(60)
        );
    }

    #[test]
    fn host_ports_lead_to_the_pod_while_it_has_an_address() {
        let pod = |status: Value| {
            let ports = json!([
                {"containerPort": 80, "hostPort": 8080},
                {"containerPort": 80, "hostPort": 8080, "hostIP": "127.0.0.1"},
                {"containerPort": 53, "hostPort": 53, "protocol": "UDP"},
                {"containerPort": 9},
            ]);
            json!({"spec": {"containers": [{"ports": ports}]}, "status": status})
        };
        let fronts = |pod: &Value| plan([].into_iter(), [].into_iter(), [pod].into_iter()).fronts;
        let running = pod(json!({"phase": "Running", "podIP": "10.244.0.5"}));
        let found = fronts(&running);
        let to = |front: Front| found[&front].endpoints[0].to_string();
        assert_eq!(to(Front::Host(Protocol::Tcp, 8080)), "10.244.0.5:80");
        assert_eq!(to(Front::Address(Ipv4Addr::LOCALHOST, Protocol::Tcp, 8080)), "10.244.0.5:80");
        assert_eq!(to(Front::Host(Protocol::Udp, 53)), "10.244.0.5:53");
        assert_eq!(found.len(), 3);
        assert!(wants_host_ports(&running));
        assert!(fronts(&pod(json!({"phase": "Pending"}))).is_empty());
        assert!(fronts(&pod(json!({"phase": "Failed", "podIP": "10.244.0.5"}))).is_empty());
        let mut on_the_host = running.clone();
        on_the_host["spec"]["hostNetwork"] = true.into();
        assert!(fronts(&on_the_host).is_empty());
    }

    #[test]
    fn headless_has_no_front_and_node_port_two() {
        let headless =
            json!({"clusterIP": "None", "clusterIPs": ["None"], "ports": [{"name": "http", "port": 80}]});
        assert!(backends(headless, json!([])).is_empty());
        let mut spec = cluster_ip();
        spec["type"] = "NodePort".into();
        spec["ports"][0]["nodePort"] = 30080.into();
        let fronts: Vec<Front> = backends(spec, json!([])).into_iter().map(|(f, _)| f).collect();
        assert!(fronts.contains(&Front::Node(Protocol::Tcp, 30080)) && fronts.len() == 2);
    }
}
