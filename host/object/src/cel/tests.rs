//! Values of expressions, by library; what is refused; what is bounded.

mod library;

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn environment() -> Environment {
    Environment::default()
        .with("self", Type::Dyn)
        .with("text", Type::String)
        .with("number", Type::Int)
        .with("authorizer", Type::Native("kubernetes.authorization.Authorizer"))
        .with_patches()
}

fn variables() -> Vec<(&'static str, Value)> {
    let object = json!({
        "name": "web", "replicas": 3, "ratio": 0.5, "labels": { "app": "web", "a.b/c": "x" },
        "items": [1, 2, 3], "empty": [], "nothing": null, "nested": { "deep": { "x": 1 } },
    });
    let authorizer = Authorizer { authority: Arc::new(OnlyPods), service_account: None };
    vec![
        ("self", Value::from_json(&object)),
        ("text", Value::text("hello")),
        ("number", Value::Int(7)),
        ("authorizer", Value::native(Native::Authorizer(authorizer))),
    ]
}

/// Everybody may get pods and the path /healthz; the service account `ci/bot` may do anything.
#[derive(Debug)]
struct OnlyPods;

impl Authority for OnlyPods {
    fn decide(&self, question: &Question<'_>) -> Decision {
        let pods = (question.verb, question.group, question.resource) == ("get", "", "pods");
        let allowed =
            pods || question.path == Some("/healthz") || question.service_account == Some(("ci", "bot"));
        Decision { allowed, reason: if allowed { "because".into() } else { String::new() }, error: None }
    }
}

fn evaluate(text: &str) -> Result<Value, String> {
    let program = compile(text, &environment())?;
    program.run(&variables(), &Meter::new(PER_POLICY)).map_err(|fault| fault.to_string())
}

/// Each expression is true.
fn all_true(expressions: &[&str]) {
    for expression in expressions {
        assert_eq!(evaluate(expression), Ok(Value::Bool(true)), "{expression}");
    }
}

/// Each expression has no value, for the reason beside it.
fn all_fail(expressions: &[(&str, &str)]) {
    for (expression, why) in expressions {
        let found = evaluate(expression).expect_err(expression);
        assert!(found.contains(why), "{expression}: {found}");
    }
}

#[test]
fn operators() {
    all_true(&[
        "1 + 2 * 3 == 7 && 7 / 2 == 3 && 7 % 4 == 3 && -(-3) == 3",
        "1.5 + 1.5 == 3.0 && 1u + 2u == 3u",
        "'a' + 'b' == 'ab' && b'a' + b'b' == b'ab' && [1] + [2] == [1, 2]",
        "1 < 2 && 2 >= 2 && 'a' < 'b' && 1 < 1.5 && 2u > 1",
        "dyn(1) == dyn(1.0) && dyn(1) == dyn(1u)",
        "2 in [1, 2] && 'app' in self.labels && !('x' in self.labels)",
        "self.items[1] == 2 && self.labels['a.b/c'] == 'x'",
        "true ? true : false",
        "true || 1 / 0 == 1",
        "1 / 0 == 1 || true",
        "!(false && 1 / 0 == 1) && !(1 / 0 == 1 && false)",
        "timestamp('2024-01-01T00:00:00Z') + duration('1h') == timestamp('2024-01-01T01:00:00Z')",
        "timestamp('2024-01-02T00:00:00Z') - timestamp('2024-01-01T00:00:00Z') == duration('24h')",
        "duration('1h') > duration('59m') && duration('90s') == duration('1m30s')",
        "{'a': 1, 'b': 2} == {'b': 2, 'a': 1} && [[1], [2]] == [[1], [2]]",
        "self.nothing == null && self.name != null",
        "has(self.name) && !has(self.missing) && has(self.nested.deep.x)",
    ]);
    all_fail(&[
        ("9223372036854775807 + 1 == 0", "integer overflow"),
        ("1 / 0 == 1", "division by zero"),
        ("1 % 0 == 1", "modulus by zero"),
        ("0u - 1u == 0u", "unsigned integer overflow"),
        ("self.missing == 1", "no such key: missing"),
        ("self.items[7] == 1", "index out of bounds: 7"),
        ("self.labels['q'] == 'x'", "no such key: q"),
        ("self.name + 1 == 2", "no such overload"),
        ("false || 1 / 0 == 1", "division by zero"),
        ("{'a': 1, 'a': 2}.size() == 1", "insert failed: key a already exists"),
    ]);
}

