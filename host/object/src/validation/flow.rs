//! Flow schemas and priority levels (`pkg/apis/flowcontrol/validation`).

use serde_json::{Value, json};

use super::{Errors, Path, is_empty, items, metadata, same, text};
use crate::names;
use crate::status::FieldError;

const HIGHEST_PRECEDENCE: i64 = 10_000;
const MOST_QUEUES: i64 = 10_000_000;
/// Bits of a flow's hash that dealing a hand may use up.
const HASH_BITS: u32 = 60;
const VERBS: [&str; 9] =
    ["create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"];
const EVERYBODY: [&str; 2] = ["system:unauthenticated", "system:authenticated"];

pub(crate) fn validate_schema(schema: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(schema, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &schema["spec"]);
    let name = text(&schema["metadata"]["name"]);
    validate_precedence(name, &spec["matchingPrecedence"], &path.child("matchingPrecedence"), &mut errors);
    if spec["distinguisherMethod"].is_object() {
        let at = path.child("distinguisherMethod").child("type");
        let given = text(&spec["distinguisherMethod"]["type"]);
        let known = ["ByNamespace", "ByUser"];
        if !known.contains(&given) {
            // Shown whole, as upstream's own type has it.
            errors.push(FieldError::not_supported(at.as_str(), serde_json::json!({ "Type": given }), &known));
        }
    }
    let level = path.child("priorityLevelConfiguration").child("name");
    match text(&spec["priorityLevelConfiguration"]["name"]) {
        "" => errors.required(&level, "must reference a priority level"),
        name => errors.rule(&level, name, names::dns1123_subdomain),
    }
    for (index, rule) in items(&spec["rules"]).iter().enumerate() {
        validate_rule(rule, &path.child("rules").index(index), &mut errors);
    }
    if mandatory_schema(name).is_some_and(|fixed| !same(spec, &fixed)) {
        errors.invalid(&path, spec, format!("spec of '{name}' must equal the fixed value"));
    }
    errors.into_vec()
}

fn validate_precedence(name: &str, value: &Value, path: &Path, errors: &mut Errors) {
    let precedence = value.as_i64().unwrap_or(0);
    let shown = json!(precedence);
    if precedence <= 0 {
        errors.invalid(path, &shown, "must be a positive value");
    }
    if precedence > HIGHEST_PRECEDENCE {
        errors.invalid(path, &shown, format!("must not be greater than {HIGHEST_PRECEDENCE}"));
    }
    if precedence == 1 && name != "exempt" {
        errors.invalid(path, &shown, "only the schema named 'exempt' may have matchingPrecedence 1");
    }
}

fn mandatory_schema(name: &str) -> Option<Value> {
    let (precedence, groups, distinguisher): (i64, &[&str], Value) = match name {
        "exempt" => (1, &["system:masters"], Value::Null),
        "catch-all" => (HIGHEST_PRECEDENCE, &EVERYBODY, json!({ "type": "ByUser" })),
        _ => return None,
    };
    let subjects: Vec<Value> =
        groups.iter().map(|group| json!({ "kind": "Group", "group": { "name": group } })).collect();
    let all = json!(["*"]);
    Some(json!({
        "priorityLevelConfiguration": { "name": name }, "matchingPrecedence": precedence,
        "distinguisherMethod": distinguisher,
        "rules": [{
            "subjects": subjects,
            "resourceRules": [{ "verbs": all, "apiGroups": all, "resources": all, "namespaces": all, "clusterScope": true }],
            "nonResourceRules": [{ "verbs": all, "nonResourceURLs": all }],
        }],
    }))
}

fn validate_rule(rule: &Value, path: &Path, errors: &mut Errors) {
    if is_empty(&rule["subjects"]) {
        errors.required(&path.child("subjects"), "subjects must contain at least one value");
    }
    for (index, subject) in items(&rule["subjects"]).iter().enumerate() {
        validate_subject(subject, &path.child("subjects").index(index), errors);
    }
    if is_empty(&rule["resourceRules"]) && is_empty(&rule["nonResourceRules"]) {
        errors.required(path, "at least one of resourceRules and nonResourceRules has to be non-empty");
    }
    for (index, rule) in items(&rule["resourceRules"]).iter().enumerate() {
        validate_resources(rule, &path.child("resourceRules").index(index), errors);
    }
    for (index, rule) in items(&rule["nonResourceRules"]).iter().enumerate() {
        validate_paths(rule, &path.child("nonResourceRules").index(index), errors);
    }
}

