//! Kinds that ask the server: may this user do that, who am I, whose is this token.

use orch_client::{Identity, Target, WriteOptions};
use orch_object::{FieldError, Kind, Status};
use serde_json::{Value, json};

use crate::authn::user_info;
use crate::authz::{Attributes, Decision};
use crate::verbs::{Api, Call, check_body, match_target, time};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Review {
    SelfSubjectAccess,
    SubjectAccess,
    LocalSubjectAccess,
    SelfSubjectRules,
    SelfSubject,
    Token,
}

pub fn find(group: &str, plural: &str) -> Option<Review> {
    Some(match (group, plural) {
        ("authorization.k8s.io", "selfsubjectaccessreviews") => Review::SelfSubjectAccess,
        ("authorization.k8s.io", "subjectaccessreviews") => Review::SubjectAccess,
        ("authorization.k8s.io", "localsubjectaccessreviews") => Review::LocalSubjectAccess,
        ("authorization.k8s.io", "selfsubjectrulesreviews") => Review::SelfSubjectRules,
        ("authentication.k8s.io", "selfsubjectreviews") => Review::SelfSubject,
        ("authentication.k8s.io", "tokenreviews") => Review::Token,
        _ => return None,
    })
}

/// The object with its `status` filled in.
pub async fn answer(
    api: &Api,
    call: &Call,
    kind: &Kind,
    target: &Target,
    review: Review,
    mut object: Value,
    options: &WriteOptions,
) -> Result<Value, Status> {
    check_body(call, kind, &mut object, &options.field_validation)?;
    match_target(&mut object, kind, target)?;
    let spec = object["spec"].clone();
    let status = match review {
        Review::SelfSubjectAccess | Review::SubjectAccess | Review::LocalSubjectAccess => {
            let errors = wrong(review, &object);
            if !errors.is_empty() {
                return Err(Status::invalid_question(&kind.group, &errors));
            }
            let named = (review != Review::SelfSubjectAccess).then(|| subject(&spec));
            access(api, named.as_ref().unwrap_or(&call.identity), &spec)
        }
        Review::SelfSubjectRules => rules(api, &call.identity, text(&spec["namespace"]))?,
        Review::SelfSubject => json!({ "userInfo": user_info(&call.identity) }),
        Review::Token => token(api, &spec).await?,
    };
    kind.fill(&mut object);
    api.record_managed_fields(call, kind, &mut object, None, "", options);
    // These two are not what was asked, answered, but answers of their own.
    if matches!(review, Review::SelfSubjectRules | Review::SelfSubject) {
        object = json!({ "apiVersion": kind.api_version(), "kind": kind.kind });
    }
    if review == Review::SelfSubject {
        object["metadata"] = json!({ "creationTimestamp": time(api.clock.now()) });
    }
    object["status"] = status;
    kind.shape(&mut object);
    Ok(object)
}

/// What is wrong with a question about access.
fn wrong(review: Review, object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let (spec, metadata) = (&object["spec"], &object["metadata"]);
    let (resource, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    if resource.is_object() == path.is_object() {
        let detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        errors.push(FieldError::invalid("spec", path.clone(), detail));
    }
    let listed = spec["groups"].as_array().is_some_and(|groups| !groups.is_empty());
    if review != Review::SelfSubjectAccess && text(&spec["user"]).is_empty() && !listed {
        errors.push(FieldError::invalid("spec.user", "", "at least one of user or group must be specified"));
    }
    let local = review == Review::LocalSubjectAccess;
    let ours = |name: &str| name == "managedFields" || (local && name == "namespace");
    if metadata.as_object().into_iter().flatten().any(|(name, value)| !ours(name) && !value.is_null()) {
        let detail = if local { "must be empty except for namespace" } else { "must be empty" };
        errors.push(FieldError::invalid("metadata", metadata.clone(), detail));
    }
    if local && resource.is_object() && text(&resource["namespace"]) != text(&metadata["namespace"]) {
        let given = text(&resource["namespace"]);
        let at = "spec.resourceAttributes.namespace";
        errors.push(FieldError::invalid(at, given, "must match metadata.namespace"));
    }
    if local && path.is_object() {
        let detail = "disallowed on this kind of request";
        errors.push(FieldError::invalid("spec.nonResourceAttributes", path.clone(), detail));
    }
    errors
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn access(api: &Api, identity: &Identity, spec: &Value) -> Value {
    let (resource, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    let text = |value: &Value| text(value).to_string();
    let attributes = match resource.is_object() {
        true => Attributes {
            verb: text(&resource["verb"]),
            namespace: text(&resource["namespace"]),
            group: text(&resource["group"]),
            resource: text(&resource["resource"]),
            subresource: text(&resource["subresource"]),
            name: text(&resource["name"]),
            path: None,
        },
        false => {
            Attributes { verb: text(&path["verb"]), path: Some(text(&path["path"])), ..Default::default() }
        }
    };
    match api.authorizer().decide(identity, &attributes) {
        Decision::Allow(reason) if reason.is_empty() => json!({ "allowed": true }),
        Decision::Allow(reason) => json!({ "allowed": true, "reason": reason }),
        Decision::NoOpinion => json!({ "allowed": false }),
    }
}

fn subject(spec: &Value) -> Identity {
    let groups: Vec<&str> =
        spec["groups"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    Identity::new(text(&spec["user"]), &groups)
}

fn rules(api: &Api, identity: &Identity, namespace: &str) -> Result<Value, Status> {
    if namespace.is_empty() {
        return Err(Status::bad_request("no namespace on request"));
    }
    let found = api.authorizer().rbac().policy().rules_for(identity, namespace);
    let (paths, resources): (Vec<_>, Vec<_>) = found.iter().partition(|rule| rule.api_groups.is_empty());
    Ok(json!({
        "resourceRules": resources.iter().map(|rule| {
            let mut shown = json!({
                "verbs": rule.verbs, "apiGroups": rule.api_groups, "resources": rule.resources,
            });
            if !rule.resource_names.is_empty() {
                shown["resourceNames"] = json!(rule.resource_names);
            }
            shown
        }).collect::<Vec<_>>(),
        "nonResourceRules": paths.iter().map(|rule| {
            json!({ "verbs": rule.verbs, "nonResourceURLs": rule.non_resource_urls })
        }).collect::<Vec<_>>(),
        "incomplete": false,
    }))
}

async fn token(api: &Api, spec: &Value) -> Result<Value, Status> {
    let given = text(&spec["token"]);
    if given.is_empty() {
        return Err(Status::bad_request("token is required for TokenReview in authentication"));
    }
    let audiences = spec["audiences"].as_array().into_iter().flatten();
    let audiences: Vec<String> = audiences.map(|audience| text(audience).to_string()).collect();
    Ok(match api.authenticator.verify(given, &audiences).await {
        Ok(verified) => json!({
            "authenticated": true, "user": user_info(&verified.identity), "audiences": verified.audiences,
        }),
        Err(error) => json!({ "authenticated": false, "error": error }),
    })
}
