use super::*;

fn pod() -> Node<'static> {
    Schemas::builtin().root("io.k8s.api.core.v1.Pod").expect("pods have a schema")
}

fn at(path: &str) -> Node<'static> {
    path.split('.').fold(pod(), |node, name| match name {
        "[]" => node.items().expect(path),
        name => node.field(name).expect(path),
    })
}

#[test]
fn follows_references_and_markers() {
    let containers = at("spec.containers");
    assert_eq!(containers.list_type(), ListType::Map(&["name".to_owned()]));
    assert_eq!(containers.merge_key(), Some("name"));
    assert!(containers.patch_strategies().merge);
    let ports = at("spec.containers.[].ports");
    assert_eq!(ports.list_type(), ListType::Map(&["containerPort".to_owned(), "protocol".to_owned()]));
    assert_eq!(ports.merge_key(), Some("containerPort"));
    assert_eq!(at("spec.containers.[].ports.[].protocol").default_value(), Some(&"TCP".into()));
    assert!(at("spec.volumes").patch_strategies().retain_keys);
    assert_eq!(at("metadata.finalizers").list_type(), ListType::Set);
    assert_eq!(at("metadata.ownerReferences").merge_key(), Some("uid"));
    assert!(at("spec.nodeSelector").is_atomic_map());
    assert!(!at("metadata.labels").is_atomic_map());
    assert!(at("spec.containers.[].env.[].valueFrom.configMapKeyRef").is_atomic_map());
}

#[test]
fn tells_value_types() {
    let cases = [
        ("spec", ValueType::Object),
        ("metadata.labels", ValueType::Map),
        ("metadata.labels.any", ValueType::String),
        ("metadata.creationTimestamp", ValueType::Time),
        ("metadata.managedFields.[].fieldsV1", ValueType::Any),
        ("spec.containers", ValueType::Array),
        ("spec.containers.[].resources.limits.cpu", ValueType::Quantity),
        ("spec.containers.[].livenessProbe.httpGet.port", ValueType::IntOrString),
        ("spec.hostNetwork", ValueType::Boolean),
        ("spec.priority", ValueType::Integer),
    ];
    for (path, expected) in cases {
        assert_eq!(at(path).value_type(), expected, "{path}");
    }
    let secret = Schemas::builtin().root("io.k8s.api.core.v1.Secret").expect("schema");
    let value = secret.field("data").and_then(|data| data.field("key")).expect("values");
    assert_eq!(value.value_type(), ValueType::Bytes);
}

#[test]
fn names_types_and_required_fields() {
    assert_eq!(at("spec").type_name(), Some("PodSpec"));
    assert_eq!(at("spec").required().collect::<Vec<_>>(), ["containers"]);
    assert_eq!(at("spec.priority").format(), Some("int32"));
    assert!(pod().field("nonsense").is_none());
    let fields: Vec<_> = pod().fields().map(|(name, _)| name).collect();
    assert_eq!(fields, ["apiVersion", "kind", "metadata", "spec", "status"]);
}

#[test]
fn loads_custom_resources() {
    let schema = serde_json::json!({
        "type": "object",
        "properties": { "spec": { "type": "object", "properties": {
            "ports": { "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port"],
                "items": { "type": "object", "properties": { "port": { "type": "integer" } } } },
            "free": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
            "closed": { "type": "object" },
        } } },
    });
    let schemas = Schemas::custom_resource("dev.example.Widget", &schema);
    let root = schemas.root("dev.example.Widget").expect("defined");
    let spec = root.field("spec").expect("spec");
    let ports = spec.field("ports").expect("ports");
    assert_eq!(ports.list_type(), ListType::Map(&["port".to_owned()]));
    assert!(spec.field("free").expect("free").preserves_unknown());
    assert!(!spec.field("closed").expect("closed").preserves_unknown());
    let owners = root.field("metadata").and_then(|m| m.field("ownerReferences")).expect("ObjectMeta");
    assert_eq!(owners.items().and_then(|o| o.type_name()), Some("OwnerReference"));
}

/// Bytes the loaded schemas take, roughly; the daemon's memory budget counts on it.
#[test]
fn stays_small() {
    let schemas = Schemas::builtin();
    let nodes = schemas.nodes.len() * size_of::<NodeData>();
    let fields = schemas.fields.len() * size_of::<FieldData>();
    let names: usize = schemas.names.iter().map(|name| name.len() + 16).sum();
    assert!(nodes + fields + names < 600_000, "{nodes} + {fields} + {names}");
}
