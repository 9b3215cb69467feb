//! Which values a Service needs, has, and gives up.

use std::net::Ipv4Addr;

use orch_object::{FieldError, FieldErrorKind, Kind, Status};
use serde_json::{Value, json};

use super::reservation::{Refusal, Reservation};
use super::{Allocator, Held};

/// What a Service holds.
pub fn reservations(service: &Value) -> Vec<Reservation> {
    let spec = &service["spec"];
    let mut held: Vec<Reservation> = address(spec).map(Reservation::Ip).into_iter().collect();
    for port in spec["ports"].as_array().into_iter().flatten() {
        held.extend(node_port(port).map(|number| Reservation::Port(number, protocol(port))));
    }
    let health = spec["healthCheckNodePort"].as_u64().and_then(|port| u16::try_from(port).ok());
    held.extend(health.filter(|port| *port > 0).map(|port| Reservation::Port(port, "TCP".into())));
    // Two ports of one Service may share a number when their protocols differ, and only then.
    let mut unique: Vec<Reservation> = Vec::new();
    for reservation in held {
        if !unique.contains(&reservation) {
            unique.push(reservation);
        }
    }
    unique
}

/// Reserves what the Service asks for and fills in what it leaves open.
pub async fn allocate(
    allocator: &Allocator,
    kind: &Kind,
    service: &mut Value,
    old: Option<&Value>,
    dry_run: bool,
) -> Result<Held, Status> {
    let had = old.map(reservations).unwrap_or_default();
    if let Some(old) = old {
        keep_address(service, old);
    }
    let mut taking = Taking { allocator, had, held: Held::default(), dry_run };
    match fill(service, &mut taking).await {
        Ok(()) => Ok(taking.held),
        Err(problem) => {
            taking.held.release(allocator).await;
            Err(problem.into_status(kind, service))
        }
    }
}

/// One write's way to what its Service needs.
struct Taking<'a> {
    allocator: &'a Allocator,
    /// What the Service has from before.
    had: Vec<Reservation>,
    /// What was reserved for this write.
    held: Held,
    dry_run: bool,
}

impl Taking<'_> {
    async fn exactly(&mut self, wanted: Reservation, service: &Value) -> Result<(), Refusal> {
        if self.had.contains(&wanted) || self.held.0.contains(&wanted) {
            return Ok(());
        }
        self.allocator.exactly(&wanted, service, self.dry_run).await?;
        self.hold(wanted);
        Ok(())
    }

    /// What was only tried need not be given back.
    fn hold(&mut self, reservation: Reservation) {
        if !self.dry_run {
            self.held.0.push(reservation);
        }
    }
}

/// Why a Service does not get what it needs.
enum Problem {
    /// A field asks for what cannot be had.
    Field {
        field: String,
        value: Value,
        detail: String,
    },
    Other(Status),
}

impl Problem {
    fn into_status(self, kind: &Kind, service: &Value) -> Status {
        match self {
            Problem::Field { field, value, detail } => {
                let error = FieldError { field, kind: FieldErrorKind::Invalid, value: Some(value), detail };
                Status::invalid(kind, service["metadata"]["name"].as_str().unwrap_or_default(), &[error])
            }
            Problem::Other(status) => status,
        }
    }
}

async fn fill(service: &mut Value, taking: &mut Taking<'_>) -> Result<(), Problem> {
    drop_unneeded(service);
    if needs_address(&service["spec"]) {
        let found = taking.allocator.any_ip(service, taking.dry_run).await;
        let found = found.map_err(|why| no_address(service, why))?;
        if let Reservation::Ip(ip) = &found {
            service["spec"]["clusterIP"] = ip.to_string().into();
        }
        taking.hold(found);
    } else if let Some(ip) = address(&service["spec"]) {
        let taken = taking.exactly(Reservation::Ip(ip), service).await;
        taken.map_err(|why| not_this_address(ip, why))?;
    }
    let cluster_ip = service["spec"]["clusterIP"].clone();
    if cluster_ip.as_str().is_some_and(|ip| !ip.is_empty()) {
        service["spec"]["clusterIPs"] = json!([cluster_ip]);
    }
    fill_ports(service, taking).await
}

async fn fill_ports(service: &mut Value, taking: &mut Taking<'_>) -> Result<(), Problem> {
    if !has_node_ports(&service["spec"]) {
        return Ok(());
    }
    let allocator = taking.allocator;
    let count = service["spec"]["ports"].as_array().map_or(0, Vec::len);
    for index in 0..count {
        let port = service["spec"]["ports"][index].clone();
        let field = format!("spec.ports[{index}].nodePort");
        match node_port(&port) {
            Some(number) => {
                let taken = taking.exactly(Reservation::Port(number, protocol(&port)), service).await;
                taken.map_err(|why| port_problem(allocator, field, number, why))?;
            }
            None => {
                let found = allocator.any_port(service, &protocol(&port), taking.dry_run).await;
                let found = found.map_err(|why| port_problem(allocator, field, 0, why))?;
                if let Reservation::Port(number, _) = &found {
                    service["spec"]["ports"][index]["nodePort"] = (*number).into();
                }
                taking.hold(found);
            }
        }
    }
    Ok(())
}

