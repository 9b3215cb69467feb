//! A node writes its own Node, Lease and CSINode, mirror pods bound to itself, and requests for
//! certificates of pods that it runs; labels that place workloads are not its to set.
//! <https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction>

mod labels;

use std::collections::BTreeMap;

use orch_sdk::Value;
use orch_sdk::admission::{Admitted, Check, Condition, Delta, Denial, Description, Operation, Request};
use orch_sdk::object::Object;

const NODE: &str = "system:node:";
const NODES: &str = "system:nodes";
const MIRROR: &str = "kubernetes.io/config.mirror";
const LEASES: &str = "kube-node-lease";

#[derive(Default)]
pub struct NodeRestriction {
    /// By namespace and name.
    pods: BTreeMap<(String, String), Pod>,
}

struct Pod {
    uid: String,
    node: String,
    account: String,
    is_mirror: bool,
}

orch_sdk::export_admission!(NodeRestriction);

impl Check for NodeRestriction {
    fn describe() -> Description {
        let writes = [Operation::Create, Operation::Update, Operation::Delete];
        Description::new()
            .reviews(&writes, &[""], &["nodes", "nodes/status", "pods", "pods/status"])
            .reviews(&writes, &["coordination.k8s.io"], &["leases"])
            .reviews(&writes, &["storage.k8s.io"], &["csinodes", "csinodes/status"])
            .reviews(&writes, &["resource.k8s.io"], &["resourceslices"])
            .reviews(&writes, &["certificates.k8s.io"], &["podcertificaterequests"])
            .reads(
                "v1",
                "Pod",
                &["metadata.annotations", "metadata.uid", "spec.nodeName", "spec.serviceAccountName"],
            )
    }

    /// Others than nodes are nobody's business here.
    fn conditions(&self) -> Vec<Condition> {
        vec![Condition::on(&["*/*"]).groups(&[NODES])]
    }

    fn sync(&mut self, delta: Delta) -> Result<(), String> {
        let key = |pod: &Value| (pod.namespace().to_string(), pod.name().to_string());
        match delta {
            Delta::Upsert(pod) => drop(self.pods.insert(key(&pod), Pod::read(&pod))),
            Delta::Remove(pod) => drop(self.pods.remove(&key(&pod))),
        }
        Ok(())
    }

    fn review(&mut self, request: &Request) -> Result<Admitted, Denial> {
        let user = &request.user_info;
        let Some(node) = user.username.strip_prefix(NODE).filter(|_| user.groups.iter().any(|g| g == NODES))
        else {
            return Ok(Admitted::unchanged());
        };
        let verdict = match (request.resource.resource.as_str(), request.sub_resource.as_str()) {
            ("nodes", _) => check_node(node, request),
            ("pods", "") => self.check_pod(node, request),
            ("pods", _) => self.check_status(node, request),
            ("leases", _) => check_lease(node, request),
            ("csinodes", _) => {
                is_own(node, request, "can only access CSINode with the same name as the requesting node")
            }
            ("resourceslices", _) => check_slice(node, request),
            ("podcertificaterequests", _) => self.check_certificate(node, request),
            _ => Ok(()),
        };
        verdict.map(|()| Admitted::unchanged()).map_err(|why| forbidden(request, &why))
    }
}

impl Pod {
    fn read(pod: &Value) -> Pod {
        let text = |path: &[&str]| pod.at(path).as_str().unwrap_or_default().to_string();
        Pod {
            uid: pod.uid().into(),
            node: text(&["spec", "nodeName"]),
            account: text(&["spec", "serviceAccountName"]),
            is_mirror: pod.annotation(MIRROR).is_some(),
        }
    }
}

type Verdict = Result<(), String>;

fn refuse(allowed: bool, why: impl FnOnce() -> String) -> Verdict {
    if allowed { Ok(()) } else { Err(why()) }
}

/// A create may name its object in the body only.
fn name(request: &Request) -> &str {
    if request.name.is_empty() { request.object.name() } else { &request.name }
}

fn is_own(node: &str, request: &Request, why: &str) -> Verdict {
    refuse(name(request) == node, || why.into())
}

fn check_node(node: &str, request: &Request) -> Verdict {
    let asked = name(request);
    refuse(asked == node, || format!("node {node:?} is not allowed to modify node {asked:?}"))?;
    let changed =
        labels::changed(&request.object["metadata"]["labels"], &request.old_object["metadata"]["labels"]);
    let reserved = labels::reserved(&changed);
    match request.operation {
        Operation::Create => refuse(reserved.is_empty(), || {
            format!("node {node:?} is not allowed to set the following labels: {}", reserved.join(", "))
        }),
        Operation::Update => {
            let same = |path: &[&str]| same(request.object.at(path), request.old_object.at(path));
            refuse(same(&["spec", "taints"]), || format!("node {node:?} is not allowed to modify taints"))?;
            refuse(same(&["metadata", "ownerReferences"]), || {
                format!("node {node:?} is not allowed to modify ownerReferences")
            })?;
            refuse(reserved.is_empty(), || {
                format!("is not allowed to modify labels: {}", reserved.join(", "))
            })
        }
        Operation::Delete | Operation::Connect => Ok(()),
    }
}

/// Absent and empty are one.
fn same(a: &Value, b: &Value) -> bool {
    let is_empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    a == b || (is_empty(a) && is_empty(b))
}

