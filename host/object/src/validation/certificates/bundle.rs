//! ClusterTrustBundles.

use serde_json::Value;

use super::{validate_signer, x509};
use crate::names;
use crate::pem::{self, Block};
use crate::status::FieldError;
use crate::validation::{Errors, Path, metadata, text};

/// Bytes in `spec.trustBundle`.
const LARGEST: usize = 1 << 20;

pub(crate) fn validate_bundle(bundle: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let (path, spec) = (Path::new("spec"), &bundle["spec"]);
    let signer = text(&spec["signerName"]);
    metadata::validate(bundle, old, |_| Vec::new(), &mut errors);
    for field in ["generateName", "name"] {
        let given = text(&bundle["metadata"][field]);
        let found = if given.is_empty() { Vec::new() } else { bundle_name(signer, &names::as_base(given)) };
        let at = Path::new("metadata").child(field);
        found.into_iter().for_each(|message| errors.invalid(&at, &given.into(), message));
    }
    if !signer.is_empty() {
        validate_signer(&spec["signerName"], &path.child("signerName"), &mut errors);
    }
    if old.is_none_or(|old| old["spec"]["trustBundle"] != spec["trustBundle"]) {
        validate_anchors(text(&spec["trustBundle"]), &path.child("trustBundle"), &mut errors);
    }
    if let Some(old) = old {
        errors.immutable(&path.child("signerName"), &spec["signerName"], &old["spec"]["signerName"]);
    }
    errors.into_vec()
}

/// What is wrong with a bundle's name: a signer's bundles are named after it.
pub(crate) fn bundle_name(signer: &str, name: &str) -> Vec<String> {
    if signer.is_empty() {
        return match name.contains(':') {
            true => vec!["ClusterTrustBundle without signer name must not have \":\" in its name".into()],
            false => names::dns1123_subdomain(name),
        };
    }
    let prefix = format!("{}:", signer.replace('/', ":"));
    match name.strip_prefix(&prefix) {
        Some(rest) => names::dns1123_subdomain(rest),
        None => {
            vec![format!("ClusterTrustBundle for signerName {signer} must be named with prefix {prefix}")]
        }
    }
}

fn validate_anchors(text: &str, path: &Path, errors: &mut Errors) {
    if text.len() > LARGEST {
        return errors.too_long(path, LARGEST);
    }
    let omitted: Value = "<value omitted>".into();
    let blocks = pem::blocks(text);
    let wrong: Vec<String> =
        blocks.iter().enumerate().filter_map(|(at, block)| wrong_anchor(at, block)).collect();
    for detail in &wrong {
        errors.invalid(path, &omitted, detail.as_str());
    }
    if !wrong.is_empty() {
        return;
    }
    if blocks.is_empty() {
        errors.invalid(path, &omitted, "at least one trust anchor must be provided");
    }
    for (at, block) in blocks.iter().enumerate() {
        let same: Vec<String> = blocks
            .iter()
            .enumerate()
            .filter(|(_, other)| other.bytes == block.bytes)
            .map(|(index, _)| index.to_string())
            .collect();
        if same.len() > 1 && same[0] == at.to_string() {
            errors.invalid(path, &omitted, format!("duplicate trust anchor (indices [{}])", same.join(" ")));
        }
    }
}

fn wrong_anchor(at: usize, block: &Block) -> Option<String> {
    if block.label != "CERTIFICATE" {
        return Some(format!("entry {at} has bad block type: {}", block.label));
    }
    if block.has_headers {
        return Some(format!("entry {at} has PEM block headers"));
    }
    let Some(certificate) = x509::certificate(&block.bytes) else {
        return Some(format!("entry {at} does not parse as X.509"));
    };
    (!certificate.is_ca()).then(|| format!("entry {at} does not have the CA bit set"))
}