/// Kind, and the field that says who.
const SUBJECTS: [(&str, &str); 3] =
    [("ServiceAccount", "serviceAccount"), ("User", "user"), ("Group", "group")];

fn validate_subject(subject: &Value, path: &Path, errors: &mut Errors) {
    let kind = text(&subject["kind"]);
    let Some((_, field)) = SUBJECTS.iter().find(|(known, _)| *known == kind) else {
        let known = SUBJECTS.map(|(kind, _)| kind);
        return errors.one_of(&path.child("kind"), &subject["kind"], &known);
    };
    let (at, who) = (path.child(field), &subject[*field]);
    if !who.is_object() {
        errors.required(&at, &format!("{field} is required when subject kind is '{kind}'"));
    } else {
        validate_named(kind, who, &at, errors);
    }
    for (other, field) in
        SUBJECTS.iter().filter(|(other, field)| *other != kind && subject[*field].is_object())
    {
        let detail = format!("{field} is forbidden when subject kind is not '{other}'");
        errors.forbidden(&path.child(field), detail);
    }
}

fn validate_named(kind: &str, who: &Value, path: &Path, errors: &mut Errors) {
    match text(&who["name"]) {
        "" => errors.required(&path.child("name"), ""),
        name if kind == "ServiceAccount" && name != "*" => {
            errors.rule(&path.child("name"), name, names::dns1123_subdomain);
        }
        _ => {}
    }
    if kind == "ServiceAccount" {
        match text(&who["namespace"]) {
            "" => errors.required(&path.child("namespace"), "must specify namespace for service account"),
            namespace => errors.rule(&path.child("namespace"), namespace, names::dns1123_label),
        }
    }
}

fn has_wildcard(list: &Value) -> bool {
    items(list).iter().any(|item| item == "*")
}

fn validate_verbs(verbs: &Value, path: &Path, errors: &mut Errors) {
    let known = |verb: &Value| VERBS.contains(&text(verb));
    if is_empty(verbs) {
        errors.required(path, "verbs must contain at least one value");
    } else if has_wildcard(verbs) {
        alone(verbs, "verbs", path, errors);
    } else if !items(verbs).iter().all(known) {
        errors.push(FieldError::not_supported(path.as_str(), verbs.clone(), &VERBS));
    }
}

/// A wildcard stands by itself.
fn alone(list: &Value, what: &str, path: &Path, errors: &mut Errors) {
    if has_wildcard(list) && items(list).len() > 1 {
        errors.invalid(path, list, format!("if '*' is present, must not specify other {what}"));
    }
}

fn validate_resources(rule: &Value, path: &Path, errors: &mut Errors) {
    validate_verbs(&rule["verbs"], &path.child("verbs"), errors);
    for (field, one, many) in
        [("apiGroups", "api group", "api groups"), ("resources", "resource", "resources")]
    {
        let at = path.child(field);
        if is_empty(&rule[field]) {
            errors.required(&at, &format!("resource rules must supply at least one {one}"));
        }
        alone(&rule[field], many, &at, errors);
    }
    let (at, namespaces) = (path.child("namespaces"), &rule["namespaces"]);
    if is_empty(namespaces) && rule["clusterScope"] != true {
        let detail = "resource rules that are not cluster scoped must supply at least one namespace";
        errors.required(&at, detail);
    } else if has_wildcard(namespaces) {
        alone(namespaces, "namespaces", &at, errors);
    } else {
        for (index, namespace) in items(namespaces).iter().enumerate() {
            for message in names::dns1123_label(text(namespace)) {
                let detail = format!("each member of this list must be '*' or a DNS-1123 label; {message}");
                errors.invalid(&at.index(index), namespace, detail);
            }
        }
    }
}

fn validate_paths(rule: &Value, path: &Path, errors: &mut Errors) {
    validate_verbs(&rule["verbs"], &path.child("verbs"), errors);
    let (at, urls) = (path.child("nonResourceURLs"), &rule["nonResourceURLs"]);
    if is_empty(urls) {
        errors.required(&at, "nonResourceURLs must contain at least one value");
    } else if has_wildcard(urls) {
        alone(urls, "non-resource URLs", &at, errors);
    } else {
        for (index, url) in items(urls).iter().enumerate() {
            if let Some(why) = wrong_path(text(url)) {
                errors.invalid(&at.index(index), url, why);
            }
        }
    }
}

