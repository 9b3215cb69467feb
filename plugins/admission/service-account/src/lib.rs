//! Every pod runs as a service account of its namespace, `default` unless it names one, and finds
//! that account's token, the cluster's CA and its namespace under
//! `/var/run/secrets/kubernetes.io/serviceaccount`.
//! <https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#serviceaccount-admission-controller>

use std::collections::HashMap;
use std::hash::Hasher;

use orch_sdk::admission::{Admitted, Check, Delta, Denial, Description, Operation, Reading, Request};
use orch_sdk::names::{Fnv32a, safe_encode};
use orch_sdk::object::Object;
use orch_sdk::{Value, json};

const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const VOLUME_PREFIX: &str = "kube-api-access-";
/// Upstream asks for an hour and a bit, so that it can tell these tokens from others.
const TOKEN_SECONDS: u32 = 3607;
const MIRROR_POD: &str = "kubernetes.io/config.mirror";

#[derive(Default)]
pub struct ServiceAccount {
    /// By `namespace/name`.
    accounts: HashMap<String, Account>,
}

struct Account {
    automount: Option<bool>,
    image_pull_secrets: Vec<Value>,
}

orch_sdk::export_admission!(ServiceAccount);

impl Check for ServiceAccount {
    fn describe() -> Description {
        Description::new()
            .reviews(&[Operation::Create], &[""], &["pods"])
            .reads("v1", "ServiceAccount", &["automountServiceAccountToken", "imagePullSecrets"])
            .mutates()
    }

    fn reads(&self) -> Vec<Reading> {
        let fields = [
            "namespace",
            "object.metadata.annotations[kubernetes.io/config.mirror]",
            "object.spec.automountServiceAccountToken",
            "object.spec.containers[*].volumeMounts",
            "object.spec.imagePullSecrets",
            "object.spec.initContainers[*].volumeMounts",
            "object.spec.serviceAccount",
            "object.spec.serviceAccountName",
            "object.spec.volumes",
        ];
        vec![Reading::of(&["pods"], &fields)]
    }

    fn sync(&mut self, delta: Delta) -> Result<(), String> {
        match delta {
            Delta::Upsert(account) => {
                let known = Account {
                    automount: account["automountServiceAccountToken"].as_bool(),
                    image_pull_secrets: account.items(&["imagePullSecrets"]).to_vec(),
                };
                self.accounts.insert(account.key(), known);
            }
            Delta::Remove(account) => {
                self.accounts.remove(&account.key());
            }
        }
        Ok(())
    }

    fn review(&mut self, request: &Request) -> Result<Admitted, Denial> {
        if request.resource.resource != "pods" || !request.sub_resource.is_empty() {
            return Ok(Admitted::unchanged());
        }
        let mut pod = request.object.clone();
        if pod.annotation(MIRROR_POD).is_some() {
            return check_mirror(request).map(|()| Admitted::unchanged());
        }
        let account = self.account_of(request, &mut pod)?;
        if should_mount(account, &pod) {
            mount_token(&mut pod, request);
        }
        if pod.items(&["spec", "imagePullSecrets"]).is_empty() && !account.image_pull_secrets.is_empty() {
            pod.set(&["spec", "imagePullSecrets"], account.image_pull_secrets.clone());
        }
        Ok(Admitted::changed(&request.object, &pod))
    }
}

impl ServiceAccount {
    /// The pod's account, its name written into the pod.
    fn account_of(&self, request: &Request, pod: &mut Value) -> Result<&Account, Denial> {
        let named = pod.at(&["spec", "serviceAccountName"]).as_str().filter(|name| !name.is_empty());
        let older = pod.at(&["spec", "serviceAccount"]).as_str().filter(|name| !name.is_empty());
        let name = named.or(older).unwrap_or("default").to_string();
        pod.set(&["spec", "serviceAccountName"], name.clone());
        pod.set(&["spec", "serviceAccount"], name.clone()); // the older field's readers
        let namespace = &request.namespace;
        self.accounts.get(&format!("{namespace}/{name}")).ok_or_else(|| {
            Denial::forbidden(format!(
                "error looking up service account {namespace}/{name}: serviceaccount {name:?} not found"
            ))
        })
    }
}

/// A mirror pod stands for one the node runs on its own: the API's secrets are not for it.
fn check_mirror(request: &Request) -> Result<(), Denial> {
    if request.object.at(&["spec", "serviceAccountName"]).as_str().is_some_and(|name| !name.is_empty()) {
        return Err(Denial::forbidden("a mirror pod may not reference service accounts"));
    }
    Ok(())
}

fn should_mount(account: &Account, pod: &Value) -> bool {
    let asked = pod.at(&["spec", "automountServiceAccountToken"]).as_bool();
    asked.or(account.automount).unwrap_or(true)
}

/// Mounts the token where nothing is mounted yet, and adds its volume when that is anywhere.
fn mount_token(pod: &mut Value, request: &Request) {
    let own = own_volume(pod).map(String::from);
    let volume = own.clone().unwrap_or_else(|| volume_name(pod, request));
    let mut mounted = false;
    for list in ["initContainers", "containers"] {
        let containers = pod["spec"].get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            mounted |= mount_into(container, &volume);
        }
    }
    if mounted && own.is_none() {
        let mut volumes = pod.items(&["spec", "volumes"]).to_vec();
        volumes.push(json!({"name": volume, "projected": token_volume()}));
        pod.set(&["spec", "volumes"], volumes);
    }
}

fn mount_into(container: &mut Value, volume: &str) -> bool {
    let mut mounts = container.items(&["volumeMounts"]).to_vec();
    if mounts.iter().any(|mount| mount["mountPath"] == MOUNT_PATH) {
        return false;
    }
    mounts.push(json!({"name": volume, "readOnly": true, "mountPath": MOUNT_PATH}));
    container.set(&["volumeMounts"], mounts);
    true
}

