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
        columns: print::workload::replica_set_columns(),
        generation: true,
        strategy: strategy::workload::REPLICA_SET,
        ..Row::namespaced("apps/v1", "ReplicaSet", "replicasets")
    };
    let daemon_set = Row {
        short_names: &["ds"],
        categories: &["all"],
        columns: print::workload::daemon_set_columns(),
        generation: true,
        strategy: strategy::workload::DAEMON_SET,
        ..Row::namespaced("apps/v1", "DaemonSet", "daemonsets")
    };
    let stateful_set = Row {
        short_names: &["sts"],
        categories: &["all"],
        columns: print::workload::stateful_set_columns(),
        generation: true,
        strategy: strategy::workload::STATEFUL_SET,
        ..Row::namespaced("apps/v1", "StatefulSet", "statefulsets")
    };
    let replication_controller = Row {
        short_names: &["rc"],
        categories: &["all"],
        selectable: &["status.replicas"],
        columns: print::workload::replication_controller_columns(),
        generation: true,
        strategy: strategy::workload::REPLICATION_CONTROLLER,
        ..Row::namespaced("v1", "ReplicationController", "replicationcontrollers")
    };
    vec![
        deployment.with_scale().with_status(),
        replica_set.with_scale().with_status(),
        daemon_set.with_status(),
        stateful_set.with_scale().with_status(),
        replication_controller.with_scale().with_status(),
        Row {
            columns: print::workload::controller_revision_columns(),
            strategy: strategy::workload::CONTROLLER_REVISION,
            ..Row::namespaced("apps/v1", "ControllerRevision", "controllerrevisions")
        },
        Row {
            columns: print::workload::pod_template_columns(),
            generation: true,
            strategy: strategy::workload::POD_TEMPLATE,
            ..Row::namespaced("v1", "PodTemplate", "podtemplates")
        },
    ]
}
