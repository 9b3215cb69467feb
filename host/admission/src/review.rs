//! One request as a check sees it: `admission.k8s.io/v1` AdmissionRequest.

use orch_client::Identity;
use orch_object::Kind;
use orch_plugin::calls::admission::{Operation, Rule};
use orch_plugin::trial::Subject;
use serde_json::{Value, json};

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

impl Review<'_> {
    /// What a canary's share goes by.
    pub fn subject(&self) -> Subject<'_> {
        Subject { namespace: self.namespace, key: if self.name.is_empty() { self.uid } else { self.name } }
    }

    /// The request's JSON. `object` is null for a delete.
    pub fn request(&self, object: &Value) -> String {
        let kind = self.kind;
        let gvk = json!({ "group": kind.group, "version": kind.version, "kind": kind.kind });
        let gvr = json!({ "group": kind.group, "version": kind.version, "resource": kind.plural });
        let extra: serde_json::Map<String, Value> =
            self.identity.extra.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
        let mut request = json!({
            "uid": self.uid,
            "kind": gvk, "resource": gvr,
            "requestKind": gvk, "requestResource": gvr,
            "name": self.name,
            "operation": operation(self.operation),
            "userInfo": {
                "username": self.identity.name, "uid": self.identity.uid,
                "groups": self.identity.groups, "extra": extra,
            },
            "object": object,
            "oldObject": self.old.unwrap_or(&Value::Null),
            "dryRun": self.dry_run,
            "options": self.options,
        });
        if !self.namespace.is_empty() {
            request["namespace"] = self.namespace.into();
        }
        if !self.subresource.is_empty() {
            request["subResource"] = self.subresource.into();
            request["requestSubResource"] = self.subresource.into();
        }
        request.to_string()
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

fn operation(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "CREATE",
        Operation::Update => "UPDATE",
        Operation::Delete => "DELETE",
        Operation::Connect => "CONNECT",
    }
}
