//! Kinds that ask the server: may this user do that, who am I, whose is this token.

use orch_client::{Identity, Target};
use orch_object::{Kind, Status};
use serde_json::{Value, json};

use crate::authn::user_info;
use crate::authz::{Attributes, Decision};
use crate::verbs::{Api, Call, namespace};

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
) -> Result<Value, Status> {
    if !object.is_object() {
        return Err(Status::bad_request("the body of the request is not an object"));
    }
    let spec = object["spec"].take();
    let status = match review {
        Review::SelfSubjectAccess => access(api, &call.identity, &spec)?,
        Review::SubjectAccess => access(api, &subject(&spec)?, &spec)?,
        Review::LocalSubjectAccess => {
            if spec["resourceAttributes"]["namespace"].as_str() != Some(namespace(target)) {
                return Err(Status::bad_request(
                    "spec.resourceAttributes.namespace must match the namespace of the request",
                ));
            }
            access(api, &subject(&spec)?, &spec)?
        }
        Review::SelfSubjectRules => rules(api, &call.identity, &spec),
        Review::SelfSubject => json!({ "userInfo": user_info(&call.identity) }),
        Review::Token => token(api, &spec).await,
    };
    let mut answer = json!({
        "apiVersion": target.resource.api_version(), "kind": kind.kind,
        "metadata": { "creationTimestamp": null }, "status": status,
    });
    if !spec.is_null() {
        answer["spec"] = spec;
    }
    Ok(answer)
}

fn access(api: &Api, identity: &Identity, spec: &Value) -> Result<Value, Status> {
    let resource = &spec["resourceAttributes"];
    let path = &spec["nonResourceAttributes"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let attributes = match (resource.is_object(), path.is_object()) {
        (true, false) => Attributes {
            verb: text(&resource["verb"]),
            namespace: text(&resource["namespace"]),
            group: text(&resource["group"]),
            resource: text(&resource["resource"]),
            subresource: text(&resource["subresource"]),
            name: text(&resource["name"]),
            path: None,
        },
        (false, true) => {
            Attributes { verb: text(&path["verb"]), path: Some(text(&path["path"])), ..Default::default() }
        }
        _ => {
            return Err(Status::bad_request(
                "exactly one of spec.nonResourceAttributes or spec.resourceAttributes must be specified",
            ));
        }
    };
    Ok(match api.authorizer().decide(identity, &attributes) {
        Decision::Allow(reason) if reason.is_empty() => json!({ "allowed": true }),
        Decision::Allow(reason) => json!({ "allowed": true, "reason": reason }),
        Decision::NoOpinion => json!({ "allowed": false }),
    })
}

fn subject(spec: &Value) -> Result<Identity, Status> {
    let groups: Vec<&str> =
        spec["groups"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let user = spec["user"].as_str().unwrap_or_default();
    if user.is_empty() && groups.is_empty() {
        return Err(Status::bad_request(
            "spec.user: Invalid value: \"\": at least one of user or group must be specified",
        ));
    }
    Ok(Identity::new(user, &groups))
}

fn rules(api: &Api, identity: &Identity, spec: &Value) -> Value {
    let namespace = spec["namespace"].as_str().unwrap_or_default();
    let mut found = api.authorizer().rbac().policy().rules_for(identity, namespace);
    if identity.groups.iter().any(|g| g == "system:masters") {
        let all = || vec!["*".to_string()];
        found.push(crate::authz::Rule {
            verbs: all(),
            api_groups: all(),
            resources: all(),
            ..Default::default()
        });
        found.push(crate::authz::Rule { verbs: all(), non_resource_urls: all(), ..Default::default() });
    }
    let (paths, resources): (Vec<_>, Vec<_>) = found.iter().partition(|rule| rule.api_groups.is_empty());
    json!({
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
    })
}

async fn token(api: &Api, spec: &Value) -> Value {
    let audiences: Vec<String> = spec["audiences"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|audience| audience.as_str().map(String::from))
        .collect();
    match api.authenticator.verify(spec["token"].as_str().unwrap_or_default(), &audiences).await {
        Ok(verified) => json!({
            "authenticated": true, "user": user_info(&verified.identity), "audiences": verified.audiences,
        }),
        Err(error) => json!({ "authenticated": false, "error": error }),
    }
}
