//! Who may do what, and how things run: roles, classes, leases, plugins.

use super::row::Row;
use crate::{print, strategy};

const RBAC: &str = "rbac.authorization.k8s.io/v1";

pub(super) fn rows() -> Vec<Row> {
    let mut rows = roles();
    rows.extend([
        Row {
            columns: print::policy::lease_columns(),
            strategy: strategy::policy::LEASE,
            ..Row::namespaced("coordination.k8s.io/v1", "Lease", "leases")
        },
        Row {
            short_names: &["pdb"],
            columns: print::policy::disruption_budget_columns(),
            generation: true,
            strategy: strategy::policy::DISRUPTION_BUDGET,
            ..Row::namespaced("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
        }
        .with_status(),
        Row {
            short_names: &["pc"],
            columns: print::policy::priority_class_columns(),
            generation: true,
            strategy: strategy::policy::PRIORITY_CLASS,
            ..Row::cluster("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses")
        },
        Row {
            columns: print::policy::runtime_class_columns(),
            strategy: strategy::policy::RUNTIME_CLASS,
            ..Row::cluster("node.k8s.io/v1", "RuntimeClass", "runtimeclasses")
        },
        Row {
            columns: print::policy::plugin_columns(),
            generation: true,
            strategy: strategy::plugin::STRATEGY,
            ..Row::cluster("plugins.orch.dev/v1alpha1", "Plugin", "plugins")
        }
        .with_status(),
    ]);
    rows
}

fn roles() -> Vec<Row> {
    let role = |row| Row { columns: print::policy::role_columns(), strategy: strategy::rbac::ROLE, ..row };
    let binding =
        |row| Row { columns: print::policy::binding_columns(), strategy: strategy::rbac::BINDING, ..row };
    let cluster_role = Row::cluster(RBAC, "ClusterRole", "clusterroles");
    vec![
        role(Row::namespaced(RBAC, "Role", "roles")),
        Row { strategy: strategy::rbac::CLUSTER_ROLE, ..role(cluster_role) },
        binding(Row::namespaced(RBAC, "RoleBinding", "rolebindings")),
        binding(Row::cluster(RBAC, "ClusterRoleBinding", "clusterrolebindings")),
    ]
}