/// A Service that became an ExternalName, or lost its node ports, gives them up.
fn drop_unneeded(service: &mut Value) {
    let external = service["spec"]["type"] == "ExternalName";
    let node_ports = has_node_ports(&service["spec"]);
    let Some(spec) = service["spec"].as_object_mut() else { return };
    if external {
        spec.remove("clusterIP");
        spec.remove("clusterIPs");
    }
    if !node_ports {
        for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            port.as_object_mut().map(|port| port.remove("nodePort"));
        }
    }
}

/// A client that replaces a Service need not know the address it was given.
fn keep_address(service: &mut Value, old: &Value) {
    if needs_address(&service["spec"]) && old["spec"]["clusterIP"].is_string() {
        service["spec"]["clusterIP"] = old["spec"]["clusterIP"].clone();
    }
}

fn needs_address(spec: &Value) -> bool {
    spec["type"] != "ExternalName" && spec["clusterIP"].as_str().unwrap_or_default().is_empty()
}

/// `None` too for headless Services, whose address is the word `None`.
fn address(spec: &Value) -> Option<Ipv4Addr> {
    spec["clusterIP"].as_str()?.parse().ok()
}

fn has_node_ports(spec: &Value) -> bool {
    match spec["type"].as_str() {
        Some("NodePort") => true,
        Some("LoadBalancer") => spec["allocateLoadBalancerNodePorts"] != false,
        _ => false,
    }
}

fn node_port(port: &Value) -> Option<u16> {
    port["nodePort"].as_u64().and_then(|number| u16::try_from(number).ok()).filter(|number| *number > 0)
}

fn protocol(port: &Value) -> String {
    port["protocol"].as_str().unwrap_or("TCP").to_string()
}

fn no_address(service: &Value, why: Refusal) -> Problem {
    match why {
        Refusal::Store(status) => Problem::Other(status),
        Refusal::Taken | Refusal::OutOfRange | Refusal::Exhausted => {
            let name = service["metadata"]["name"].as_str().unwrap_or_default();
            let why = format!("failed to allocate a serviceIP for Service {name:?}: range is full");
            Problem::Other(Status::internal_error(&why))
        }
    }
}

fn not_this_address(ip: Ipv4Addr, why: Refusal) -> Problem {
    let detail = match why {
        Refusal::Taken => "provided IP is already allocated",
        Refusal::OutOfRange | Refusal::Exhausted => "the provided network does not match the current range",
        Refusal::Store(status) => return Problem::Other(status),
    };
    let detail = format!("failed to allocate IP {ip}: {detail}");
    Problem::Field { field: "spec.clusterIPs".into(), value: json!([ip.to_string()]), detail }
}

fn port_problem(allocator: &Allocator, field: String, number: u16, why: Refusal) -> Problem {
    let detail = match why {
        Refusal::Taken => "provided port is already allocated".into(),
        Refusal::OutOfRange => {
            format!(
                "provided port is not in the valid range. The range of valid ports is {}",
                allocator.ports
            )
        }
        Refusal::Exhausted => {
            let why = "failed to allocate a nodePort: range is full";
            return Problem::Other(Status::internal_error(why));
        }
        Refusal::Store(status) => return Problem::Other(status),
    };
    Problem::Field { field, value: json!(number), detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_service_holds() {
        let service = json!({"spec": {"type": "NodePort", "clusterIP": "10.96.0.9", "ports": [
            {"port": 80, "nodePort": 30080, "protocol": "TCP"}, {"port": 80, "nodePort": 30080, "protocol": "UDP"},
            {"port": 81}]}});
        let held = reservations(&service);
        assert_eq!(held.len(), 3);
        assert!(reservations(&json!({"spec": {"clusterIP": "None"}})).is_empty());
    }

    #[test]
    fn a_service_that_needs_none_gives_them_up() {
        let mut service = json!({"spec": {"type": "ClusterIP", "ports": [{"port": 80, "nodePort": 30080}]}});
        drop_unneeded(&mut service);
        assert_eq!(service["spec"]["ports"][0], json!({"port": 80}));
        let mut service = json!({"spec": {"type": "ExternalName", "clusterIP": "10.96.0.9"}});
        drop_unneeded(&mut service);
        assert_eq!(reservations(&service), []);
    }
}
