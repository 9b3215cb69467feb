//! What expressions are told of a request.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use orch_client::Identity;
use orch_object::Kind;
use orch_object::cel::{
    self, Authority, Authorizer, Decision, Fault, Meter, Native, Question, ResourceCheck, Variables,
};
use serde_json::{Value, json};

use super::compiled::Variable;
use crate::matching::{namespace_of, request_kind};
use crate::review::operation_name;
use crate::{Cluster, Review};

/// One request, in the version of its kind that a policy asks for. Values are made when they are
/// first asked for, and kept.
pub struct Inputs<'a> {
    review: &'a Review<'a>,
    kind: &'a Kind,
    object: &'a Value,
    old: Option<&'a Value>,
    cluster: &'a Arc<dyn Cluster>,
    object_value: OnceCell<cel::Value>,
    old_value: OnceCell<cel::Value>,
    request_value: OnceCell<cel::Value>,
    namespace_value: OnceCell<cel::Value>,
    authorizer: OnceCell<Authorizer>,
}

impl<'a> Inputs<'a> {
    /// `object` and `old` are of the version of `kind`; null and `None` where there are none.
    pub fn new(
        review: &'a Review<'a>,
        kind: &'a Kind,
        object: &'a Value,
        old: Option<&'a Value>,
        cluster: &'a Arc<dyn Cluster>,
    ) -> Inputs<'a> {
        Inputs {
            review,
            kind,
            object,
            old,
            cluster,
            object_value: OnceCell::new(),
            old_value: OnceCell::new(),
            request_value: OnceCell::new(),
            namespace_value: OnceCell::new(),
            authorizer: OnceCell::new(),
        }
    }

    fn namespace(&self) -> cel::Value {
        let made = || match self.review.namespace {
            "" => cel::Value::Null,
            name => namespace_of_cluster(self.cluster, name).map_or(cel::Value::Null, |found| told(&found)),
        };
        self.namespace_value.get_or_init(made).clone()
    }

    fn request(&self) -> cel::Value {
        self.request_value.get_or_init(|| cel::Value::from_json(&request(self.review, self.kind))).clone()
    }

    fn authorizer(&self) -> &Authorizer {
        self.authorizer.get_or_init(|| {
            let identity = self.review.identity.clone();
            let asked = Asked { identity, cluster: Hidden(self.cluster.clone()) };
            Authorizer { authority: Arc::new(asked), service_account: None }
        })
    }

    /// The request's own resource, to be checked for another verb.
    fn request_resource(&self) -> cel::Value {
        cel::Value::native(Native::ResourceCheck(ResourceCheck {
            authorizer: self.authorizer().clone(),
            group: self.review.kind.group.clone(),
            resource: self.review.kind.plural.clone(),
            subresource: self.review.subresource.to_owned(),
            namespace: namespace_of(self.review).to_owned(),
            name: self.review.name.to_owned(),
        }))
    }
}

pub(super) fn namespace_of_cluster(cluster: &Arc<dyn Cluster>, name: &str) -> Option<Arc<Value>> {
    let kinds = cluster.kinds();
    cluster.get(kinds.by_kind("v1", "Namespace")?, "", name)
}

/// A namespace without what policies are not told: who manages which field, for one.
fn told(namespace: &Value) -> cel::Value {
    const METADATA: [&str; 12] = [
        "name",
        "generateName",
        "namespace",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "labels",
        "annotations",
        "finalizers",
    ];
    let metadata = namespace["metadata"].as_object().into_iter().flatten();
    let kept: serde_json::Map<String, Value> = metadata
        .filter(|(name, _)| METADATA.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    cel::Value::from_json(&json!({
        "metadata": kept, "spec": namespace["spec"], "status": namespace["status"],
    }))
}

/// `AdmissionRequest`, without the objects.
fn request(review: &Review<'_>, kind: &Kind) -> Value {
    let gvk = |kind| {
        let (group, version, kind) = request_kind(kind, review.subresource);
        json!({ "group": group, "version": version, "kind": kind })
    };
    let gvr = |kind: &Kind| json!({ "group": kind.group, "version": kind.version, "resource": kind.plural });
    let extra: serde_json::Map<String, Value> =
        review.identity.extra.iter().map(|(key, values)| (key.clone(), json!(values))).collect();
    json!({
        "kind": gvk(kind),
        "resource": gvr(kind),
        "subResource": review.subresource,
        "requestKind": gvk(review.kind),
        "requestResource": gvr(review.kind),
        "requestSubResource": review.subresource,
        "name": review.name,
        "namespace": namespace_of(review),
        "operation": operation_name(review.operation),
        "userInfo": {
            "username": review.identity.name,
            "uid": review.identity.uid,
            "groups": review.identity.groups,
            "extra": extra,
        },
        "dryRun": review.dry_run,
        "options": review.options.to_json(),
    })
}

/// Who sent the request, as `authorizer` asks about them.
#[derive(Debug)]
struct Asked {
    identity: Identity,
    cluster: Hidden,
}

/// The cluster has nothing to show.
struct Hidden(Arc<dyn Cluster>);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cluster")
    }
}

