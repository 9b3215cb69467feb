use orch_sdk::controller::ApiError;
use orch_sdk::fake::Cluster;
use orch_sdk::json;

use super::*;

const DEFINITION: Kind = Kind::new("apiextensions.k8s.io/v1", "CustomResourceDefinition");

fn migration(name: &str, group: &str, resource: &str) -> Value {
    json!({ "apiVersion": MIGRATION.api_version, "kind": MIGRATION.kind,
        "metadata": { "name": name, "creationTimestamp": "2026-01-01T00:00:00Z" },
        "spec": { "resource": { "group": group, "resource": resource } }, "status": {} })
}

fn widget(name: &str) -> Value {
    json!({ "apiVersion": "example.com/v2", "kind": "Widget", "metadata": { "namespace": "n", "name": name } })
}

fn with(objects: &[Value]) -> Cluster {
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "n" } });
    Cluster::with(objects.iter().cloned().chain([namespace]))
}

/// Reconciles until nothing is written any more; what was written.
fn settle(cluster: &Cluster, key: &str) -> Vec<String> {
    let mut written = Vec::new();
    loop {
        Migrator.reconcile(cluster, key).unwrap();
        let more = cluster.take_writes();
        if more.is_empty() {
            return written;
        }
        written.extend(more);
    }
}

fn condition(cluster: &Cluster, name: &str, condition: &str) -> Value {
    let migration = cluster.object(MIGRATION, "", name);
    let conditions = migration.items(&["status", "conditions"]);
    conditions.iter().find(|known| known["type"] == condition).cloned().unwrap_or_default()
}

#[test]
fn each_old_object_is_written_once() {
    let cluster = with(&[widget("a"), widget("b"), migration("m", "example.com", "widgets")]);
    let written = settle(&cluster, "widgets.example.com");
    let touched: Vec<&String> = written.iter().filter(|write| write.contains("Widget")).collect();
    assert_eq!(touched, ["patch Widget n/a", "patch Widget n/b"]);
    assert_eq!(condition(&cluster, "m", SUCCEEDED)["status"], "True");
    assert_eq!(condition(&cluster, "m", RUNNING)["status"], "False");
    assert!(!cluster.object(MIGRATION, "", "m")["status"]["resourceVersion"].is_null());
}

#[test]
fn one_migration_of_a_resource_runs_at_a_time() {
    let key = "widgets.example.com";
    let mut second = migration("a-later-one", "example.com", "widgets");
    second["metadata"]["creationTimestamp"] = "2026-01-02T00:00:00Z".into();
    let cluster = with(&[widget("a"), migration("m", "example.com", "widgets"), second]);
    Migrator.reconcile(&cluster, key).unwrap();
    assert_eq!(condition(&cluster, "m", RUNNING)["status"], "True");
    assert!(condition(&cluster, "a-later-one", RUNNING).is_null());
    settle(&cluster, key);
    assert_eq!(condition(&cluster, "a-later-one", SUCCEEDED)["status"], "True");
}

#[test]
fn a_definition_is_told() {
    let definition = json!({ "apiVersion": DEFINITION.api_version, "kind": DEFINITION.kind,
        "metadata": { "name": "widgets.example.com", "generation": 3 },
        "spec": { "versions": [{ "name": "v1" }, { "name": "v2", "storage": true }] },
        "status": { "storedVersions": ["v1", "v2"] } });
    let key = "widgets.example.com";
    let cluster = with(&[definition, widget("a"), migration("m", "example.com", "widgets")]);
    let status = || cluster.object(DEFINITION, "", key)["status"].clone();
    Migrator.reconcile(&cluster, key).unwrap();
    assert_eq!(status()["conditions"][0]["message"], "Migration m is running");
    settle(&cluster, key);
    assert_eq!(status()["storedVersions"], json!(["v2"]));
    assert_eq!(status()["conditions"][0]["status"], "False");
}

#[test]
fn what_cannot_be_migrated_fails_and_what_may_pass_is_tried_again() {
    let cluster = with(&[migration("m", "example.com", "widgets")]);
    settle(&cluster, "widgets.example.com");
    let failed = condition(&cluster, "m", FAILED);
    assert_eq!(failed["message"], "resource does not exist in discovery");

    let key = "widgets.example.com";
    let cluster = with(&[widget("a"), migration("m", "example.com", "widgets")]);
    Migrator.reconcile(&cluster, key).unwrap();
    Migrator.reconcile(&cluster, key).unwrap();
    cluster.fail_next("patch", ApiError::new(503, "ServiceUnavailable", "not now"));
    assert!(Migrator.reconcile(&cluster, key).is_err());
    let running = condition(&cluster, "m", RUNNING);
    assert!(
        running["message"]
            .as_str()
            .unwrap()
            .contains("1/1 objects not yet migrated; transient error: not now")
    );
    cluster.fail_next("patch", ApiError::new(422, "Invalid", "never"));
    Migrator.reconcile(&cluster, key).unwrap();
    let failed = "1/1 not yet migrated. migration encountered unhandled error: never";
    assert_eq!(condition(&cluster, "m", FAILED)["message"], failed);
}