fn wrong_path(path: &str) -> Option<&'static str> {
    match path {
        "" => Some("must not be empty"),
        "/" => None,
        _ if !path.starts_with('/') => Some("must start with slash"),
        _ if path.contains(' ') => Some("must not contain white-space"),
        _ if path.contains("//") => Some("must not contain double slash"),
        _ if path.find('*').is_some_and(|at| at + 1 != path.len() || !path.ends_with("/*")) => {
            Some("wildcard can only do suffix matching")
        }
        _ => None,
    }
}

pub(crate) fn validate_level(level: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Errors::default();
    metadata::validate(level, old, names::dns1123_subdomain, &mut errors);
    let (path, spec) = (Path::new("spec"), &level["spec"]);
    let name = text(&level["metadata"]["name"]);
    if (name == "exempt") != (spec["type"] == "Exempt") {
        errors.invalid(
            &path.child("type"),
            &spec["type"],
            "must be 'Exempt' if and only if `name` is 'exempt'",
        );
    }
    let (exempt, limited) = (&spec["exempt"], &spec["limited"]);
    match text(&spec["type"]) {
        "Exempt" => {
            if limited.is_object() {
                errors.forbidden(&path.child("limited"), "must be nil if the type is not Limited");
            }
            validate_shares(exempt, &path.child("exempt"), &mut errors);
        }
        "Limited" => {
            if exempt.is_object() {
                errors.forbidden(&path.child("exempt"), "must be nil if the type is Limited");
            }
            match limited.is_object() {
                true => validate_limited(limited, &path.child("limited"), &mut errors),
                false => errors.required(&path.child("limited"), "must not be empty when type is Limited"),
            }
        }
        _ => errors.required_one_of(&path.child("type"), &spec["type"], &["Exempt", "Limited"]),
    }
    let fixed = json!({ "type": "Limited", "limited": { "nominalConcurrencyShares": 5, "lendablePercent": 0,
        "limitResponse": { "type": "Reject" } } });
    if name == "catch-all" && *spec != fixed {
        errors.invalid(&path, spec, "spec of 'catch-all' must equal the fixed value");
    }
    errors.into_vec()
}

fn validate_shares(part: &Value, path: &Path, errors: &mut Errors) {
    let negative = |field: &str| part[field].as_i64().is_some_and(|number| number < 0);
    if negative("nominalConcurrencyShares") {
        let at = path.child("nominalConcurrencyShares");
        errors.invalid(&at, &part["nominalConcurrencyShares"], "must be a non-negative integer");
    }
    if part["lendablePercent"].as_i64().is_some_and(|percent| !(0..=100).contains(&percent)) {
        let at = path.child("lendablePercent");
        errors.invalid(&at, &part["lendablePercent"], "must be between 0 and 100, inclusive");
    }
    if negative("borrowingLimitPercent") {
        let at = path.child("borrowingLimitPercent");
        errors.invalid(&at, &part["borrowingLimitPercent"], "if specified, must be a non-negative integer");
    }
}

fn validate_limited(limited: &Value, path: &Path, errors: &mut Errors) {
    validate_shares(limited, path, errors);
    let (path, response) = (path.child("limitResponse"), &limited["limitResponse"]);
    let queuing = path.child("queuing");
    match text(&response["type"]) {
        "Reject" if response["queuing"].is_object() => {
            errors.forbidden(&queuing, "must be nil if limited.limitResponse.type is not Limited");
        }
        "Reject" => {}
        "Queue" if response["queuing"].is_object() => validate_queues(&response["queuing"], &queuing, errors),
        "Queue" => errors.required(&queuing, "must not be empty if limited.limitResponse.type is Limited"),
        _ => errors.required_one_of(&path.child("type"), &response["type"], &["Queue", "Reject"]),
    }
}

