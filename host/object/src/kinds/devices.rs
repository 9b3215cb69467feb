//! Devices that pods claim (dynamic resource allocation).

use super::row::Row;
use crate::{print, strategy};

const RESOURCE: &str = "resource.k8s.io/v1";

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row {
            columns: print::devices::class_columns(),
            generation: true,
            strategy: strategy::devices::CLASS,
            ..Row::cluster(RESOURCE, "DeviceClass", "deviceclasses")
        },
        Row {
            columns: print::devices::taint_rule_columns(),
            generation: true,
            strategy: strategy::WITH_LONE_STATUS,
            ..Row::cluster(RESOURCE, "DeviceTaintRule", "devicetaintrules")
        }
        .with_status(),
        Row {
            columns: print::devices::claim_columns(),
            strategy: strategy::devices::CLAIM,
            ..Row::namespaced(RESOURCE, "ResourceClaim", "resourceclaims")
        }
        .with_status(),
        Row {
            columns: print::devices::claim_template_columns(),
            strategy: strategy::devices::CLAIM_TEMPLATE,
            ..Row::namespaced(RESOURCE, "ResourceClaimTemplate", "resourceclaimtemplates")
        },
        Row {
            selectable: &["spec.driver", "spec.nodeName"],
            columns: print::devices::slice_columns(),
            generation: true,
            strategy: strategy::devices::SLICE,
            ..Row::cluster(RESOURCE, "ResourceSlice", "resourceslices")
        },
    ]
}
