//! What the sub-resources of a pod may change (`ValidatePodEphemeralContainersUpdate`, `ValidatePodResize`).

use serde_json::Value;

use super::validate_spec;
use crate::names;
use crate::status::FieldError;
use crate::strategy::pod::qos;
use crate::validation::{Errors, Path, is_empty, items, metadata, same, text};

const MIRROR: &str = "kubernetes.io/config.mirror";
const RESIZABLE: [&str; 2] = ["cpu", "memory"];

pub(crate) fn validate_part(pod: &Value, old: &Value, subresource: &str, _: &str) -> Vec<FieldError> {
    match subresource {
        "ephemeralcontainers" => validate_debugging(pod, old),
        "resize" => validate_resize(pod, old),
        _ => super::validate(pod, Some(old)),
    }
}

fn common(pod: &Value, old: &Value) -> Errors {
    let mut errors = Errors::default();
    metadata::validate(pod, Some(old), names::dns1123_subdomain, &mut errors);
    validate_spec(&pod["spec"], Some(pod), &Path::new("spec"), &mut errors);
    errors
}

fn is_mirror(pod: &Value) -> bool {
    pod["metadata"]["annotations"].get(MIRROR).is_some()
}

fn validate_debugging(pod: &Value, old: &Value) -> Vec<FieldError> {
    if is_mirror(old) {
        return vec![FieldError::forbidden("", "static pods do not support ephemeral containers")];
    }
    let mut errors = common(pod, old);
    let path = Path::new("spec").child("ephemeralContainers");
    for known in items(&old["spec"]["ephemeralContainers"]) {
        let name = text(&known["name"]);
        let kept = items(&pod["spec"]["ephemeralContainers"]).iter().find(|new| new["name"] == known["name"]);
        match kept {
            None => errors
                .forbidden(&path, format!("existing ephemeral containers {name:?} may not be removed\n")),
            Some(new) if !same(new, known) => errors
                .forbidden(&path, format!("existing ephemeral containers {name:?} may not be changed\n")),
            Some(_) => {}
        }
    }
    errors.into_vec()
}

fn validate_resize(pod: &Value, old: &Value) -> Vec<FieldError> {
    if is_mirror(old) {
        return vec![FieldError::forbidden("", "static pods cannot be resized")];
    }
    if old["spec"]["os"]["name"] == "windows" {
        return vec![FieldError::forbidden("", "windows pods cannot be resized")];
    }
    let mut errors = common(pod, old);
    let path = Path::new("spec");
    if qos::class(pod) != qos::class(old) {
        let detail = "Pod QOS Class may not change as a result of resizing";
        errors.invalid(&path, &pod["status"]["qosClass"], detail);
    }
    let running = items(&old["status"]["containerStatuses"]);
    let running = running.iter().find(|status| status["state"]["running"].is_object());
    if running.is_some_and(|status| status["resources"].is_null()) {
        errors.forbidden(&path, "Pod running on node without support for resize");
    }
    validate_whole(&pod["spec"], &old["spec"], &path, &mut errors);
    if validate_order(&pod["spec"], &old["spec"], &path, &mut errors) {
        for list in ["initContainers", "containers"] {
            validate_containers(list, &pod["spec"], &old["spec"], &path, &mut errors);
        }
    }
    errors.into_vec()
}

/// Resources of the pod as a whole.
fn validate_whole(new: &Value, old: &Value, path: &Path, errors: &mut Errors) {
    let (new, old) = (&new["resources"], &old["resources"]);
    let is_set = |resources: &Value| !is_empty(&resources["requests"]) || !is_empty(&resources["limits"]);
    if !is_set(new) && !is_set(old) {
        return;
    }
    let at = path.child("resources");
    if !old.is_null() && new.is_null() {
        errors.forbidden(&at, "pod-level resources cannot be removed");
        return;
    }
    for list in ["requests", "limits"] {
        if !old.is_null() && has_lost(&new[list], &old[list]) {
            errors.forbidden(&at.child(list), format!("pod-level resource {list} cannot be removed"));
        }
    }
    if !same(&masked(new, old), old) {
        errors.forbidden(path, "only cpu and memory resources are mutable at pod-level");
    }
}

/// False: containers came, went or changed places, and cannot be compared.
fn validate_order(new: &Value, old: &Value, path: &Path, errors: &mut Errors) -> bool {
    let before = errors.len();
    for list in ["containers", "initContainers"] {
        let (new, old, at) = (items(&new[list]), items(&old[list]), path.child(list));
        if new.len() != old.len() {
            errors.forbidden(&at, format!("{list} may not be added or removed on resize"));
            continue;
        }
        for (index, (new, old)) in new.iter().zip(old).enumerate() {
            if new["name"] != old["name"] {
                let detail = format!("{list} may not be renamed or reordered on resize");
                errors.forbidden(&at.index(index).child("name"), detail);
            }
        }
    }
    errors.len() == before
}

