//! What of a request an admission check is sent, by what it says of itself.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::calls::admission::Reading;
use crate::interest::Cut;
use crate::relevance::Asked;

/// What every check is sent.
const ALWAYS: [&str; 4] = ["kind", "operation", "resource", "subResource"];
/// What an `AdmissionRequest` has, in the order it is written in.
pub const ATTRIBUTES: [&str; 15] = [
    "uid",
    "kind",
    "resource",
    "requestKind",
    "requestResource",
    "name",
    "namespace",
    "subResource",
    "requestSubResource",
    "operation",
    "userInfo",
    "object",
    "oldObject",
    "dryRun",
    "options",
];
/// As many sub-resources are remembered; definitions come and go.
const MOST_CUTS: usize = 4_096;

/// The readings of a check.
#[derive(Debug, Default)]
pub struct View {
    readings: Vec<Reading>,
    /// By `resource/subresource`, of those asked for so far.
    cuts: Mutex<HashMap<String, Option<Arc<Cut>>>>,
}

impl View {
    /// Fails with the name of a field that no request has.
    pub fn new(readings: Vec<Reading>) -> Result<Self, String> {
        let first = |path: &str| path.split(['.', '[']).next().unwrap_or_default().to_string();
        let is_known = |name: &String| ATTRIBUTES.iter().any(|known| known == name);
        match readings.iter().flat_map(|reading| &reading.fields).find(|path| !is_known(&first(path))) {
            Some(path) => {
                Err(format!("it reads `{path}`: an AdmissionRequest has {}", ATTRIBUTES.join(", ")))
            }
            None => Ok(View { readings, cuts: Mutex::default() }),
        }
    }

    /// What it is sent of such a request; `None`: the whole.
    pub fn of(&self, asked: &Asked<'_>) -> Option<Arc<Cut>> {
        if self.readings.is_empty() {
            return None;
        }
        let id = format!("{}/{}", asked.resource, asked.subresource);
        let mut cuts = self.cuts.lock();
        if cuts.len() == MOST_CUTS && !cuts.contains_key(&id) {
            cuts.clear();
        }
        cuts.entry(id).or_insert_with(|| self.make(asked)).clone()
    }

    fn make(&self, asked: &Asked<'_>) -> Option<Arc<Cut>> {
        let is_about = |reading: &&Reading| reading.resources.iter().any(|one| asked.is(one));
        let mut about = self.readings.iter().filter(is_about).peekable();
        about.peek()?;
        let fields = about.flat_map(|reading| &reading.fields).map(String::as_str);
        let paths: Vec<&str> = fields.chain(ALWAYS).collect();
        Some(Arc::new(Cut::exactly(&paths)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn reading(resources: &[&str], fields: &[&str]) -> Reading {
        let owned = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
        Reading { resources: owned(resources), fields: owned(fields) }
    }

    fn seen(view: &View, resource: &str, subresource: &str) -> Option<Value> {
        let asked = Asked { resource, subresource, groups: &[], namespace: "" };
        let request = json!({
            "uid": "u", "operation": "CREATE", "resource": {"resource": resource}, "name": "a",
            "object": {"metadata": {"uid": "o"}, "spec": {"a": 1, "b": 2}}, "oldObject": null,
        });
        Some(serde_json::from_str(&view.of(&asked)?.apply(&request)).unwrap())
    }

    #[test]
    fn what_no_reading_names_is_sent_whole() {
        let view = View::new(vec![reading(&["pods"], &["name"])]).unwrap();
        assert_eq!(seen(&view, "nodes", ""), None);
        assert_eq!(seen(&view, "pods", "status"), None);
        assert_eq!(seen(&View::default(), "pods", ""), None);
    }

    #[test]
    fn all_readings_that_name_it_count_and_parents_stay() {
        let view = View::new(vec![
            reading(&["pods"], &["object.spec.a", "object.metadata.annotations"]),
            reading(&["*"], &["oldObject"]),
        ])
        .unwrap();
        for _ in 0..2 {
            assert_eq!(
                seen(&view, "pods", "").unwrap(),
                json!({
                    "operation": "CREATE", "resource": {"resource": "pods"}, "oldObject": null,
                    "object": {"metadata": {}, "spec": {"a": 1}},
                })
            );
        }
        assert_eq!(seen(&view, "nodes", "").unwrap().get("object"), None);
    }

    #[test]
    fn a_field_that_no_request_has_is_named() {
        let error = View::new(vec![reading(&["pods"], &["name", "spec.nodeName"])]).unwrap_err();
        assert!(error.starts_with("it reads `spec.nodeName`: ") && error.contains("oldObject"), "{error}");
    }
}
