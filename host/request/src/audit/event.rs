//! What is told of one request: `Event` of `audit.k8s.io/v1`, one for each stage.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use orch_client::Identity;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use super::file::Sender;
use super::policy::{Level, Verdict};
use super::{Stage, without_managed_fields};
use crate::authn::user_info;
use crate::authz::Attributes;
use crate::verbs::micro_time;

/// What a request looked like from outside.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub audit_id: &'a str,
    pub uri: &'a str,
    /// `None`: from within the process.
    pub source: Option<IpAddr>,
    pub user_agent: &'a str,
    /// The version of the resource asked for.
    pub version: &'a str,
}

/// The events of one request.
pub struct Trail {
    verdict: Verdict,
    log: Sender,
    event: Mutex<Map<String, Value>>,
}

impl Trail {
    pub(super) fn begin(
        verdict: Verdict,
        log: Sender,
        identity: &Identity,
        attributes: &Attributes,
        request: Request<'_>,
    ) -> Self {
        let mut event = json!({
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": verdict.level.name(),
            "auditID": request.audit_id, "requestURI": request.uri, "verb": attributes.verb,
            "user": user_info(identity), "userAgent": request.user_agent,
            "requestReceivedTimestamp": micro_time(Timestamp::now()),
        });
        if let Some(source) = request.source {
            event["sourceIPs"] = json!([source]);
        }
        if attributes.path.is_none() {
            event["objectRef"] = object_reference(attributes, request.version);
        }
        let event = match event {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        Trail { verdict, log, event: Mutex::new(event) }
    }

    pub fn level(&self) -> Level {
        self.verdict.level
    }

    /// Whom the request acts as, and by which constrained permission.
    pub fn impersonated(&self, identity: &Identity, constraint: &str) {
        let mut event = self.event.lock();
        event.insert("impersonatedUser".into(), user_info(identity));
        if !constraint.is_empty() {
            event.insert("authenticationMetadata".into(), json!({ "impersonationConstraint": constraint }));
        }
    }

    pub fn request_object(&self, object: Value) {
        self.insert_object("requestObject", object);
    }

    /// The object, or the Status; it names the object of a create as well.
    pub fn response_object(&self, object: Value) {
        self.insert_object("responseObject", object);
    }

    fn insert_object(&self, field: &str, object: Value) {
        let object = if self.verdict.omit_managed_fields { without_managed_fields(object) } else { object };
        let mut event = self.event.lock();
        if let Some(Value::Object(reference)) = event.get_mut("objectRef") {
            for key in ["name", "namespace", "uid", "resourceVersion"] {
                let known = reference.get(key).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
                if let Some(text) =
                    object["metadata"][key].as_str().filter(|_| !known && object["kind"] != "Status")
                {
                    reference.insert(key.into(), text.into());
                }
            }
        }
        event.insert(field.into(), object);
    }

    pub fn answered(&self, code: u16, failure: Option<&Value>) {
        let mut status = json!({ "metadata": {}, "code": code });
        for field in ["status", "message", "reason", "details"] {
            if let Some(value) = failure.and_then(|failure| failure.get(field)) {
                status[field] = value.clone();
            }
        }
        self.event.lock().insert("responseStatus".into(), status);
    }

    /// Told with the last stage.
    pub fn annotate(&self, annotations: &BTreeMap<String, String>) {
        if !annotations.is_empty() {
            self.event.lock().insert("annotations".into(), json!(annotations));
        }
    }

    pub fn tell(&self, stage: Stage) {
        if !self.verdict.wants(stage) {
            return;
        }
        let mut event = self.event.lock().clone();
        event.insert("stage".into(), stage.name().into());
        event.insert("stageTimestamp".into(), micro_time(Timestamp::now()).into());
        self.log.write(Value::Object(event).to_string());
    }
}

/// Tells the last stage of what lasts when it is dropped.
pub struct LastStage(Arc<Trail>);

impl LastStage {
    pub fn of(trail: Arc<Trail>) -> Self {
        LastStage(trail)
    }
}

impl Drop for LastStage {
    fn drop(&mut self) {
        self.0.tell(Stage::ResponseComplete);
    }
}

fn object_reference(attributes: &Attributes, version: &str) -> Value {
    let fields = [
        ("resource", &attributes.resource),
        ("namespace", &attributes.namespace),
        ("name", &attributes.name),
        ("apiGroup", &attributes.group),
        ("subresource", &attributes.subresource),
    ];
    let mut reference: Map<String, Value> = fields
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(field, value)| (field.to_string(), value.as_str().into()))
        .collect();
    reference.insert("apiVersion".into(), version.into());
    Value::Object(reference)
}