#[test]
fn loops() {
    all_true(&[
        "self.items.all(x, x > 0) && !self.items.all(x, x > 1)",
        "self.items.exists(x, x == 2) && !self.items.exists(x, x == 9)",
        "self.items.exists_one(x, x > 2) && !self.items.existsOne(x, x > 1)",
        "self.items.map(x, x * 2) == [2, 4, 6]",
        "self.items.map(x, x > 1, x * 2) == [4, 6]",
        "self.items.filter(x, x > 1) == [2, 3]",
        "self.labels.all(k, k.size() > 1)",
        "self.labels.exists(k, v, k == 'app' && v == 'web')",
        "[1, 2].all(i, v, i + 1 == v)",
        "['a', 'b'].transformList(i, v, string(i) + v) == ['0a', '1b']",
        "['a', 'b'].transformList(i, v, i > 0, v) == ['b']",
        "{'a': 1}.transformMap(k, v, v + 1) == {'a': 2}",
        "{'a': 1, 'b': 2}.transformMap(k, v, v > 1, v) == {'b': 2}",
        "{'a': 1}.transformMapEntry(k, v, {string(v): k}) == {'1': 'a'}",
        // One turn decides although another has no value.
        "[0, 1].exists(x, 1 / x == 1) && ![0, 1].all(x, 1 / x == 5)",
        "[[1], [2, 3]].map(l, l.map(x, x + 1)) == [[2], [3, 4]]",
        "[1, 2].map(x, [3].map(x, x)) == [[3], [3]]",
    ]);
    all_fail(&[
        ("[0].all(x, 1 / x == 1)", "division by zero"),
        ("{'a': 1, 'b': 1}.transformMapEntry(k, v, {v: k}) == {1: 'a'}", "insert failed"),
    ]);
}

#[test]
fn optionals() {
    all_true(&[
        "self.?name.hasValue() && !self.?missing.hasValue()",
        "self.?nested.deep.x.value() == 1",
        "self.?missing.deep.orValue('none') == 'none'",
        "self.labels[?'app'].orValue('') == 'web' && !self.labels[?'q'].hasValue()",
        "self.items[?9].orValue(0) == 0",
        "self.?missing.or(self.?name).value() == 'web'",
        "optional.of(1).optMap(x, x + 1).value() == 2 && !optional.none().optMap(x, x).hasValue()",
        "optional.of(1).optFlatMap(x, optional.of(x + 1)).value() == 2",
        "!optional.ofNonZeroValue('').hasValue() && optional.ofNonZeroValue('a').hasValue()",
        "[?self.?name, ?self.?missing] == ['web'] && {?'a': self.?missing} == {}",
        "[optional.of(1), optional.none()].unwrapOpt() == [1]",
        "self.?name.orValue(1 / 0 == 1 ? 'a' : 'b') == 'web'",
    ]);
    all_fail(&[("self.?missing.value() == 1", "optional.none() dereference")]);
}

#[test]
fn mistakes_are_found_before_anything_runs() {
    all_fail(&[
        (
            "nobody == 1",
            "ERROR: <input>:1:1: undeclared reference to 'nobody' (in container '')\n | nobody == 1\n | ^",
        ),
        ("text.nothing() == 1", "undeclared reference to 'nothing' (in container '')"),
        ("text + 1 == 'a'", "found no matching overload for '_+_' applied to '(string, int)'"),
        ("text.startsWith(1)", "found no matching overload for 'startsWith' applied to 'string.(int)'"),
        ("number.field == 1", "type 'int' does not support field selection"),
        ("self = 42", "ERROR: <input>:1:6: Syntax error: "),
        ("[1, 'a'].size() == 2", "expected type 'int' but found 'string'"),
        ("number.all(x, x)", "expression of type 'int' cannot be range of a comprehension"),
        ("[1].all(x, x)", "found no matching overload for '_&&_' applied to '(bool, int)'"),
        ("has(text)", "invalid argument to has() macro"),
        ("[1].all(x.y, true)", "argument must be a simple name"),
        ("duration('soon') == duration('1s')", "invalid duration argument"),
        ("timestamp('soon') == timestamp('now')", "invalid timestamp argument"),
        ("timestamp(-62135596801) == timestamp(0)", "invalid timestamp argument"),
        ("text.matches('(')", "invalid matches argument"),
        ("Other{a: 1} == 1", "undeclared reference to 'Other' (in container '')"),
        ("JSONPatch{nope: 'x'} == 1", "undefined field 'nope'"),
        ("JSONPatch{op: 1} == 1", "expected type of field 'op' is 'string' but provided type is 'int'"),
        ("", "Syntax error"),
    ]);
}