fn validate_containers(list: &str, new: &Value, old: &Value, path: &Path, errors: &mut Errors) {
    for (index, (new, old)) in items(&new[list]).iter().zip(items(&old[list])).enumerate() {
        let at = path.child(list).index(index);
        for (kind, detail) in [
            ("requests", "resource requests cannot be removed"),
            ("limits", "resource limits cannot be removed"),
        ] {
            if has_lost(&new["resources"][kind], &old["resources"][kind]) {
                errors.forbidden(&at.child("resources").child(kind), detail);
            }
        }
        let mut rest = new.clone();
        rest["resources"] = masked(&new["resources"], &old["resources"]);
        rest["resizePolicy"] = old["resizePolicy"].clone();
        if !same(&rest, old) {
            match list {
                "containers" => errors.forbidden(path, "only cpu and memory resources are mutable"),
                _ => errors.forbidden(
                    &at,
                    "only cpu and memory resources for init or sidecar containers are mutable",
                ),
            }
        }
        let restarts = |policy: &Value| policy["restartPolicy"] == "RestartContainer";
        let runs_once = list == "initContainers" && new["restartPolicy"] != "Always";
        if runs_once && !same(new, old) && items(&new["resizePolicy"]).iter().any(restarts) {
            let detail =
                "non-sidecar init containers with a resize policy of RestartContainer cannot be resized";
            errors.forbidden(&at, detail);
        }
    }
}

fn has_lost(new: &Value, old: &Value) -> bool {
    old.as_object().into_iter().flatten().any(|(name, _)| new.get(name).is_none())
}

/// The new resources with what a resize may change as it was.
fn masked(new: &Value, old: &Value) -> Value {
    let mut masked = new.clone();
    for list in ["limits", "requests"] {
        for name in RESIZABLE {
            let was = old[list].get(name);
            if let Some(fields) = masked.get_mut(list).and_then(Value::as_object_mut) {
                fields.remove(name);
            }
            if let Some(was) = was {
                masked[list][name] = was.clone();
            }
        }
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod() -> Value {
        let container = json!({
            "name": "c", "image": "i", "imagePullPolicy": "Always", "terminationMessagePolicy": "File",
            "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "1Gi"}},
        });
        json!({
            "metadata": {"name": "p", "namespace": "default"},
            "spec": {
                "containers": [container], "restartPolicy": "Always", "dnsPolicy": "ClusterFirst",
                "terminationGracePeriodSeconds": 30, "securityContext": {}, "schedulerName": "default-scheduler",
                "enableServiceLinks": true,
            },
        })
    }

    fn debugger(extra: Value) -> Value {
        let mut container = json!({
            "name": "d", "image": "i", "imagePullPolicy": "Always", "terminationMessagePolicy": "File",
        });
        container.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        container
    }

    fn complaints(part: &str, new: &Value, old: &Value) -> Vec<String> {
        let errors = validate_part(new, old, part, "");
        errors.iter().map(|error| format!("{}: {}", error.field, error.detail)).collect()
    }

    #[test]
    fn ephemeral_containers_come_and_stay() {
        let mut with = pod();
        with["spec"]["ephemeralContainers"] = json!([debugger(json!({"targetContainerName": "c"}))]);
        assert_eq!(complaints("ephemeralcontainers", &with, &pod()), Vec::<String>::new());
        let gone = complaints("ephemeralcontainers", &pod(), &with);
        assert_eq!(
            gone,
            ["spec.ephemeralContainers: existing ephemeral containers \"d\" may not be removed\n"]
        );
        let mut changed = with.clone();
        changed["spec"]["ephemeralContainers"][0]["image"] = "other".into();
        let changed = complaints("ephemeralcontainers", &changed, &with);
        assert_eq!(
            changed,
            ["spec.ephemeralContainers: existing ephemeral containers \"d\" may not be changed\n"]
        );
    }

    #[test]
    fn ephemeral_containers_are_simple() {
        let cases = [
            (json!({"targetContainerName": "x"}), "spec.ephemeralContainers[0].targetContainerName: "),
            (
                json!({"ports": [{"containerPort": 1, "protocol": "TCP"}]}),
                "spec.ephemeralContainers[0].ports: cannot be set for an Ephemeral Container",
            ),
            (
                json!({"resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}}),
                "spec.ephemeralContainers[0].resources: cannot be set for an Ephemeral Container",
            ),
        ];
        for (extra, complaint) in cases {
            let mut with = pod();
            with["spec"]["ephemeralContainers"] = json!([debugger(extra)]);
            assert_eq!(complaints("ephemeralcontainers", &with, &pod()), [complaint]);
        }
    }

    #[test]
    fn a_resize_changes_processors_and_memory_alone() {
        type Change = fn(&mut Value);
        let cases: [(Change, &[&str]); 5] = [
            (|pod| pod["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "1500m".into(), &[]),
            (|pod| pod["spec"]["containers"][0]["resources"]["limits"]["memory"] = "2Gi".into(), &[]),
            (
                |pod| pod["spec"]["containers"][0]["resources"]["limits"] = json!({"cpu": "2"}),
                &["spec.containers[0].resources.limits: resource limits cannot be removed"],
            ),
            (
                |pod| {
                    pod["spec"]["containers"][0]["resources"]["requests"] =
                        json!({"cpu": "2", "memory": "1Gi"});
                },
                &["spec: Pod QOS Class may not change as a result of resizing"],
            ),
            (
                |pod| {
                    let resources = &mut pod["spec"]["containers"][0]["resources"];
                    resources["limits"]["example.com/x"] = "1".into();
                    resources["requests"]["example.com/x"] = "1".into();
                },
                &["spec: only cpu and memory resources are mutable"],
            ),
        ];
        for (change, expected) in cases {
            let mut new = pod();
            change(&mut new);
            assert_eq!(complaints("resize", &new, &pod()), expected, "{new:#}");
        }
    }
}
