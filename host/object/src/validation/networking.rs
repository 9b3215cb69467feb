//! Ingresses and network policies.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::{Errors, IMMUTABLE, Path, items, metadata, selector, text};
use crate::names;
use crate::status::FieldError;

pub(crate) fn validate_ingress_class(class: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(class, old, names::dns1123_subdomain, &mut errors);
    let at = Path::new("spec").child("controller");
    let controller = &class["spec"]["controller"];
    match text(controller).split_once('/') {
        _ if text(controller).is_empty() => errors.required(&at, ""),
        Some((domain, path)) if !domain.is_empty() && !path.is_empty() => {
            errors.rule(&at, domain, names::dns1123_subdomain);
        }
        _ => errors.invalid(&at, controller, "must be a domain-prefixed path (such as \"acme.io/foo\")"),
    }
    if let Some(old) = old {
        errors.immutable(&at, controller, &old["spec"]["controller"]);
    }
    errors.into_vec()
}

const IP: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
const CIDR: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
const NOT_CANONICAL: &str = "must be in canonical form";

/// An IPAddress is named after the address.
pub(crate) fn validate_address(address: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(address, old, ip, &mut errors);
    let (path, parent) = (Path::new("spec").child("parentRef"), &address["spec"]["parentRef"]);
    if let Some(old) = old {
        errors.immutable(&path, parent, &old["spec"]["parentRef"]);
        return errors.into_vec();
    }
    if !parent.is_object() {
        errors.required(&path, "");
        return errors.into_vec();
    }
    if !text(&parent["group"]).is_empty() {
        errors.rule(&path.child("group"), text(&parent["group"]), names::dns1123_subdomain);
    }
    for field in ["resource", "name"] {
        match text(&parent[field]) {
            "" => errors.required(&path.child(field), ""),
            name => errors.rule(&path.child(field), name, names::path_segment),
        }
    }
    errors.rule(&path.child("namespace"), text(&parent["namespace"]), names::path_segment);
    errors.into_vec()
}

/// Why text is no address in its canonical form.
fn ip(text: &str) -> Vec<String> {
    match text.parse::<IpAddr>() {
        Err(_) => vec![IP.into()],
        Ok(ip) if ip.to_string() != text => vec![format!("{NOT_CANONICAL} ({:?})", ip.to_string())],
        Ok(_) => Vec::new(),
    }
}

/// The family and, for text that is not canonical, what it should be; `None`: no range at all.
fn cidr(text: &str) -> Option<(bool, Option<String>)> {
    let (ip, length) = text.split_once('/')?;
    let (ip, length) = (ip.parse::<IpAddr>().ok()?, length.parse::<u8>().ok()?);
    let masked: IpAddr = match ip {
        IpAddr::V4(ip) if length <= 32 => {
            (ip.to_bits() & u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0)).to_be_bytes().into()
        }
        IpAddr::V6(ip) if length <= 128 => {
            (ip.to_bits() & u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0)).to_be_bytes().into()
        }
        IpAddr::V4(_) | IpAddr::V6(_) => return None,
    };
    let canonical = format!("{masked}/{length}");
    Some((ip.is_ipv6(), (canonical != text).then_some(canonical)))
}

pub(crate) fn validate_range(range: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(range, old, names::dns1123_subdomain, &mut errors);
    let path = Path::new("spec").child("cidrs");
    let (given, before) = (&range["spec"]["cidrs"], old.map(|old| items(&old["spec"]["cidrs"])));
    let new = items(given);
    match before {
        None => validate_cidrs(given, &path, &mut errors),
        // A second family may be added.
        Some(old) if old.len() == new.len() || (old.len(), new.len()) == (1, 2) => {
            let changed = old.iter().zip(new).enumerate().filter(|(_, (old, new))| old != new);
            for (index, (_, new)) in changed {
                errors.invalid(&path.index(index), new, IMMUTABLE);
            }
            if old.len() != new.len() {
                validate_cidrs(given, &path, &mut errors);
            }
        }
        Some(_) => errors.invalid(&path, given, IMMUTABLE),
    }
    errors.into_vec()
}

