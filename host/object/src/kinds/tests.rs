//! The rows against facts from Kubernetes 1.37's discovery.

use crate::{Kinds, Schemas};

const ALL: &str = "create delete deletecollection get list patch update watch";
const NO_COLLECTION: &str = "create delete get list patch update watch";
const STATUS: &str = "status=get,patch,update";
const SCALE: &str = "scale:autoscaling/v1/Scale=get,patch,update";
const PROXY: &str = "create,delete,get,patch,update";

/// apiVersion, kind, plural, scope, short names, verbs, sub-resources in order.
fn facts() -> Vec<(&'static str, &'static str, &'static str, char, &'static str, &'static str, String)> {
    let pod = format!(
        "attach:PodAttachOptions=create,get binding:Binding=create ephemeralcontainers=get,patch,update \
         eviction:policy/v1/Eviction=create exec:PodExecOptions=create,get log=get \
         portforward:PodPortForwardOptions=create,get proxy:PodProxyOptions={PROXY} resize=get,patch,update {STATUS}"
    );
    let rbac = "rbac.authorization.k8s.io/v1";
    vec![
        ("v1", "Namespace", "namespaces", 'C', "ns", NO_COLLECTION, format!("finalize=update {STATUS}")),
        ("v1", "Node", "nodes", 'C', "no", ALL, format!("proxy:NodeProxyOptions={PROXY} {STATUS}")),
        ("v1", "Pod", "pods", 'N', "po", ALL, pod),
        ("v1", "Service", "services", 'N', "svc", ALL, format!("proxy:ServiceProxyOptions={PROXY} {STATUS}")),
        ("v1", "Endpoints", "endpoints", 'N', "ep", ALL, String::new()),
        ("v1", "ConfigMap", "configmaps", 'N', "cm", ALL, String::new()),
        ("v1", "Secret", "secrets", 'N', "", ALL, String::new()),
        (
            "v1",
            "ServiceAccount",
            "serviceaccounts",
            'N',
            "sa",
            ALL,
            "token:authentication.k8s.io/v1/TokenRequest=create".into(),
        ),
        ("v1", "Event", "events", 'N', "ev", ALL, String::new()),
        ("v1", "Binding", "bindings", 'N', "", "create", String::new()),
        ("apps/v1", "Deployment", "deployments", 'N', "deploy", ALL, format!("{SCALE} {STATUS}")),
        ("apps/v1", "ReplicaSet", "replicasets", 'N', "rs", ALL, format!("{SCALE} {STATUS}")),
        ("discovery.k8s.io/v1", "EndpointSlice", "endpointslices", 'N', "", ALL, String::new()),
        ("coordination.k8s.io/v1", "Lease", "leases", 'N', "", ALL, String::new()),
        (rbac, "Role", "roles", 'N', "", ALL, String::new()),
        (rbac, "RoleBinding", "rolebindings", 'N', "", ALL, String::new()),
        (rbac, "ClusterRole", "clusterroles", 'C', "", ALL, String::new()),
        (rbac, "ClusterRoleBinding", "clusterrolebindings", 'C', "", ALL, String::new()),
        ("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", 'C', "pc", ALL, String::new()),
        ("node.k8s.io/v1", "RuntimeClass", "runtimeclasses", 'C', "", ALL, String::new()),
        ("authentication.k8s.io/v1", "TokenReview", "tokenreviews", 'C', "", "create", String::new()),
        (
            "authorization.k8s.io/v1",
            "SubjectAccessReview",
            "subjectaccessreviews",
            'C',
            "",
            "create",
            String::new(),
        ),
    ]
}

#[test]
fn rows_are_what_discovery_says_upstream() {
    let kinds = Kinds::builtin();
    for (api_version, name, plural, scope, short_names, verbs, subresources) in facts() {
        let kind = kinds.by_kind(api_version, name).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(kind.plural, plural);
        assert_eq!(kind.singular, name.to_lowercase());
        assert_eq!(kind.namespaced(), scope == 'N', "{name}");
        assert_eq!(kind.short_names.join(" "), short_names, "{name}");
        assert_eq!(kind.verbs.join(" "), verbs, "{name}");
        let found: Vec<String> = kind
            .subresources
            .iter()
            .map(|part| {
                let group = if part.version.is_empty() {
                    String::new()
                } else {
                    format!("{}/{}/", part.group, part.version)
                };
                let of = if part.kind == name { String::new() } else { format!(":{group}{}", part.kind) };
                format!("{}{of}={}", part.name, part.verbs.join(","))
            })
            .collect();
        assert_eq!(found.join(" "), subresources, "{name}");
    }
}