impl Authority for Asked {
    fn decide(&self, question: &Question<'_>) -> Decision {
        match question.service_account {
            Some((namespace, name)) => {
                self.cluster.0.authorize(&Identity::service_account(namespace, name), question)
            }
            None => self.cluster.0.authorize(&self.identity, question),
        }
    }
}

/// The request as the expressions of one policy meet it, with one of its params.
pub(super) struct Scope<'a> {
    pub inputs: &'a Inputs<'a>,
    pub params: Option<Arc<Value>>,
    pub variables: &'a [Variable],
    pub meter: &'a Meter,
    /// Match conditions are not told of the namespace.
    knows_namespace: bool,
    params_value: OnceCell<cel::Value>,
    /// Variables that have been asked for.
    made: RefCell<HashMap<String, Result<cel::Value, Fault>>>,
}

impl<'a> Scope<'a> {
    pub fn new(
        inputs: &'a Inputs<'a>,
        params: Option<Arc<Value>>,
        variables: &'a [Variable],
        meter: &'a Meter,
    ) -> Scope<'a> {
        Scope {
            inputs,
            params,
            variables,
            meter,
            knows_namespace: true,
            params_value: OnceCell::new(),
            made: RefCell::default(),
        }
    }

    pub fn without_namespace(self) -> Scope<'a> {
        Scope { knows_namespace: false, ..self }
    }

    fn variable(&self, name: &str) -> Result<cel::Value, Fault> {
        if let Some(known) = self.made.borrow().get(name) {
            return known.clone();
        }
        let missing = || Fault::NoSuchKey(name.to_owned());
        let variable = self.variables.iter().rev().find(|known| known.name == name).ok_or_else(missing)?;
        let made = match &variable.program {
            Err(why) => Err(Fault::other(format!("composited variable {name:?} fails to compile: {why}"))),
            Ok(program) => program.run_within(self, self.meter).map_err(|fault| match fault {
                fault if fault.is_final() => fault,
                fault => Fault::other(format!("composited variable {name:?} fails to evaluate: {fault}")),
            }),
        };
        self.made.borrow_mut().insert(name.to_owned(), made.clone());
        made
    }
}

impl Variables for Scope<'_> {
    fn get(&self, name: &str) -> Option<Result<cel::Value, Fault>> {
        let inputs = self.inputs;
        let from_json = |value: Option<&Value>| value.map_or(cel::Value::Null, cel::Value::from_json);
        Some(Ok(match name {
            "object" => inputs.object_value.get_or_init(|| from_json(Some(inputs.object))).clone(),
            "oldObject" => inputs.old_value.get_or_init(|| from_json(inputs.old)).clone(),
            "params" => self.params_value.get_or_init(|| from_json(self.params.as_deref())).clone(),
            "request" => inputs.request(),
            "namespaceObject" if !self.knows_namespace => cel::Value::Null,
            "namespaceObject" => inputs.namespace(),
            "authorizer" => cel::Value::native(Native::Authorizer(inputs.authorizer().clone())),
            "authorizer.requestResource" => inputs.request_resource(),
            "variables" => {
                let field = |known: &Variable| Ok((known.name.clone(), self.variable(&known.name)?));
                let fields = self.variables.iter().map(field).collect::<Result<Vec<_>, Fault>>();
                return Some(fields.map(cel::Value::fields));
            }
            _ => return None,
        }))
    }

    fn field(&self, variable: &str, field: &str) -> Option<Result<cel::Value, Fault>> {
        (variable == "variables").then(|| self.variable(field))
    }
}
