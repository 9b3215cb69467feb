//! Which requests matter to an admission check, by what it says of itself.

use std::sync::Arc;

use serde_json::Value;

use crate::calls::admission::Condition;

/// What the conditions look at of a request.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// `pods`
    pub resource: &'a str,
    /// Empty for the object itself.
    pub subresource: &'a str,
    pub groups: &'a [String],
    /// Empty for what is in none.
    pub namespace: &'a str,
}

/// Finds a namespace by name.
pub type Namespaces<'a> = &'a dyn Fn(&str) -> Option<Arc<Value>>;

impl Asked<'_> {
    /// Namespaces are looked up only where their labels matter.
    pub fn matters(&self, conditions: &[Condition], namespaces: Namespaces<'_>) -> bool {
        let is_about = |condition: &&Condition| condition.resources.iter().any(|one| self.is(one));
        let mut about = conditions.iter().filter(is_about).peekable();
        about.peek().is_none() || about.any(|condition| self.fulfils(condition, namespaces))
    }

    /// `pods`, `pods/status`, `pods/*`, `*` (no sub-resources), `*/*`, `*/scale`.
    pub fn is(&self, pattern: &str) -> bool {
        let (resource, subresource) = pattern.split_once('/').unwrap_or((pattern, ""));
        (resource == "*" || resource == self.resource)
            && (subresource == "*" || subresource == self.subresource)
    }

    fn fulfils(&self, condition: &Condition, namespaces: Namespaces<'_>) -> bool {
        let Condition { groups, namespace_labels, resources: _ } = condition;
        let by_group = groups.is_empty() || groups.iter().any(|group| self.groups.contains(group));
        let labelled = || namespaces(self.namespace).is_some_and(|found| has_label(&found, namespace_labels));
        by_group && (namespace_labels.is_empty() || self.namespace.is_empty() || labelled())
    }
}

/// One of these keys; one that ends in `*` stands for all that begin so.
fn has_label(object: &Value, keys: &[String]) -> bool {
    let is_meant = |label: &String| {
        keys.iter().any(|key| key.strip_suffix('*').map_or(label == key, |prefix| label.starts_with(prefix)))
    };
    object["metadata"]["labels"].as_object().is_some_and(|labels| labels.keys().any(is_meant))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn condition(resources: &[&str], groups: &[&str], labels: &[&str]) -> Condition {
        let owned = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
        Condition { resources: owned(resources), groups: owned(groups), namespace_labels: owned(labels) }
    }

    fn matters(resource: &str, namespace: &str, conditions: &[Condition]) -> bool {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let groups = ["crew".to_string()];
        let namespaces = |name: &str| {
            let labels = json!({"metadata": {"labels": {"example.com/strict": "1"}}});
            (name == "labelled").then(|| Arc::new(labels))
        };
        Asked { resource, subresource, groups: &groups, namespace }.matters(conditions, &namespaces)
    }

    #[test]
    fn what_no_condition_names_matters() {
        let pods = [condition(&["pods"], &["others"], &[])];
        assert!(!matters("pods", "a", &pods));
        assert!(
            matters("pods/status", "a", &pods) && matters("nodes", "", &pods) && matters("pods", "a", &[])
        );
        assert!(!matters("pods/status", "a", &[condition(&["*/*"], &["others"], &[])]));
    }

    #[test]
    fn all_of_a_condition_holds_and_one_of_several() {
        let labels = condition(&["pods"], &["crew"], &["example.com/*"]);
        let wanted = [labels.clone(), condition(&["pods"], &["others"], &[])];
        assert!(matters("pods", "labelled", &wanted) && !matters("pods", "plain", &wanted));
        assert!(matters("pods", "", &wanted), "without a namespace");
        let exact = |key: &str| matters("pods", "labelled", &[condition(&["pods"], &[], &[key])]);
        assert!(exact("example.com/strict") && !exact("example.com/"));
        assert!(!matters("pods", "labelled", &[Condition { groups: vec!["others".into()], ..labels }]));
    }
}