fn check_lease(node: &str, request: &Request) -> Verdict {
    refuse(request.namespace == LEASES, || {
        format!("can only access leases in the {LEASES:?} system namespace")
    })?;
    is_own(node, request, "can only access node lease with the same name as the requesting node")
}

fn check_slice(node: &str, request: &Request) -> Verdict {
    let slice = if request.operation == Operation::Delete { &request.old_object } else { &request.object };
    let of = slice.at(&["spec", "nodeName"]).as_str().unwrap_or_default();
    refuse(of == node, || {
        "can only create and delete ResourceSlices with the same NodeName as the requesting node".into()
    })
}

impl NodeRestriction {
    fn pod(&self, request: &Request, name: &str) -> Option<&Pod> {
        self.pods.get(&(request.namespace.clone(), name.to_string()))
    }

    fn check_pod(&self, node: &str, request: &Request) -> Verdict {
        match request.operation {
            Operation::Create => check_mirror(node, &request.object),
            Operation::Delete => {
                refuse(self.pod(request, &request.name).is_none_or(|pod| pod.node == node), || {
                    format!("node {node:?} can only delete pods with spec.nodeName set to itself")
                })
            }
            Operation::Update | Operation::Connect => {
                Err(format!("unexpected operation, node {node:?} can only create and delete mirror pods"))
            }
        }
    }

    fn check_status(&self, node: &str, request: &Request) -> Verdict {
        let of = request.old_object.at(&["spec", "nodeName"]).as_str().unwrap_or_default();
        refuse(of == node, || {
            format!("node {node:?} can only update pod status for pods with spec.nodeName set to itself")
        })?;
        let labels = |pod: &Value| pod["metadata"]["labels"].as_object().cloned().unwrap_or_default();
        refuse(labels(&request.object) == labels(&request.old_object), || {
            format!("node {node:?} cannot update labels through pod status")
        })
    }

    fn check_certificate(&self, node: &str, request: &Request) -> Verdict {
        refuse(request.operation == Operation::Create, || "unexpected operation".into())?;
        let text = |field: &str| request.object["spec"][field].as_str().unwrap_or_default();
        refuse(text("nodeName") == node, || {
            format!(
                "PodCertificateRequest.Spec.NodeName={:?}, which is not the requesting node {node:?}",
                text("nodeName")
            )
        })?;
        let named = format!("{}/{}", request.namespace, text("podName"));
        let Some(pod) = self.pod(request, text("podName")) else {
            return Err(format!("pod {named:?} named in the PodCertificateRequest is not there"));
        };
        refuse(pod.uid == text("podUID"), || {
            format!(
                "PodCertificateRequest for pod {named:?} contains pod UID ({:?}) which differs from running pod {:?}",
                text("podUID"),
                pod.uid
            )
        })?;
        refuse(pod.node == node, || {
            format!("pod {named:?} is not running on node {node:?} named in the PodCertificateRequest")
        })?;
        refuse(!pod.is_mirror, || format!("pod {named:?} is a mirror pod"))?;
        refuse(pod.account == text("serviceAccountName"), || {
            format!(
                "PodCertificateRequest for pod {named:?} contains serviceAccountName ({:?}) that differs from running pod ({:?})",
                text("serviceAccountName"),
                pod.account
            )
        })
    }
}

fn check_mirror(node: &str, pod: &Value) -> Verdict {
    refuse(pod.annotation(MIRROR).is_some(), || {
        format!("pod does not have {MIRROR:?} annotation, node {node:?} can only create mirror pods")
    })?;
    refuse(pod.at(&["spec", "nodeName"]) == node, || {
        format!("node {node:?} can only create pods with spec.nodeName set to itself")
    })?;
    let owners = pod.items(&["metadata", "ownerReferences"]);
    let [owner] = owners else {
        let number = if owners.is_empty() { "an" } else { "a single" };
        return Err(format!(
            "node {node:?} can only create pods with {number} owner reference set to itself"
        ));
    };
    let is_node = owner["apiVersion"] == "v1" && owner["kind"] == "Node" && owner["name"] == node;
    refuse(is_node, || format!("node {node:?} can only create pods with an owner reference set to itself"))?;
    refuse(owner["controller"] == true, || {
        format!("node {node:?} can only create pods with a controller owner reference set to itself")
    })?;
    let account = pod.at(&["spec", "serviceAccountName"]).as_str().unwrap_or_default();
    refuse(account.is_empty(), || {
        format!("node {node:?} can not create pods that reference serviceaccounts")
    })?;
    let of_api = ["secret", "configMap", "projected", "persistentVolumeClaim"];
    let refers = |volume: &Value| of_api.iter().find(|kind| volume[**kind].is_object());
    match pod.items(&["spec", "volumes"]).iter().find_map(refers) {
        Some(kind) => Err(format!("node {node:?} can not create pods that reference {kind}s")),
        None => Ok(()),
    }
}

fn forbidden(request: &Request, why: &str) -> Denial {
    let resource = match request.resource.group.as_str() {
        "" => request.resource.resource.clone(),
        group => format!("{}.{group}", request.resource.resource),
    };
    Denial::forbidden(format!("{resource} {:?} is forbidden: {why}", name(request)))
}

#[cfg(test)]
mod tests;
