//! Endpoints and EndpointSlices.

use std::net::IpAddr;

use serde_json::Value;

use super::{Errors, Path, is_empty, items, metadata, text};
use crate::names;
use crate::status::FieldError;

pub(crate) const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];
pub(crate) const INVALID_IP: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
const MAX_ENDPOINTS: usize = 1000;
const MAX_ADDRESSES: usize = 100;
const MAX_PORTS: usize = 20_000;

pub(crate) fn validate_endpoints(endpoints: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(endpoints, old, names::dns1123_subdomain, &mut errors);
    for (index, subset) in items(&endpoints["subsets"]).iter().enumerate() {
        let path = Path::new("subsets").index(index);
        if is_empty(&subset["addresses"]) && is_empty(&subset["notReadyAddresses"]) {
            errors.required(&path, "must specify `addresses` or `notReadyAddresses`");
        }
        for field in ["addresses", "notReadyAddresses"] {
            for (index, address) in items(&subset[field]).iter().enumerate() {
                let at = path.child(field).index(index).child("ip");
                validate_address(&address["ip"], &at, &mut errors);
            }
        }
        validate_ports(
            &subset["ports"],
            &path.child("ports"),
            items(&subset["ports"]).len() > 1,
            &mut errors,
        );
    }
    errors.into_vec()
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

fn validate_address(address: &Value, path: &Path, errors: &mut Errors) {
    match text(address).parse::<IpAddr>() {
        Ok(ip) if ip.is_unspecified() => {
            errors.invalid(path, address, "may not be unspecified (0.0.0.0 or ::)")
        }
        Ok(ip) if ip.is_loopback() => {
            errors.invalid(path, address, "may not be in the loopback range (127.0.0.0/8, ::1/128)")
        }
        Ok(_) => {}
        Err(_) => errors.invalid(path, address, INVALID_IP),
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
