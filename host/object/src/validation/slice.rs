//! EndpointSlices (`pkg/apis/discovery/validation/validation.go`).

use serde_json::Value;

use super::network::{self, validate_canonical_address};
use super::{Errors, Path, ip, items, metadata, same, text};
use crate::names;
use crate::status::FieldError;

const TYPES: [&str; 3] = ["FQDN", "IPv4", "IPv6"];
const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];
const MOST_ENDPOINTS: usize = 1000;
const MOST_PORTS: usize = 20_000;
const MOST_HINTS: usize = 8;
const MOST_TOPOLOGY: usize = 16;
/// Who writes slices whose addresses need no warning.
const CONTROLLERS: [&str; 2] =
    ["endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io"];

pub(crate) fn validate(slice: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(slice, old, names::dns1123_subdomain, &mut errors);
    errors.required_one_of(&Path::new("addressType"), &slice["addressType"], &TYPES);
    validate_ports(&slice["ports"], &Path::new("ports"), &mut errors);
    // Endpoints that were taken once are not asked about again.
    if old.is_none_or(|old| !same(&old["endpoints"], &slice["endpoints"])) {
        validate_endpoints(slice, &Path::new("endpoints"), &mut errors);
    }
    if let Some(old) = old {
        errors.immutable(&Path::new("addressType"), &slice["addressType"], &old["addressType"]);
    }
    errors.into_vec()
}

pub(crate) fn warn(slice: &Value, old: Option<&Value>) -> Vec<String> {
    let mut found = Vec::new();
    if old.is_none() && slice["addressType"] == "FQDN" {
        found.push("spec.addressType: FQDN endpoints are deprecated".to_owned());
    }
    let author = text(&slice["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"]);
    if CONTROLLERS.contains(&author) {
        return found;
    }
    for (index, endpoint) in items(&slice["endpoints"]).iter().enumerate() {
        let path = Path::new("endpoints").index(index).child("addresses");
        for (index, address) in items(&endpoint["addresses"]).iter().enumerate() {
            found.extend(network::address_warnings(text(address), &path.index(index)));
        }
    }
    found
}

fn validate_ports(ports: &Value, path: &Path, errors: &mut Errors) {
    let ports = items(ports);
    if ports.len() > MOST_PORTS {
        return errors.at_most(path, ports.len(), MOST_PORTS);
    }
    for (index, port) in ports.iter().enumerate() {
        let (at, name) = (path.index(index), text(&port["name"]));
        if !name.is_empty() {
            errors.rule(&at.child("name"), name, names::dns1123_label);
        }
        if ports[..index].iter().any(|other| text(&other["name"]) == name) {
            errors.duplicate(&at.child("name"), name);
        }
        match &port["protocol"] {
            Value::Null => errors.required(&at.child("protocol"), ""),
            protocol => errors.one_of(&at.child("protocol"), protocol, &PROTOCOLS),
        }
        if let Some(protocol) = port["appProtocol"].as_str() {
            errors.rule(&at.child("appProtocol"), protocol, names::qualified_name);
        }
    }
}

fn validate_endpoints(slice: &Value, path: &Path, errors: &mut Errors) {
    let endpoints = items(&slice["endpoints"]);
    if endpoints.len() > MOST_ENDPOINTS {
        return errors.at_most(path, endpoints.len(), MOST_ENDPOINTS);
    }
    for (index, endpoint) in endpoints.iter().enumerate() {
        let at = path.index(index);
        let addresses = at.child("addresses");
        for (index, address) in items(&endpoint["addresses"]).iter().enumerate() {
            validate_address(text(&slice["addressType"]), address, &addresses, index, errors);
        }
        if let Some(node) = endpoint["nodeName"].as_str() {
            errors.rule(&at.child("nodeName"), node, names::dns1123_subdomain);
        }
        let topology = &endpoint["deprecatedTopology"];
        let labels = at.child("deprecatedTopology");
        errors.at_most(&labels, topology.as_object().map_or(0, |labels| labels.len()), MOST_TOPOLOGY);
        metadata::validate_labels(topology, &labels, errors);
        if let Some(host) = endpoint["hostname"].as_str() {
            errors.rule(&at.child("hostname"), host, names::dns1123_label);
        }
        validate_hints(&endpoint["hints"], &at.child("hints"), errors);
    }
}

