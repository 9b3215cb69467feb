//! Workloads.

use super::row::Row;
use crate::{print, strategy};

pub(super) fn rows() -> Vec<Row> {
    let deployment = Row {
        short_names: &["deploy"],
        categories: &["all"],
        columns: print::workload::deployment_columns(),
        generation: true,
        strategy: strategy::workload::DEPLOYMENT,
        ..Row::namespaced("apps/v1", "Deployment", "deployments")
    };
    let replica_set = Row {
        short_names: &["rs"],
        categories: &["all"],
        selectable: &["status.replicas"],
        columns: print::workload::replica_set_columns(),
        generation: true,
        strategy: strategy::workload::REPLICA_SET,
        ..Row::namespaced("apps/v1", "ReplicaSet", "replicasets")
    };
    vec![deployment.with_scale().with_status(), replica_set.with_scale().with_status()]
}
