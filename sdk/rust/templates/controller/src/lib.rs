//! Greets each namespace once, with an Event.

use orch_sdk::controller::{Api, Controller, Description, Error, Kind, Outcome, split_key};

#[derive(Default)]
pub struct {{Pascal}};

orch_sdk::export_controller!({{Pascal}});

impl Controller for {{Pascal}} {
    fn describe() -> Description {
        Description::new().watches(Kind::NAMESPACE, &["metadata.name"])
    }

    fn reconcile(&mut self, api: &dyn Api, key: &str) -> Result<Outcome, Error> {
        let (_, name) = split_key(key);
        if let Some(namespace) = api.get(Kind::NAMESPACE.object("", name))? {
            api.event(&namespace, "Normal", "Greeted", &format!("hello, {name}"));
        }
        Ok(Outcome::done())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::{fake::Cluster, json};

    #[test]
    fn namespaces_are_greeted() {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
        let cluster = Cluster::with([namespace]);
        {{Pascal}}.reconcile(&cluster, "shop").unwrap();
        assert_eq!(cluster.events()[0].message, "hello, shop");
        {{Pascal}}.reconcile(&cluster, "gone").unwrap();
        assert_eq!(cluster.events().len(), 1);
    }
}
