//! Ingresses and network policies.

use serde_json::Value;

use super::{Errors, Path, items, metadata, selector, text};
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
