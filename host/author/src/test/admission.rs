//! Cases of an admission check.

use std::collections::BTreeMap;
use std::sync::Arc;

use orch_plugin::Cut;
use orch_plugin::calls::admission::{AdmissionPlugin, Admitted, Delta, Denial, Operation, Rule};
use orch_plugin::relevance::Asked;
use orch_plugin::worlds::AdmissionComponent;
use serde_json::{Map, Value, json};

use super::TestError;
use super::objects::{name_of, node, pod, whole};
use super::outcome::Outcome;
use super::script::{Case, Expect, Objects};

pub struct Check {
    component: Arc<AdmissionComponent>,
    known: BTreeMap<String, Value>,
}

impl Check {
    pub fn new(component: Arc<AdmissionComponent>) -> Self {
        Check { component, known: BTreeMap::new() }
    }

    pub fn change(&mut self, objects: &Objects) -> Result<(), TestError> {
        let nodes = objects.nodes.iter().map(node);
        let pods = objects.pods.iter().map(pod);
        for object in nodes.chain(pods).chain(objects.objects.iter().map(whole)) {
            let object = object?;
            if let Some(json) = self.cut(&object) {
                self.component.sync(&[Delta::Upsert(json)]).map_err(TestError::Sync)?;
            }
            self.known.insert(name_of(&object), object);
        }
        Ok(())
    }

    pub fn remove(&mut self, names: &[String]) -> Result<(), TestError> {
        for name in names {
            let object = self.known.remove(name).ok_or_else(|| TestError::NotThere(name.clone()))?;
            if self.cut(&object).is_some() {
                let identity = Cut::new(&["metadata.uid"]).apply(&object);
                self.component.sync(&[Delta::Remove(identity)]).map_err(TestError::Sync)?;
            }
        }
        Ok(())
    }

    pub fn ask(&self, case: &Case) -> Result<Outcome, TestError> {
        let Some(source) = &case.request else {
            return Err(TestError::Asks { case: case.name.clone(), what: "request" });
        };
        let request = completed(source)?;
        let mut outcome = Outcome::default();
        let expect = &case.expect;
        if !self.component.description().rules.iter().any(|rule| matches(rule, &request))
            || !self.matters(&request)
        {
            // The host does not ask about such a request: it is let through as it is.
            judge(Ok(Admitted::default()), &request, expect, &mut outcome);
            return Ok(outcome);
        }
        let seen = match self.component.view().of(&asked(&request, &[])) {
            Some(cut) => cut.apply(&request),
            None => request.to_string(),
        };
        let answer = outcome.timed("review", || self.component.review(&seen));
        if let Some(answer) = outcome.result(expect.error.as_deref(), answer) {
            judge(answer, &request, expect, &mut outcome);
        }
        Ok(outcome)
    }

    fn matters(&self, request: &Value) -> bool {
        let groups: Vec<String> = request["userInfo"]["groups"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|group| text(group).into())
            .collect();
        let namespaces = |name: &str| self.known.get(&format!("Namespace {name}")).cloned().map(Arc::new);
        asked(request, &groups).matters(&self.component.conditions(), &namespaces)
    }

    fn cut(&self, object: &Value) -> Option<String> {
        let interests = self.component.description().interests.iter();
        let mut wanted = interests
            .filter(|interest| {
                object["kind"] == interest.kind.as_str()
                    && object["apiVersion"] == interest.api_version.as_str()
            })
            .peekable();
        wanted.peek()?;
        Some(Cut::union(wanted).apply(object))
    }
}

fn judge(answer: Result<Admitted, Denial>, request: &Value, expect: &Expect, outcome: &mut Outcome) {
    let admitted = match answer {
        Ok(admitted) => admitted,
        Err(denial) => return refused(&denial, expect, outcome),
    };
    if expect.denied.is_some() || expect.admitted == Some(false) {
        return outcome.fail("the request was admitted");
    }
    outcome.same("warnings", expect.warnings.as_ref(), &admitted.warnings);
    let mut object = request["object"].clone();
    if !admitted.patch.is_empty()
        && let Err(error) = patch(&mut object, &admitted.patch)
    {
        return outcome.fail(format!("its patch does not apply: {error}: {}", admitted.patch));
    }
    if let Some(expected) = &expect.object {
        outcome.part("object", expected, &object);
    }
}

