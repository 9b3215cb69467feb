//! One request as a check sees it: `admission.k8s.io/v1` AdmissionRequest.

use std::collections::BTreeMap;

use orch_client::{DeleteOptions, Identity, Propagation, WriteOptions};
use orch_object::Kind;
use orch_plugin::calls::admission::{Operation, Rule};
use orch_plugin::interest::{Cut, Part};
use orch_plugin::relevance::Asked;
use orch_plugin::trial::Subject;
use orch_plugin::view::ATTRIBUTES;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

use crate::matching::{namespace_of, request_kind};

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
    pub options: Options<'a>,
}

/// The options of a request; written down only for those who read them.
#[derive(Clone, Copy)]
pub enum Options<'a> {
    None,
    Create(&'a WriteOptions),
    Update(&'a WriteOptions),
    Delete(&'a DeleteOptions),
}

impl Options<'_> {
    pub fn is_dry_run(self) -> bool {
        match self {
            Options::None => false,
            Options::Create(options) | Options::Update(options) => options.dry_run,
            Options::Delete(options) => options.dry_run,
        }
    }

    /// `meta.k8s.io/v1` CreateOptions and its like, or null.
    pub fn to_json(self) -> Value {
        match self {
            Options::None => Value::Null,
            Options::Create(options) => write_options("CreateOptions", options),
            Options::Update(options) => write_options("UpdateOptions", options),
            Options::Delete(options) => delete_options(options),
        }
    }
}

impl Serialize for Options<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

fn write_options(kind: &str, options: &WriteOptions) -> Value {
    let mut json = json!({ "kind": kind, "apiVersion": "meta.k8s.io/v1" });
    if options.dry_run {
        json["dryRun"] = json!(["All"]);
    }
    for (field, text) in
        [("fieldManager", &options.field_manager), ("fieldValidation", &options.field_validation)]
    {
        if !text.is_empty() {
            json[field] = text.as_str().into();
        }
    }
    json
}

fn delete_options(options: &DeleteOptions) -> Value {
    let mut json = json!({ "kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1" });
    if let Some(seconds) = options.grace_period_seconds {
        json["gracePeriodSeconds"] = seconds.into();
    }
    let preconditions = &options.preconditions;
    let given = [("uid", &preconditions.uid), ("resourceVersion", &preconditions.resource_version)];
    for (field, text) in given {
        if let Some(text) = text {
            json["preconditions"][field] = text.as_str().into();
        }
    }
    if let Some(propagation) = options.propagation {
        let name = match propagation {
            Propagation::Background => "Background",
            Propagation::Foreground => "Foreground",
            Propagation::Orphan => "Orphan",
        };
        json["propagationPolicy"] = name.into();
    }
    if options.dry_run {
        json["dryRun"] = json!(["All"]);
    }
    json
}

/// The JSON of a request, borrowed: an object is written once and copied never.
struct Request<'a> {
    review: &'a Review<'a>,
    object: &'a Value,
    /// What is written of it; `None`: all.
    cut: Option<&'a Cut>,
}

impl Serialize for Request<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.cut {
            None => ATTRIBUTES.into_iter().try_for_each(|name| self.attribute(name, None, &mut map))?,
            Some(cut) => {
                cut.fields().try_for_each(|(name, part)| self.attribute(name, Some(part), &mut map))?
            }
        }
        map.end()
    }
}

impl Request<'_> {
    fn attribute<M: SerializeMap>(
        &self,
        name: &str,
        part: Option<Part<'_>>,
        map: &mut M,
    ) -> Result<(), M::Error> {
        let Review { kind: Kind { group, version, kind, plural, .. }, .. } = self.review;
        let gvk = GroupVersionKind { group, version, kind };
        let gvr = GroupVersionResource { group, version, resource: plural };
        let review = self.review;
        match name {
            "uid" => map.serialize_entry(name, review.uid),
            "kind" | "requestKind" => map.serialize_entry(name, &gvk),
            "resource" | "requestResource" => map.serialize_entry(name, &gvr),
            "name" => map.serialize_entry(name, review.name),
            "namespace" if !review.namespace.is_empty() => map.serialize_entry(name, review.namespace),
            "subResource" | "requestSubResource" if !review.subresource.is_empty() => {
                map.serialize_entry(name, review.subresource)
            }
            "operation" => map.serialize_entry(name, operation_name(review.operation)),
            "userInfo" => map.serialize_entry(name, &review.user_info()),
            "object" => entry(map, name, self.object, part),
            "oldObject" => entry(map, name, review.old.unwrap_or(&Value::Null), part),
            "dryRun" => map.serialize_entry(name, &review.dry_run),
            "options" => map.serialize_entry(name, &review.options),
            _ => Ok(()),
        }
    }
}

