//! Pods as they come in questions and changes, read no further than needed to know them again.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Labels;

/// Different questions that are remembered; more, and all are forgotten.
const REMEMBERED: usize = 1024;

/// A pod whose parts are still text.
#[derive(Debug, Deserialize)]
pub struct RawPod<'a> {
    #[serde(borrow)]
    pub metadata: RawMetadata<'a>,
    #[serde(borrow)]
    pub spec: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RawMetadata<'a> {
    #[serde(borrow, default)]
    pub namespace: Cow<'a, str>,
    #[serde(borrow)]
    pub labels: Option<&'a RawValue>,
    #[serde(borrow)]
    pub owner_references: Option<&'a RawValue>,
    #[serde(borrow)]
    pub deletion_timestamp: Option<&'a RawValue>,
}

impl<'a> RawPod<'a> {
    pub fn parse(json: &'a str) -> Result<Self, String> {
        serde_json::from_str(json).map_err(|error| format!("pod: {error}"))
    }

    /// The same for pods that differ in nothing but name and uid.
    pub fn text(&self) -> String {
        let RawMetadata { namespace, labels, owner_references, .. } = &self.metadata;
        let parts = [*labels, *owner_references, self.spec].map(|part| part.map_or("", RawValue::get));
        [namespace, parts[0], parts[1], parts[2]].join("\n")
    }

    pub fn labels(&self) -> Result<Labels, String> {
        read(self.metadata.labels, "metadata.labels")
    }

    pub fn spec<T: Deserialize<'a> + Default>(&self) -> Result<T, String> {
        read(self.spec, "spec")
    }

    pub fn owner_references<T: Deserialize<'a> + Default>(&self) -> Result<T, String> {
        read(self.metadata.owner_references, "metadata.ownerReferences")
    }
}

fn read<'a, T: Deserialize<'a> + Default>(part: Option<&'a RawValue>, path: &str) -> Result<T, String> {
    let read = |part: &'a RawValue| serde_json::from_str(part.get());
    part.map_or_else(|| Ok(T::default()), read).map_err(|error| format!("pod: {path}: {error}"))
}

/// What was made of the pods asked about, so that replicas are read once.
pub struct Questions<Q> {
    known: HashMap<String, Rc<Q>>,
    /// The pod asked about last: a filter's question is followed by a score's.
    last: Option<(String, Rc<Q>)>,
}

impl<Q> Default for Questions<Q> {
    fn default() -> Self {
        Questions { known: HashMap::new(), last: None }
    }
}

impl<Q> Questions<Q> {
    /// What was made of an equal pod, unless that is out of date; otherwise it is made now.
    pub fn find_or_make(
        &mut self,
        pod: &str,
        is_current: impl Fn(&Q) -> bool,
        make: impl FnOnce(&RawPod<'_>) -> Result<Q, String>,
    ) -> Result<Rc<Q>, String> {
        if let Some((text, question)) = &self.last
            && text == pod
            && is_current(question)
        {
            return Ok(question.clone());
        }
        let raw = RawPod::parse(pod)?;
        let text = raw.text();
        let question = match self.known.get(&text).filter(|question| is_current(question)) {
            Some(question) => question.clone(),
            None => {
                if self.known.len() >= REMEMBERED {
                    self.known.clear();
                }
                let question = Rc::new(make(&raw)?);
                self.known.insert(text, question.clone());
                question
            }
        };
        self.last = Some((pod.into(), question.clone()));
        Ok(question)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(uid: &str, app: &str) -> String {
        format!(
            r#"{{"metadata":{{"name":"{uid}","namespace":"d\u0065fault","uid":"{uid}","labels":{{"app":"{app}"}}}},"spec":null}}"#
        )
    }

    #[test]
    fn equal_pods_share_what_was_made() {
        let mut questions = Questions::<(String, u32)>::default();
        let mut made = 0;
        let mut ask = |pod: &str, since: u32| {
            let question = questions.find_or_make(
                pod,
                |(_, at)| *at >= since,
                |pod| {
                    made += 1;
                    Ok((format!("{} {:?}", pod.metadata.namespace, pod.labels()?), made))
                },
            );
            question.unwrap().1
        };
        assert_eq!(ask(&pod("a", "web"), 0), 1);
        assert_eq!(ask(&pod("a", "web"), 0), 1);
        assert_eq!(ask(&pod("b", "web"), 0), 1);
        assert_eq!(ask(&pod("b", "db"), 0), 2);
        assert_eq!(ask(&pod("c", "web"), 2), 3);
        assert_eq!(
            questions.known.values().map(|known| known.0.as_str()).min(),
            Some(r#"default {"app": "db"}"#)
        );
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let raw = RawPod::parse(r#"{"metadata": {"labels": [1], "deletionTimestamp": null}}"#).unwrap();
        assert!(raw.metadata.deletion_timestamp.is_none());
        assert!(raw.labels().unwrap_err().starts_with("pod: metadata.labels: "));
        assert_eq!(raw.spec::<Vec<u8>>().unwrap(), Vec::<u8>::new());
        assert!(RawPod::parse("{}").unwrap_err().starts_with("pod: missing field `metadata`"));
    }
}
