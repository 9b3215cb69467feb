use super::*;
use crate::Kinds;
use proptest::prelude::*;
use serde_json::json;

/// Writes messages as Go's encoder does.
#[derive(Default, Clone)]
struct Writer(Vec<u8>);

impl Writer {
    fn varint(mut self, number: u32, value: u64) -> Self {
        self.raw(u64::from(number) << 3);
        self.raw(value);
        self
    }
    fn bytes(mut self, number: u32, value: &[u8]) -> Self {
        self.raw(u64::from(number) << 3 | 2);
        self.raw(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }
    fn text(self, number: u32, value: &str) -> Self {
        self.bytes(number, value.as_bytes())
    }
    fn message(self, number: u32, value: Writer) -> Self {
        self.bytes(number, &value.0)
    }
    fn raw(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

fn w() -> Writer {
    Writer::default()
}

fn envelope(api_version: &str, kind: &str, object: Writer) -> Vec<u8> {
    let unknown = w().message(1, w().text(1, api_version).text(2, kind)).message(2, object);
    [MAGIC, &unknown.0].concat()
}

#[test]
fn a_pod_with_every_kind_of_field() {
    let metadata =
        w().text(1, "web").text(2, "").message(8, w()).message(11, w().text(1, "app").text(2, "web"));
    let secret = w().message(6, w().text(1, "s").varint(3, 420));
    let probe = w()
        .message(1, w().message(2, w().text(1, "/").message(2, w().varint(1, 1).text(3, "http"))))
        .varint(4, 5);
    let cpu = w().text(1, "cpu").message(2, w().text(1, "100m"));
    let container = w()
        .text(1, "c")
        .text(2, "x")
        .text(3, "echo")
        .text(3, "")
        .message(6, w().text(1, "http").varint(2, 0).varint(3, 8080))
        .message(8, w().message(2, cpu))
        .message(11, probe);
    let spec = w()
        .message(1, w().text(1, "v").message(2, secret))
        .message(2, container)
        .varint(4, u64::MAX) // -1
        .varint(21, 0);
    let pod = w().message(1, metadata).message(2, spec).message(3, w());
    let decoded = decode(&envelope("v1", "Pod", pod)).unwrap();
    assert_eq!(
        decoded,
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "name": "web", "labels": { "app": "web" } },
            "spec": {
                "volumes": [{ "name": "v", "secret": { "secretName": "s", "defaultMode": 420 } }],
                "containers": [{
                    "name": "c", "image": "x", "command": ["echo", ""],
                    "ports": [{ "name": "http", "containerPort": 8080 }],
                    "resources": { "requests": { "cpu": "100m" } },
                    "readinessProbe": { "httpGet": { "path": "/", "port": "http" }, "periodSeconds": 5 },
                }],
                "terminationGracePeriodSeconds": -1,
                "automountServiceAccountToken": false,
            },
            "status": {},
        })
    );
}

#[test]
fn secrets_and_options() {
    let secret = w().message(2, w().text(1, "password").bytes(2, &[0, 255])).text(3, "Opaque");
    let decoded = decode(&envelope("v1", "Secret", secret)).unwrap();
    assert_eq!(decoded["data"], json!({ "password": "AP8=" }));
    let options = w().varint(1, 0).text(4, "Foreground");
    let decoded = decode(&envelope("apps/v1", "DeleteOptions", options)).unwrap();
    assert_eq!(decoded["gracePeriodSeconds"], 0);
    assert_eq!(decoded["propagationPolicy"], "Foreground");
}

#[test]
fn what_is_not_protobuf_is_an_error_and_never_a_panic() {
    assert_eq!(decode(b"{}"), Err(ProtobufError::NotKubernetes));
    let whole = envelope("v1", "Secret", w().message(1, w().text(1, "name")));
    for end in 5..whole.len() {
        let _ = decode(&whole[..end]);
    }
    assert_eq!(decode(b"k8s\0\x0a\xff"), Err(ProtobufError::Malformed));
    let unknown = decode(&envelope("v1", "Gadget", w())).unwrap_err();
    assert!(unknown.to_string().contains("send JSON"), "{unknown}");
    let mut deep = w();
    for _ in 0..200 {
        deep = w().message(1, deep); // metadata within metadata: not nested in the schema, skipped as unknown
    }
    let _ = decode(&envelope("v1", "Pod", deep));
}

/// Whether Go leaves the named field out when it is zero.
fn omits_zero(fields: &Fields, name: &str) -> bool {
    let place = fields.place(name).expect("a known field");
    let mut fields = fields;
    for outer in &place.around {
        let Some(Entry { target: Target::Inline(inner), .. }) = fields.get(*outer) else { panic!("{name}") };
        fields = Fields::of(inner).expect("a known message");
    }
    fields.get(place.number).expect("a known number").omits_zero
}

