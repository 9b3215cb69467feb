//! Every active namespace has a `default` ServiceAccount, and the ConfigMap `kube-root-ca.crt` by
//! which its pods verify the API server.
//!
//! Configuration: `{"rootCA": "-----BEGIN CERTIFICATE-----…"}`; without it no ConfigMap is written.

use orch_sdk::controller::{Api, ApiError, Change, Controller, Description, Error, Kind, Outcome, PatchType};
use orch_sdk::object::Object;
use orch_sdk::{Value, json};

const CONFIG_MAP: Kind = Kind::new("v1", "ConfigMap");
const ACCOUNT: &str = "default";
const ROOT_CA: &str = "kube-root-ca.crt";

#[derive(Default)]
pub struct ServiceAccounts {
    root_ca: Option<String>,
}

orch_sdk::export_controller!(ServiceAccounts);

impl Controller for ServiceAccounts {
    fn describe() -> Description {
        Description::new()
            .concurrency(2)
            .watches(Kind::NAMESPACE, &["status.phase", "metadata.deletionTimestamp"])
            .watches_mapped(Kind::SERVICE_ACCOUNT, &["metadata.name"])
            .watches_mapped(CONFIG_MAP, &["data[ca.crt]"])
    }

    fn configure(&mut self, config: &Value) -> Result<(), String> {
        self.root_ca = match &config["rootCA"] {
            Value::Null => None,
            Value::String(pem) if pem.contains("BEGIN CERTIFICATE") => Some(pem.clone()),
            _ => return Err("rootCA: must be a certificate in PEM".into()),
        };
        Ok(())
    }

    /// Only the two names, and not when they appear: then all is well.
    fn keys(&mut self, _: usize, change: Change, object: &Value, _: Option<&Value>) -> Vec<String> {
        let ours = match object.kind() {
            "ServiceAccount" => object.name() == ACCOUNT,
            _ => object.name() == ROOT_CA,
        };
        if ours && change != Change::Added { vec![object.namespace().into()] } else { Vec::new() }
    }

    fn reconcile(&mut self, api: &dyn Api, key: &str) -> Result<Outcome, Error> {
        let Some(namespace) = api.get(Kind::NAMESPACE.object("", key))? else { return Ok(Outcome::done()) };
        let terminating = namespace.at(&["status", "phase"]) == "Terminating";
        if terminating || namespace.is_being_deleted() {
            return Ok(Outcome::done());
        }
        ensure_account(api, key)?;
        if let Some(pem) = &self.root_ca {
            ensure_root_ca(api, key, pem)?;
        }
        Ok(Outcome::done())
    }
}

fn ensure_account(api: &dyn Api, namespace: &str) -> Result<(), Error> {
    if api.get(Kind::SERVICE_ACCOUNT.object(namespace, ACCOUNT))?.is_some() {
        return Ok(());
    }
    let account = json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": ACCOUNT, "namespace": namespace},
    });
    settled(api.create(&account))
}

fn ensure_root_ca(api: &dyn Api, namespace: &str, pem: &str) -> Result<(), Error> {
    let at = CONFIG_MAP.object(namespace, ROOT_CA);
    let data = json!({"ca.crt": pem});
    match api.get(at)? {
        Some(there) if there["data"] == data => Ok(()),
        Some(_) => settled(api.patch(at, PatchType::Json, &json!([{"op": "add", "path": "/data", "value": data}]))),
        None => settled(api.create(&json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": ROOT_CA,
                "namespace": namespace,
                "annotations": {
                    "kubernetes.io/description": "The certificate authority of this cluster's API server, for clients \
                        inside the cluster.",
                },
            },
            "data": data,
        }))),
    }
}

/// Somebody else made it, or the namespace is going: either way nothing is left to do.
fn settled(result: Result<Value, ApiError>) -> Result<(), Error> {
    match result {
        Err(error)
            if error.is_already_exists() || error.is_not_found() || error.is_namespace_terminating() =>
        {
            Ok(())
        }
        Err(error) => Err(error.into()),
        Ok(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::fake::Cluster;

    const PEM: &str = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n";

    fn controller() -> ServiceAccounts {
        let mut controller = ServiceAccounts::default();
        controller.configure(&json!({"rootCA": PEM})).unwrap();
        controller
    }
    fn namespace(phase: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}, "status": {"phase": phase}})
    }

    #[test]
    fn a_namespace_gets_both() {
        let cluster = Cluster::with([namespace("Active")]);
        controller().reconcile(&cluster, "shop").unwrap();
        cluster.object(Kind::SERVICE_ACCOUNT, "shop", "default");
        assert_eq!(cluster.object(CONFIG_MAP, "shop", ROOT_CA)["data"]["ca.crt"], PEM);
        cluster.take_writes();
        controller().reconcile(&cluster, "shop").unwrap();
        assert!(cluster.take_writes().is_empty());
    }

    #[test]
    fn what_is_changed_is_put_right() {
        let cluster = Cluster::with([namespace("Active")]);
        controller().reconcile(&cluster, "shop").unwrap();
        let mut map = cluster.object(CONFIG_MAP, "shop", ROOT_CA);
        map["data"] = json!({"ca.crt": "forged", "more": "x"});
        cluster.put(map.clone());
        assert_eq!(controller().keys(2, Change::Modified, &map, None), ["shop"]);
        controller().reconcile(&cluster, "shop").unwrap();
        assert_eq!(cluster.object(CONFIG_MAP, "shop", ROOT_CA)["data"], json!({"ca.crt": PEM}));
    }

    #[test]
    fn a_namespace_that_goes_gets_nothing() {
        let cluster = Cluster::with([namespace("Terminating")]);
        controller().reconcile(&cluster, "shop").unwrap();
        controller().reconcile(&cluster, "gone").unwrap();
        assert!(cluster.take_writes().is_empty());
    }

    #[test]
    fn a_configuration_that_is_none_is_refused() {
        assert_eq!(
            ServiceAccounts::default().configure(&json!({"rootCA": 5})),
            Err("rootCA: must be a certificate in PEM".into())
        );
    }
}
