use orch_sdk::json;

use super::*;

fn quota(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ResourceQuota", "spec": spec,
        "metadata": {"name": name, "namespace": "shop", "creationTimestamp": "2026-11-21T12:00:00Z"}})
}

fn pod(name: &str, cpu: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop"},
        "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]}})
}

fn check(objects: &[Value]) -> ResourceQuota {
    let mut check = ResourceQuota::default();
    for object in objects {
        if object.kind() == "ResourceQuota" {
            let mut counted = object.clone();
            counted["metadata"]["creationTimestamp"].take();
            check.sync(Delta::Upsert(counted)).unwrap();
        }
        check.sync(Delta::Upsert(object.clone())).unwrap();
    }
    check
}

fn review(check: &mut ResourceQuota, operation: &str, plural: &str, old: Value, object: &Value) -> String {
    let group = object.api_version().split_once('/').map_or("", |(group, _)| group);
    let (resource, sub_resource) = plural.split_once('/').unwrap_or((plural, ""));
    let request = json!({
        "operation": operation, "namespace": "shop", "name": object.name(), "object": object, "oldObject": old,
        "resource": {"group": group, "resource": resource}, "subResource": sub_resource,
        "kind": {"group": group, "kind": object.kind()},
    });
    let request = orch_sdk::serde_json::from_value(request).unwrap();
    check.review(&request).err().map(|denial| denial.message).unwrap_or_default()
}

fn create(check: &mut ResourceQuota, plural: &str, object: &Value) -> String {
    review(check, "CREATE", plural, Value::Null, object)
}

#[test]
fn pods_are_refused_when_there_is_no_room() {
    let limits = quota("q", json!({"hard": {"pods": "2", "requests.cpu": "1"}}));
    let mut check = check(&[limits, pod("a", "500m")]);
    assert_eq!(create(&mut check, "pods", &pod("b", "500m")), "");
    assert_eq!(
        create(&mut check, "pods", &pod("b", "600m")),
        "exceeded quota: q, requested: requests.cpu=600m, used: requests.cpu=500m, limited: requests.cpu=1"
    );
    check.sync(Delta::Upsert(pod("b", "500m"))).unwrap();
    assert_eq!(
        create(&mut check, "pods", &pod("c", "1m")),
        "exceeded quota: q, requested: pods=1,requests.cpu=1m, used: pods=2,requests.cpu=1, limited: pods=2,requests.cpu=1"
    );
    check.sync(Delta::Remove(pod("a", ""))).unwrap();
    assert_eq!(create(&mut check, "pods", &pod("c", "1m")), "");
    let mut ended = pod("b", "500m");
    ended["status"] = json!({"phase": "Failed"});
    check.sync(Delta::Upsert(ended)).unwrap();
    assert_eq!(create(&mut check, "pods", &pod("c", "1")), "");
}

#[test]
fn containers_must_name_what_is_limited() {
    let mut check = check(&[quota("q", json!({"hard": {"limits.cpu": "2", "memory": "1Gi"}}))]);
    assert_eq!(
        create(&mut check, "pods", &pod("a", "1")),
        "failed quota: q: must specify limits.cpu for: c; memory for: c"
    );
}

#[test]
fn scopes_say_which_pods_count() {
    let limits = quota("q", json!({"hard": {"pods": 0}, "scopes": ["BestEffort"]}));
    let mut check = check(&[limits]);
    assert_eq!(create(&mut check, "pods", &pod("a", "1")), "");
    let refused = create(&mut check, "pods", &pod("a", "0"));
    assert_eq!(refused, "exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0");
}

#[test]
fn any_kind_is_counted() {
    let widget = |name: &str, kind: &str| json!({"apiVersion": "example.org/v1", "kind": kind, "metadata": {"name": name, "namespace": "shop"}});
    let limits = quota("q", json!({"hard": {"count/widgets.example.org": "1", "resourcequotas": 1}}));
    let mut check = check(&[limits.clone(), widget("other", "Gadget")]);
    assert_eq!(create(&mut check, "widgets", &widget("a", "Widget")), "");
    check.sync(Delta::Upsert(widget("a", "Widget"))).unwrap();
    assert_eq!(
        create(&mut check, "widgets", &widget("b", "Widget")),
        "exceeded quota: q, requested: count/widgets.example.org=1, used: count/widgets.example.org=1, \
         limited: count/widgets.example.org=1"
    );
    assert_eq!(create(&mut check, "gadgets", &widget("b", "Gadget")), "");
    assert!(create(&mut check, "resourcequotas", &quota("r", json!({}))).starts_with("exceeded quota: q"));
    check.sync(Delta::Remove(limits)).unwrap();
    assert_eq!(create(&mut check, "widgets", &widget("b", "Widget")), "");
}

#[test]
fn a_change_counts_by_what_it_adds() {
    let service = |kind: &str| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "shop"},
            "spec": {"type": kind, "ports": [{}, {}]}})
    };
    let limits = quota("q", json!({"hard": {"services": 1, "services.nodeports": 1}}));
    let mut check = check(&[limits, service("ClusterIP")]);
    let old = service("ClusterIP");
    assert_eq!(
        review(&mut check, "UPDATE", "services", old.clone(), &service("NodePort")),
        "exceeded quota: q, requested: services.nodeports=2, used: services.nodeports=0, limited: services.nodeports=1"
    );
    assert_eq!(review(&mut check, "UPDATE", "services", old.clone(), &old), "");
    let mut resized = self::check(&[quota("q", json!({"hard": {"cpu": "1"}})), pod("a", "800m")]);
    let resize =
        |check: &mut _, cpu| review(check, "UPDATE", "pods/resize", pod("a", "800m"), &pod("a", cpu));
    assert_eq!(resize(&mut resized, "1"), "");
    assert_eq!(
        resize(&mut resized, "1100m"),
        "exceeded quota: q, requested: cpu=300m, used: cpu=800m, limited: cpu=1"
    );
}

#[test]
fn a_pod_that_does_not_end_counts_no_more() {
    let mut stuck = pod("a", "1");
    stuck["metadata"]["deletionTimestamp"] = "2026-11-21T12:00:30Z".into();
    stuck["metadata"]["deletionGracePeriodSeconds"] = 30.into();
    let mut check = check(&[quota("q", json!({"hard": {"pods": 1}})), stuck]);
    let mut new = pod("b", "1");
    new["metadata"]["creationTimestamp"] = "2026-11-21T12:01:00Z".into();
    assert!(create(&mut check, "pods", &new).starts_with("exceeded quota"));
    new["metadata"]["creationTimestamp"] = "2026-11-21T12:01:01Z".into();
    assert_eq!(create(&mut check, "pods", &new), "");
}
