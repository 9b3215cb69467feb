//! An aggregated ClusterRole has the rules of the roles that its selectors find
//! (`pkg/controller/clusterroleaggregation`).

use orch_sdk::controller::{
    Api, Change, Controller, Description, Error, Kind, Outcome, PatchType, Selection,
};
use orch_sdk::object::Object;
use orch_sdk::selector::Selector;
use orch_sdk::{Value, json};

const ROLE: Kind = Kind::new("rbac.authorization.k8s.io/v1", "ClusterRole");
/// One key for all: a change of any role may count in any other.
const ALL: &str = "all";

#[derive(Default)]
pub struct Aggregation;

orch_sdk::export_controller!(Aggregation);

impl Controller for Aggregation {
    fn describe() -> Description {
        Description::new().watches_mapped(ROLE, &["metadata.labels", "aggregationRule", "rules"])
    }

    fn keys(&mut self, _: usize, _: Change, _: &Value, _: Option<&Value>) -> Vec<String> {
        vec![ALL.into()]
    }

    fn reconcile(&mut self, api: &dyn Api, _key: &str) -> Result<Outcome, Error> {
        let mut roles = api.list(ROLE, Selection::default())?;
        roles.sort_by(|a, b| a.name().cmp(b.name()));
        for role in roles.iter().filter(|role| !selectors(role).is_empty()) {
            let rules = aggregate(role, &roles)?;
            if role["rules"].as_array().is_none_or(|known| *known != rules) {
                let patch = json!({ "rules": rules });
                api.patch(ROLE.object("", role.name()), PatchType::Merge, &patch)?;
            }
        }
        Ok(Outcome::done())
    }
}

fn selectors(role: &Value) -> &[Value] {
    role.items(&["aggregationRule", "clusterRoleSelectors"])
}

/// Each rule once, in the order of the selectors and then of the roles' names.
fn aggregate(role: &Value, roles: &[Value]) -> Result<Vec<Value>, Error> {
    let mut rules: Vec<Value> = Vec::new();
    for selector in selectors(role) {
        let selector = Selector::from_label_selector(selector)?;
        let chosen = roles
            .iter()
            .filter(|other| other.name() != role.name() && selector.matches(&other["metadata"]["labels"]));
        for rule in chosen.flat_map(|other| other.items(&["rules"])) {
            if !rules.contains(rule) {
                rules.push(rule.clone());
            }
        }
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::fake::Cluster;

    fn role(name: &str, label: &str, rule: Value) -> Value {
        json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": { "name": name, "labels": { label: "true" } }, "rules": [rule] })
    }

    #[test]
    fn an_aggregated_role_follows_the_roles_it_selects() {
        let cluster = Cluster::new();
        let (pods, nodes) = (json!({ "resources": ["pods"] }), json!({ "resources": ["nodes"] }));
        cluster.put(role("b", "to-view", pods.clone()));
        cluster.put(role("a", "to-view", nodes.clone()));
        cluster.put(role("c", "to-view", pods.clone()));
        cluster.put(role("other", "to-edit", json!({ "resources": ["secrets"] })));
        let mut view = role("view", "to-edit", Value::Null);
        view["rules"] = json!([]);
        view["aggregationRule"] =
            json!({ "clusterRoleSelectors": [{ "matchLabels": { "to-view": "true" } }] });
        cluster.put(view);
        Aggregation.reconcile(&cluster, ALL).unwrap();
        assert_eq!(cluster.object(ROLE, "", "view")["rules"], json!([nodes, pods]));
        assert_eq!(cluster.take_writes().len(), 1);
        Aggregation.reconcile(&cluster, ALL).unwrap();
        assert!(cluster.take_writes().is_empty(), "what is right is left alone");
    }
}
