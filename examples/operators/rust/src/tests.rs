use orch_sdk::controller::ApiError;
use orch_sdk::fake::Cluster;

use super::*;

fn site(name: &str) -> Value {
    json!({
        "apiVersion": "example.orch.dev/v1", "kind": "Website",
        "metadata": {"name": name, "namespace": "web"},
        "spec": {"pages": {"index.html": "hi"}, "replicas": 2},
    })
}

fn reconciled(cluster: &Cluster) -> Value {
    WebsiteOperator.reconcile(cluster, "web/hello").unwrap();
    cluster.object(WEBSITE, "web", "hello")
}

fn scale(cluster: &Cluster) {
    let patch = json!({"spec": {"replicas": 3}});
    cluster.patch(WEBSITE.object("web", "hello"), PatchType::Merge, &patch).unwrap();
}

#[test]
fn it_is_ready_when_its_replicas_are() {
    let cluster = Cluster::with([site("hello")]);
    let before = reconciled(&cluster)["status"]["conditions"][0].clone();
    assert_eq!((&before["status"], &before["reason"]), (&json!("False"), &json!("Progressing")));
    cluster.advance_ms(60_000);
    let mut deployment = cluster.object(Kind::DEPLOYMENT, "web", "hello");
    deployment.set(&["status", "readyReplicas"], 2);
    cluster.update_status(&deployment).unwrap();
    let after = reconciled(&cluster)["status"]["conditions"][0].clone();
    assert_eq!((&after["status"], &after["reason"]), (&json!("True"), &json!("Available")));
    assert_ne!(after["lastTransitionTime"], before["lastTransitionTime"]);
}

#[test]
fn a_change_reaches_the_deployment_and_is_observed() {
    let cluster = Cluster::with([site("hello")]);
    reconciled(&cluster);
    scale(&cluster);
    let site = reconciled(&cluster);
    assert_eq!(cluster.object(Kind::DEPLOYMENT, "web", "hello")["spec"]["replicas"], 3);
    assert_eq!(site["status"]["observedGeneration"], site.generation());
    let put_right = r#"website_changes_total{change="put-right",kind="Deployment"}"#;
    assert_eq!(cluster.metrics()[put_right], 1.0);
    cluster.take_writes();
    reconciled(&cluster);
    assert_eq!(cluster.take_writes(), Vec::<String>::new());
}

#[test]
fn pages_of_others_are_not_taken_over() {
    let mine =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "hello", "namespace": "web"}});
    let cluster = Cluster::with([site("hello"), mine]);
    let site = reconciled(&cluster);
    assert_eq!(site["status"]["conditions"][0]["reason"], "Conflict");
    assert_eq!(cluster.events()[0].message, "ConfigMap hello belongs to somebody else");
}

#[test]
fn deletion_cleans_up_though_the_list_is_gone() {
    let cluster = Cluster::with([site("hello")]);
    reconciled(&cluster);
    cluster.delete(CONFIG_MAP.object("web", LIST), &Default::default()).unwrap();
    cluster.delete(WEBSITE.object("web", "hello"), &Default::default()).unwrap();
    WebsiteOperator.reconcile(&cluster, "web/hello").unwrap();
    assert_eq!(cluster.get(WEBSITE.object("web", "hello")).unwrap(), None);
}

#[test]
fn a_failed_write_is_an_error_to_be_retried() {
    let cluster = Cluster::with([site("hello")]);
    reconciled(&cluster);
    scale(&cluster);
    cluster.fail_next("update", ApiError::new(409, "Conflict", "stale"));
    assert!(WebsiteOperator.reconcile(&cluster, "web/hello").is_err());
    reconciled(&cluster);
    assert_eq!(cluster.object(Kind::DEPLOYMENT, "web", "hello")["spec"]["replicas"], 3);
}
