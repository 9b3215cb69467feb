//! Network policies.

use serde_json::Value;

use crate::names;
use crate::status::FieldError;
use crate::validation::network::{self, Network};
use crate::validation::{Errors, Path, ip, items, metadata, selector, text};

const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];
const TYPES: [&str; 2] = ["Ingress", "Egress"];
/// Rules of a direction, and their peers.
const DIRECTIONS: [(&str, &str); 2] = [("ingress", "from"), ("egress", "to")];

pub(crate) fn validate_policy(policy: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(policy, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &policy["spec"]);
    selector::validate(&spec["podSelector"], &path.child("podSelector"), &mut errors);
    // Ranges that were taken once are not asked about again.
    let known: Vec<&Value> =
        old.map(blocks).unwrap_or_default().into_iter().flat_map(|(_, block)| ranges(block)).collect();
    for (direction, peers) in DIRECTIONS {
        for (index, rule) in items(&spec[direction]).iter().enumerate() {
            let at = path.child(direction).index(index);
            for (index, port) in items(&rule["ports"]).iter().enumerate() {
                validate_port(port, &at.child("ports").index(index), &mut errors);
            }
            for (index, peer) in items(&rule[peers]).iter().enumerate() {
                validate_peer(peer, &known, &at.child(peers).index(index), &mut errors);
            }
        }
    }
    validate_types(&spec["policyTypes"], &path.child("policyTypes"), &mut errors);
    errors.into_vec()
}

fn validate_types(types: &Value, path: &Path, errors: &mut Errors) {
    if items(types).len() > TYPES.len() {
        return errors.invalid(path, types, "may not specify more than two policyTypes");
    }
    for (index, kind) in items(types).iter().enumerate() {
        errors.listed(&path.index(index), kind, &TYPES);
    }
}

fn validate_port(port: &Value, path: &Path, errors: &mut Errors) {
    if !port["protocol"].is_null() {
        errors.listed(&path.child("protocol"), &port["protocol"], &PROTOCOLS);
    }
    let (first, last, at) = (&port["port"], &port["endPort"], path.child("endPort"));
    match first {
        Value::Number(number) => {
            errors.port(&path.child("port"), first);
            if !last.is_null() {
                if last.as_i64() < number.as_i64() {
                    errors.invalid(&at, last, "must be greater than or equal to `port`");
                }
                errors.port(&at, last);
            }
        }
        Value::String(name) => {
            if !last.is_null() {
                errors.invalid(&at, last, "may not be specified when `port` is non-numeric");
            }
            errors.rule(&path.child("port"), name, names::port_name);
        }
        _ if !last.is_null() => {
            errors.invalid(&at, last, "may not be specified when `port` is not specified");
        }
        _ => {}
    }
}

fn validate_peer(peer: &Value, known: &[&Value], path: &Path, errors: &mut Errors) {
    for field in ["podSelector", "namespaceSelector"] {
        selector::validate(&peer[field], &path.child(field), errors);
    }
    let block = &peer["ipBlock"];
    if !block.is_null() {
        validate_block(block, known, &path.child("ipBlock"), errors);
    }
    match ["podSelector", "namespaceSelector"].iter().any(|field| !peer[*field].is_null()) {
        false if block.is_null() => errors.required(path, "must specify a peer"),
        true if !block.is_null() => errors.forbidden(path, "may not specify both ipBlock and another peer"),
        _ => {}
    }
}

fn validate_block(block: &Value, known: &[&Value], path: &Path, errors: &mut Errors) {
    let whole = &block["cidr"];
    if text(whole).is_empty() {
        return errors.required(&path.child("cidr"), "");
    }
    let check = |range: &Value, at: &Path, errors: &mut Errors| {
        if !known.contains(&range) {
            ip::validate_network(range, at, errors);
        }
    };
    check(whole, &path.child("cidr"), errors);
    let Some(network) = Network::parse(text(whole)) else { return };
    for (index, except) in items(&block["except"]).iter().enumerate() {
        let at = path.child("except").index(index);
        check(except, &at, errors);
        if Network::parse(text(except)).is_some_and(|except| !network.is_wider_than(&except)) {
            errors.invalid(&at, except, "must be a strict subset of `cidr`");
        }
    }
}

/// The blocks of addresses, with where they stand.
fn blocks(policy: &Value) -> Vec<(Path, &Value)> {
    let mut found = Vec::new();
    for (direction, peers) in DIRECTIONS {
        for (index, rule) in items(&policy["spec"][direction]).iter().enumerate() {
            let at = Path::new("spec").child(direction).index(index).child(peers);
            let peers =
                items(&rule[peers]).iter().enumerate().filter(|(_, peer)| peer["ipBlock"].is_object());
            found.extend(peers.map(|(index, peer)| (at.index(index).child("ipBlock"), &peer["ipBlock"])));
        }
    }
    found
}

fn ranges(block: &Value) -> Vec<&Value> {
    std::iter::once(&block["cidr"]).chain(items(&block["except"])).collect()
}

pub(crate) fn warn_of_policy(policy: &Value, _old: Option<&Value>) -> Vec<String> {
    let warn = |(path, block): (Path, &Value)| {
        let mut found = network::warnings(text(&block["cidr"]), &path.child("cidr"));
        for (index, except) in items(&block["except"]).iter().enumerate() {
            found.extend(network::warnings(text(except), &path.child("except").index(index)));
        }
        found
    };
    blocks(policy).into_iter().flat_map(warn).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(rule: Value) -> Vec<String> {
        let policy = json!({ "metadata": { "name": "p" }, "spec": { "podSelector": {}, "ingress": [rule] } });
        validate_policy(&policy, None).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn peers_and_ports_are_upstreams() {
        let block = |cidr: &str, except: &str| json!({ "from": [{ "ipBlock": { "cidr": cidr, "except": [except] } }] });
        let at = "spec.ingress[0]";
        let cases = [
            (block("10.0.0.0/8", "10.1.0.0/16"), vec![]),
            (
                block("10.0.0.0/8", "11.0.0.0/16"),
                vec![format!(
                    "{at}.from[0].ipBlock.except[0]: Invalid value: \"11.0.0.0/16\": must be a strict subset of `cidr`"
                )],
            ),
            (
                block("10.0.0.0/8", "10.0.0.0/8"),
                vec![format!(
                    "{at}.from[0].ipBlock.except[0]: Invalid value: \"10.0.0.0/8\": must be a strict subset of `cidr`"
                )],
            ),
            (json!({ "from": [{}] }), vec![format!("{at}.from[0]: Required value: must specify a peer")]),
            (
                json!({ "ports": [{ "port": "web", "endPort": 90 }] }),
                vec![format!(
                    "{at}.ports[0].endPort: Invalid value: 90: may not be specified when `port` is non-numeric"
                )],
            ),
            (
                json!({ "ports": [{ "protocol": "ICMP" }] }),
                vec![format!(
                    r#"{at}.ports[0].protocol: Unsupported value: "ICMP": supported values: "TCP", "UDP", "SCTP""#
                )],
            ),
        ];
        for (rule, expected) in cases {
            assert_eq!(found(rule.clone()), expected, "{rule}");
        }
    }
}
