//! Certificate requests, trust bundles, pods' certificate requests (`pkg/apis/certificates/validation`).

mod bundle;
mod pod_request;
mod request;
pub(super) mod x509;

use serde_json::Value;

use super::{Errors, Path, items, text};
use crate::names;
use crate::status::FieldError;

pub(crate) use bundle::{bundle_name, validate_bundle};
pub(crate) use pod_request::{validate_pod_request, validate_pod_request_status};
pub(crate) use request::{validate_request, validate_request_part};

/// Bytes in the domain of a signer's name.
const DOMAIN_LENGTH: usize = 253;

/// Seconds for which the certificates of pods may be valid, at least and at most.
pub(crate) const SHORTEST_POD_CERTIFICATE: i64 = 3600;
const LONGEST_POD_CERTIFICATE: i64 = 91 * 86_400;
const LONGEST_OF_KUBERNETES: i64 = 86_400;

/// How long a signer's certificates for pods may be valid, in seconds.
pub(crate) fn longest_pod_certificate(signer: &str) -> i64 {
    let domain = signer.split('/').next().unwrap_or_default();
    match domain == "kubernetes.io" || domain.ends_with(".kubernetes.io") {
        true => LONGEST_OF_KUBERNETES,
        false => LONGEST_POD_CERTIFICATE,
    }
}

/// `example.com/signer-name`
pub(crate) fn validate_signer(signer: &Value, path: &Path, errors: &mut Errors) {
    let name = text(signer);
    if name.is_empty() {
        return errors.required(path, "");
    }
    let Some((domain, rest)) = name.split_once('/').filter(|(_, rest)| !rest.contains('/')) else {
        let detail = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
        return errors.invalid(path, signer, detail);
    };
    if domain.len() > DOMAIN_LENGTH {
        errors.too_long(path, DOMAIN_LENGTH);
    }
    validate_labels(domain, names::dns1123_label, path, errors);
    if !domain.contains('.') {
        let detail = "should be a domain with at least two segments separated by dots";
        errors.invalid(path, &domain.into(), detail);
    }
    validate_labels(rest, names::dns1123_subdomain, path, errors);
    let longest = names::SUBDOMAIN_LENGTH + 1 + names::LABEL_LENGTH + 1 + names::SUBDOMAIN_LENGTH;
    if rest.len() > longest {
        errors.too_long(path, longest);
    }
}

/// What is wrong with the first wrong label.
fn validate_labels(segment: &str, rule: names::Rule, path: &Path, errors: &mut Errors) {
    let wrong = segment.split('.').map(|label| (label, rule(label))).find(|(_, found)| !found.is_empty());
    let Some((label, found)) = wrong else { return };
    for message in found {
        errors.push(FieldError::invalid(
            path.as_str(),
            segment,
            format!("validating label {label:?}: {message}"),
        ));
    }
}

/// Keys like `acme.io/foo`, in whatever case.
pub(crate) fn validate_user_annotations(annotations: &Value, path: &Path, errors: &mut Errors) {
    for key in annotations.as_object().into_iter().flatten().map(|(key, _)| key.to_lowercase()) {
        let found = names::qualified_name(&key);
        if found.is_empty() && !key.contains('/') {
            errors.invalid(path, &key.into(), "must be a domain-prefixed key (such as \"acme.io/foo\")");
            continue;
        }
        for message in found {
            errors.push(FieldError::invalid(path.as_str(), key.as_str(), message));
        }
    }
    super::metadata::validate_annotations_size(annotations, path, errors);
}

fn conditions(object: &Value) -> &[Value] {
    items(&object["status"]["conditions"])
}

#[cfg(test)]
mod tests;