fn entry<M: SerializeMap>(
    map: &mut M,
    name: &str,
    value: &Value,
    part: Option<Part<'_>>,
) -> Result<(), M::Error> {
    match part {
        None => map.serialize_entry(name, value),
        Some(part) => map.serialize_entry(name, &part.of(value)),
    }
}

#[derive(serde::Serialize, Clone, Copy)]
struct GroupVersionKind<'a> {
    group: &'a str,
    version: &'a str,
    kind: &'a str,
}

#[derive(serde::Serialize, Clone, Copy)]
struct GroupVersionResource<'a> {
    group: &'a str,
    version: &'a str,
    resource: &'a str,
}

#[derive(serde::Serialize)]
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
        self.write(object, None)
    }

    /// The same with nothing but what a check reads.
    pub fn request_cut(&self, object: &Value, cut: &Cut) -> String {
        self.write(object, Some(cut))
    }

    fn write(&self, object: &Value, cut: Option<&Cut>) -> String {
        let request = Request { review: self, object, cut };
        serde_json::to_string(&request).expect("strings, booleans and JSON values can be written")
    }

    /// As [`Review::request`], as a webhook or policy that goes by `shown` reads it: another version of
    /// the same kind than the client's, maybe. Without its objects, where `objects` is `None`.
    pub fn request_shown_as(&self, uid: &str, shown: &Kind, objects: Option<(&Value, &Value)>) -> Value {
        let gvr =
            |kind: &Kind| json!({ "group": kind.group, "version": kind.version, "resource": kind.plural });
        let mut request = json!({
            "uid": uid,
            "kind": self.subject_kind(shown),
            "resource": gvr(shown),
            "requestKind": self.subject_kind(self.kind),
            "requestResource": gvr(self.kind),
            "operation": operation_name(self.operation),
            "userInfo": self.user_info(),
            "dryRun": self.dry_run,
            "options": self.options,
        });
        let texts = [
            ("name", self.name),
            ("namespace", namespace_of(self)),
            ("subResource", self.subresource),
            ("requestSubResource", self.subresource),
        ];
        for (field, text) in texts {
            if !text.is_empty() {
                request[field] = text.into();
            }
        }
        if let Some((object, old)) = objects {
            request["object"] = object.clone();
            request["oldObject"] = old.clone();
        }
        request
    }

    /// What is reviewed: the kind itself, or that of the sub-resource.
    fn subject_kind(&self, shown: &Kind) -> Value {
        let (group, version, kind) = request_kind(shown, self.subresource);
        json!({ "group": group, "version": version, "kind": kind })
    }

    fn user_info(&self) -> UserInfo<'_> {
        let extra = self.identity.extra.iter().map(|(key, values)| (key.as_str(), values.as_slice()));
        UserInfo {
            username: &self.identity.name,
            uid: &self.identity.uid,
            groups: &self.identity.groups,
            extra: extra.collect(),
        }
    }

    /// Whether one of the rules asks for this request.
    pub fn matches(&self, rules: &[Rule]) -> bool {
        rules.iter().any(|rule| {
            rule.operations.contains(&self.operation)
                && rule.api_groups.iter().any(|g| g == "*" || *g == self.kind.group)
                && rule.resources.iter().any(|resource| self.asked().is(resource))
        })
    }

    /// What a check's conditions look at.
    pub fn asked(&self) -> Asked<'_> {
        Asked {
            resource: &self.kind.plural,
            subresource: self.subresource,
            groups: &self.identity.groups,
            namespace: namespace_of(self),
        }
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