/// Objects as Go would write them: what it leaves out is not there, texts are canonical.
pub(crate) struct Objects(proptest::test_runner::TestRng);

impl Objects {
    pub(crate) fn new(random: proptest::test_runner::TestRng) -> Self {
        Objects(random)
    }

    pub(crate) fn of(&mut self, form: Form) -> Value {
        self.object(form.node, form.fields, 0)
    }

    fn one_in(&mut self, n: u32) -> bool {
        self.0.next_u32().is_multiple_of(n)
    }

    fn object(&mut self, node: Node<'_>, fields: &Fields, depth: usize) -> Value {
        let mut object = Map::new();
        for (name, child) in node.fields() {
            if fields.place(name).is_none() || !self.one_in(if depth < 5 { 2 } else { 12 }) {
                continue;
            }
            let Some(value) = self.value(child, depth + 1) else { continue };
            if !(omits_zero(fields, name) && is_zero(&value)) {
                object.insert(name.into(), value);
            }
        }
        Value::Object(object)
    }

    fn value(&mut self, node: Node<'_>, depth: usize) -> Option<Value> {
        if depth > 12 {
            return None;
        }
        if let Some(union) = Union::of(node) {
            return Some(self.union(union, depth));
        }
        if let Some(fields) = node.definition().and_then(Fields::of) {
            return Some(self.object(node, fields, depth));
        }
        Some(match node.value_type() {
            ValueType::String => ["", "a", "zwölf", "a longer text that says nothing"][self.pick(4)].into(),
            ValueType::Bytes => ["", "AP8=", "aGVsbG8="][self.pick(3)].into(),
            ValueType::Boolean => self.one_in(2).into(),
            ValueType::Integer if node.format() == Some("int32") => (self.0.next_u32() as i32).into(),
            ValueType::Integer => (self.0.next_u64() as i64).into(),
            ValueType::Number => [json!(3), json!(0.5), json!(-1e300)][self.pick(3)].clone(),
            ValueType::Quantity => ["0", "100m", "1Gi"][self.pick(3)].into(),
            ValueType::IntOrString => [json!(0), json!(-8080), json!("25%"), json!("")][self.pick(4)].clone(),
            ValueType::Time => "2026-11-21T20:00:59Z".into(),
            ValueType::MicroTime => "2026-11-21T20:00:59.000123Z".into(),
            ValueType::Any => [json!({ "f:a": {} }), json!([1, null]), json!("text")][self.pick(3)].clone(),
            ValueType::Array => {
                let items = (0..=self.pick(2)).filter_map(|_| self.value(node.items()?, depth + 1));
                items.collect::<Vec<_>>().into()
            }
            ValueType::Map => {
                let entry = |n: usize, value| (format!("key/{n}"), value);
                let values =
                    (0..=self.pick(2)).filter_map(|n| Some(entry(n, self.value(node.values()?, depth + 1)?)));
                Value::Object(values.collect())
            }
            ValueType::Object => return None,
        })
        .filter(|value| !matches!(value, Value::Array(items) if items.is_empty()))
        .filter(|value| !(node.value_type() == ValueType::Map && is_zero(value)))
    }

    fn union(&mut self, union: Union, depth: usize) -> Value {
        let name = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";
        let node = Schemas::builtin().root(name).expect("a known definition");
        let schema = self.object(node, Fields::of(name).expect("a known message"), depth + 3);
        match (union, self.one_in(2)) {
            (_, true) => schema,
            (Union::Array, false) => json!([schema, {}]),
            (Union::Boolean, false) => self.one_in(2).into(),
            (Union::StringArray, false) => json!(["a", ""]),
        }
    }

    fn pick(&mut self, n: u32) -> usize {
        (self.0.next_u32() % n) as usize
    }
}

fn read_back(form: Form, message_bytes: &[u8]) -> Value {
    let mut object = Map::new();
    message(&mut object, message_bytes, form.node, form.fields, 0).expect("what was just written");
    Value::Object(object)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) })]

    #[test]
    fn written_and_read_back_every_kind_is_the_same(seed in any::<[u8; 32]>()) {
        use proptest::test_runner::{RngAlgorithm, TestRng};
        let mut objects = Objects(TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
        for kind in Kinds::builtin().rows() {
            let Some(form) = Form::of(kind) else { continue };
            let object = objects.object(form.node, form.fields, 0);
            let written = form.message(object.to_string().as_bytes())
                .map_err(|error| TestCaseError::fail(format!("{}: {error}: {object}", kind.kind)))?;
            prop_assert_eq!(read_back(form, &written), object, "{}", kind.kind);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 0..80_usize) {
        let kinds = Kinds::builtin();
        let kind = &kinds.rows()[kind % kinds.rows().len()];
        let _ = decode(&bytes);
        let _ = decode(&enveloped(&kind.api_version(), &kind.kind, &bytes));
    }

    #[test]
    fn a_damaged_object_is_read_or_refused(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a", "labels": { "a": "b" } },
            "spec": { "containers": [{ "name": "c", "ports": [{ "containerPort": 80 }] }], "nodeName": "n" },
        });
        let mut written = encode(pod.to_string().as_bytes()).expect("a pod");
        let at = at.index(written.len());
        written[at] = byte;
        let _ = decode(&written);
    }
}

