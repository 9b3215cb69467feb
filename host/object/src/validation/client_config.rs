//! Where a webhook is found: by URL or by Service (`k8s.io/apiserver/pkg/util/webhook/validation.go`).

use serde_json::Value;

use super::{Errors, Path, items, text};
use crate::names;

const FORM: &str = "; desired format: https://host[/path]";

/// `clientConfig` of a webhook.
pub(crate) fn validate(config: &Value, path: &Path, errors: &mut Errors) {
    let (url, service) = (&config["url"], &config["service"]);
    match (url.is_null(), service.is_null()) {
        (false, true) => validate_url(text(url), &path.child("url"), errors),
        (true, false) => validate_service(service, &path.child("service"), errors),
        (true, true) | (false, false) => {
            errors.required(path, "exactly one of url or service is required");
        }
    }
}

fn validate_url(url: &str, path: &Path, errors: &mut Errors) {
    let parts = Parts::of(url);
    if parts.scheme != "https" {
        let detail = format!("'https' is the only allowed URL scheme{FORM}");
        errors.invalid(path, &parts.scheme.into(), detail);
    }
    if parts.host.is_empty() {
        errors.invalid(path, &"".into(), format!("host must be specified{FORM}"));
    }
    let refused = [
        (parts.user, "user information is not permitted in the URL"),
        (parts.fragment, "fragments are not permitted in the URL"),
        (parts.query, "query parameters are not permitted in the URL"),
    ];
    for (part, detail) in refused {
        if !part.is_empty() {
            errors.invalid(path, &part.into(), detail);
        }
    }
}

/// A URL cut where its delimiters stand; parts that are absent are empty.
struct Parts<'u> {
    scheme: &'u str,
    user: &'u str,
    host: &'u str,
    query: &'u str,
    fragment: &'u str,
}

impl Parts<'_> {
    fn of(url: &str) -> Parts<'_> {
        let (url, fragment) = url.split_once('#').unwrap_or((url, ""));
        let (url, query) = url.split_once('?').unwrap_or((url, ""));
        let (scheme, rest) = url.split_once("://").unwrap_or(("", ""));
        let authority = rest.split_once('/').map_or(rest, |(authority, _)| authority);
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        Parts { scheme, user, host, query, fragment }
    }
}

/// `service` with name, namespace, port and path.
pub(crate) fn validate_service(service: &Value, path: &Path, errors: &mut Errors) {
    for field in ["name", "namespace"] {
        if text(&service[field]).is_empty() {
            errors.required(&path.child(field), "");
        }
    }
    let port = service["port"].as_i64().unwrap_or_default();
    let found = names::port_number(port);
    if !found.is_empty() {
        let detail = format!("port is not valid: {}", found.join(", "));
        errors.invalid(&path.child("port"), &port.into(), detail);
    }
    validate_path(text(&service["path"]), &path.child("path"), errors);
}

fn validate_path(given: &str, path: &Path, errors: &mut Errors) {
    if given.is_empty() || given == "/" {
        return;
    }
    if given == "//" {
        return errors.invalid(path, &given.into(), "segment[0] may not be empty");
    }
    if !given.starts_with('/') {
        errors.invalid(path, &given.into(), "must start with a '/'");
    }
    let rest: String = given.chars().skip(1).collect();
    for (index, step) in rest.strip_suffix('/').unwrap_or(&rest).split('/').enumerate() {
        if step.is_empty() {
            errors.invalid(path, &given.into(), format!("segment[{index}] may not be empty"));
            continue;
        }
        for failure in names::dns1123_subdomain(step) {
            errors.invalid(path, &given.into(), format!("segment[{index}]: {failure}"));
        }
    }
}

/// The versions of a review that a webhook understands, of which one must be ours. `missing` is what an
/// empty list is told.
pub(crate) fn validate_versions(
    versions: &Value,
    known: &[&str],
    missing: &str,
    path: &Path,
    errors: &mut Errors,
) {
    let given = items(versions);
    if given.is_empty() {
        return errors.required(path, missing);
    }
    for (index, version) in given.iter().enumerate() {
        if given[..index].contains(version) {
            errors.invalid(&path.index(index), version, "duplicate version");
            continue;
        }
        errors.rule(&path.index(index), text(version), names::dns1035_label);
    }
    if !given.iter().any(|version| known.contains(&text(version))) {
        errors.invalid(path, versions, format!("must include at least one of {}", known.join(", ")));
    }
}
