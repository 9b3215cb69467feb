//! What is allowed in pods and yet hardly meant (`pkg/api/pod/warnings.go`).

mod paths;
mod ports;

use serde_json::Value;

use super::containers_of;
use crate::names;
use crate::quantity::Quantity;
use crate::validation::{Path, is_empty, items, network, node_labels, text};

/// Volumes whose drivers are gone, and since when.
const OLD_VOLUMES: [(&str, &str); 9] = [
    ("photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    ("scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageos", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "deprecated in v1.28, non-functional in v1.31+"),
];
const OLD_ANNOTATIONS: [(&str, &str); 3] = [
    (
        "scheduler.alpha.kubernetes.io/critical-pod",
        r#"non-functional in v1.16+; use the "priorityClassName" field instead"#,
    ),
    ("security.alpha.kubernetes.io/sysctls", r#"non-functional in v1.11+; use the "sysctls" field instead"#),
    (
        "security.alpha.kubernetes.io/unsafe-sysctls",
        r#"non-functional in v1.11+; use the "sysctls" field instead"#,
    ),
];
const SECCOMP: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_OF_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
const SECCOMP_WARNING: &str = r#"non-functional in v1.27+; use the "seccompProfile" field instead"#;
const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
/// Amounts of these come in whole bytes.
const WHOLE: [&str; 2] = ["memory", "ephemeral-storage"];

/// Of a pod that is made; changes are not warned of.
pub(crate) fn of_pod(pod: &Value, old: Option<&Value>) -> Vec<String> {
    if old.is_some() {
        return Vec::new();
    }
    let mut found = of_name(pod, "the Pod's hostname");
    found.extend(of_template(pod, &Path::new("")));
    found
}

/// Of the name of a new object that pods are named after.
pub(crate) fn of_owner_name(object: &Value) -> Vec<String> {
    of_name(object, "Pod names and hostnames")
}

fn of_name(object: &Value, used: &str) -> Vec<String> {
    let wrong = names::dns1123_label(text(&object["metadata"]["name"]));
    if wrong.is_empty() {
        return wrong;
    }
    vec![format!(
        "metadata.name: this is used in {used}, which can result in surprising behavior; a DNS label is \
         recommended: [{}]",
        wrong.join(" ")
    )]
}

/// Of a pod, at the empty path, or of a template.
pub(crate) fn of_template(template: &Value, path: &Path) -> Vec<String> {
    let (spec, at) = (&template["spec"], path.child("spec"));
    let mut found = Vec::new();
    of_placement(spec, &at, &mut found);
    of_annotations(template, path, &mut found);
    of_volumes(&spec["volumes"], &at.child("volumes"), &mut found);
    found.extend(paths::overlaps(&spec["volumes"]));
    of_repeated(&spec["hostAliases"], "ip", &at.child("hostAliases"), &mut found);
    of_repeated(&spec["imagePullSecrets"], "name", &at.child("imagePullSecrets"), &mut found);
    of_unnamed_secrets(&spec["imagePullSecrets"], &at.child("imagePullSecrets"), &mut found);
    of_fractions(&spec["overhead"], &at.child("overhead"), &mut found);
    of_containers(template, path, &mut found);
    ports::warn(spec, &at, &mut found);
    if spec["terminationGracePeriodSeconds"].as_i64().is_some_and(|seconds| seconds < 0) {
        let at = at.child("terminationGracePeriodSeconds");
        found.push(format!("{at}: must be >= 0; negative values are invalid and will be treated as 1"));
    }
    of_affinity(&spec["affinity"], &at.child("affinity"), &mut found);
    of_addresses(spec, &at, &mut found);
    found
}

fn of_placement(spec: &Value, path: &Path, found: &mut Vec<String>) {
    for (key, _) in spec["nodeSelector"].as_object().into_iter().flatten() {
        if let Some(words) = node_labels::deprecated(key) {
            found.push(format!("{}: {words}", path.child("nodeSelector").key(key)));
        }
    }
    let affinity = &spec["affinity"]["nodeAffinity"];
    let at = path.at(&["affinity", "nodeAffinity"]);
    let (required, terms) = ("requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms");
    for (index, term) in items(&affinity[required][terms]).iter().enumerate() {
        found.extend(of_node_term(term, false, &at.at(&[required, terms]).index(index)));
    }
    let preferred = "preferredDuringSchedulingIgnoredDuringExecution";
    for (index, term) in items(&affinity[preferred]).iter().enumerate() {
        let at = at.child(preferred).index(index).child("preference");
        found.extend(of_node_term(&term["preference"], true, &at));
    }
    for (index, constraint) in items(&spec["topologySpreadConstraints"]).iter().enumerate() {
        let (at, key) =
            (path.child("topologySpreadConstraints").index(index), text(&constraint["topologyKey"]));
        if let Some(words) = node_labels::deprecated(key) {
            found.push(format!("{}: {key} is {words}", at.child("topologyKey")));
        }
        of_no_selector(constraint, &at, found);
    }
}

/// Of what finds nodes by their labels.
pub(crate) fn of_node_term(term: &Value, checks_values: bool, path: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for (index, expression) in items(&term["matchExpressions"]).iter().enumerate() {
        let (at, key) = (path.child("matchExpressions").index(index), text(&expression["key"]));
        if let Some(words) = node_labels::deprecated(key) {
            found.push(format!("{}: {key} is {words}", at.child("key")));
        }
        let values = items(&expression["values"]).iter().map(text).enumerate();
        for (index, value) in values.filter(|_| checks_values) {
            let at = at.child("values").index(index);
            let wrong = names::label_value(value).into_iter();
            found.extend(wrong.map(|wrong| format!("{at}: {value} is invalid, {wrong}")));
        }
    }
    found
}

fn of_no_selector(term: &Value, path: &Path, found: &mut Vec<String>) {
    if term["labelSelector"].is_null() {
        let at = path.child("labelSelector");
        found.push(format!("{at}: a null labelSelector results in matching no pod"));
    }
}

fn of_affinity(affinity: &Value, path: &Path, found: &mut Vec<String>) {
    for kind in ["podAffinity", "podAntiAffinity"] {
        let (required, preferred) = (
            "requiredDuringSchedulingIgnoredDuringExecution",
            "preferredDuringSchedulingIgnoredDuringExecution",
        );
        for (index, term) in items(&affinity[kind][required]).iter().enumerate() {
            of_no_selector(term, &path.at(&[kind, required]).index(index), found);
        }
        for (index, term) in items(&affinity[kind][preferred]).iter().enumerate() {
            let at = path.at(&[kind, preferred]).index(index).child("podAffinityTerm");
            of_no_selector(&term["podAffinityTerm"], &at, found);
        }
    }
}

fn of_annotations(template: &Value, path: &Path, found: &mut Vec<String>) {
    let (annotations, at) = (&template["metadata"]["annotations"], path.at(&["metadata", "annotations"]));
    for (key, words) in OLD_ANNOTATIONS.iter().filter(|(key, _)| annotations.get(*key).is_some()) {
        found.push(format!("{}: {words}", at.key(key)));
    }
}

fn of_volumes(volumes: &Value, path: &Path, found: &mut Vec<String>) {
    for (index, volume) in items(volumes).iter().enumerate() {
        let at = path.index(index);
        for (source, words) in OLD_VOLUMES.iter().filter(|(source, _)| volume[source].is_object()) {
            let called = if *source == "storageos" { "storageOS" } else { source };
            found.push(format!("{}: {words}", at.child(called)));
        }
        let claim = &volume["ephemeral"]["volumeClaimTemplate"]["spec"];
        found.extend(of_claim(claim, &at.at(&["ephemeral", "volumeClaimTemplate", "spec"])));
    }
}

/// Of a claim's spec.
pub(crate) fn of_claim(spec: &Value, path: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for kind in ["requests", "limits"] {
        of_fraction(&spec["resources"][kind], "storage", &path.at(&["resources", kind]), &mut found);
    }
    found
}

fn of_fractions(amounts: &Value, path: &Path, found: &mut Vec<String>) {
    WHOLE.iter().for_each(|resource| of_fraction(amounts, resource, path, found));
}

fn of_fraction(amounts: &Value, resource: &str, path: &Path, found: &mut Vec<String>) {
    let Some(amount) = amounts.get(resource).and_then(|amount| Quantity::from_json(amount).ok()) else {
        return;
    };
    if amount.is_fractional() {
        let (at, amount) = (path.key(resource), amount.to_string());
        found.push(format!("{at}: fractional byte value {amount:?} is invalid, must be an integer"));
    }
}

fn of_repeated(list: &Value, field: &str, path: &Path, found: &mut Vec<String>) {
    let list = items(list);
    for (index, item) in list.iter().enumerate() {
        if list[..index].iter().any(|other| text(&other[field]) == text(&item[field])) {
            let at = path.index(index).child(field);
            found.push(format!("{at}: duplicate {field} {:?}", text(&item[field])));
        }
    }
}

fn of_unnamed_secrets(secrets: &Value, path: &Path, found: &mut Vec<String>) {
    for (index, _) in items(secrets).iter().enumerate().filter(|(_, secret)| is_empty(&secret["name"])) {
        found.push(format!("{}: invalid empty name \"\"", path.index(index).child("name")));
    }
}

fn of_containers(template: &Value, path: &Path, found: &mut Vec<String>) {
    let (spec, annotations) = (&template["spec"], &template["metadata"]["annotations"]);
    let at = path.at(&["metadata", "annotations"]);
    let is_template = !path.as_str().is_empty();
    if spec["securityContext"]["seccompProfile"].is_null() && annotations.get(SECCOMP).is_some() {
        found.push(format!("{}: {SECCOMP_WARNING}", at.key(SECCOMP)));
    }
    for (container, place) in containers_of(spec, &path.child("spec")) {
        let (name, context) = (text(&container["name"]), &container["securityContext"]);
        let seccomp = format!("{SECCOMP_OF_CONTAINER}{name}");
        if context["seccompProfile"].is_null() && annotations.get(&seccomp).is_some() {
            found.push(format!("{}: {SECCOMP_WARNING}", at.key(&seccomp)));
        }
        let armor = format!("{APP_ARMOR}{name}");
        let profile = annotations.get(&armor).filter(|_| is_template && context["appArmorProfile"].is_null());
        if profile.is_some_and(|profile| !says(&spec["securityContext"]["appArmorProfile"], text(profile))) {
            let words = r#"deprecated since v1.30; use the "appArmorProfile" field instead"#;
            found.push(format!("{}: {words}", at.key(&armor)));
        }
        for kind in ["limits", "requests"] {
            of_fraction(&container["resources"][kind], WHOLE[0], &place.at(&["resources", kind]), found);
        }
        for kind in ["limits", "requests"] {
            of_fraction(&container["resources"][kind], WHOLE[1], &place.at(&["resources", kind]), found);
        }
        of_environment(&container["env"], &place.child("env"), found);
    }
}

/// Whether a profile is what an annotation names.
fn says(profile: &Value, annotation: &str) -> bool {
    match (text(&profile["type"]), annotation) {
        ("RuntimeDefault", "runtime/default") | ("Unconfined", "unconfined") => true,
        ("Localhost", named) => named.strip_prefix("localhost/") == profile["localhostProfile"].as_str(),
        _ => false,
    }
}

/// A variable that is there twice is fine when the second builds on the first.
fn of_environment(variables: &Value, path: &Path, found: &mut Vec<String>) {
    let variables = items(variables);
    for (index, variable) in variables.iter().enumerate() {
        let name = text(&variable["name"]);
        if !variables[..index].iter().any(|other| text(&other["name"]) == name) {
            continue;
        }
        let (value, before) = (text(&variable["value"]), format!("$({name})"));
        if !variable["valueFrom"].is_null() || value == before || !value.contains(&before) {
            let at = path.index(index);
            found.push(format!(
                "{at}: hides previous definition of {name:?}, which may be dropped when using apply"
            ));
        }
    }
}

fn of_addresses(spec: &Value, path: &Path, found: &mut Vec<String>) {
    let at = path.at(&["dnsConfig", "nameservers"]);
    for (index, server) in items(&spec["dnsConfig"]["nameservers"]).iter().enumerate() {
        found.extend(network::address_warnings(text(server), &at.index(index)));
    }
    let at = path.child("hostAliases");
    for (index, alias) in items(&spec["hostAliases"]).iter().enumerate() {
        found.extend(network::address_warnings(text(&alias["ip"]), &at.index(index).child("ip")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn warnings(spec: Value) -> Vec<String> {
        of_pod(&json!({ "metadata": { "name": "a" }, "spec": spec }), None)
    }

    #[test]
    fn what_is_hardly_meant_is_told() {
        let cases = [
            (
                json!({ "topologySpreadConstraints": [{ "topologyKey": "zone" }] }),
                "spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod",
            ),
            (
                json!({ "containers": [{ "env": [{ "name": "A", "value": "1" }, { "name": "A", "value": "2" }] }] }),
                r#"spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply"#,
            ),
            (
                json!({ "containers": [{ "resources": { "limits": { "memory": "1500m" } } }] }),
                r#"spec.containers[0].resources.limits[memory]: fractional byte value "1500m" is invalid, must be an integer"#,
            ),
            (
                json!({ "volumes": [{ "name": "v", "rbd": {} }] }),
                "spec.volumes[0].rbd: deprecated in v1.28, non-functional in v1.31+",
            ),
            (
                json!({ "imagePullSecrets": [{ "name": "s" }, { "name": "s" }] }),
                r#"spec.imagePullSecrets[1].name: duplicate name "s""#,
            ),
            (
                json!({ "terminationGracePeriodSeconds": -1 }),
                "spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1",
            ),
            (
                json!({ "hostAliases": [{ "ip": "010.0.0.1" }] }),
                r#"spec.hostAliases[0].ip: non-standard IP address "010.0.0.1" is invalid: use "10.0.0.1""#,
            ),
        ];
        for (spec, expected) in cases {
            assert_eq!(warnings(spec), [expected]);
        }
        let twice = json!([{ "name": "A", "value": "1" }, { "name": "A", "value": "$(A)2" }]);
        assert!(warnings(json!({ "containers": [{ "env": twice }] })).is_empty());
    }

    #[test]
    fn names_that_pods_inherit_are_judged() {
        let set = json!({ "metadata": { "name": "a.b" } });
        let expected = "metadata.name: this is used in Pod names and hostnames, which can result in surprising \
            behavior; a DNS label is recommended: [must not contain dots]";
        assert_eq!(of_owner_name(&set), [expected]);
    }
}
