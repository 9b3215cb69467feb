use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::schema::Schemas;

fn labels(text: &str) -> LabelSelector {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn selects(selector: &str, object_labels: &Value) -> bool {
    labels(selector).matches(object_labels.as_object())
}

#[test]
fn labels_match_as_kubectl_documents() {
    let web = json!({"app": "web", "tier": "front", "rank": "7"});
    for selector in [
        "",
        "app=web",
        "app==web",
        "app!=db",
        "app in (web,db)",
        "app notin (db)",
        "app",
        "!legacy",
        "rank>6",
        "rank<8",
        "missing notin (x)",
        "missing!=x",
        " app = web , tier in ( front ) ",
    ] {
        assert!(selects(selector, &web), "{selector}");
    }
    for selector in [
        "app=db",
        "app!=web",
        "app in (db)",
        "app notin (web)",
        "legacy",
        "!app",
        "rank>7",
        "rank<7",
        "tier>1",
        "missing>1",
        "app=web,tier=back",
        "missing in (x)",
    ] {
        assert!(!selects(selector, &web), "{selector}");
    }
}

#[test]
fn empty_values_are_values() {
    let blank = json!({"a": ""});
    for selector in ["a=", "a==", "a in ()", "a in (x,)", "a in (,x)", "a in (x,,y)", "a in (,)"] {
        assert!(selects(selector, &blank), "{selector}");
    }
}

#[test]
fn keywords_may_be_keys_and_values() {
    assert!(selects("in in (notin,in),notin=in", &json!({"in": "in", "notin": "in"})));
}

#[test]
fn label_errors_are_upstreams() {
    let name_rule = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                     alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for \
                     validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
    for (selector, message) in [
        ("a=b,", "found '', expected: identifier after ','".to_owned()),
        (",a", "found ',', expected: !, identifier, or 'end of string'".to_owned()),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt".to_owned()),
        ("a in b", "unable to parse requirement: found 'b' expected: '('".to_owned()),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'".to_owned()),
        ("a=b c", "found 'c', expected: ',' or 'end of string'".to_owned()),
        ("a=(", "unable to parse requirement: found '(', expected: identifier".to_owned()),
        ("!", "unable to parse requirement: found '', expected: identifier".to_owned()),
        (
            "a>b",
            "unable to parse requirement: values[0]: Invalid value: \"b\": for 'Gt', 'Lt' operators, the value \
             must be an integer"
                .to_owned(),
        ),
        (
            "-a=b",
            format!("unable to parse requirement: <nil>: Invalid value: \"-a\": name part {name_rule}"),
        ),
    ] {
        assert_eq!(selector.parse::<LabelSelector>().unwrap_err().to_string(), message, "{selector}");
    }
}

#[test]
fn json_selectors() {
    let selector = json!({"matchLabels": {"app": "web"}, "matchExpressions": [
        {"key": "tier", "operator": "In", "values": ["front", "back"]},
        {"key": "legacy", "operator": "DoesNotExist"},
    ]});
    let parsed = LabelSelector::from_json(Some(&selector)).unwrap();
    assert_eq!(parsed.to_string(), "app=web,!legacy,tier in (back,front)");
    assert!(parsed.matches_object(&json!({"metadata": {"labels": {"app": "web", "tier": "back"}}})));
    assert!(!parsed.matches_object(&json!({"metadata": {}})));
    assert!(LabelSelector::from_json(Some(&json!({}))).unwrap().matches(None));
    assert!(!LabelSelector::from_json(None).unwrap().matches(None));
    let wrong = json!({"matchExpressions": [{"key": "a", "operator": "Is"}]});
    let error = LabelSelector::from_json(Some(&wrong)).unwrap_err();
    assert_eq!(error.to_string(), "\"Is\" is not a valid label selector operator");
}

#[test]
fn fields_match_with_go_zero_values() {
    let node = Schemas::builtin().root("io.k8s.api.core.v1.Pod");
    let pod = json!({"kind": "Pod", "metadata": {"name": "web"}, "spec": {}});
    for selector in [
        "metadata.name=web",
        "spec.nodeName=",
        "spec.nodeName==",
        "spec.hostNetwork=false",
        "status.phase!=Running",
        "metadata.name!=db,spec.nodeName=",
    ] {
        assert!(selector.parse::<FieldSelector>().unwrap().matches(&pod, node), "{selector}");
    }
    assert!(!"spec.nodeName!=".parse::<FieldSelector>().unwrap().matches(&pod, node));
}

#[test]
fn field_errors_are_upstreams() {
    for (selector, message) in [
        ("metadata.name", "invalid selector: 'metadata.name'; can't understand 'metadata.name'"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
        (r"a=b\x", r"invalid field selector: invalid escape sequence: \x"),
        (r"a=b\", r"invalid field selector: invalid escape sequence: \"),
    ] {
        assert_eq!(selector.parse::<FieldSelector>().unwrap_err().to_string(), message, "{selector}");
    }
    let unknown: FieldSelector = "spec.image=x".parse().unwrap();
    let selectable = ["spec.nodeName".to_owned()];
    assert_eq!(
        unknown.check(&selectable, "Pod").unwrap_err().to_string(),
        "field label not supported: spec.image"
    );
    let generic =
        "\"spec.image\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"";
    assert_eq!(unknown.check(&[], "Pod").unwrap_err().to_string(), generic);
}

fn label_value() -> impl Strategy<Value = String> {
    "|[A-Za-z0-9]([-A-Za-z0-9_.]{0,8}[A-Za-z0-9])?"
}

fn requirement() -> impl Strategy<Value = Requirement> {
    let key = "([a-z]{1,5}\\.[a-z]{2}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,6}[A-Za-z0-9])?";
    let operator = prop_oneof![
        Just(Operator::In),
        Just(Operator::NotIn),
        Just(Operator::Equals),
        Just(Operator::DoubleEquals),
        Just(Operator::NotEquals),
        Just(Operator::Exists),
        Just(Operator::DoesNotExist),
        Just(Operator::GreaterThan),
        Just(Operator::LessThan),
    ];
    (key, operator, prop::collection::btree_set(label_value(), 1..4), any::<u32>()).prop_map(
        |(key, operator, values, number)| {
            let mut values: Vec<String> = values.into_iter().collect();
            match operator {
                Operator::In | Operator::NotIn => {}
                Operator::Equals | Operator::DoubleEquals | Operator::NotEquals => values.truncate(1),
                Operator::Exists | Operator::DoesNotExist => values.clear(),
                Operator::GreaterThan | Operator::LessThan => values = vec![number.to_string()],
            }
            Requirement::new(key, operator, values).unwrap()
        },
    )
}

proptest! {
    #[test]
    fn label_selectors_round_trip(requirements in prop::collection::vec(requirement(), 0..5)) {
        let selector = LabelSelector::new(requirements);
        prop_assert_eq!(labels(&selector.to_string()), selector);
    }

    #[test]
    fn field_selectors_round_trip(terms in prop::collection::vec(("[a-z.]{1,8}", any::<bool>(), "\\PC{0,8}"), 0..4)) {
        let terms = terms.into_iter().map(|(field, equal, value)| FieldRequirement { field, equal, value });
        let selector = FieldSelector::new(terms.collect());
        let mut again = selector.to_string().parse::<FieldSelector>().unwrap().requirements().to_vec();
        again.sort();
        prop_assert_eq!(again, selector.requirements().to_vec());
    }

    #[test]
    fn any_text_is_a_selector_or_an_error(text in "\\PC{0,24}") {
        let _ = text.parse::<LabelSelector>();
        let _ = text.parse::<FieldSelector>();
    }
}