#[test]
fn objects_are_made_by_name() {
    let made =
        evaluate("Object{metadata: Object.metadata{labels: {'a': 'b'}}, ?spec: optional.none()}").unwrap();
    assert_eq!(&*made.type_name(), "Object");
    assert_eq!(&*made.get("metadata").unwrap().type_name(), "Object.metadata");
    assert_eq!(made.to_json().unwrap(), json!({ "metadata": { "labels": { "a": "b" } } }));
    let patch = evaluate("[JSONPatch{op: 'add', path: '/a', value: 1}]").unwrap();
    assert_eq!(patch.to_json().unwrap(), json!([{ "op": "add", "path": "/a", "value": 1 }]));
    let bare = compile("Object{}", &Environment::default()).unwrap_err();
    assert!(bare.contains("undeclared reference to 'Object'"), "{bare}");
}

#[test]
fn lists_whose_order_does_not_count() {
    let set = |items: &[i64]| {
        Value::List(List {
            items: Arc::new(items.iter().copied().map(Value::Int).collect()),
            merge: Some(Arc::new(Merge::Set)),
        })
    };
    assert_eq!(set(&[1, 2]), set(&[2, 1]));
    assert_ne!(set(&[1, 2]), set(&[1, 3]));
    let program = compile("self + self.map(x, x + 1)", &environment()).unwrap();
    let sum = program.run(&vec![("self", set(&[1, 2]))], &Meter::new(PER_POLICY)).unwrap();
    assert_eq!(sum, Value::list(vec![Value::Int(1), Value::Int(2), Value::Int(3)]));
}

#[test]
fn what_explodes_is_an_error() {
    let ten = "[0,1,2,3,4,5,6,7,8,9]";
    let nested = format!(
        "{ten}.all(a, {ten}.all(b, {ten}.all(c, {ten}.all(d, {ten}.all(e, {ten}.all(f, {ten}.all(g, a + b + c + d + e + f + g >= 0)))))))"
    );
    let doubled = (0..40).fold("text".to_owned(), |inner, _| format!("[{inner}].map(x, x + x)[0]"));
    for explosive in [&nested, &doubled, &"lists.range(1000000).map(x, 'abc') == []".to_owned()] {
        assert_eq!(evaluate(explosive).unwrap_err(), "operation cancelled: actual cost limit exceeded");
    }
    all_fail(&[(&"(".repeat(50_000), "ERROR"), (&"[".repeat(500), "ERROR"), (&"!(".repeat(300), "ERROR")]);
    let long_sum = format!("{}1 == 1", "1+".repeat(20_000));
    assert!(evaluate(&long_sum).is_err());
}

#[test]
fn numbers_are_compared_exactly() {
    let order = |a: Value, b: Value| a.order(&b);
    use std::cmp::Ordering::{Equal, Greater, Less};
    assert_eq!(order(Value::Int(i64::MAX), Value::Double(9.223_372_036_854_776e18)), Some(Less));
    assert_eq!(order(Value::Uint(u64::MAX), Value::Int(-1)), Some(Greater));
    assert_eq!(order(Value::Double(-0.5), Value::Int(0)), Some(Less));
    assert_eq!(order(Value::Double(2.0), Value::Uint(2)), Some(Equal));
    assert_eq!(order(Value::Double(f64::NAN), Value::Int(2)), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whatever the text is, there is an answer, and soon.
    #[test]
    fn nothing_panics(text in "[ -~]{0,60}") {
        drop(evaluate(&text));
    }

    #[test]
    fn nothing_built_of_known_parts_panics(
        parts in proptest::collection::vec(proptest::sample::select(PARTS), 1..12),
    ) {
        drop(evaluate(&parts.concat()));
    }
}

const PARTS: &[&str] = &[
    "self",
    ".items",
    ".labels",
    ".?name",
    "[0]",
    "[?1]",
    "text",
    "number",
    " + ",
    " - ",
    " * ",
    " / ",
    " % ",
    " == ",
    " < ",
    " && ",
    " || ",
    "!",
    "-",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ", ",
    ": ",
    " ? ",
    "1",
    "-1",
    "9223372036854775807",
    "1.5",
    "1u",
    "'a'",
    "b'a'",
    "null",
    "true",
    ".map(x, x)",
    ".all(x, x)",
    ".sum()",
    ".sort()",
    ".split('')",
    ".substring(1, 9)",
    ".format([1])",
    ".matches('a*')",
    ".size()",
    "duration('1s')",
    "timestamp('2024-01-01T00:00:00Z')",
    "quantity('1k')",
    ".add(1)",
    "ip('10.0.0.1')",
    "cidr('10.0.0.0/8')",
    "string(",
    "int(",
    "optional.none()",
    ".value()",
    ".slice(0, 9)",
    ".flatten(9)",
    "lists.range(",
];
