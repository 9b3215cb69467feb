//! Who owns which field: `metadata.managedFields`.
//!
//! Behaviour follows `k8s.io/apimachinery/pkg/util/managedfields` and
//! `sigs.k8s.io/structured-merge-diff`. Sets stay in their wire form all the time, so that entries a
//! write does not touch are never parsed or printed again.

mod compare;
mod element;
mod entry;
mod field_set;
mod owned;
mod record;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use jiff::Timestamp;

pub(crate) use compare::{Diff, compare};
pub(crate) use element::{display_path, field_element, item_element, name_of};
pub(crate) use entry::{Entries, Entry, Operation, take_managed_fields};
pub use field_set::FieldSet;
pub(crate) use owned::{is_declared, is_leaf, owned_fields, without_unowned};
pub use record::record_update;
pub(crate) use record::{everything, written};

use crate::kind::Kind;

/// Who writes, and as what.
#[derive(Debug, Clone, Copy)]
pub struct FieldManager<'a> {
    /// `kubectl-client-side-apply`, `kube-controller-manager`, …; empty: `unknown`.
    pub name: &'a str,
    /// The version the request speaks: `apps/v1`.
    pub api_version: &'a str,
    /// `status`, `scale`, … or empty.
    pub subresource: &'a str,
    pub now: Timestamp,
    /// Dotted paths that this endpoint does not write, and so nobody owns through it: see `reset_fields`.
    pub ignored: &'a [&'a str],
}

impl FieldManager<'_> {
    fn time(&self) -> String {
        self.now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
    fn name(&self) -> &str {
        if self.name.is_empty() { "unknown" } else { self.name }
    }
}

/// What an endpoint does not write (upstream's `GetResetFields`): `status` through the object itself,
/// `spec` through its status, neither of a certificate request, whose content stays as it was made.
pub fn reset_fields(kind: &Kind, subresource: &str) -> &'static [&'static str] {
    let is_request = kind.kind == "CertificateSigningRequest" && kind.custom.is_none();
    match subresource {
        "" if is_request => &["spec", "status"],
        "approval" if is_request => &["spec", "status.certificate"],
        "" if kind.has_subresource("status") => &["status"],
        "status" if kind.custom.is_some() => &["spec", "metadata"],
        "status" => kind.strategy.reset_by_status,
        _ => &[],
    }
}

/// The manager's name of a request without `fieldManager`: its user agent up to the first `/`, at most
/// 128 bytes of what can be printed.
pub fn manager_name<'a>(field_manager: &'a str, user_agent: &'a str) -> Cow<'a, str> {
    if !field_manager.is_empty() {
        return Cow::Borrowed(field_manager);
    }
    let prefix = user_agent.split('/').next().unwrap_or_default();
    let printable = |c: char| !c.is_control();
    if prefix.len() <= 128 && prefix.chars().all(printable) {
        return Cow::Borrowed(prefix);
    }
    let mut name = String::new();
    for c in prefix.chars().filter(|c| printable(*c)) {
        if name.len() + c.len_utf8() > 128 {
            break;
        }
        name.push(c);
    }
    Cow::Owned(name)
}
