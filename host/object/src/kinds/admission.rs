//! Webhooks and policies that are asked about every write.

use super::row::Row;
use crate::{print, strategy};

const ADMISSION: &str = "admissionregistration.k8s.io/v1";

pub(super) fn rows() -> Vec<Row> {
    let row = |kind, plural| Row {
        categories: &["api-extensions"],
        generation: true,
        ..Row::cluster(ADMISSION, kind, plural)
    };
    vec![
        Row {
            columns: print::admission::mutating_policy_columns(),
            strategy: strategy::admission::MUTATING_POLICY,
            ..row("MutatingAdmissionPolicy", "mutatingadmissionpolicies")
        },
        Row {
            columns: print::admission::binding_columns(),
            strategy: strategy::admission::MUTATING_BINDING,
            ..row("MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings")
        },
        Row {
            columns: print::admission::webhook_columns(),
            strategy: strategy::webhook::MUTATING,
            ..row("MutatingWebhookConfiguration", "mutatingwebhookconfigurations")
        },
        Row {
            columns: print::admission::validating_policy_columns(),
            strategy: strategy::admission::VALIDATING_POLICY,
            ..row("ValidatingAdmissionPolicy", "validatingadmissionpolicies")
        }
        .with_status(),
        Row {
            columns: print::admission::binding_columns(),
            strategy: strategy::admission::VALIDATING_BINDING,
            ..row("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings")
        },
        Row {
            columns: print::admission::webhook_columns(),
            strategy: strategy::webhook::VALIDATING,
            ..row("ValidatingWebhookConfiguration", "validatingwebhookconfigurations")
        },
    ]
}
