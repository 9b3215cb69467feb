//! Who may do what, and how things run: roles, classes, leases, plugins.

use super::row::Row;
use crate::{print, strategy};

const RBAC: &str = "rbac.authorization.k8s.io/v1";
const PLUGINS: &str = "plugins.orch.dev/v1alpha1";

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
            strategy: strategy::policy::PRIORITY_CLASS,
            ..Row::cluster("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses")
        },
        Row {
            columns: print::policy::runtime_class_columns(),
            strategy: strategy::policy::RUNTIME_CLASS,
            ..Row::cluster("node.k8s.io/v1", "RuntimeClass", "runtimeclasses")
        },
    ]);
    rows.extend(plugins());
    rows
}

fn plugins() -> Vec<Row> {
    let plugin = Row {
        columns: print::plugin::plugin_columns(),
        generation: true,
        strategy: strategy::plugin::STRATEGY,
        subresources: vec![("log", "Plugin", &["get"])],
        ..Row::cluster(PLUGINS, "Plugin", "plugins")
    };
    vec![
        plugin.with_status(),
        Row {
            columns: print::plugin::policy_columns(),
            generation: true,
            strategy: strategy::plugin::POLICY,
            ..Row::cluster(PLUGINS, "PluginPolicy", "pluginpolicies")
        },
        Row {
            columns: print::plugin::artifact_columns(),
            strategy: strategy::plugin::ARTIFACT,
            ..Row::cluster(PLUGINS, "PluginArtifact", "pluginartifacts")
        },
        Row {
            columns: print::plugin::chunk_columns(),
            strategy: strategy::plugin::CHUNK,
            ..Row::cluster(PLUGINS, "PluginArtifactChunk", "pluginartifactchunks")
        },
    ]
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
