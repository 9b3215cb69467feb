//! Where two answers differ.

use serde::Serialize;
use serde_json::Value;

use crate::normalise;
use crate::player::Answer;

/// One place where the sides answered differently.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    pub script: String,
    pub step: String,
    /// `code`, `header warning`, `body.spec.ports[0].name`
    pub place: String,
    pub upstream: String,
    pub orch: String,
}

/// Of one step.
pub fn answers(upstream: Result<Answer, String>, orch: Result<Answer, String>) -> Vec<[String; 3]> {
    let (mut upstream, mut orch) = match (upstream, orch) {
        (Ok(upstream), Ok(orch)) => (upstream, orch),
        (Err(_), Err(_)) => return Vec::new(),
        (upstream, orch) => {
            let said = |side: Result<Answer, String>| side.map_or_else(|why| why, |a| a.code.to_string());
            return vec![["answer".into(), said(upstream), said(orch)]];
        }
    };
    normalise::answer(&mut upstream);
    normalise::answer(&mut orch);
    let mut found = Vec::new();
    if upstream.code != orch.code {
        found.push(["code".into(), coded(&upstream), coded(&orch)]);
        return found;
    }
    let names: std::collections::BTreeSet<_> = upstream.headers.keys().chain(orch.headers.keys()).collect();
    for name in names {
        let (theirs, ours) = (upstream.headers.get(name), orch.headers.get(name));
        if theirs != ours {
            let shown = |value: Option<&String>| value.cloned().unwrap_or_else(|| "(none)".into());
            found.push([format!("header {name}"), shown(theirs), shown(ours)]);
        }
    }
    values("body", &upstream.body, &orch.body, &mut found);
    found
}

/// A code alone says little: with what was said about it.
pub fn coded(answer: &Answer) -> String {
    match answer.body["message"].as_str() {
        Some(message) => format!("{}: {message}", answer.code),
        None => answer.code.to_string(),
    }
}

fn values(place: &str, upstream: &Value, orch: &Value, found: &mut Vec<[String; 3]>) {
    match (upstream, orch) {
        (Value::Object(theirs), Value::Object(ours)) => {
            for (name, value) in theirs {
                let place = format!("{place}.{name}");
                match ours.get(name) {
                    Some(other) => values(&place, value, other, found),
                    None => found.push([place, shown(value), "(none)".into()]),
                }
            }
            for (name, value) in ours.iter().filter(|(name, _)| !theirs.contains_key(*name)) {
                found.push([format!("{place}.{name}"), "(none)".into(), shown(value)]);
            }
        }
        (Value::Array(theirs), Value::Array(ours)) if theirs.len() == ours.len() => {
            for (index, (value, other)) in theirs.iter().zip(ours).enumerate() {
                values(&format!("{place}[{index}]"), value, other, found);
            }
        }
        _ if upstream != orch => found.push([place.into(), shown(upstream), shown(orch)]),
        _ => {}
    }
}

fn shown(value: &Value) -> String {
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_place_is_named() {
        let answer = |body: Value| Ok(Answer { code: 200, headers: Default::default(), body });
        let found = answers(
            answer(json!({"a": 1, "b": [{"c": 2}], "d": 1})),
            answer(json!({"a": 1, "b": [{"c": 3}], "e": 1})),
        );
        let places: Vec<&str> = found.iter().map(|[place, ..]| place.as_str()).collect();
        assert_eq!(places, ["body.b[0].c", "body.d", "body.e"]);
    }
}