fn validate_address(kind: &str, address: &Value, path: &Path, index: usize, errors: &mut Errors) {
    let (at, before) = (path.index(index), errors.len());
    match kind {
        "IPv4" => ip::validate(address, &at, errors),
        "IPv6" => validate_canonical_address(address, &at, errors),
        "FQDN" => return validate_domain(text(address), &at, errors),
        _ => return,
    }
    let Some(parsed) = ip::parse_sloppy(text(address)).filter(|_| errors.len() == before) else { return };
    if (kind == "IPv4") != parsed.is_ipv4() {
        errors.invalid(path, address, format!("must be an {kind} address"));
    }
    ip::validate_reachable(address, &at, errors);
}

/// A domain of two labels at least.
fn validate_domain(given: &str, path: &Path, errors: &mut Errors) {
    if given.is_empty() {
        return errors.required(path, "");
    }
    let name = given.strip_suffix('.').unwrap_or(given);
    let wrong = names::dns1123_subdomain(name);
    if !wrong.is_empty() {
        return errors.invalid(path, &name.into(), wrong.join(","));
    }
    if !name.contains('.') {
        let detail = "should be a domain with at least two segments separated by dots";
        return errors.invalid(path, &name.into(), detail);
    }
    let labels = name.split('.').map(|label| (label, names::dns1123_label(label)));
    if let Some((label, wrong)) = labels.into_iter().find(|(_, wrong)| !wrong.is_empty()) {
        errors.invalid(path, &label.into(), wrong.join(","));
    }
}

fn validate_hints(hints: &Value, path: &Path, errors: &mut Errors) {
    let kinds: [(&str, names::Rule); 2] =
        [("forZones", names::label_value), ("forNodes", names::dns1123_subdomain)];
    for (field, rule) in kinds {
        let (at, hints) = (path.child(field), items(&hints[field]));
        if hints.len() > MOST_HINTS {
            return errors.at_most(&at, hints.len(), MOST_HINTS);
        }
        for (index, hint) in hints.iter().enumerate() {
            let (at, name) = (at.index(index).child("name"), text(&hint["name"]));
            if hints[..index].iter().any(|other| text(&other["name"]) == name) {
                errors.duplicate(&at, name);
            }
            errors.rule(&at, name, rule);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(kind: &str, endpoint: Value) -> Vec<String> {
        let slice = json!({ "metadata": { "name": "s" }, "addressType": kind, "endpoints": [endpoint] });
        validate(&slice, None).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn addresses_are_of_their_type() {
        let one = |address: &str| json!({ "addresses": [address] });
        let at = "endpoints[0].addresses";
        let cases = [
            ("IPv4", "10.0.0.1", vec![]),
            ("IPv6", "10.0.0.1", vec![format!("{at}: Invalid value: \"10.0.0.1\": must be an IPv6 address")]),
            ("IPv6", "2001:db8::1", vec![]),
            ("FQDN", "a.example.com.", vec![]),
            (
                "FQDN",
                "a",
                vec![format!(
                    "{at}[0]: Invalid value: \"a\": should be a domain with at least two segments separated by dots"
                )],
            ),
        ];
        for (kind, address, expected) in cases {
            assert_eq!(found(kind, one(address)), expected, "{kind} {address}");
        }
        let twice =
            json!({ "addresses": ["10.0.0.1"], "hints": { "forZones": [{ "name": "z" }, { "name": "z" }] } });
        assert_eq!(found("IPv4", twice), [r#"endpoints[0].hints.forZones[1].name: Duplicate value: "z""#]);
    }
}