/// A volume of the kind we would add, as in a pod that was copied from another.
fn own_volume(pod: &Value) -> Option<&str> {
    let volumes = pod.items(&["spec", "volumes"]).iter();
    let names = volumes.filter(|volume| volume["projected"] == token_volume());
    names.filter_map(|volume| volume["name"].as_str()).find(|name| name.starts_with(VOLUME_PREFIX))
}

/// `kube-api-access-` and five letters. A component has no chance of its own: they come from the
/// account, so that pods alike stay alike.
fn volume_name(pod: &Value, request: &Request) -> String {
    let account = pod.at(&["spec", "serviceAccountName"]).as_str().unwrap_or_default();
    let taken = |name: &String| pod.items(&["spec", "volumes"]).iter().any(|volume| volume["name"] == **name);
    let names = (0u32..).map(|attempt| {
        let mut hasher = Fnv32a::default();
        for part in [&request.namespace, account, &attempt.to_string()] {
            hasher.write(part.as_bytes());
        }
        let letters = safe_encode(hasher.finish() as u32 | 1 << 31);
        format!("{VOLUME_PREFIX}{}", &letters[..5])
    });
    names.into_iter().find(|name| !taken(name)).unwrap_or_default()
}

fn token_volume() -> Value {
    json!({
        "defaultMode": 0o644,
        "sources": [
            {"serviceAccountToken": {"path": "token", "expirationSeconds": TOKEN_SECONDS}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [
                {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
            ]}},
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(account: Value) -> ServiceAccount {
        let mut check = ServiceAccount::default();
        let mut account = account;
        account.set(&["metadata", "namespace"], "ns");
        if account.name().is_empty() {
            account.set(&["metadata", "name"], "default");
        }
        check.sync(Delta::Upsert(account)).unwrap();
        check
    }

    fn request(pod: Value) -> Request {
        orch_sdk::serde_json::from_value(json!({
            "uid": "u-1", "operation": "CREATE", "namespace": "ns", "name": "web",
            "resource": {"group": "", "version": "v1", "resource": "pods"}, "object": pod,
        }))
        .unwrap()
    }

    fn patch(check: &mut ServiceAccount, pod: Value) -> Value {
        let patch = check.review(&request(pod)).unwrap().patch;
        if patch.is_empty() { json!([]) } else { orch_sdk::serde_json::from_str(&patch).unwrap() }
    }

    fn value_at<'a>(patch: &'a Value, path: &str) -> &'a Value {
        let found = patch.as_array().unwrap().iter().find(|operation| operation["path"] == path);
        found.map_or(&Value::Null, |operation| &operation["value"])
    }

    #[test]
    fn the_default_account_and_its_token_are_added() {
        let pod = json!({"spec": {"containers": [{"name": "a"}], "initContainers": [{"name": "i"}]}});
        let patch = patch(&mut check(json!({})), pod);
        assert_eq!(value_at(&patch, "/spec/serviceAccountName"), "default");
        let volume = &value_at(&patch, "/spec/volumes")[0];
        assert_eq!(volume["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"], 3607);
        let name = volume["name"].as_str().unwrap();
        assert_eq!((name.len(), name.starts_with(VOLUME_PREFIX)), (VOLUME_PREFIX.len() + 5, true));
        for list in ["containers", "initContainers"] {
            let mounts = value_at(&patch, &format!("/spec/{list}/0/volumeMounts"));
            assert_eq!(*mounts, json!([{"name": name, "readOnly": true, "mountPath": MOUNT_PATH}]));
        }
    }

    #[test]
    fn a_pod_that_mounts_its_own_keeps_it() {
        let pod = json!({"spec": {"containers": [{"name": "a", "volumeMounts": [{"name": "x", "mountPath": MOUNT_PATH}]}]}});
        let patch = patch(&mut check(json!({})), pod);
        assert_eq!(value_at(&patch, "/spec/volumes"), &Value::Null);
    }

    #[test]
    fn the_token_can_be_declined() {
        let pod = json!({"spec": {"containers": [{"name": "a"}]}});
        let mut declined = check(json!({"automountServiceAccountToken": false}));
        assert_eq!(value_at(&patch(&mut declined, pod.clone()), "/spec/volumes"), &Value::Null);
        let mut asked = pod;
        asked.set(&["spec", "automountServiceAccountToken"], true);
        assert!(value_at(&patch(&mut declined, asked), "/spec/volumes").is_array());
    }

    #[test]
    fn pull_secrets_come_from_the_account() {
        let mut check = check(json!({"imagePullSecrets": [{"name": "regcred"}]}));
        let pod = json!({"spec": {"containers": [{"name": "a"}]}});
        assert_eq!(
            value_at(&patch(&mut check, pod), "/spec/imagePullSecrets"),
            &json!([{"name": "regcred"}])
        );
        let own = json!({"spec": {"containers": [], "imagePullSecrets": [{"name": "own"}]}});
        assert_eq!(value_at(&patch(&mut check, own), "/spec/imagePullSecrets"), &Value::Null);
    }

    #[test]
    fn missing_accounts_are_refused_in_upstreams_words() {
        let pod = json!({"spec": {"serviceAccountName": "builder", "containers": []}});
        let denied = check(json!({})).review(&request(pod)).unwrap_err();
        assert_eq!(
            denied.message,
            "error looking up service account ns/builder: serviceaccount \"builder\" not found"
        );
        let mirror =
            json!({"metadata": {"annotations": {MIRROR_POD: "x"}}, "spec": {"serviceAccountName": "a"}});
        assert!(check(json!({})).review(&request(mirror)).unwrap_err().message.contains("mirror pod"));
    }
}
