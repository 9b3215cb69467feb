//! Endpoints.

use serde_json::Value;

use super::{Errors, Path, ip, is_empty, items, metadata, same, text};
use crate::names;
use crate::status::FieldError;

pub(crate) const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];

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
