//! Ingresses and their classes.

use serde_json::Value;

use crate::names;
use crate::status::FieldError;
use crate::validation::{Errors, Path, ip, is_empty, items, metadata, text};

const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";
const LONGEST_CONTROLLER: usize = 250;
const PATH_TYPES: [&str; 3] = ["Exact", "ImplementationSpecific", "Prefix"];
const NOT_IN_PATHS: [&str; 5] = ["//", "/./", "/../", "%2f", "%2F"];
const NOT_AT_ENDS: [&str; 2] = ["/..", "/."];
const PATH: &str = "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')";

pub(crate) fn validate_ingress_class(class: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let (path, spec) = (Path::new("spec"), &class["spec"]);
    let at = path.child("controller");
    if let Some(old) = old {
        errors.immutable(&at, &spec["controller"], &old["spec"]["controller"]);
    }
    metadata::validate(class, old, names::dns1123_subdomain, &mut errors);
    if text(&spec["controller"]).len() > LONGEST_CONTROLLER {
        errors.too_long(&at, LONGEST_CONTROLLER);
    }
    domain_prefixed_path(text(&spec["controller"]), &at, &mut errors);
    if !spec["parameters"].is_null() {
        parameters(&spec["parameters"], &path.child("parameters"), &mut errors);
    }
    errors.into_vec()
}

/// `example.com/controller`
fn domain_prefixed_path(given: &str, path: &Path, errors: &mut Errors) {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "/-._~%!$&'()*+,;=:".contains(c);
    match given.split_once('/') {
        _ if given.is_empty() => errors.required(path, ""),
        Some((domain, rest)) if !domain.is_empty() && !rest.is_empty() => {
            errors.rule(path, domain, names::dns1123_subdomain);
            if !rest.chars().all(allowed) {
                errors.invalid(path, &rest.into(), PATH);
            }
        }
        _ => errors.invalid(path, &given.into(), "must be a domain-prefixed path (such as \"acme.io/foo\")"),
    }
}

fn parameters(parameters: &Value, path: &Path, errors: &mut Errors) {
    reference(parameters, path, errors);
    let (scope, namespace) = (&parameters["scope"], &parameters["namespace"]);
    let at = path.child("namespace");
    match (scope.as_str(), namespace.as_str()) {
        (None, _) => errors.required(&path.child("scope"), ""),
        (Some("Namespace"), None) => errors.required(&at, "`parameters.scope` is set to 'Namespace'"),
        (Some("Namespace"), Some(namespace)) => errors.rule(&at, namespace, names::dns1123_label),
        (Some("Cluster"), Some(_)) => errors.forbidden(&at, "`parameters.scope` is set to 'Cluster'"),
        (Some("Cluster"), None) => {}
        (Some(_), _) => errors.one_of(&path.child("scope"), scope, &["Cluster", "Namespace"]),
    }
}

/// A reference by group, kind and name.
fn reference(reference: &Value, path: &Path, errors: &mut Errors) {
    if let Some(group) = reference["apiGroup"].as_str() {
        errors.rule(&path.child("apiGroup"), group, names::dns1123_subdomain);
    }
    for field in ["kind", "name"] {
        match text(&reference[field]) {
            "" => errors.required(&path.child(field), ""),
            name => errors.rule(&path.child(field), name, names::path_segment),
        }
    }
}

pub(crate) fn validate_ingress(ingress: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(ingress, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &ingress["spec"]);
    if is_empty(&spec["rules"]) && spec["defaultBackend"].is_null() {
        let detail = "either `defaultBackend` or `rules` must be specified";
        errors.push(FieldError::invalid(path.as_str(), spec["rules"].clone(), detail));
    }
    if !spec["defaultBackend"].is_null() {
        backend(&spec["defaultBackend"], &path.child("defaultBackend"), &mut errors);
    }
    for (index, given) in items(&spec["rules"]).iter().enumerate() {
        rule(given, &path.child("rules").index(index), &mut errors);
    }
    // Names that were taken once are not asked about again.
    let any_secret = old.is_some_and(|old| items(&old["spec"]["tls"]).iter().any(|tls| !is_secret(tls)));
    for (index, tls) in items(&spec["tls"]).iter().enumerate() {
        validate_tls(tls, any_secret, &path.child("tls").index(index), &mut errors);
    }
    let class = spec["ingressClassName"].as_str();
    if let Some(class) = class {
        errors.rule(&path.child("ingressClassName"), class, names::dns1123_subdomain);
    }
    let annotation = ingress["metadata"]["annotations"][CLASS_ANNOTATION].as_str();
    if let (None, Some(class), Some(annotation)) = (old, class, annotation)
        && class != annotation
    {
        let detail = "must match `ingressClassName` when both are specified";
        errors.invalid(&Path::new("annotations").child(CLASS_ANNOTATION), &annotation.into(), detail);
    }
    errors.into_vec()
}

