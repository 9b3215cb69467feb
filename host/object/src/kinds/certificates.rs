//! Certificates: what is asked for, what is trusted, and what pods are given.

use super::row::{Row, STATUS};
use crate::{print, strategy};

const CERTIFICATES: &str = "certificates.k8s.io/v1";

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row {
            short_names: &["csr"],
            selectable: &["spec.signerName"],
            columns: print::certificates::request_columns(),
            strategy: strategy::certificates::REQUEST,
            subresources: vec![("approval", "CertificateSigningRequest", STATUS)],
            ..Row::cluster(CERTIFICATES, "CertificateSigningRequest", "certificatesigningrequests")
        }
        .with_status(),
        Row {
            selectable: &["spec.signerName"],
            columns: print::certificates::bundle_columns(),
            strategy: strategy::certificates::BUNDLE,
            ..Row::cluster(CERTIFICATES, "ClusterTrustBundle", "clustertrustbundles")
        },
        Row {
            selectable: &["spec.signerName", "spec.podName", "spec.nodeName"],
            columns: print::certificates::pod_request_columns(),
            strategy: strategy::certificates::POD_REQUEST,
            ..Row::namespaced(CERTIFICATES, "PodCertificateRequest", "podcertificaterequests")
        }
        .with_status(),
    ]
}
