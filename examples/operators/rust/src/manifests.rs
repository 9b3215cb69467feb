//! The objects of a Website, and what of them is its own.

use orch_sdk::object::{Object, controller_reference};
use orch_sdk::{Value, json};

/// The first process of a container gets no default signal handlers: it ends when asked to.
const SERVE: &str = "httpd -f -p 8080 -h /www & trap 'kill $!; exit 0' TERM; wait";

pub fn replicas(site: &Value) -> i64 {
    site.at(&["spec", "replicas"]).as_i64().unwrap_or(1)
}

pub fn objects_of(site: &Value) -> [Value; 3] {
    let name = site.name();
    let labels = json!({"example.orch.dev/website": name});
    let made = |api_version: &str, kind: &str, part: &str, content: Value| {
        json!({
            "apiVersion": api_version,
            "kind": kind,
            "metadata": {
                "name": name, "namespace": site.namespace(), "labels": labels,
                "ownerReferences": [controller_reference(site)],
            },
            part: content,
        })
    };
    let image = site.at(&["spec", "image"]).as_str().unwrap_or("example.orch.dev/hello:1");
    let container = json!({
        "name": "web", "image": image, "command": ["sh", "-c", SERVE], "ports": [{"containerPort": 8080}],
        "volumeMounts": [{"name": "pages", "mountPath": "/www"}],
    });
    let volumes = json!([{"name": "pages", "configMap": {"name": name}}]);
    let template =
        json!({"metadata": {"labels": labels}, "spec": {"containers": [container], "volumes": volumes}});
    let rollout =
        json!({"replicas": replicas(site), "selector": {"matchLabels": labels}, "template": template});
    let service = json!({"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]});
    [
        made("v1", "ConfigMap", "data", site.at(&["spec", "pages"]).clone()),
        made("apps/v1", "Deployment", "spec", rollout),
        made("v1", "Service", "spec", service),
    ]
}

/// Pages exactly; of a spec what is wanted, since the API adds defaults.
pub fn is_as_wanted(wanted: &Value, found: &Value) -> bool {
    wanted["data"] == found["data"] && (wanted["spec"].is_null() || has(&wanted["spec"], &found["spec"]))
}

pub fn corrected(wanted: &Value, mut found: Value) -> Value {
    if !wanted["data"].is_null() {
        found["data"] = wanted["data"].clone();
    }
    if let Some(fields) = wanted["spec"].as_object() {
        for (field, value) in fields {
            if !has(value, &found["spec"][field]) {
                found["spec"][field] = value.clone();
            }
        }
    }
    found
}

fn has(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            wanted.iter().all(|(key, value)| found.get(key).is_some_and(|found| has(value, found)))
        }
        (Value::Array(wanted), Value::Array(found)) => {
            wanted.len() == found.len() && wanted.iter().zip(found).all(|(wanted, found)| has(wanted, found))
        }
        (wanted, found) => wanted == found,
    }
}
