//! `spec.scopes` and `spec.scopeSelector`.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::object::Object;
use crate::selector::Requirement;

use super::subject::{Facts, Subject};

/// A condition on what counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Scope {
    name: String,
    /// On the value the scope is about, where it has one.
    requirement: Option<Requirement>,
}

impl Scope {
    /// From a quota's spec.
    pub fn read_all(spec: &Value) -> Vec<Scope> {
        let plain = spec
            .items(&["scopes"])
            .iter()
            .filter_map(Value::as_str)
            .map(|name| Scope { name: name.into(), requirement: None });
        let selected = spec.items(&["scopeSelector", "matchExpressions"]).iter().map(Scope::read);
        plain.chain(selected).collect()
    }

    fn read(expression: &Value) -> Scope {
        let name = expression["scopeName"].as_str().unwrap_or_default();
        let requirement = json!({
            "key": name,
            "operator": expression["operator"],
            "values": expression.items(&["values"]),
        });
        let exists = expression["operator"] == "Exists";
        let requirement = Requirement::deserialize(&requirement).ok().filter(|_| !exists);
        Scope { name: name.into(), requirement }
    }

    pub fn holds(&self, subject: &Subject) -> bool {
        match (&subject.facts, self.name.as_str()) {
            (Facts::Pod(pod), "Terminating") => pod.terminating,
            (Facts::Pod(pod), "NotTerminating") => !pod.terminating,
            (Facts::Pod(pod), "BestEffort") => pod.best_effort,
            (Facts::Pod(pod), "NotBestEffort") => !pod.best_effort,
            (Facts::Pod(pod), "CrossNamespacePodAffinity") => pod.cross_namespace,
            (Facts::Pod(pod), "PriorityClass") => self.selects(pod.priority_class.iter()),
            (Facts::Claim { attributes_classes }, "VolumeAttributesClass") => {
                self.selects(attributes_classes.iter())
            }
            _ => false,
        }
    }

    fn selects<'a>(&self, mut values: impl ExactSizeIterator<Item = &'a String>) -> bool {
        match &self.requirement {
            None => values.len() > 0,
            Some(requirement) if values.len() == 0 => requirement.matches(None),
            Some(requirement) => values.any(|value| requirement.matches(Some(value))),
        }
    }
}
