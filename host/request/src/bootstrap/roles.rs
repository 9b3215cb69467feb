//! The default roles and bindings, under upstream's names.
//!
//! A rule is written `GROUPS: RESOURCES: VERBS`, each separated by spaces; `core` is the group
//! without a name. Groups, resources and verbs follow upstream's bootstrap policy where the
//! component is upstream's, and what orch's own components call elsewhere.

use orch_client::{Resource, Target};
use orch_object::Status;
use serde_json::{Value, json};

use super::{ensure, ensure_fields};
use crate::verbs::{Api, Call};

const READ: &str = "get list watch";
const WRITE: &str = "create delete deletecollection patch update";
const EVENTS: &str = "core events.k8s.io: events: create patch update";

/// A ClusterRole.
struct Role {
    name: &'static str,
    rules: Vec<String>,
    /// Paths that may be read.
    paths: &'static [&'static str],
    /// Counts in the aggregated role of this name: `admin`, `edit`, `view`.
    aggregate_to: Option<&'static str>,
    /// Consists of the roles that aggregate to this name.
    aggregates: Option<&'static str>,
}

fn role(name: &'static str, rules: &[&str]) -> Role {
    let rules = rules.iter().map(|rule| rule.replace("READ", READ).replace("WRITE", WRITE)).collect();
    Role { name, rules, paths: &[], aggregate_to: None, aggregates: None }
}

/// Binds a ClusterRole to subjects everywhere.
struct Binding {
    name: String,
    role: String,
    subjects: Vec<Value>,
}

pub async fn create(api: &Api, call: &Call) -> Result<(), Status> {
    let roles = Target::all(&Resource::new("rbac.authorization.k8s.io", "v1", "clusterroles"));
    for role in user_roles().into_iter().chain(system_roles()).chain(controller_roles()) {
        let object = role.object();
        // A role of ours grows with the release; a role somebody marked otherwise is left alone.
        let fields = json!({ "rules": object["rules"], "aggregationRule": object["aggregationRule"] });
        match autoupdates(api, role.name) {
            true => ensure_fields(api, call, roles.clone(), object, fields).await?,
            false => ensure(api, call, roles.clone(), object).await?,
        }
    }
    let bindings = Target::all(&Resource::new("rbac.authorization.k8s.io", "v1", "clusterrolebindings"));
    for binding in bindings_of_all() {
        ensure(api, call, bindings.clone(), binding.object()).await?;
    }
    Ok(())
}

fn autoupdates(api: &Api, name: &str) -> bool {
    let key = crate::key::object("rbac.authorization.k8s.io", "clusterroles", "", name);
    api.cache().get(&key).is_none_or(|role| {
        role.value()["metadata"]["annotations"]["rbac.authorization.kubernetes.io/autoupdate"] == "true"
    })
}

impl Role {
    fn object(&self) -> Value {
        let mut rules: Vec<Value> = self.rules.iter().map(|rule| policy_rule(rule)).collect();
        if !self.paths.is_empty() {
            let verbs = if self.paths.contains(&"*") { "*" } else { "get" };
            rules.push(json!({ "nonResourceURLs": self.paths, "verbs": [verbs] }));
        }
        let mut object = json!({ "metadata": metadata(self.name), "rules": rules });
        if let Some(name) = self.aggregate_to {
            object["metadata"]["labels"][label(name)] = "true".into();
        }
        if let Some(name) = self.aggregates {
            object["aggregationRule"] =
                json!({ "clusterRoleSelectors": [{ "matchLabels": { label(name): "true" } }] });
            object["rules"] = json!([]);
        }
        object
    }
}

impl Binding {
    fn object(&self) -> Value {
        json!({
            "metadata": metadata(&self.name),
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": self.role },
            "subjects": self.subjects,
        })
    }
}

