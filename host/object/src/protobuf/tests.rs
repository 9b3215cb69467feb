use super::*;
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
                    "ports": [{ "name": "http", "hostPort": 0, "containerPort": 8080 }],
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