#[test]
fn only_pods_services_and_workloads_are_in_all() {
    let kinds = Kinds::builtin();
    let all: Vec<&str> = kinds
        .rows()
        .iter()
        .filter(|kind| !kind.categories.is_empty())
        .map(|kind| kind.plural.as_str())
        .collect();
    assert_eq!(all, ["pods", "services", "deployments", "replicasets"]);
}

#[test]
fn every_row_has_a_schema_and_every_stored_kind_columns() {
    for kind in Kinds::builtin().rows() {
        assert!(Schemas::builtin().root(&kind.schema).is_some(), "{}", kind.schema);
        assert_eq!(kind.columns.is_empty(), !kind.verbs.iter().any(|verb| verb == "list"), "{}", kind.kind);
    }
}

/// Name, type and priority of each column, as upstream's Table names them.
#[test]
fn columns_are_upstreams() {
    let cases = [
        ("v1", "Namespace", "Name Status Age"),
        (
            "v1",
            "Node",
            "Name Status Roles Age Version | Internal-IP External-IP OS-Image Kernel-Version Container-Runtime",
        ),
        ("v1", "Pod", "Name Ready Status Restarts Age | IP Node Nominated-Node Readiness-Gates"),
        ("v1", "Service", "Name Type Cluster-IP External-IP Port(s) Age | Selector"),
        ("v1", "Endpoints", "Name Endpoints Age"),
        ("v1", "ConfigMap", "Name Data Age"),
        ("v1", "Secret", "Name Type Data Age"),
        ("v1", "ServiceAccount", "Name Age"),
        ("v1", "Event", "Last-Seen Type Reason Object |Subobject |Source Message |First-Seen |Count |Name"),
        ("apps/v1", "Deployment", "Name Ready Up-to-date Available Age | Containers Images Selector"),
        ("apps/v1", "ReplicaSet", "Name Desired# Current# Ready# Age | Containers Images Selector"),
        ("discovery.k8s.io/v1", "EndpointSlice", "Name AddressType Ports Endpoints Age"),
        ("coordination.k8s.io/v1", "Lease", "Name Holder Age"),
        ("rbac.authorization.k8s.io/v1", "Role", "Name Created-At@"),
        ("rbac.authorization.k8s.io/v1", "RoleBinding", "Name Role Age | Users Groups ServiceAccounts"),
        ("scheduling.k8s.io/v1", "PriorityClass", "Name Value# Global-Default? Age PreemptionPolicy"),
        ("node.k8s.io/v1", "RuntimeClass", "Name Handler Age"),
    ];
    let kinds = Kinds::builtin();
    for (api_version, name, expected) in cases {
        let kind = kinds.by_kind(api_version, name).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(shown(kind), spelled_out(expected), "{name}");
    }
}

fn shown(kind: &crate::Kind) -> Vec<String> {
    let column = |column: &crate::Column| {
        let sign = match column.column_type {
            crate::ColumnType::String => "",
            crate::ColumnType::Integer => "#",
            crate::ColumnType::Boolean => "?",
            crate::ColumnType::Date => "@",
        };
        let wide = if column.priority > 0 { "|" } else { "" };
        format!("{wide}{}{sign}", column.name.replace(' ', "-"))
    };
    kind.columns.iter().map(column).collect()
}

/// A bar alone makes all that follow wide, a bar before a name that one.
fn spelled_out(columns: &str) -> Vec<String> {
    let mut wide = "";
    let mut names = Vec::new();
    for name in columns.split(' ') {
        if name == "|" {
            wide = "|";
        } else {
            names.push(format!("{wide}{name}"));
        }
    }
    names
}