fn metadata(name: &str) -> Value {
    json!({
        "name": name,
        "labels": { "kubernetes.io/bootstrapping": "rbac-defaults" },
        "annotations": { "rbac.authorization.kubernetes.io/autoupdate": "true" },
    })
}

fn label(name: &str) -> String {
    format!("rbac.authorization.k8s.io/aggregate-to-{name}")
}

fn policy_rule(text: &str) -> Value {
    let mut parts = text.split(": ").map(|part| part.split(' ').collect::<Vec<_>>());
    let mut next = || parts.next().unwrap_or_default();
    let groups: Vec<&str> =
        next().into_iter().map(|group| if group == "core" { "" } else { group }).collect();
    json!({ "apiGroups": groups, "resources": next(), "verbs": next() })
}

fn user_roles() -> Vec<Role> {
    let view = role(
        "system:aggregate-to-view",
        &[
            "core: configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods \
         replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status: READ",
            "core: bindings limitranges namespaces/status pods/log pods/status replicationcontrollers/status \
         resourcequotas resourcequotas/status namespaces: READ",
            "core events.k8s.io: events: READ",
            "discovery.k8s.io: endpointslices: READ",
            "apps: controllerrevisions daemonsets daemonsets/status deployments deployments/scale \
         deployments/status replicasets replicasets/scale replicasets/status statefulsets \
         statefulsets/scale statefulsets/status: READ",
            "autoscaling: horizontalpodautoscalers horizontalpodautoscalers/status: READ",
            "batch: cronjobs cronjobs/status jobs jobs/status: READ",
            "policy: poddisruptionbudgets poddisruptionbudgets/status: READ",
            "networking.k8s.io: ingresses ingresses/status networkpolicies: READ",
            "resource.k8s.io: resourceclaims resourceclaims/status resourceclaimtemplates: READ",
        ],
    );
    let edit = role(
        "system:aggregate-to-edit",
        &[
            "core: pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy: READ",
            "core: serviceaccounts: impersonate",
            "core: pods pods/attach pods/exec pods/portforward pods/proxy: WRITE",
            "core: pods/eviction serviceaccounts/token: create",
            "core: configmaps events persistentvolumeclaims replicationcontrollers \
         replicationcontrollers/scale secrets serviceaccounts services services/proxy: WRITE",
            "apps: daemonsets deployments deployments/rollback deployments/scale replicasets \
         replicasets/scale statefulsets statefulsets/scale: WRITE",
            "autoscaling: horizontalpodautoscalers: WRITE",
            "batch: cronjobs jobs: WRITE",
            "policy: poddisruptionbudgets: WRITE",
            "networking.k8s.io: ingresses networkpolicies: WRITE",
            "coordination.k8s.io: leases: create delete deletecollection get list patch update watch",
            "resource.k8s.io: resourceclaims resourceclaimtemplates: WRITE",
        ],
    );
    let admin = role(
        "system:aggregate-to-admin",
        &[
            "authorization.k8s.io: localsubjectaccessreviews: create",
            "rbac.authorization.k8s.io: rolebindings roles: READ WRITE",
        ],
    );
    let aggregated = |name, to| Role { aggregates: Some(name), aggregate_to: to, ..role(name, &[]) };
    vec![
        Role { paths: &["*"], ..role("cluster-admin", &["*: *: *"]) },
        aggregated("admin", None),
        aggregated("edit", Some("admin")),
        aggregated("view", Some("edit")),
        Role { aggregate_to: Some("view"), ..view },
        Role { aggregate_to: Some("edit"), ..edit },
        Role { aggregate_to: Some("admin"), ..admin },
    ]
}

