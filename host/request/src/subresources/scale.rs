//! `autoscaling/v1` Scale of a workload.

use orch_client::{Patch, PatchType, Target, WriteOptions};
use orch_object::custom::FieldPath;
use orch_object::{Kind, LabelSelector, Status};
use serde_json::{Value, json};

use crate::verbs::{Api, Call, Facade, Modification, Part, Reviewed, Written};

/// The Scale of an object. A custom resource that has none of what its definition says it has cannot show
/// one; to patch it, what it lacks is absent.
///
/// # Errors
/// What the definition says is a number is none.
fn of(kind: &Kind, object: &Value) -> Result<Value, Status> {
    match kind.custom.as_ref().and_then(|custom| custom.scale.as_ref()) {
        Some(paths) => {
            let wanted = paths.spec_replicas.number(object).map_err(Status::bad_request)?;
            let status = paths.status_replicas.number(object).map_err(Status::bad_request)?;
            let selector = paths.label_selector.as_ref().map(|path| path.word(object)).transpose();
            let selector = selector.map_err(Status::bad_request)?.flatten().unwrap_or_default().to_owned();
            Ok(scale(object, wanted, status.unwrap_or(0), selector))
        }
        None => {
            let status = object["status"]["replicas"].as_i64().unwrap_or(0);
            Ok(scale(object, object["spec"]["replicas"].as_i64(), status, selector(object)))
        }
    }
}

/// As [`of`], for a client that asks.
///
/// # Errors
/// As [`of`], and a custom resource that does not say how many replicas it wants.
pub fn shown(kind: &Kind, object: &Value) -> Result<Value, Status> {
    let path =
        kind.custom.as_ref().and_then(|custom| custom.scale.as_ref()).map(|scale| &scale.spec_replicas);
    if let Some(path) = path.filter(|path| path.path.get(object).is_none()) {
        return Err(Status::internal_error(&format!(
            "the spec replicas field {:?} does not exist",
            path.text
        )));
    }
    of(kind, object)
}

fn selector(object: &Value) -> String {
    let selector = match &object["spec"]["selector"] {
        // A ReplicationController's selector is a plain map.
        selector @ Value::Object(map) if map.values().all(Value::is_string) => {
            LabelSelector::from_json(Some(&json!({ "matchLabels": selector })))
        }
        selector => LabelSelector::from_json(Some(selector)),
    };
    selector.map(|s| s.to_string()).unwrap_or_default()
}

fn scale(object: &Value, wanted: Option<i64>, replicas: i64, selector: String) -> Value {
    let metadata = &object["metadata"];
    let mut scale = json!({
        "apiVersion": "autoscaling/v1", "kind": "Scale",
        "metadata": {}, "spec": {}, "status": {
            "replicas": replicas, "selector": selector,
        },
    });
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = metadata.get(field) {
            scale["metadata"][field] = value.clone();
        }
    }
    if let Some(replicas) = wanted.filter(|wanted| *wanted != 0) {
        scale["spec"]["replicas"] = replicas.into();
    }
    scale
}

pub async fn update(
    api: &Api,
    call: &Call,
    kind: &Kind,
    target: &Target,
    scale: &Value,
    options: &WriteOptions,
) -> Result<Written, Status> {
    if scale["kind"].as_str().is_some_and(|kind| kind != "Scale") {
        let message = format!("expected Scale, got {}", scale["kind"]);
        return Err(Status::bad_request(message));
    }
    let change = |old: &std::sync::Arc<Value>| scaled(kind, old, scale);
    write(api, call, kind, target, options, &change).await
}

