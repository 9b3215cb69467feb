//! What comes into the cluster, and who may talk to whom.

use super::row::Row;
use crate::{print, strategy};

const NETWORKING: &str = "networking.k8s.io/v1";

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row {
            columns: print::networking::ingress_class_columns(),
            generation: true,
            strategy: strategy::networking::INGRESS_CLASS,
            ..Row::cluster(NETWORKING, "IngressClass", "ingressclasses")
        },
        Row {
            short_names: &["ing"],
            columns: print::networking::ingress_columns(),
            generation: true,
            strategy: strategy::networking::INGRESS,
            ..Row::namespaced(NETWORKING, "Ingress", "ingresses")
        }
        .with_status(),
        Row {
            short_names: &["netpol"],
            columns: print::networking::policy_columns(),
            generation: true,
            strategy: strategy::networking::POLICY,
            ..Row::namespaced(NETWORKING, "NetworkPolicy", "networkpolicies")
        },
        Row {
            short_names: &["ip"],
            columns: print::networking::address_columns(),
            strategy: strategy::networking::ADDRESS,
            ..Row::cluster(NETWORKING, "IPAddress", "ipaddresses")
        },
        Row {
            columns: print::networking::range_columns(),
            strategy: strategy::networking::RANGE,
            ..Row::cluster(NETWORKING, "ServiceCIDR", "servicecidrs")
        }
        .with_status(),
    ]
}