fn validate_queues(queuing: &Value, path: &Path, errors: &mut Errors) {
    let number = |field: &str| queuing[field].as_i64().unwrap_or(0);
    let (queues, hand) = (number("queues"), number("handSize"));
    let mut wrong =
        |field: &str, detail: String| errors.invalid(&path.child(field), &json!(number(field)), detail);
    if number("queueLengthLimit") <= 0 {
        wrong("queueLengthLimit", "must be positive".into());
    }
    if queues <= 0 {
        wrong("queues", "must be positive".into());
    } else if queues > MOST_QUEUES {
        wrong("queues", format!("must not be greater than {MOST_QUEUES}"));
    }
    if hand <= 0 {
        wrong("handSize", "must be positive".into());
    } else if hand > queues {
        wrong("handSize", format!("should not be greater than queues ({queues})"));
    } else if entropy(queues, hand) > HASH_BITS {
        let detail = format!(
            "required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {HASH_BITS}"
        );
        wrong("handSize", detail);
    }
}

/// Bits that choosing a hand from the queues takes.
fn entropy(queues: i64, hand: i64) -> u32 {
    let bits: f64 = (0..hand).map(|dealt| ((queues - dealt) as f64).log2()).sum();
    bits.ceil() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn details(errors: Vec<FieldError>) -> Vec<String> {
        errors.into_iter().map(|error| format!("{}: {}", error.field, error.detail)).collect()
    }

    #[test]
    fn a_schema_says_who_what_and_where() {
        let schema = |rule: Value| {
            json!({ "metadata": { "name": "s" }, "spec": { "matchingPrecedence": 5,
                "priorityLevelConfiguration": { "name": "l" }, "rules": [rule] } })
        };
        let good = json!({ "subjects": [{ "kind": "User", "user": { "name": "jane" } }],
            "resourceRules": [{ "verbs": ["get"], "apiGroups": ["*"], "resources": ["pods"], "namespaces": ["a"] }],
            "nonResourceRules": [{ "verbs": ["*"], "nonResourceURLs": ["/healthz", "/apis/*"] }] });
        assert_eq!(validate_schema(&schema(good.clone()), None), []);
        let found = |change: fn(&mut Value)| {
            let mut rule = good.clone();
            change(&mut rule);
            details(validate_schema(&schema(rule), None))
        };
        assert_eq!(
            found(|rule| rule["subjects"][0]["group"] = json!({ "name": "g" })),
            ["spec.rules[0].subjects[0].group: group is forbidden when subject kind is not 'Group'"]
        );
        assert_eq!(
            found(|rule| rule["resourceRules"][0]["namespaces"] = json!([])),
            [
                "spec.rules[0].resourceRules[0].namespaces: resource rules that are not cluster scoped must supply at least one namespace"
            ]
        );
        assert!(
            found(|rule| rule["resourceRules"][0]["verbs"] = json!(["fly"]))[0].contains("supported values")
        );
        assert!(
            found(|rule| rule["nonResourceRules"][0]["nonResourceURLs"] = json!(["/a*"]))[0]
                .contains("suffix")
        );
        let mut first = schema(good.clone());
        first["spec"]["matchingPrecedence"] = 1.into();
        assert!(details(validate_schema(&first, None))[0].contains("only the schema named 'exempt'"));
    }

    #[test]
    fn mandatory_objects_are_as_they_must_be() {
        for name in ["exempt", "catch-all"] {
            let mut schema = json!({ "metadata": { "name": name }, "spec": mandatory_schema(name) });
            assert_eq!(validate_schema(&schema, None), []);
            schema["spec"]["matchingPrecedence"] = 7.into();
            assert!(details(validate_schema(&schema, None))[0].contains("must equal the fixed value"));
        }
    }

    #[test]
    fn a_level_has_shares_and_a_hand_that_can_be_dealt() {
        let level = |queues: i64, hand: i64| {
            json!({ "metadata": { "name": "l" }, "spec": { "type": "Limited", "limited": { "nominalConcurrencyShares": 5,
                "limitResponse": { "type": "Queue", "queuing": { "queues": queues, "handSize": hand, "queueLengthLimit": 5 } } } } })
        };
        assert_eq!(validate_level(&level(64, 8), None), []);
        assert!(
            details(validate_level(&level(4, 8), None))[0].contains("should not be greater than queues (4)")
        );
        assert!(details(validate_level(&level(1 << 20, 4), None))[0].contains("required entropy bits"));
        let mut wrong = level(64, 8);
        wrong["spec"]["type"] = "Exempt".into();
        let found = details(validate_level(&wrong, None));
        assert_eq!(found[0], "spec.type: must be 'Exempt' if and only if `name` is 'exempt'");
        assert_eq!(found[1], "spec.limited: must be nil if the type is not Limited");
    }
}