fn validate_cidrs(given: &Value, path: &Path, errors: &mut Errors) {
    let cidrs = items(given);
    match cidrs.len() {
        0 => return errors.required(path, "at least one CIDR required"),
        1 | 2 => {}
        _ => return errors.invalid(path, &json!({ "CIDRs": given }), "may only hold up to 2 values"),
    }
    let mut families = Vec::new();
    for (index, range) in cidrs.iter().enumerate() {
        match cidr(text(range)) {
            None => errors.invalid(&path.index(index), range, CIDR),
            Some((_, Some(canonical))) => {
                errors.invalid(&path.index(index), range, format!("{NOT_CANONICAL} ({canonical:?})"));
            }
            Some((family, None)) => families.push(family),
        }
    }
    if families.len() == 2 && families[0] == families[1] {
        let detail =
            "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64";
        errors.invalid(path, given, detail);
    }
}

pub(crate) fn validate_ingress(ingress: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(ingress, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &ingress["spec"]);
    if items(&spec["rules"]).is_empty() && spec["defaultBackend"].is_null() {
        errors.invalid(&path, spec, "either `defaultBackend` or `rules` must be specified");
    }
    if !spec["defaultBackend"].is_null() {
        validate_backend(&spec["defaultBackend"], &path.child("defaultBackend"), &mut errors);
    }
    for (index, rule) in items(&spec["rules"]).iter().enumerate() {
        validate_rule(rule, &path.child("rules").index(index), &mut errors);
    }
    errors.into_vec()
}

fn validate_rule(rule: &Value, path: &Path, errors: &mut Errors) {
    let host = text(&rule["host"]);
    if !host.is_empty() {
        let bare = host.strip_prefix("*.").unwrap_or(host);
        if bare.parse::<std::net::IpAddr>().is_ok() {
            errors.invalid(&path.child("host"), &rule["host"], "must be a DNS name, not an IP address");
        } else {
            errors.rule(&path.child("host"), bare, names::dns1123_subdomain);
        }
    }
    if !rule["http"].is_object() {
        return;
    }
    let paths = path.child("http").child("paths");
    if items(&rule["http"]["paths"]).is_empty() {
        errors.required(&paths, "");
    }
    for (index, entry) in items(&rule["http"]["paths"]).iter().enumerate() {
        let at = paths.index(index);
        let kinds = ["Exact", "ImplementationSpecific", "Prefix"];
        match text(&entry["pathType"]) {
            "" => errors.required(&at.child("pathType"), "pathType must be specified"),
            "Exact" | "Prefix" if !text(&entry["path"]).starts_with('/') => {
                errors.invalid(&at.child("path"), &entry["path"], "must be an absolute path");
            }
            _ => errors.one_of(&at.child("pathType"), &entry["pathType"], &kinds),
        }
        validate_backend(&entry["backend"], &at.child("backend"), errors);
    }
}

fn validate_backend(backend: &Value, path: &Path, errors: &mut Errors) {
    let (service, resource) = (&backend["service"], &backend["resource"]);
    match (service.is_object(), resource.is_object()) {
        (true, true) => {
            errors.invalid(path, &"".into(), "cannot set both resource and service backends");
        }
        (false, false) => errors.required(path, ""),
        (false, true) => {}
        (true, false) => {
            let at = path.child("service");
            match text(&service["name"]) {
                "" => errors.required(&at.child("name"), ""),
                name => errors.rule(&at.child("name"), name, names::dns1035_label),
            }
            let port = &service["port"];
            match (text(&port["name"]), port["number"].as_i64()) {
                ("", None | Some(0)) => errors.required(path, "port name or number is required"),
                ("", Some(number)) => {
                    for message in names::port_number(number) {
                        errors.invalid(&at.child("port").child("number"), &port["number"], message);
                    }
                }
                (name, None | Some(0)) => {
                    errors.rule(&at.child("port").child("name"), name, names::port_name)
                }
                (_, Some(_)) => errors.invalid(path, &"".into(), "cannot set both port name & port number"),
            }
        }
    }
}

pub(crate) fn validate_policy(policy: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(policy, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &policy["spec"]);
    selector::validate(&spec["podSelector"], &path.child("podSelector"), &mut errors);
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for (index, rule) in items(&spec[direction]).iter().enumerate() {
            let at = path.child(direction).index(index);
            for (index, port) in items(&rule["ports"]).iter().enumerate() {
                validate_port(port, &at.child("ports").index(index), &mut errors);
            }
            for (index, peer) in items(&rule[peers]).iter().enumerate() {
                validate_peer(peer, &at.child(peers).index(index), &mut errors);
            }
        }
    }
    let types = items(&spec["policyTypes"]);
    for (index, kind) in types.iter().enumerate() {
        errors.one_of(&path.child("policyTypes").index(index), kind, &["Egress", "Ingress"]);
    }
    if types.len() > 2 {
        let detail = "may not specify more than two policyTypes";
        errors.invalid(&path.child("policyTypes"), &spec["policyTypes"], detail);
    }
    errors.into_vec()
}

