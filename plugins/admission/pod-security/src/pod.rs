//! A pod, or a template of one, as the checks read it.

use orch_sdk::Value;
use orch_sdk::object::Object;

static NULL: Value = Value::Null;

#[derive(Debug, Clone, Copy)]
pub struct Pod<'a> {
    /// `metadata.annotations`
    pub annotations: &'a Value,
    pub spec: &'a Value,
}

impl<'a> Pod<'a> {
    /// The pod, or the template in an object that makes pods; `None`: it has none.
    pub fn of(object: &'a Value) -> Option<Pod<'a>> {
        let template: &[&str] = match object.kind() {
            "Pod" => &[],
            "PodTemplate" => &["template"],
            "CronJob" => &["spec", "jobTemplate", "spec", "template"],
            _ => &["spec", "template"],
        };
        let template = object.at(template);
        let annotations = template.at(&["metadata", "annotations"]);
        (!template.is_null()).then(|| Pod { annotations, spec: template.get("spec").unwrap_or(&NULL) })
    }

    /// Init containers, containers, ephemeral ones.
    pub fn containers(&self) -> impl Iterator<Item = Container<'a>> + use<'a> {
        let spec = self.spec;
        let lists = ["initContainers", "containers", "ephemeralContainers"];
        lists.into_iter().flat_map(move |list| spec.items(&[list])).map(Container)
    }

    /// A field of the pod's own security context.
    pub fn security(&self, field: &str) -> &'a Value {
        self.spec.at(&["securityContext", field])
    }

    pub fn is_windows(&self) -> bool {
        self.spec.at(&["os", "name"]) == "windows"
    }

    /// Root in it is nobody outside.
    pub fn has_own_users(&self) -> bool {
        self.spec["hostUsers"] == false
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Container<'a>(pub &'a Value);

impl<'a> Container<'a> {
    pub fn name(&self) -> &'a str {
        self.0["name"].as_str().unwrap_or_default()
    }

    /// A field of its security context.
    pub fn security(&self, field: &str) -> &'a Value {
        self.0.at(&["securityContext", field])
    }
}