fn system_roles() -> Vec<Role> {
    let public = ["/healthz", "/livez", "/readyz", "/version", "/version/"].as_slice();
    let discovery = [
        "/api",
        "/api/*",
        "/apis",
        "/apis/*",
        "/healthz",
        "/livez",
        "/openapi",
        "/openapi/*",
        "/readyz",
        "/version",
        "/version/",
    ]
    .as_slice();
    vec![
        Role { paths: discovery, ..role("system:discovery", &[]) },
        Role { paths: public, ..role("system:public-info-viewer", &[]) },
        Role {
            paths: &[
                "/.well-known/openid-configuration",
                "/.well-known/openid-configuration/",
                "/openid/v1/jwks",
                "/openid/v1/jwks/",
            ],
            ..role("system:service-account-issuer-discovery", &[])
        },
        role(
            "system:basic-user",
            &[
                "authorization.k8s.io: selfsubjectaccessreviews selfsubjectrulesreviews: create",
                "authentication.k8s.io: selfsubjectreviews: create",
            ],
        ),
        role(
            "system:auth-delegator",
            &[
                "authentication.k8s.io: tokenreviews: create",
                "authorization.k8s.io: subjectaccessreviews: create",
            ],
        ),
        role("system:heapster", &["core: events namespaces nodes pods: READ", "apps: deployments: READ"]),
        role(
            "system:kube-dns",
            &["core: endpoints services: list watch", "discovery.k8s.io: endpointslices: list watch"],
        ),
        role(
            "system:node-proxier",
            &[
                "core: endpoints services: list watch",
                "core: nodes: READ",
                EVENTS,
                "discovery.k8s.io: endpointslices: list watch",
            ],
        ),
        role(
            "system:kube-scheduler",
            &[
                EVENTS,
                "coordination.k8s.io: leases: create get list update watch",
                "core: nodes namespaces: READ",
                "core: pods: delete get list watch",
                "core: bindings pods/binding: create",
                "core: pods/status: patch update",
                "core: replicationcontrollers services persistentvolumeclaims persistentvolumes: READ",
                "apps: replicasets statefulsets: READ",
                "policy: poddisruptionbudgets: READ",
                "storage.k8s.io: csinodes csidrivers csistoragecapacities storageclasses volumeattachments: READ",
                "scheduling.k8s.io: priorityclasses: READ",
                "plugins.orch.dev: plugins: READ",
            ],
        ),
        role(
            "system:volume-scheduler",
            &[
                "core: persistentvolumes persistentvolumeclaims: READ patch update",
                "storage.k8s.io: storageclasses: READ",
            ],
        ),
        role(
            "system:kube-controller-manager",
            &[
                EVENTS,
                "coordination.k8s.io: leases: create get list update watch",
                "*: *: list watch",
                "core: serviceaccounts: create get update",
                "core: serviceaccounts/token: create",
            ],
        ),
    ]
}

/// One role for each built-in controller, bound to its service account.
fn controller_roles() -> Vec<Role> {
    vec![
        role(
            "system:controller:deployment-controller",
            &[
                "apps: deployments: get list update patch watch",
                "apps: deployments/status deployments/finalizers: patch update",
                "apps: replicasets: READ create delete patch update",
                "core: pods: get list update watch",
                EVENTS,
            ],
        ),
        role(
            "system:controller:replicaset-controller",
            &[
                "apps: replicasets: get list update patch watch",
                "apps: replicasets/status replicasets/finalizers: patch update",
                "core: pods: create delete get list patch update watch",
                EVENTS,
            ],
        ),
        role(
            "system:controller:endpointslice-controller",
            &[
                "core: nodes pods services: READ",
                "core: services/finalizers: update",
                "discovery.k8s.io: endpointslices: create delete get list patch update watch",
                EVENTS,
            ],
        ),
        role(
            "system:controller:endpoint-controller",
            &[
                "core: pods services: READ",
                "core: endpoints: create delete get list patch update watch",
                "core: endpoints/restricted: create",
                EVENTS,
            ],
        ),
        role(
            "system:controller:service-account-controller",
            &["core: namespaces: READ", "core: serviceaccounts: create get list patch update watch", EVENTS],
        ),
        role(
            "system:controller:root-ca-cert-publisher",
            &["core: configmaps: create get list patch update watch", "core: namespaces: READ", EVENTS],
        ),
        role(
            "system:controller:generic-garbage-collector",
            &["*: *: delete get list patch update watch", EVENTS],
        ),
        role(
            "system:controller:namespace-controller",
            &[
                "core: namespaces: delete get list watch",
                "core: namespaces/finalize namespaces/status: patch update",
                "*: *: delete deletecollection get list watch",
            ],
        ),
        role(
            "system:controller:node-controller",
            &[
                "core: nodes: delete get list patch update watch",
                "core: nodes/status pods/status: patch update",
                "core: pods: delete get list watch",
                "coordination.k8s.io: leases: READ",
                EVENTS,
            ],
        ),
        role(
            "system:controller:plugin-controller",
            &[
                "plugins.orch.dev: plugins: create get list patch update watch",
                "plugins.orch.dev: plugins/status: patch update",
                EVENTS,
            ],
        ),
    ]
}