/// Every field that a client can send in JSON has a number: a new version's fields are not forgotten.
#[test]
fn every_field_of_the_schemas_has_a_number() {
    let (mut seen, mut missing) = (std::collections::HashSet::new(), Vec::new());
    for kind in Kinds::builtin().rows() {
        match Form::of(kind) {
            Some(form) => unnumbered(form.node, form.fields, &mut seen, &mut missing),
            None => assert!(kind.group.ends_with("orch.dev"), "{} has no protobuf form", kind.schema),
        }
    }
    assert!(seen.len() > 300, "{}", seen.len());
    assert!(missing.is_empty(), "{missing:#?}");
}

fn unnumbered(
    node: Node<'static>,
    fields: &Fields,
    seen: &mut std::collections::HashSet<&'static str>,
    missing: &mut Vec<String>,
) {
    let definition = node.definition().unwrap_or_default();
    if !seen.insert(definition) {
        return;
    }
    // An object's kind stands in the envelope; one held by another (a claim's template) goes without.
    let is_object = node.fields().any(|(name, _)| name == "metadata");
    for (name, child) in node.fields() {
        if fields.place(name).is_none() && !(is_object && ["apiVersion", "kind"].contains(&name)) {
            missing.push(format!("{definition}.{name}"));
        }
        let held = child.items().or_else(|| child.values()).unwrap_or(child);
        match held.definition().and_then(Fields::of) {
            Some(fields) => unnumbered(held, fields, seen, missing),
            None if held.value_type() == ValueType::Object => {
                missing.push(format!("{definition}.{name} is opaque"))
            }
            None => {}
        }
    }
}

#[test]
fn lists_and_watch_events_are_framed() {
    let kinds = Kinds::builtin();
    let form = Form::of(kinds.by_kind("v1", "ConfigMap").expect("built in")).expect("has one");
    let map = |name: &str| {
        Bytes::from(form.message(json!({ "metadata": { "name": name } }).to_string().as_bytes()).unwrap())
    };
    let items = vec![map("a"), map(&"b".repeat(300))];
    let list = List::new("v1", "ConfigMapList", &json!({ "resourceVersion": "7" }), items).unwrap();
    let length = list.length();
    let body = list.into_pieces().collect::<Vec<_>>().concat();
    assert_eq!(body.len(), length);
    let envelope = Envelope::read(body.strip_prefix(MAGIC).unwrap()).unwrap();
    assert_eq!((envelope.api_version.as_str(), envelope.kind.as_str()), ("v1", "ConfigMapList"));
    let mut reader = Reader::new(envelope.raw);
    let mut names = Vec::new();
    while let Some((number, value)) = reader.next().unwrap() {
        match number {
            1 => assert_eq!(inner(value.bytes().unwrap(), 2).unwrap().unwrap().text().unwrap(), "7"),
            2 => names.push(read_back(form, value.bytes().unwrap())["metadata"]["name"].clone()),
            other => panic!("field {other}"),
        }
    }
    assert_eq!(names, [json!("a"), json!("b".repeat(300))]);

    let object = enveloped("v1", "ConfigMap", &map("a"));
    let frame = watch_frame("ADDED", &object);
    let (length, event) = frame.split_at(4);
    assert_eq!(u32::from_be_bytes(length.try_into().unwrap()) as usize, event.len());
    let raw = inner(event, 2).unwrap().unwrap().bytes().unwrap();
    assert_eq!(inner(raw, 1).unwrap().unwrap().bytes().unwrap(), object);
}

#[test]
fn metadata_and_failures_have_a_form() {
    let partial = json!({ "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": { "name": "a" } });
    assert_eq!(decode(&encode(partial.to_string().as_bytes()).unwrap()).unwrap(), partial);
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure", "code": 404,
        "reason": "NotFound", "message": "pods \"a\" not found", "details": { "name": "a", "kind": "pods" },
    });
    assert_eq!(decode(&encode(status.to_string().as_bytes()).unwrap()).unwrap(), status);
    let gadget = json!({ "apiVersion": "example.com/v1", "kind": "Gadget" });
    assert!(matches!(encode(gadget.to_string().as_bytes()), Err(ProtobufError::UnknownKind { .. })));
    let odd = json!({ "apiVersion": "v1", "kind": "Pod", "spec": { "nodeName": 7 } });
    assert!(matches!(encode(odd.to_string().as_bytes()), Err(ProtobufError::Unwritable(_))));
}
