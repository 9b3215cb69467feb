//! Endpoints and EndpointSlices.

use std::net::IpAddr;

use serde_json::Value;

use super::{Errors, Path, ip, is_empty, items, metadata, same, text};
use crate::names;
use crate::status::FieldError;

pub(crate) const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];
pub(crate) const INVALID_IP: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
const MAX_ENDPOINTS: usize = 1000;
const MAX_ADDRESSES: usize = 100;
const MAX_PORTS: usize = 20_000;

pub(crate) fn validate_endpoints(endpoints: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    if let Some(old) = old {
        metadata::validate_change(endpoints, old, &mut errors);
    }
    metadata::validate_new(endpoints, names::dns1123_subdomain, &mut errors);
    if old.is_some_and(|old| same(&old["subsets"], &endpoints["subsets"])) {
        return errors.into_vec();
    }
    for (index, subset) in items(&endpoints["subsets"]).iter().enumerate() {
        validate_subset(subset, &Path::new("subsets").index(index), &mut errors);
    }
    errors.into_vec()
}

fn validate_subset(subset: &Value, path: &Path, errors: &mut Errors) {
    if is_empty(&subset["addresses"]) && is_empty(&subset["notReadyAddresses"]) {
        errors.required(path, "must specify `addresses` or `notReadyAddresses`");
    }
    for field in ["addresses", "notReadyAddresses"] {
        for (index, address) in items(&subset[field]).iter().enumerate() {
            let at = path.child(field).index(index);
            ip::validate(&address["ip"], &at.child("ip"), errors);
            let name = text(&address["hostname"]);
            if !name.is_empty() {
                errors.rule(&at.child("hostname"), name, names::dns1123_label);
            }
            if let Some(node) = address["nodeName"].as_str() {
                errors.rule(&at.child("nodeName"), node, names::dns1123_subdomain);
            }
            ip::validate_reachable(&address["ip"], &at.child("ip"), errors);
        }
    }
    let ports = items(&subset["ports"]);
    for (index, port) in ports.iter().enumerate() {
        validate_port(port, ports.len() > 1, &path.child("ports").index(index), errors);
    }
}

fn validate_port(port: &Value, named: bool, path: &Path, errors: &mut Errors) {
    match text(&port["name"]) {
        "" if named => errors.required(&path.child("name"), ""),
        "" => {}
        name => errors.rule(&path.child("name"), name, names::dns1123_label),
    }
    let number = port["port"].as_i64().unwrap_or(0);
    for message in names::port_number(number) {
        errors.invalid(&path.child("port"), &number.into(), message);
    }
    let mut protocols = PROTOCOLS;
    protocols.sort_unstable();
    errors.required_one_of(&path.child("protocol"), &port["protocol"], &protocols);
    if let Some(protocol) = port["appProtocol"].as_str() {
        errors.rule(&path.child("appProtocol"), protocol, names::qualified_name);
    }
}

pub(crate) fn validate_slice(slice: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(slice, old, names::dns1123_subdomain, &mut errors);
    let path = Path::new("addressType");
    errors.required_one_of(&path, &slice["addressType"], &["IPv4", "IPv6", "FQDN"]);
    if let Some(old) = old {
        errors.immutable(&path, &slice["addressType"], &old["addressType"]);
    }
    let endpoints = items(&slice["endpoints"]);
    if endpoints.len() > MAX_ENDPOINTS {
        errors.push(FieldError::too_many("endpoints", endpoints.len(), MAX_ENDPOINTS));
    }
    for (index, endpoint) in endpoints.iter().enumerate() {
        let at = Path::new("endpoints").index(index).child("addresses");
        validate_addresses(&endpoint["addresses"], &slice["addressType"], &at, &mut errors);
    }
    if items(&slice["ports"]).len() > MAX_PORTS {
        errors.push(FieldError::too_many("ports", items(&slice["ports"]).len(), MAX_PORTS));
    }
    validate_ports(&slice["ports"], &Path::new("ports"), false, &mut errors);
    errors.into_vec()
}

fn validate_addresses(addresses: &Value, kind: &Value, path: &Path, errors: &mut Errors) {
    let addresses = items(addresses);
    if addresses.is_empty() {
        errors.required(path, "must contain at least 1 address");
    } else if addresses.len() > MAX_ADDRESSES {
        errors.push(FieldError::too_many(path.as_str(), addresses.len(), MAX_ADDRESSES));
    }
    for (index, address) in addresses.iter().enumerate() {
        let at = path.index(index);
        match (text(kind), text(address).parse::<IpAddr>()) {
            ("IPv4", Ok(IpAddr::V4(_))) | ("IPv6", Ok(IpAddr::V6(_))) => {}
            ("IPv4", Ok(_)) => errors.invalid(&at, address, "must be an IPv4 address"),
            ("IPv6", Ok(_)) => errors.invalid(&at, address, "must be an IPv6 address"),
            ("IPv4" | "IPv6", Err(_)) => errors.invalid(&at, address, INVALID_IP),
            ("FQDN", _) => errors.rule(&at, text(address), names::dns1123_subdomain),
            _ => {}
        }
    }
}

fn validate_ports(ports: &Value, path: &Path, named: bool, errors: &mut Errors) {
    let mut seen: Vec<&str> = Vec::new();
    for (index, port) in items(ports).iter().enumerate() {
        let at = path.index(index);
        let name = text(&port["name"]);
        if name.is_empty() && named {
            errors.required(&at.child("name"), "");
        } else if !name.is_empty() {
            errors.rule(&at.child("name"), name, names::dns1123_label);
        }
        if seen.contains(&name) {
            errors.duplicate(&at.child("name"), name);
        }
        seen.push(name);
        if let Some(number) = port["port"].as_i64() {
            for message in names::port_number(number) {
                errors.invalid(&at.child("port"), &port["port"], message);
            }
        }
        errors.required_one_of(&at.child("protocol"), &port["protocol"], &PROTOCOLS);
    }
}
