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
) -> Result<Held, Status> {
    let mut held = Held::default();
    let had = old.map(reservations).unwrap_or_default();
    if let Some(old) = old {
        keep_address(service, old);
    }
    let done = fill(allocator, service, &had, &mut held).await;
    if let Err((field, value, detail)) = done {
        held.release(allocator).await;
        return Err(refused(kind, service, field, value, detail));
    }
    Ok(held)
}

type Problem = (String, Value, Result<String, Status>);

async fn fill(
    allocator: &Allocator,
    service: &mut Value,
    had: &[Reservation],
    held: &mut Held,
) -> Result<(), Problem> {
    drop_unneeded(service);
    if needs_address(&service["spec"]) {
        let found = allocator.any_ip(service).await;
        let found = found.map_err(|why| ("spec.clusterIPs".into(), json!([]), ip_problem(None, why)))?;
        if let Reservation::Ip(ip) = &found {
            service["spec"]["clusterIP"] = ip.to_string().into();
        }
        held.0.push(found);
    } else if let Some(ip) = address(&service["spec"]) {
        reserve(allocator, service, Reservation::Ip(ip), had, held).await.map_err(|why| {
            let shown = json!([ip.to_string()]);
            ("spec.clusterIPs".to_string(), shown, ip_problem(Some(ip), why))
        })?;
    }
    let cluster_ip = service["spec"]["clusterIP"].clone();
    if cluster_ip.as_str().is_some_and(|ip| !ip.is_empty()) {
        service["spec"]["clusterIPs"] = json!([cluster_ip]);
    }
    fill_ports(allocator, service, had, held).await
}

async fn fill_ports(
    allocator: &Allocator,
    service: &mut Value,
    had: &[Reservation],
    held: &mut Held,
) -> Result<(), Problem> {
    if !has_node_ports(&service["spec"]) {
        return Ok(());
    }
    let count = service["spec"]["ports"].as_array().map_or(0, Vec::len);
    for index in 0..count {
        let port = service["spec"]["ports"][index].clone();
        let field = format!("spec.ports[{index}].nodePort");
        match node_port(&port) {
            Some(number) => {
                let wanted = Reservation::Port(number, protocol(&port));
                reserve(allocator, service, wanted, had, held)
                    .await
                    .map_err(|why| (field, json!(number), port_problem(allocator, why)))?;
            }
            None => {
                let found = allocator.any_port(service, &protocol(&port)).await;
                let found = found.map_err(|why| (field, json!(0), port_problem(allocator, why)))?;
                if let Reservation::Port(number, _) = &found {
                    service["spec"]["ports"][index]["nodePort"] = (*number).into();
                }
                held.0.push(found);
            }
        }
    }
    Ok(())
}

async fn reserve(
    allocator: &Allocator,
    service: &Value,
    wanted: Reservation,
    had: &[Reservation],
    held: &mut Held,
) -> Result<(), Refusal> {
    if had.contains(&wanted) || held.0.contains(&wanted) {
        return Ok(());
    }
    allocator.exactly(&wanted, service).await?;
    held.0.push(wanted);
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

fn ip_problem(ip: Option<Ipv4Addr>, why: Refusal) -> Result<String, Status> {
    let detail = match why {
        Refusal::Taken => "provided IP is already allocated".to_string(),
        Refusal::OutOfRange => "the provided IP is not in the valid range".to_string(),
        Refusal::Exhausted => "range is full".to_string(),
        Refusal::Store(status) => return Err(status),
    };
    Ok(match ip {
        Some(ip) => format!("failed to allocate IP {ip}: {detail}"),
        None => format!("failed to allocate a serviceIP: {detail}"),
    })
}

fn port_problem(allocator: &Allocator, why: Refusal) -> Result<String, Status> {
    Ok(match why {
        Refusal::Taken => "provided port is already allocated".into(),
        Refusal::OutOfRange => {
            format!(
                "provided port is not in the valid range. The range of valid ports is {}",
                allocator.ports
            )
        }
        Refusal::Exhausted => "failed to allocate a nodePort: range is full".into(),
        Refusal::Store(status) => return Err(status),
    })
}

fn refused(
    kind: &Kind,
    service: &Value,
    field: String,
    value: Value,
    detail: Result<String, Status>,
) -> Status {
    let detail = match detail {
        Ok(detail) => detail,
        Err(status) => return status,
    };
    let error = FieldError { field, kind: FieldErrorKind::Invalid, value: Some(value), detail };
    Status::invalid(kind, service["metadata"]["name"].as_str().unwrap_or_default(), &[error])
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
