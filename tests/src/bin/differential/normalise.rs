//! What differs between two servers by nature, made alike: uids, times, revisions, random names and
//! allocated addresses; and orch's own group of kinds is left out. Everything else stands as it was
//! answered.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::player::Answer;

struct Rule {
    pattern: Regex,
    becomes: &'static str,
}

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let rule = |pattern: &str, becomes| Rule { pattern: Regex::new(pattern).expect("a pattern"), becomes };
    vec![
        rule(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UID"),
        rule(r"20(2[5-9]|[3-9]\d)-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| [+-]\d{4} \w+( m=\S+)?)?", "TIME"),
        rule(r"kube-api-access-[a-z0-9]{5}\b", "kube-api-access-RANDOM"),
        rule(r"\b(base-|Base_)[a-z0-9]{5}\b", "${1}RANDOM"),
        rule(r"\w{3}, \d\d \w{3} 20\d\d \d\d:\d\d:\d\d [+-]\d{4}", "TIME"),
        // As wide as the address below it.
        rule(r"(\b10\.96\.\d+\.\d+|CLUSTER-IP) {2,}", "${1}  "),
        rule(r"\b10\.96\.\d+\.\d+\b", "SERVICE-ADDRESS"),
        rule(r"(resource version: ?)\d+", "${1}REVISION"),
        rule(r"(esourceVersion in the precondition \()\d+|( in record \()\d+", "${1}${2}REVISION"),
        rule(r"(ResourceVersion in object meta: )\d+", "${1}REVISION"),
        rule(r"\((\d+)\)$", "(REVISION)"),
        rule(r#"(resourceVersion: ")\d+|(\\?"resourceVersion\\?":\\?")\d+"#, "${1}${2}REVISION"),
        rule(r"(LIVE|MERGED)-\d+", "${1}-RANDOM"),
        // However wide the ages are.
        rule(r"(\s)(?:\d+m)?\d+s(\s)", "${1}AGE${2}"),
        rule(r"\bAGE {2,}", "AGE  "),
        rule(r"(, current: )\d+", "${1}REVISION"),
        rule(r"https://(192\.168\.77\.2|127\.0\.0\.1):\d+", "SERVER"),
        rule(r"192\.168\.77\.2:\d+", "SERVER"),
        // Of what is described in other words.
        rule(r"(/openapi/v3/.*\?hash=)[0-9A-F]+", "${1}HASH"),
        rule(r"(#/parameters/\w+)-[\w-]{8}$", "${1}-HASH"),
        // A line about orch's own kinds.
        rule(r"(?m)^.*plugins\.orch\.dev.*\n", ""),
    ]
});

pub fn answer(answer: &mut Answer) {
    value(&mut answer.body, "");
    for text in answer.headers.values_mut() {
        *text = words(text);
    }
    if let Some(etag) = answer.headers.get_mut("etag") {
        *etag = "present".into();
    }
}

fn value(value: &mut Value, name: &str) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !is_own(name));
            random_name(fields);
            order_rules(fields);
            fields.iter_mut().for_each(|(name, field)| self::value(field, name));
        }
        // A table's age in seconds.
        Value::Array(items) if name == "cells" => items.iter_mut().for_each(age),
        Value::Array(items) => {
            items.retain(|item| !names_own(item));
            items.iter_mut().for_each(|item| self::value(item, name));
        }
        Value::String(text) => *text = string(name, text),
        Value::Number(_) if name == "nodePort" || name == "healthCheckNodePort" => {
            *value = "NODE-PORT".into()
        }
        Value::Number(number) if name == "age" || number.as_u64().is_some_and(|n| n > 1 << 53) => {
            *value = "BIG".into();
        }
        Value::Number(_) | Value::Bool(_) | Value::Null => {}
    }
}

/// A path, a definition or a group of orch's own, or a role of its own controllers.
fn is_own(name: &str) -> bool {
    name.contains("plugins.orch.dev") || name.starts_with("dev.orch.") || name.starts_with("system:orch:")
}

fn names_own(item: &Value) -> bool {
    let named =
        [item.as_str(), item["name"].as_str(), item["metadata"]["name"].as_str(), item["group"].as_str()];
    named.into_iter().flatten().any(is_own)
}

fn age(cell: &mut Value) {
    match cell.as_str() {
        Some(text) if text.strip_suffix('s').is_some_and(|n| n.parse::<u8>().is_ok()) => *cell = "AGE".into(),
        Some(text) => *cell = words(text).into(),
        None => {}
    }
}

/// What one may do, which upstream tells in the order of its caches.
fn order_rules(fields: &mut serde_json::Map<String, Value>) {
    if !fields.contains_key("incomplete") {
        return;
    }
    for name in ["resourceRules", "nonResourceRules"] {
        if let Some(Value::Array(rules)) = fields.get_mut(name) {
            rules.sort_by_key(Value::to_string);
        }
    }
}

/// `generateName` and five random letters.
fn random_name(fields: &mut serde_json::Map<String, Value>) {
    let base = fields.get("generateName").and_then(Value::as_str).map(String::from);
    if let (Some(base), Some(Value::String(name))) = (base, fields.get_mut("name"))
        && name.starts_with(&base)
        && !base.is_empty()
    {
        *name = format!("{base}RANDOM");
    }
}

fn string(name: &str, text: &str) -> String {
    match name {
        "resourceVersion" if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
            "REVISION".into()
        }
        "continue" if !text.is_empty() => "TOKEN".into(),
        _ => words(text),
    }
}

pub fn words(text: &str) -> String {
    RULES
        .iter()
        .fold(text.to_string(), |text, rule| rule.pattern.replace_all(&text, rule.becomes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn orchs_own_group_is_left_out() {
        let mut body = json!({
            "groups": [{ "name": "plugins.orch.dev" }, { "name": "apps" }],
            "paths": { "/apis/plugins.orch.dev/v1alpha1/plugins": {}, "/apis/apps/v1": {} },
        });
        value(&mut body, "");
        assert_eq!(body, json!({ "groups": [{ "name": "apps" }], "paths": { "/apis/apps/v1": {} } }));
        assert_eq!(words("a\nplugins  plugins.orch.dev/v1alpha1\nb\n"), "a\nb\n");
    }

    #[test]
    fn what_differs_by_nature_is_alike_and_defaults_stay() {
        let mut body = json!({
            "metadata": {
                "uid": "0f0e0d0c-0000-4000-8000-123456789abc", "resourceVersion": "17",
                "creationTimestamp": "2026-01-02T03:04:05Z", "generateName": "a-", "name": "a-x7k2p",
            },
            "spec": { "clusterIP": "10.96.3.4", "ports": [{ "nodePort": 30123, "port": 80 }] },
        });
        value(&mut body, "");
        let expected = json!({
            "metadata": {
                "uid": "UID", "resourceVersion": "REVISION", "creationTimestamp": "TIME",
                "generateName": "a-", "name": "a-RANDOM",
            },
            "spec": { "clusterIP": "SERVICE-ADDRESS", "ports": [{ "nodePort": "NODE-PORT", "port": 80 }] },
        });
        assert_eq!(body, expected);
    }
}