fn is_secret(tls: &Value) -> bool {
    matches!(text(&tls["secretName"]), "") || names::is_dns1123_subdomain(text(&tls["secretName"]))
}

fn validate_tls(tls: &Value, any_secret: bool, path: &Path, errors: &mut Errors) {
    for (index, host) in items(&tls["hosts"]).iter().map(text).enumerate() {
        validate_host(host, &path.child("hosts").index(index), errors);
    }
    if !any_secret && !is_secret(tls) {
        errors.rule(&path.child("secretName"), text(&tls["secretName"]), names::dns1123_subdomain);
    }
}

fn validate_host(host: &str, path: &Path, errors: &mut Errors) {
    let rule = if host.contains('*') { names::wildcard_subdomain } else { names::dns1123_subdomain };
    errors.rule(path, host, rule);
}

fn rule(rule: &Value, path: &Path, errors: &mut Errors) {
    let host = text(&rule["host"]);
    if ip::parse_sloppy(host).is_some() {
        errors.invalid(&path.child("host"), &rule["host"], "must be a DNS name, not an IP address");
    }
    if !host.is_empty() {
        validate_host(host, &path.child("host"), errors);
    }
    if !rule["http"].is_object() {
        return;
    }
    let paths = path.child("http").child("paths");
    if is_empty(&rule["http"]["paths"]) {
        errors.required(&paths, "");
    }
    for (index, entry) in items(&rule["http"]["paths"]).iter().enumerate() {
        validate_path(entry, &paths.index(index), errors);
    }
}

fn validate_path(entry: &Value, path: &Path, errors: &mut Errors) {
    let (at, given) = (path.child("path"), text(&entry["path"]));
    match entry["pathType"].as_str() {
        None => return errors.required(&path.child("pathType"), "pathType must be specified"),
        Some("Exact" | "Prefix") => {
            if !given.starts_with('/') {
                errors.invalid(&at, &entry["path"], "must be an absolute path");
            }
            for part in NOT_IN_PATHS.iter().filter(|part| given.contains(**part)) {
                errors.invalid(&at, &entry["path"], format!("must not contain '{part}'"));
            }
            for part in NOT_AT_ENDS.iter().filter(|part| given.ends_with(**part)) {
                errors.invalid(&at, &entry["path"], format!("cannot end with '{part}'"));
            }
        }
        Some("ImplementationSpecific") => {
            if !given.is_empty() && !given.starts_with('/') {
                errors.invalid(&at, &entry["path"], "must be an absolute path");
            }
        }
        Some(_) => errors.one_of(&path.child("pathType"), &entry["pathType"], &PATH_TYPES),
    }
    backend(&entry["backend"], &path.child("backend"), errors);
}

fn backend(backend: &Value, path: &Path, errors: &mut Errors) {
    let nothing = "".into();
    match (&backend["service"], &backend["resource"]) {
        (Value::Null, Value::Null) => {
            errors.invalid(path, &nothing, "resource or service backend is required");
        }
        (Value::Null, resource) => reference(resource, &path.child("resource"), errors),
        (service, Value::Null) => service_backend(service, path, errors),
        (_, _) => errors.invalid(path, &nothing, "cannot set both resource and service backends"),
    }
}

fn service_backend(service: &Value, path: &Path, errors: &mut Errors) {
    let at = path.child("service");
    match text(&service["name"]) {
        "" => errors.required(&at.child("name"), ""),
        name => errors.rule(&at.child("name"), name, names::dns1123_label),
    }
    let (port, at) = (&service["port"], at.child("port"));
    match (text(&port["name"]), port["number"].as_i64().unwrap_or_default()) {
        ("", 0) => errors.required(path, "port name or number is required"),
        ("", number) => {
            for message in names::port_number(number) {
                errors.invalid(&at.child("number"), &port["number"], message);
            }
        }
        (name, 0) => errors.rule(&at.child("name"), name, names::port_name),
        (_, _) => errors.invalid(path, &"".into(), "cannot set both port name & port number"),
    }
}