fn patch(object: &mut Value, patch: &str) -> Result<(), String> {
    let operations: json_patch::Patch = serde_json::from_str(patch).map_err(|error| error.to_string())?;
    json_patch::patch(object, &operations).map_err(|error| error.to_string())
}

fn refused(denial: &Denial, expect: &Expect, outcome: &mut Outcome) {
    match &expect.denied {
        Some(expected) => {
            outcome.same("code", expected.code.as_ref(), &denial.code);
            outcome.same("reason", expected.reason.as_ref(), &denial.reason);
            outcome.contains("message", expected.message.as_deref(), &denial.message);
        }
        None if expect.admitted == Some(false) => {}
        None => outcome.fail(format!("denied: {} {}: {}", denial.code, denial.reason, denial.message)),
    }
}

/// An AdmissionRequest of what a script says.
fn completed(source: &Map<String, Value>) -> Result<Value, TestError> {
    let mut request = Value::Object(source.clone());
    if !request["operation"].is_string() {
        return Err(TestError::Object(
            "a request needs an operation: CREATE, UPDATE, DELETE or CONNECT".into(),
        ));
    }
    let object =
        if request["object"].is_object() { &request["object"] } else { &request["oldObject"] }.clone();
    let api_version = object["apiVersion"].as_str().unwrap_or("v1");
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    if let Some(plural) = request["resource"].as_str().map(String::from) {
        let (plural, sub) = plural.split_once('/').unwrap_or((&plural, ""));
        request["subResource"] = sub.into();
        request["resource"] = json!({"group": group, "version": version, "resource": plural});
    }
    if !request["resource"]["resource"].is_string() {
        return Err(TestError::Object("a request needs a resource: `pods`, `deployments/scale`".into()));
    }
    let defaults = [
        ("uid", json!("00000000-0000-0000-0000-000000000000")),
        ("kind", json!({"group": group, "version": version, "kind": object["kind"]})),
        ("name", object["metadata"]["name"].clone()),
        ("namespace", object["metadata"]["namespace"].clone()),
        ("userInfo", json!({"username": "kubernetes-admin", "groups": ["system:masters"]})),
    ];
    for (field, value) in defaults {
        if request[field].is_null() && !value.is_null() {
            request[field] = value;
        }
    }
    if request["kind"]["kind"].is_null() {
        request["kind"]["kind"] = "".into();
    }
    if let Some(fields) = request.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    Ok(request)
}

fn matches(rule: &Rule, request: &Value) -> bool {
    let operation = rule.operations.iter().any(|operation| {
        request["operation"]
            == match operation {
                Operation::Create => "CREATE",
                Operation::Update => "UPDATE",
                Operation::Delete => "DELETE",
                Operation::Connect => "CONNECT",
            }
    });
    let group = text(&request["resource"]["group"]);
    operation
        && rule.api_groups.iter().any(|known| known == "*" || known == group)
        && rule.resources.iter().any(|resource| asked(request, &[]).is(resource))
}

fn asked<'a>(request: &'a Value, groups: &'a [String]) -> Asked<'a> {
    Asked {
        resource: text(&request["resource"]["resource"]),
        subresource: text(&request["subResource"]),
        groups,
        namespace: text(&request["namespace"]),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(source: Value) -> Result<Value, TestError> {
        completed(source.as_object().unwrap())
    }

    #[test]
    fn requests_are_completed_and_matched() {
        let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}});
        let made =
            request(json!({"operation": "CREATE", "resource": "deployments", "object": object})).unwrap();
        assert_eq!(made["resource"], json!({"group": "apps", "version": "v1", "resource": "deployments"}));
        assert_eq!(made["kind"]["kind"], "Deployment");
        assert_eq!(made["name"], "a");
        let rule = |group: &str, resource: &str| Rule {
            operations: vec![Operation::Create],
            api_groups: vec![group.into()],
            resources: vec![resource.into()],
        };
        assert!(matches(&rule("apps", "deployments"), &made) && matches(&rule("*", "*"), &made));
        assert!(!matches(&rule("", "deployments"), &made) && !matches(&rule("apps", "pods"), &made));
    }

    #[test]
    fn what_a_request_lacks_is_named() {
        assert!(request(json!({"resource": "pods"})).unwrap_err().to_string().contains("operation"));
        assert!(request(json!({"operation": "CREATE"})).unwrap_err().to_string().contains("resource"));
    }
}
