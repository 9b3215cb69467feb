use super::*;

fn document(group: &str, version: &str) -> Value {
    v3(&Kinds::builtin(), &Document::Version { group: group.into(), version: version.into() })
}

/// What kubectl looks for before it leaves validation to the server.
#[test]
fn patch_takes_field_validation_and_strategic_patches() {
    let document = document("apps", "v1");
    let patch = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    let expected = json!({ "group": "apps", "version": "v1", "kind": "Deployment" });
    assert_eq!(patch["x-kubernetes-group-version-kind"], expected);
    assert_eq!(patch["x-kubernetes-action"], "patch");
    let names: Vec<&Value> =
        patch["parameters"].as_array().into_iter().flatten().map(|p| &p["name"]).collect();
    for name in ["dryRun", "fieldManager", "fieldValidation", "force"] {
        assert!(names.contains(&&json!(name)), "{name}");
    }
    let content = &patch["requestBody"]["content"];
    assert!(content["application/strategic-merge-patch+json"].is_object());
}

/// Every reference of every document leads somewhere.
#[test]
fn documents_are_whole() {
    let kinds = Kinds::builtin();
    for (path, document) in documents(&kinds) {
        let document = v3(&kinds, &document);
        let text = document.to_string();
        for target in text.split("\"#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next())
        {
            assert!(document["components"]["schemas"][target].is_object(), "{path} lacks {target}");
        }
    }
    for kind in kinds.rows() {
        let document = document(&kind.group, &kind.version);
        let schema = &document["components"]["schemas"][&kind.schema];
        assert_eq!(schema["x-kubernetes-group-version-kind"][0]["kind"], kind.kind.as_str());
    }
}

#[test]
fn what_all_operations_of_a_path_take_stands_beside_them() {
    let document = document("", "v1");
    let names = |holder: &Value| -> Vec<String> {
        let listed = holder["parameters"].as_array().into_iter().flatten();
        listed.filter_map(|parameter| parameter["name"].as_str().map(str::to_owned)).collect()
    };
    let pod = &document["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"];
    assert_eq!(names(pod), ["name", "namespace", "pretty"]);
    assert_eq!(names(&pod["put"]), ["dryRun", "fieldManager", "fieldValidation"]);
    assert!(pod["get"]["parameters"].is_null(), "{}", pod["get"]);
    let log = &document["paths"]["/api/v1/namespaces/{namespace}/pods/{name}/log"];
    assert!(names(log).contains(&"tailLines".into()), "{log}");
    let proxy = &document["paths"]["/api/v1/nodes/{name}/proxy/{path}"];
    assert_eq!(names(proxy), ["name", "path", "path"]);
    assert_eq!(proxy["head"]["operationId"], "connectCoreV1HeadNodeProxyWithPath");
}

#[test]
fn operations_are_called_as_upstream_calls_them() {
    let document = document("", "v1");
    let cases = [
        ("/api/v1/", "get", "getCoreV1APIResources"),
        ("/api/v1/pods", "get", "listCoreV1PodForAllNamespaces"),
        ("/api/v1/namespaces/{namespace}/pods", "delete", "deleteCoreV1CollectionNamespacedPod"),
        ("/api/v1/namespaces/{namespace}/pods/{name}/log", "get", "readCoreV1NamespacedPodLog"),
        ("/api/v1/namespaces/{namespace}/pods/{name}/exec", "post", "connectCoreV1PostNamespacedPodExec"),
        ("/api/v1/watch/namespaces/{namespace}/pods", "get", "watchCoreV1NamespacedPodList"),
        ("/api/v1/watch/pods", "get", "watchCoreV1PodListForAllNamespaces"),
        ("/api/v1/nodes/{name}", "put", "replaceCoreV1Node"),
    ];
    for (path, method, id) in cases {
        assert_eq!(document["paths"][path][method]["operationId"], id, "{method} {path}");
    }
}

#[test]
fn schemas_explain_themselves_and_carry_markers() {
    let document = document("", "v1");
    let spec = &document["components"]["schemas"]["io.k8s.api.core.v1.PodSpec"];
    let containers = &spec["properties"]["containers"];
    assert!(containers["description"].as_str().is_some_and(|text| text.contains("containers")));
    assert_eq!(containers["x-kubernetes-list-type"], "map");
    assert_eq!(containers["x-kubernetes-patch-merge-key"], "name");
    let affinity = &spec["properties"]["affinity"];
    assert_eq!(affinity["allOf"][0]["$ref"], "#/components/schemas/io.k8s.api.core.v1.Affinity");
    let quantity = &document["components"]["schemas"]["io.k8s.apimachinery.pkg.api.resource.Quantity"];
    assert_eq!(quantity["oneOf"][0]["type"], "string");
}

/// `kubectl explain` prints both.
#[test]
fn no_field_repeats_what_its_type_says() {
    let definitions = full_definitions();
    let read = |name: &str| definitions.get(name).and_then(|text| serde_json::from_str::<Value>(text).ok());
    for name in definitions.keys() {
        let schema = read(name).unwrap();
        for (field, property) in schema["properties"].as_object().into_iter().flatten() {
            let places = [property, &property["items"], &property["additionalProperties"]];
            let targets = places.iter().filter_map(|place| place["$ref"].as_str()?.rsplit('/').next());
            for of_type in targets.filter_map(read) {
                let (own, of_type) = (&property["description"], &of_type["description"]);
                assert!(own.is_null() || own != of_type, "{name}.{field}: {own}");
            }
        }
    }
}

#[test]
fn schemas_name_enumerations_and_defaults() {
    let document = document("", "v1");
    let schemas = &document["components"]["schemas"];
    let protocol = &schemas["io.k8s.api.core.v1.ContainerPort"]["properties"]["protocol"];
    assert_eq!(protocol["enum"], json!(["SCTP", "TCP", "UDP"]));
    assert_eq!(protocol["default"], "TCP");
    assert!(protocol["description"].as_str().is_some_and(|text| text.contains("- `\"UDP\"`")), "{protocol}");
    let pod = &schemas["io.k8s.api.core.v1.Pod"]["properties"];
    assert_eq!((&pod["spec"]["default"], &pod["apiVersion"]["default"]), (&json!({}), &Value::Null));
    let modes = &schemas["io.k8s.api.core.v1.PersistentVolumeSpec"]["properties"]["accessModes"];
    assert!(modes["items"]["enum"].is_array(), "{modes}");
    assert_eq!(
        schemas["io.k8s.api.core.v1.AppArmorProfile"]["x-kubernetes-unions"][0]["discriminator"],
        "type"
    );
}

#[test]
fn fingerprints_tell_documents_apart_and_stay() {
    let kinds = Kinds::builtin();
    let documents = documents(&kinds);
    let fingerprints: std::collections::BTreeSet<String> =
        documents.values().map(|document| fingerprint(&kinds, document)).collect();
    assert_eq!(fingerprints.len(), documents.len());
    assert_eq!(
        fingerprint(&kinds, &documents["apis/apps/v1"]),
        fingerprint(&kinds, &documents["apis/apps/v1"])
    );
}

#[test]
fn v2_is_whole_and_says_nothing_that_v2_cannot() {
    let document = v2(&Kinds::builtin());
    let text = document.to_string();
    assert!(!text.contains("#/components/schemas/"));
    for target in text.split("\"#/definitions/").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(document["definitions"][target].is_object(), "{target}");
    }
    let int_or_string = &document["definitions"]["io.k8s.apimachinery.pkg.util.intstr.IntOrString"];
    assert!(int_or_string["oneOf"].is_null(), "{int_or_string}");
    let package = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1";
    let schema_of_schemas = &document["definitions"][format!("{package}.JSONSchemaProps")];
    assert!(schema_of_schemas["properties"]["oneOf"]["items"]["$ref"].is_string(), "a field of that name");
    let list = &document["paths"]["/api/v1/namespaces/{namespace}/pods"]["get"];
    assert_eq!(list["responses"]["200"]["schema"]["$ref"], "#/definitions/io.k8s.api.core.v1.PodList");
    let shared = |parameter: &Value| {
        let name = parameter["$ref"].as_str().and_then(|name| name.strip_prefix("#/parameters/"));
        name.map(|name| document["parameters"][name].clone()).unwrap_or_else(|| parameter.clone())
    };
    let parameters: Vec<Value> = list["parameters"].as_array().into_iter().flatten().map(shared).collect();
    assert!(parameters.iter().all(|p| p["type"].is_string()), "{parameters:?}");
    let patch = &document["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"];
    assert_eq!(patch["consumes"].as_array().map(Vec::len), Some(4));
    assert_eq!(shared(&patch["parameters"][0])["in"], "body");
    assert_eq!(patch["parameters"][1]["name"], "dryRun", "what old clients look for stands in place");
    let affinity = &document["definitions"]["io.k8s.api.core.v1.PodSpec"]["properties"]["affinity"];
    assert_eq!(affinity["$ref"], "#/definitions/io.k8s.api.core.v1.Affinity");
    assert!(affinity["description"].is_string());
}