fn validate_port(port: &Value, path: &Path, errors: &mut Errors) {
    errors.optional_one_of(&path.child("protocol"), &port["protocol"], &["SCTP", "TCP", "UDP"]);
    match &port["port"] {
        Value::Number(number) => {
            for message in names::port_number(number.as_i64().unwrap_or(0)) {
                errors.invalid(&path.child("port"), &port["port"], message);
            }
        }
        Value::String(name) => errors.rule(&path.child("port"), name, names::port_name),
        _ if !port["endPort"].is_null() => {
            errors.required(&path.child("endPort"), "port must be specified");
        }
        _ => {}
    }
    if let (Some(first), Some(last)) = (port["port"].as_i64(), port["endPort"].as_i64())
        && last < first
    {
        let detail = "must be greater than or equal to `port`";
        errors.invalid(&path.child("endPort"), &port["endPort"], detail);
    }
}

fn validate_peer(peer: &Value, path: &Path, errors: &mut Errors) {
    let chosen = ["podSelector", "namespaceSelector", "ipBlock"];
    if chosen.iter().all(|field| peer[*field].is_null()) {
        errors.required(path, "must specify a peer");
    }
    if !peer["ipBlock"].is_null() && chosen[..2].iter().any(|field| !peer[*field].is_null()) {
        let detail = "may not specify both ipBlock and another peer";
        errors.forbidden(path, detail);
    }
    for field in &chosen[..2] {
        selector::validate(&peer[*field], &path.child(field), errors);
    }
    if peer["ipBlock"].is_object() && text(&peer["ipBlock"]["cidr"]).is_empty() {
        errors.required(&path.child("ipBlock").child("cidr"), "");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn details(errors: Vec<FieldError>) -> Vec<String> {
        errors.into_iter().map(|error| format!("{}: {}", error.field, error.detail)).collect()
    }

    fn range(cidrs: &[&str]) -> Value {
        json!({ "metadata": { "name": "r" }, "spec": { "cidrs": cidrs } })
    }

    #[test]
    fn ranges_are_canonical_and_of_different_families() {
        for good in [&["10.0.0.0/16"][..], &["0.0.0.0/0"], &["10.0.0.0/16", "2001:db8::/64"]] {
            assert_eq!(details(validate_range(&range(good), None)), [""; 0], "{good:?}");
        }
        let wrong = |cidrs: &[&str]| details(validate_range(&range(cidrs), None));
        assert_eq!(wrong(&[]), ["spec.cidrs: at least one CIDR required"]);
        assert_eq!(wrong(&["10.0.0.0/33"]), [format!("spec.cidrs[0]: {CIDR}")]);
        assert_eq!(wrong(&["10.0.0.1/16"]), ["spec.cidrs[0]: must be in canonical form (\"10.0.0.0/16\")"]);
        assert!(wrong(&["10.0.0.0/16", "10.1.0.0/16"])[0].contains("no more than one IP for each IP family"));
        assert_eq!(wrong(&["10.0.0.0/16"; 3]), ["spec.cidrs: may only hold up to 2 values"]);
    }

    #[test]
    fn a_range_grows_by_a_family_and_changes_in_no_other_way() {
        let old = range(&["10.0.0.0/16"]);
        assert_eq!(validate_range(&range(&["10.0.0.0/16", "fd00::/108"]), Some(&old)), []);
        assert_eq!(
            details(validate_range(&range(&["10.1.0.0/16"]), Some(&old))),
            ["spec.cidrs[0]: field is immutable"]
        );
        assert_eq!(details(validate_range(&range(&[]), Some(&old))), ["spec.cidrs: field is immutable"]);
    }

    #[test]
    fn an_address_is_named_by_itself_and_says_whose_it_is() {
        let address = |name: &str, parent: Value| json!({ "metadata": { "name": name }, "spec": { "parentRef": parent } });
        let parent = json!({ "resource": "services", "name": "s", "namespace": "n" });
        assert_eq!(validate_address(&address("10.0.0.7", parent.clone()), None), []);
        assert_eq!(
            details(validate_address(&address("x", parent.clone()), None)),
            [format!("metadata.name: {IP}")]
        );
        assert_eq!(
            details(validate_address(&address("::0:1", parent), None)),
            ["metadata.name: must be in canonical form (\"::1\")"]
        );
        assert_eq!(details(validate_address(&address("::1", Value::Null), None)), ["spec.parentRef: "]);
    }
}
