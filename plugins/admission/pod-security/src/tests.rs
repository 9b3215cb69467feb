use orch_sdk::json;

use super::*;

fn check(labels: Value) -> PodSecurity {
    let mut check = PodSecurity::default();
    let namespace = json!({"kind": "Namespace", "metadata": {"name": "shop", "labels": labels}});
    check.sync(Delta::Upsert(namespace)).unwrap();
    check
}

fn request(operation: &str, resource: (&str, &str), old: Value, object: Value) -> Request {
    let (plural, sub_resource) = resource.1.split_once('/').unwrap_or((resource.1, ""));
    let request = json!({"operation": operation, "namespace": "shop", "object": object, "oldObject": old,
        "resource": {"group": resource.0, "resource": plural}, "subResource": sub_resource, "userInfo": {"username": "jane"}});
    orch_sdk::serde_json::from_value(request).unwrap()
}

fn pod(privileged: bool) -> Value {
    json!({"kind": "Pod", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"containers": [{"name": "c", "image": "i", "securityContext": {"privileged": privileged}}]}})
}

fn enforce(level: &str) -> Value {
    json!({"pod-security.kubernetes.io/enforce": level})
}

const WHY: &str = "privileged (container \"c\" must not set securityContext.privileged=true)";

#[test]
fn pods_are_refused_where_the_namespace_says_so() {
    let create = |labels: Value| {
        check(labels).review(&request("CREATE", ("", "pods"), Value::Null, pod(true))).map_err(|d| d.message)
    };
    assert_eq!(create(json!({})), Ok(Admitted::unchanged()));
    assert_eq!(create(enforce("baseline")), Err(format!("violates PodSecurity \"baseline:latest\": {WHY}")));
    let warn = create(
        json!({"pod-security.kubernetes.io/warn": "baseline", "pod-security.kubernetes.io/warn-version": "v1.5"}),
    );
    assert_eq!(warn.unwrap().warnings, [format!("would violate PodSecurity \"baseline:v1.5\": {WHY}")]);
}

#[test]
fn only_labels_make_pods_matter_unless_the_defaults_do() {
    let mut check = PodSecurity::default();
    let conditions = check.conditions();
    assert_eq!(conditions[0].namespace_labels, ["pod-security.kubernetes.io/*"]);
    let asked: Vec<String> =
        PodSecurity::describe().rules.into_iter().flat_map(|rule| rule.resources).collect();
    let spared = &conditions[0].resources;
    assert_eq!(
        asked.iter().filter(|resource| !spared.contains(resource)).collect::<Vec<_>>(),
        ["namespaces"]
    );
    check.configure(&json!({"defaults": {"warn": "restricted"}})).unwrap();
    assert_eq!(check.conditions(), []);
}

#[test]
fn updates_count_when_images_change_or_containers_come() {
    let mut check = check(enforce("baseline"));
    let mut update =
        |resource: &str, new: Value| check.review(&request("UPDATE", ("", resource), pod(true), new)).is_ok();
    let mut labelled = pod(true);
    labelled["metadata"]["labels"] = json!({"a": "b"});
    assert!(update("pods", labelled));
    let mut other = pod(true);
    other["spec"]["containers"][0]["image"] = "j".into();
    assert!(!update("pods", other.clone()));
    assert!(update("pods/status", other));
    let mut debugged = pod(true);
    debugged["spec"]["ephemeralContainers"] = json!([{"name": "d"}]);
    assert!(!update("pods/ephemeralcontainers", debugged));
}

#[test]
fn templates_are_warned_of_only() {
    let deployment = json!({"kind": "Deployment", "spec": {"template": {"spec": pod(true)["spec"]}}});
    let asked = request("CREATE", ("apps", "deployments"), Value::Null, deployment);
    let admitted = check(enforce("baseline")).review(&asked).unwrap();
    assert_eq!(admitted.warnings, [format!("would violate PodSecurity \"baseline:latest\": {WHY}")]);
    assert_eq!(check(json!({})).review(&asked).unwrap(), Admitted::unchanged());
}

#[test]
fn exemptions_and_defaults_are_configured() {
    let mut check = check(json!({}));
    let create = request("CREATE", ("", "pods"), Value::Null, pod(true));
    check.configure(&json!({"defaults": {"enforce": "restricted", "enforce-version": "v1.9"}})).unwrap();
    assert!(
        check.review(&create).unwrap_err().message.starts_with("violates PodSecurity \"restricted:v1.9\"")
    );
    for exemptions in [json!({"usernames": ["jane"]}), json!({"namespaces": ["shop"]})] {
        let config = json!({"defaults": {"enforce": "restricted"}, "exemptions": exemptions});
        check.configure(&config).unwrap();
        assert!(check.review(&create).is_ok(), "{config}");
    }
    let error = check.configure(&json!({"defaults": {"warn": "most"}})).unwrap_err();
    assert_eq!(error, "defaults.warn: must be one of privileged, baseline, restricted");
}

#[test]
fn a_stricter_namespace_tells_which_pods_it_would_refuse() {
    let mut check = check(json!({}));
    for (name, bad) in [("b", true), ("a", true), ("c", true), ("fine", false)] {
        let mut pod = pod(bad);
        pod["metadata"]["name"] = name.into();
        check.sync(Delta::Upsert(pod)).unwrap();
    }
    let namespace =
        |labels: Value| json!({"kind": "Namespace", "metadata": {"name": "shop", "labels": labels}});
    let mut update = |old: Value, new: Value| {
        check.review(&request("UPDATE", ("", "namespaces"), namespace(old), namespace(new)))
    };
    let warned = update(json!({}), enforce("baseline")).unwrap();
    assert_eq!(
        warned.warnings,
        [
            "existing pods in namespace \"shop\" violate the new PodSecurity enforce level \"baseline:latest\"",
            "a (and 2 other pods): privileged",
        ]
    );
    assert_eq!(update(enforce("restricted"), enforce("baseline")).unwrap(), Admitted::unchanged());
    let wrong = update(json!({}), enforce("none")).unwrap_err();
    assert_eq!(
        (wrong.code, wrong.message.as_str()),
        (
            422,
            "Namespace \"shop\" is invalid: metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: \
             \"none\": must be one of privileged, baseline, restricted"
        )
    );
    assert!(update(enforce("none"), enforce("none")).is_ok());
}
