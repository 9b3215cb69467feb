//! One request as a check sees it: `admission.k8s.io/v1` AdmissionRequest.

use std::collections::BTreeMap;

use orch_client::Identity;
use orch_object::Kind;
use orch_plugin::calls::admission::{Operation, Rule};
use orch_plugin::trial::Subject;
use serde::Serialize;
use serde_json::Value;

/// A write under way.
#[derive(Clone, Copy)]
pub struct Review<'a> {
    /// Names this request, in logs too.
    pub uid: &'a str,
    pub kind: &'a Kind,
    /// Empty for the object itself.
    pub subresource: &'a str,
    /// Empty for cluster-scoped objects.
    pub namespace: &'a str,
    /// Empty while a name is still to be generated.
    pub name: &'a str,
    pub operation: Operation,
    pub identity: &'a Identity,
    /// The object before an update or delete.
    pub old: Option<&'a Value>,
    pub dry_run: bool,
    /// `CreateOptions`, `UpdateOptions`, …, or null.
    pub options: &'a Value,
}

/// The JSON of a request, borrowed: an object is written once and copied never.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    uid: &'a str,
    kind: GroupVersionKind<'a>,
    resource: GroupVersionResource<'a>,
    request_kind: GroupVersionKind<'a>,
    request_resource: GroupVersionResource<'a>,
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    namespace: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    sub_resource: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    request_sub_resource: &'a str,
    operation: &'static str,
    user_info: UserInfo<'a>,
    object: &'a Value,
    old_object: Option<&'a Value>,
    dry_run: bool,
    options: &'a Value,
}

#[derive(Serialize, Clone, Copy)]
struct GroupVersionKind<'a> {
    group: &'a str,
    version: &'a str,
    kind: &'a str,
}

#[derive(Serialize, Clone, Copy)]
struct GroupVersionResource<'a> {
    group: &'a str,
    version: &'a str,
    resource: &'a str,
}

#[derive(Serialize)]
struct UserInfo<'a> {
    username: &'a str,
    uid: &'a str,
    groups: &'a [String],
    extra: BTreeMap<&'a str, &'a [String]>,
}

impl Review<'_> {
    /// What a canary's share goes by.
    pub fn subject(&self) -> Subject<'_> {
        Subject { namespace: self.namespace, key: if self.name.is_empty() { self.uid } else { self.name } }
    }

    /// The request's JSON. `object` is null for a delete.
    pub fn request(&self, object: &Value) -> String {
        let Kind { group, version, kind, plural, .. } = self.kind;
        let gvk = GroupVersionKind { group, version, kind };
        let gvr = GroupVersionResource { group, version, resource: plural };
        let request = Request {
            uid: self.uid,
            kind: gvk,
            resource: gvr,
            request_kind: gvk,
            request_resource: gvr,
            name: self.name,
            namespace: self.namespace,
            sub_resource: self.subresource,
            request_sub_resource: self.subresource,
            operation: operation_name(self.operation),
            user_info: UserInfo {
                username: &self.identity.name,
                uid: &self.identity.uid,
                groups: &self.identity.groups,
                extra: self.identity.extra.iter().map(|(k, v)| (k.as_str(), v.as_slice())).collect(),
            },
            object,
            old_object: self.old,
            dry_run: self.dry_run,
            options: self.options,
        };
        serde_json::to_string(&request).expect("strings, booleans and JSON values can be written")
    }

    /// Whether one of the rules asks for this request.
    pub fn matches(&self, rules: &[Rule]) -> bool {
        rules.iter().any(|rule| {
            rule.operations.contains(&self.operation)
                && rule.api_groups.iter().any(|g| g == "*" || *g == self.kind.group)
                && rule.resources.iter().any(|r| self.resource_matches(r))
        })
    }

    /// `pods`, `pods/status`, `pods/*`, `*` (no sub-resources), `*/*`, `*/scale`.
    fn resource_matches(&self, pattern: &str) -> bool {
        let (resource, subresource) = pattern.split_once('/').unwrap_or((pattern, ""));
        (resource == "*" || resource == self.kind.plural)
            && (subresource == "*" || subresource == self.subresource)
    }
}

/// As `AdmissionRequest` writes it.
pub fn operation_name(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "CREATE",
        Operation::Update => "UPDATE",
        Operation::Delete => "DELETE",
        Operation::Connect => "CONNECT",
    }
}