/// A write to the status.
pub(crate) fn validate_ingress_status(new: &Value, old: &Value, _part: &str, _now: &str) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(new, Some(old), names::dns1123_subdomain, &mut errors);
    let path = Path::new("status").child("loadBalancer").child("ingress");
    let given = |object: &'_ Value| items(&object["status"]["loadBalancer"]["ingress"]).to_vec();
    let before: Vec<Value> = given(old).iter().map(|ingress| ingress["ip"].clone()).collect();
    for (index, ingress) in given(new).iter().enumerate() {
        let (address, host) = (&ingress["ip"], text(&ingress["hostname"]));
        if !is_empty(address) && !before.contains(address) {
            ip::validate(address, &path.index(index).child("ip"), &mut errors);
        }
        if !host.is_empty() {
            let at = path.index(index).child("hostname");
            errors.rule(&at, host, names::dns1123_subdomain);
            if ip::parse_sloppy(host).is_some() {
                errors.invalid(&at, &ingress["hostname"], "must be a DNS name, not an IP address");
            }
        }
    }
    errors.into_vec()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ingress(spec: Value) -> Vec<String> {
        let object = json!({ "metadata": { "name": "i" }, "spec": spec });
        validate_ingress(&object, None).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn ingresses_name_what_they_lead_to() {
        let service = json!({ "service": { "name": "s", "port": { "number": 80 } } });
        let path = |path: &str, kind: &str| json!({ "rules": [{ "http": { "paths": [{ "path": path, "pathType": kind, "backend": service }] } }] });
        let at = "spec.rules[0].http.paths[0]";
        let cases = [
            (json!({ "defaultBackend": service }), vec![]),
            (
                json!({}),
                vec![
                    "spec: Invalid value: null: either `defaultBackend` or `rules` must be specified".into(),
                ],
            ),
            (
                json!({ "defaultBackend": {} }),
                vec![
                    r#"spec.defaultBackend: Invalid value: "": resource or service backend is required"#
                        .into(),
                ],
            ),
            (
                json!({ "defaultBackend": { "service": { "name": "s" } } }),
                vec!["spec.defaultBackend: Required value: port name or number is required".into()],
            ),
            (
                path("/a/../b", "Prefix"),
                vec![format!("{at}.path: Invalid value: \"/a/../b\": must not contain '/../'")],
            ),
            (
                path("/a/.", "Exact"),
                vec![format!("{at}.path: Invalid value: \"/a/.\": cannot end with '/.'")],
            ),
            (
                path("a", "ImplementationSpecific"),
                vec![format!("{at}.path: Invalid value: \"a\": must be an absolute path")],
            ),
            (
                path("/", "Some"),
                vec![format!(
                    r#"{at}.pathType: Unsupported value: "Some": supported values: "Exact", "ImplementationSpecific", "Prefix""#
                )],
            ),
        ];
        for (spec, expected) in cases {
            assert_eq!(ingress(spec.clone()), expected, "{spec}");
        }
        let star = ingress(json!({ "defaultBackend": service, "tls": [{ "hosts": ["*.a.b", "*"] }] }));
        assert!(star[0].starts_with(r#"spec.tls[0].hosts[1]: Invalid value: "*": a wildcard DNS-1123 subdomain must start with '*.'"#), "{star:?}");
    }

    #[test]
    fn classes_name_their_controller_and_parameters() {
        let class = |spec: Value| -> Vec<String> {
            let object = json!({ "metadata": { "name": "c" }, "spec": spec });
            validate_ingress_class(&object, None).iter().map(ToString::to_string).collect()
        };
        let with = |parameters: Value| class(json!({ "controller": "a.b/c", "parameters": parameters }));
        assert_eq!(with(json!({ "kind": "K", "name": "n", "scope": "Cluster" })), [""; 0]);
        assert_eq!(
            with(json!({ "kind": "K", "name": "n", "scope": "Namespace" })),
            ["spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'"]
        );
        assert_eq!(
            class(json!({ "controller": "a.b/c d" })),
            [format!("spec.controller: Invalid value: \"c d\": {PATH}")]
        );
    }
}
