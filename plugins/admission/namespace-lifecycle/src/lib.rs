//! Objects are created only in namespaces that exist and stay, and the namespaces that the cluster
//! cannot do without are not deleted.

use std::collections::HashMap;

use orch_sdk::Value;
use orch_sdk::admission::{Admitted, Check, Delta, Denial, Description, Operation, Reading, Request};
use orch_sdk::object::Object;

/// Upstream's immortal namespaces.
const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

#[derive(Default)]
pub struct NamespaceLifecycle {
    /// Of each namespace: since when it is being deleted, if it is.
    namespaces: HashMap<String, Option<String>>,
}

orch_sdk::export_admission!(NamespaceLifecycle);

impl Check for NamespaceLifecycle {
    fn describe() -> Description {
        Description::new()
            .reviews(&[Operation::Create, Operation::Delete], &["*"], &["*", "*/*"])
            .reads("v1", "Namespace", &["metadata.deletionTimestamp", "status.phase"])
            // Among those that change objects, so that none of them misses what a namespace that is not
            // there does not have.
            .mutates()
    }

    fn reads(&self) -> Vec<Reading> {
        vec![Reading::of(&["*", "*/*"], &["namespace"]), Reading::of(&["namespaces"], &["name"])]
    }

    fn sync(&mut self, delta: Delta) -> Result<(), String> {
        match delta {
            Delta::Upsert(namespace) => {
                self.namespaces.insert(namespace.name().into(), terminating_since(&namespace));
            }
            Delta::Remove(namespace) => {
                self.namespaces.remove(namespace.name());
            }
        }
        Ok(())
    }

    fn review(&mut self, request: &Request) -> Result<Admitted, Denial> {
        let is_namespace = request.resource.group.is_empty() && request.resource.resource == "namespaces";
        match request.operation {
            Operation::Delete if is_namespace && request.sub_resource.is_empty() => check_delete(request),
            Operation::Create if !is_namespace && !request.namespace.is_empty() => self.check_create(request),
            Operation::Create | Operation::Update | Operation::Delete | Operation::Connect => Ok(()),
        }?;
        Ok(Admitted::unchanged())
    }
}

impl NamespaceLifecycle {
    fn check_create(&self, request: &Request) -> Result<(), Denial> {
        if is_access_review(request) {
            return Ok(());
        }
        let namespace = &request.namespace;
        match self.namespaces.get(namespace) {
            None => Err(Denial::not_found(format!("namespaces {namespace:?} not found"))),
            Some(Some(_)) => Err(terminating(request)),
            Some(None) => Ok(()),
        }
    }
}

fn check_delete(request: &Request) -> Result<(), Denial> {
    if IMMORTAL.contains(&request.name.as_str()) {
        return Err(Denial::forbidden("this namespace may not be deleted"));
    }
    Ok(())
}

/// A review of access is stored nowhere: it may ask about namespaces that do not exist.
fn is_access_review(request: &Request) -> bool {
    request.resource.group == "authorization.k8s.io"
        && request.resource.resource == "localsubjectaccessreviews"
}

fn terminating_since(namespace: &Value) -> Option<String> {
    let ends = namespace.deletion_timestamp();
    let phase = namespace.at(&["status", "phase"]);
    ends.map(String::from).or_else(|| (phase == "Terminating").then(String::new))
}

/// Upstream's words; clients look for the cause `NamespaceTerminating` in them.
fn terminating(request: &Request) -> Denial {
    let namespace = &request.namespace;
    Denial::forbidden(format!(
        "unable to create new content in namespace {namespace} because it is being terminated"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::json;

    fn check() -> NamespaceLifecycle {
        let mut check = NamespaceLifecycle::default();
        let namespace =
            |name: &str, phase: &str| json!({"metadata": {"name": name}, "status": {"phase": phase}});
        check.sync(Delta::Upsert(namespace("here", "Active"))).unwrap();
        check.sync(Delta::Upsert(namespace("going", "Terminating"))).unwrap();
        check
    }

    fn request(operation: &str, group: &str, resource: &str, namespace: &str, name: &str) -> Request {
        orch_sdk::serde_json::from_value(json!({
            "operation": operation, "namespace": namespace, "name": name,
            "resource": {"group": group, "version": "v1", "resource": resource},
        }))
        .unwrap()
    }

    #[test]
    fn objects_need_a_living_namespace() {
        let mut check = check();
        assert!(check.review(&request("CREATE", "", "pods", "here", "a")).is_ok());
        assert!(check.review(&request("DELETE", "", "pods", "gone", "a")).is_ok());
        assert!(check.review(&request("CREATE", "", "namespaces", "", "new")).is_ok());
        let missing = check.review(&request("CREATE", "", "pods", "gone", "a")).unwrap_err();
        assert_eq!((missing.code, missing.message.as_str()), (404, "namespaces \"gone\" not found"));
        let going = check.review(&request("CREATE", "apps", "deployments", "going", "a")).unwrap_err();
        assert_eq!(going.code, 403);
        assert_eq!(
            going.message,
            "unable to create new content in namespace going because it is being terminated"
        );
        check.sync(Delta::Remove(json!({"metadata": {"name": "here"}}))).unwrap();
        assert!(check.review(&request("CREATE", "", "pods", "here", "a")).is_err());
    }

    #[test]
    fn the_clusters_own_namespaces_stay() {
        let mut check = check();
        let denied =
            check.review(&request("DELETE", "", "namespaces", "kube-system", "kube-system")).unwrap_err();
        assert_eq!(denied.message, "this namespace may not be deleted");
        assert!(check.review(&request("DELETE", "", "namespaces", "here", "here")).is_ok());
    }

    #[test]
    fn access_reviews_may_ask_about_anything() {
        let review = request("CREATE", "authorization.k8s.io", "localsubjectaccessreviews", "gone", "");
        assert!(check().review(&review).is_ok());
    }
}
