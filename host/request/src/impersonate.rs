//! `kubectl --as`: acting as somebody else, for those who may (`Impersonate-…` headers).

use http::HeaderMap;
use orch_client::Identity;
use orch_object::Status;

use crate::authz::{Attributes, Authorizer};

const EXTRA: &str = "impersonate-extra-";

/// The identity to act as: the one asked for, or the caller's own.
pub fn effective(caller: Identity, headers: &HeaderMap, authorizer: &Authorizer) -> Result<Identity, Status> {
    let Some(user) = text(headers, "impersonate-user") else {
        let others = ["impersonate-group", "impersonate-uid"];
        if others.iter().any(|name| headers.contains_key(*name)) {
            return Err(Status::bad_request(
                "requested groups or uid without impersonating a user (Impersonate-User)",
            ));
        }
        return Ok(caller);
    };
    let mut wanted = match service_account(&user) {
        Some((namespace, name)) => Identity::service_account(namespace, name),
        None => Identity::new(user.clone(), &[]),
    };
    let may = |attributes: Attributes| authorizer.authorize(&caller, &attributes);
    may(match service_account(&user) {
        Some((namespace, name)) => attributes("", namespace, "serviceaccounts", "", name),
        None => attributes("", "", "users", "", &user),
    })?;
    let groups: Vec<String> = all(headers, "impersonate-group");
    for group in &groups {
        may(attributes("", "", "groups", "", group))?;
    }
    if !groups.is_empty() {
        wanted.groups = groups;
    }
    if let Some(uid) = text(headers, "impersonate-uid") {
        may(attributes("authentication.k8s.io", "", "uids", "", &uid))?;
        wanted.uid = uid;
    }
    for name in headers.keys().filter_map(|name| name.as_str().strip_prefix(EXTRA)) {
        let values = all(headers, &format!("{EXTRA}{name}"));
        for value in &values {
            may(attributes("authentication.k8s.io", "", "userextras", name, value))?;
        }
        wanted.extra.push((name.to_string(), values));
    }
    complete(&mut wanted);
    Ok(wanted)
}

/// Everybody but the anonymous user is authenticated.
fn complete(identity: &mut Identity) {
    let group = match identity.name.as_str() {
        "system:anonymous" => "system:unauthenticated",
        _ => "system:authenticated",
    };
    if !identity.groups.iter().any(|g| g == group) {
        identity.groups.push(group.into());
    }
}

fn attributes(group: &str, namespace: &str, resource: &str, subresource: &str, name: &str) -> Attributes {
    Attributes {
        verb: "impersonate".into(),
        namespace: namespace.into(),
        group: group.into(),
        resource: resource.into(),
        subresource: subresource.into(),
        name: name.into(),
        path: None,
    }
}

fn service_account(user: &str) -> Option<(&str, &str)> {
    user.strip_prefix("system:serviceaccount:")?.split_once(':')
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().filter(|value| !value.is_empty()).map(String::from)
}

fn all(headers: &HeaderMap, name: &str) -> Vec<String> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).map(String::from).collect()
}