fn bindings_of_all() -> Vec<Binding> {
    let group =
        |name: &str| json!({ "kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": name });
    let user = |name: &str| json!({ "kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": name });
    let everybody = ["system:authenticated", "system:unauthenticated"];
    let bind = |role: &str, subjects: Vec<Value>| Binding { name: role.into(), role: role.into(), subjects };
    let mut bindings = vec![
        bind("cluster-admin", vec![group("system:masters")]),
        bind("system:discovery", vec![group(everybody[0])]),
        bind("system:basic-user", vec![group(everybody[0])]),
        bind("system:public-info-viewer", everybody.map(group).to_vec()),
        bind("system:service-account-issuer-discovery", vec![group("system:serviceaccounts")]),
        bind("system:kube-scheduler", vec![user("system:kube-scheduler")]),
        bind("system:volume-scheduler", vec![user("system:kube-scheduler")]),
        bind("system:kube-controller-manager", vec![user("system:kube-controller-manager")]),
        bind("system:node-proxier", vec![user("system:kube-proxy")]),
    ];
    for role in controller_roles() {
        let name = role.name.trim_start_matches("system:controller:");
        let mut accounts = vec![name.to_string()];
        // Service accounts are named after the component: `garbage-collector-controller`.
        match name {
            "generic-garbage-collector" => accounts.push("garbage-collector-controller".into()),
            "endpoint-controller" => accounts.push("endpoints-controller".into()),
            // One component writes the account and the CA of a namespace.
            "root-ca-cert-publisher" => accounts.push("service-account-controller".into()),
            _ => {}
        }
        let subjects = accounts
            .iter()
            .map(|account| json!({ "kind": "ServiceAccount", "name": account, "namespace": "kube-system" }))
            .collect();
        bindings.push(bind(role.name, subjects));
    }
    bindings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_as_written() {
        let role = role("x", &["core apps: pods pods/log: READ"]).object();
        assert_eq!(
            role["rules"][0],
            json!({ "apiGroups": ["", "apps"], "resources": ["pods", "pods/log"], "verbs": ["get", "list", "watch"] })
        );
    }

    #[test]
    fn every_binding_names_a_role() {
        let roles: Vec<&str> =
            user_roles().iter().chain(&system_roles()).chain(&controller_roles()).map(|r| r.name).collect();
        for binding in bindings_of_all() {
            assert!(roles.contains(&binding.role.as_str()), "{}", binding.role);
        }
    }

    #[test]
    fn no_rule_is_empty() {
        for role in user_roles().iter().chain(&system_roles()).chain(&controller_roles()) {
            for rule in role.object()["rules"].as_array().unwrap() {
                for field in rule.as_object().unwrap().values() {
                    let field = field.as_array().unwrap();
                    assert!(!field.is_empty() && field.iter().all(|v| *v != " "), "{}: {rule}", role.name);
                }
            }
        }
    }
}