pub async fn patch(
    api: &Api,
    call: &Call,
    kind: &Kind,
    target: &Target,
    patch: &Patch,
    options: &WriteOptions,
) -> Result<Written, Status> {
    let patch = match patch.patch_type {
        // A Scale has no lists and one writer for each field: an apply of it is a merge.
        PatchType::Apply | PatchType::Strategic => {
            Patch { patch_type: PatchType::Merge, body: patch.body.clone() }
        }
        PatchType::Json | PatchType::Merge => patch.clone(),
    };
    let change = |old: &std::sync::Arc<Value>| {
        let mut scale = of(kind, old)?;
        let before = scale["metadata"]["resourceVersion"].clone();
        scale = patch.of(&scale, None)?;
        if scale["metadata"]["resourceVersion"] == before {
            scale["metadata"]["resourceVersion"] = Value::Null;
        }
        scaled(kind, old, &scale)
    };
    write(api, call, kind, target, options, &change).await
}

async fn write(
    api: &Api,
    call: &Call,
    kind: &Kind,
    target: &Target,
    options: &WriteOptions,
    change: &(dyn Fn(&std::sync::Arc<Value>) -> Result<Value, Status> + Send + Sync),
) -> Result<Written, Status> {
    // Upstream cannot tell who scales a custom resource, whose types know no Scale.
    let keeps_managed_fields = kind.custom.is_some();
    let modification = Modification { part: Part::Any, options, change, keeps_managed_fields };
    let reviewed = Reviewed::As(&Scales(kind));
    let written = api.modify_reviewed(call, kind, target, &modification, reviewed).await?;
    Ok(Written::unstored(of(kind, &written.value)?))
}

/// Admission sees the Scale.
struct Scales<'a>(&'a Kind);

impl Facade for Scales<'_> {
    fn show(&self, object: &Value) -> Value {
        of(self.0, object).unwrap_or_default()
    }

    fn take(&self, object: &Value, shown: &Value) -> Result<Value, Status> {
        scaled(self.0, object, shown)
    }
}

fn scaled(kind: &Kind, old: &Value, scale: &Value) -> Result<Value, Status> {
    let replicas = match &scale["spec"]["replicas"] {
        Value::Null => 0,
        value => value
            .as_i64()
            .ok_or_else(|| Status::bad_request(format!("spec.replicas: {value} is not a whole number")))?,
    };
    // A custom resource is judged as a whole, by its own field.
    if replicas < 0 && kind.custom.is_none() {
        let message = format!(
            "Scale.autoscaling {} is invalid: spec.replicas: Invalid value: {replicas}: must be greater than or equal to 0",
            old["metadata"]["name"]
        );
        return Err(Status::new(422, "Invalid", message));
    }
    let mut new = old.clone();
    let own = FieldPath::parse(".spec.replicas");
    let scaled = kind.custom.as_ref().and_then(|custom| custom.scale.as_ref());
    let path = scaled.map(|scale| &scale.spec_replicas.path);
    if !path.unwrap_or(&own).set(&mut new, replicas.into()) {
        return Err(Status::bad_request("the object has no place for its number of replicas"));
    }
    for field in ["resourceVersion", "uid"] {
        if field == "resourceVersion" || scale["metadata"][field].is_string() {
            new["metadata"][field] = scale["metadata"][field].clone();
        }
    }
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_shows_replicas_and_selector() {
        let kinds = orch_object::Kinds::builtin();
        let kind = kinds.by_kind("apps/v1", "Deployment").unwrap();
        let deployment = json!({
            "metadata": {"name": "web", "namespace": "a", "uid": "u", "resourceVersion": "7"},
            "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}}, "status": {"replicas": 2},
        });
        let scale = of(kind, &deployment).unwrap();
        assert_eq!(scale["spec"]["replicas"], 3);
        assert_eq!(scale["status"], json!({"replicas": 2, "selector": "app=web"}));
        let new = scaled(kind, &deployment, &json!({"spec": {"replicas": 5}})).unwrap();
        assert_eq!(new["spec"]["replicas"], 5);
        assert_eq!(scaled(kind, &deployment, &json!({"spec": {"replicas": -1}})).unwrap_err().code, 422);
    }
}