#[test]
fn custom_resources_lose_in_v2_what_kubectl_would_take_for_a_refusal() {
    let definition = json!({
        "metadata": { "name": "foos.example.com" },
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": { "plural": "foos", "singular": "foo", "kind": "Foo", "listKind": "FooList" },
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": {
                    "type": "object", "description": "Foo for testing",
                    "properties": { "spec": {
                        "type": "object", "required": ["none", "size"],
                        "properties": {
                            "none": { "type": "string", "nullable": true },
                            "size": { "type": "integer", "minimum": 1, "default": 3 },
                            "any": { "type": "object", "x-kubernetes-preserve-unknown-fields": true,
                                "properties": { "a": { "type": "string" } } },
                            "either": { "x-kubernetes-int-or-string": true,
                                "anyOf": [{ "type": "integer" }, { "type": "string" }] },
                            "template": { "type": "object", "x-kubernetes-embedded-resource": true },
                        },
                    } },
                } },
            }],
        },
        "status": {
            "acceptedNames": { "plural": "foos", "singular": "foo", "kind": "Foo", "listKind": "FooList" },
            "conditions": [
                { "type": "NamesAccepted", "status": "True" }, { "type": "Established", "status": "True" },
            ],
        },
    });
    let rows = crate::custom::rows(&definition).expect("served");
    let kinds = Kinds::builtin().with(rows.into_iter().map(Arc::new));
    let document = v2(&kinds);
    let foo = &document["definitions"]["com.example.v1.Foo"];
    assert_eq!(foo["description"], "Foo for testing");
    let spec = &foo["properties"]["spec"];
    assert_eq!(spec["required"], json!(["size"]));
    assert_eq!(spec["properties"]["none"], json!({}));
    assert_eq!(spec["properties"]["size"], json!({ "type": "integer", "minimum": 1 }));
    assert_eq!(spec["properties"]["any"], json!({ "x-kubernetes-preserve-unknown-fields": true }));
    assert_eq!(spec["properties"]["either"], json!({ "x-kubernetes-int-or-string": true }));
    assert!(spec["properties"]["template"]["properties"]["metadata"]["$ref"].is_string(), "{spec}");
    let kind = &foo["properties"]["kind"]["description"];
    assert!(kind.as_str().is_some_and(|text| text.starts_with("Kind is a string")), "{kind}");
    assert!(
        document["paths"]["/apis/example.com/v1/namespaces/{namespace}/foos/{name}"]["patch"].is_object()
    );
}

#[test]
fn v2_in_protobuf_begins_with_its_version() {
    let document = v2_protobuf(&v2(&Kinds::builtin()));
    assert_eq!(document[..5], [0x0a, 3, b'2', b'.', b'0']);
    assert!(document.len() > 1 << 20, "{}", document.len());
}

#[test]
fn v3_in_protobuf_begins_with_its_version() {
    let document = v3_protobuf(&document("apps", "v1"));
    assert_eq!(document[..7], [0x0a, 5, b'3', b'.', b'0', b'.', b'0']);
    assert!(document.len() > 1 << 18, "{}", document.len());
}

#[test]
fn v3_in_protobuf_tells_that_an_object_is_a_default() {
    let encoded = |default: Value| {
        v3_protobuf(&json!({ "components": { "schemas": { "A": { "default": default } } } }))
    };
    // Field 33, without anything in it.
    assert!(encoded(json!({})).ends_with(&[0x8a, 2, 0]));
    assert!(encoded(json!("x")).ends_with(&[0x8a, 2, 3, 0x1a, 1, b'x']));
}
