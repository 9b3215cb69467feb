//! TokenRequest: a token for a service account, bound to a pod or secret.

mod audience;

use orch_client::{Target, WriteOptions};
use orch_object::{FieldError, FieldErrorKind, Kind, Status};
use serde_json::{Value, json};

use crate::key;
use crate::tokens::{Bound, Reference};
use crate::verbs::{Api, Call, Written, namespace, time};

const MIN_SECONDS: i64 = 600;
const MAX_SECONDS: i64 = 1 << 32;
const DEFAULT_SECONDS: i64 = 3600;

pub async fn request(
    api: &Api,
    call: &Call,
    kind: &Kind,
    target: &Target,
    mut request: Value,
    options: &WriteOptions,
) -> Result<Written, Status> {
    check_node(api, call, kind, target, &request)?;
    let account = api.current(kind, target).await?.value();
    request["apiVersion"] = "authentication.k8s.io/v1".into();
    request["kind"] = "TokenRequest".into();
    api.admit_posted(call, kind, target, &mut request, options).await?;
    let seconds = seconds(kind, &target.name, &request)?;
    let audiences: Vec<String> = match request["spec"]["audiences"].as_array() {
        Some(listed) if !listed.is_empty() => {
            listed.iter().filter_map(|a| a.as_str().map(String::from)).collect()
        }
        _ => vec![api.tokens.issuer().to_string()],
    };
    let mut bound = Bound {
        namespace: namespace(target).to_string(),
        serviceaccount: reference(&account),
        pod: None,
        secret: None,
        node: None,
    };
    bind(api, &request["spec"]["boundObjectRef"], target, &mut bound).await?;
    let now = api.clock.now();
    let token = api.tokens.issue(bound, audiences.clone(), now.as_second(), seconds).map_err(|error| {
        tracing::error!(%error, "cannot issue a token");
        Status::internal(format!("failed to generate token: {error}"))
    })?;
    request["metadata"] =
        json!({ "name": target.name, "namespace": namespace(target), "creationTimestamp": time(now) });
    request["spec"]["audiences"] = audiences.into();
    request["spec"]["expirationSeconds"] = seconds.into();
    let expires = now + jiff::SignedDuration::from_secs(seconds);
    request["status"] = json!({ "token": token, "expirationTimestamp": time(expires) });
    Ok(Written::unstored(request))
}

/// A node asks for tokens bound to pods that it runs (NodeRestriction).
fn check_node(api: &Api, call: &Call, kind: &Kind, target: &Target, request: &Value) -> Result<(), Status> {
    let Some(node) = call.identity.name.strip_prefix("system:node:") else { return Ok(()) };
    let refused = |why: &str| Err(Status::forbidden(kind, &target.name, why));
    let bound = &request["spec"]["boundObjectRef"];
    let name = bound["name"].as_str().unwrap_or_default();
    if bound["kind"] != "Pod" || name.is_empty() {
        return refused("node requested token not bound to a pod");
    }
    if bound["uid"].as_str().is_none_or(str::is_empty) {
        return refused("node requested token with a pod binding without a uid");
    }
    let pod = api.cache.get(&key::object("", "pods", namespace(target), name));
    // A pod that is not there, or is another, is refused as everybody's is.
    let Some(pod) = pod.map(|pod| pod.value()).filter(|pod| pod["metadata"]["uid"] == bound["uid"]) else {
        return Ok(());
    };
    if pod["spec"]["nodeName"] != node {
        return refused("node requested token bound to a pod scheduled on a different node");
    }
    audience::check(api, call, target, &pod, &request["spec"]["audiences"]).or_else(|why| refused(&why))
}

fn seconds(kind: &Kind, name: &str, request: &Value) -> Result<i64, Status> {
    let seconds = request["spec"]["expirationSeconds"].as_i64().unwrap_or(DEFAULT_SECONDS);
    let detail = match seconds {
        ..MIN_SECONDS => "may not specify a duration less than 10 minutes",
        MAX_SECONDS.. => "may not specify a duration larger than 2^32 seconds",
        _ => return Ok(seconds),
    };
    let error = FieldError {
        field: "spec.expirationSeconds".into(),
        kind: FieldErrorKind::Invalid,
        value: Some(seconds.into()),
        detail: detail.into(),
    };
    Err(Status::invalid(kind, name, &[error]))
}

/// Binds the token to the object named, which must exist and, where given, have this uid.
async fn bind(api: &Api, wanted: &Value, target: &Target, bound: &mut Bound) -> Result<(), Status> {
    if wanted.is_null() {
        return Ok(());
    }
    let kind = wanted["kind"].as_str().unwrap_or_default();
    let name = wanted["name"].as_str().unwrap_or_default();
    let plural = match kind {
        "Pod" => "pods",
        "Secret" => "secrets",
        "Node" => "nodes",
        other => return Err(Status::bad_request(format!("cannot bind token to object of type {other:?}"))),
    };
    let resource = orch_client::Resource::new("", "v1", plural);
    let row = api.kind(&resource).await?;
    let object = api
        .cache
        .get(&key::object("", plural, if plural == "nodes" { "" } else { namespace(target) }, name))
        .ok_or_else(|| Status::not_found(&row, name))?
        .value();
    let uid = wanted["uid"].as_str().filter(|uid| !uid.is_empty());
    if uid.is_some_and(|uid| object["metadata"]["uid"] != uid) {
        let why = format!(
            "the UID in the bound object reference ({}) does not match the UID in record. \
             The object might have been deleted and then recreated",
            wanted["uid"].as_str().unwrap_or_default()
        );
        return Err(Status::conflict(&row, name, &why));
    }
    match kind {
        "Secret" => {
            bound.secret = Some(reference(&object));
            return Ok(());
        }
        "Node" => {
            bound.node = Some(reference(&object));
            return Ok(());
        }
        _ => {}
    }
    let account =
        object["spec"]["serviceAccountName"].as_str().filter(|n| !n.is_empty()).unwrap_or("default");
    if account != target.name {
        return Err(Status::bad_request(format!(
            "cannot bind token for serviceaccount {:?} to pod running with different serviceaccount name.",
            target.name
        )));
    }
    bound.pod = Some(reference(&object));
    if let Some(node) = object["spec"]["nodeName"].as_str().filter(|n| !n.is_empty()) {
        let node = api.cache.get(&key::object("", "nodes", "", node));
        bound.node = node.map(|node| reference(&node.value()));
    }
    Ok(())
}

fn reference(object: &Value) -> Reference {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_string();
    Reference { name: text("name"), uid: text("uid") }
}
