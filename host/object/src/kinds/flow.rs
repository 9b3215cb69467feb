//! Fairness between the API's clients.

use super::row::Row;
use crate::{print, strategy};

const FLOW: &str = "flowcontrol.apiserver.k8s.io/v1";

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row {
            columns: print::flow::schema_columns(),
            generation: true,
            strategy: strategy::flow::SCHEMA,
            ..Row::cluster(FLOW, "FlowSchema", "flowschemas")
        }
        .with_status(),
        Row {
            columns: print::flow::level_columns(),
            generation: true,
            strategy: strategy::flow::LEVEL,
            ..Row::cluster(FLOW, "PriorityLevelConfiguration", "prioritylevelconfigurations")
        }
        .with_status(),
    ]
}
