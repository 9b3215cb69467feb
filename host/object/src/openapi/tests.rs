use super::*;

fn document(group: &str, version: &str) -> Value {
    v3(&Kinds::builtin(), group, version)
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
    for kind in kinds.rows() {
        let document = v3(&kinds, &kind.group, &kind.version);
        let text = document.to_string();
        for target in text.split("\"#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next())
        {
            assert!(document["components"]["schemas"][target].is_object(), "{} lacks {target}", kind.kind);
        }
        let schema = &document["components"]["schemas"][&kind.schema];
        assert_eq!(schema["x-kubernetes-group-version-kind"][0]["kind"], kind.kind.as_str());
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

#[test]
fn fingerprints_tell_groups_apart_and_stay() {
    let kinds = Kinds::builtin();
    assert_eq!(fingerprint(&kinds, "apps", "v1"), fingerprint(&kinds, "apps", "v1"));
    assert_ne!(fingerprint(&kinds, "apps", "v1"), fingerprint(&kinds, "", "v1"));
}

/// Lengths fit in one byte, or kubectl could not read it.
#[test]
fn v2_is_a_small_protobuf_document() {
    let document = v2();
    assert_eq!(document[..5], [0x0a, 3, b'2', b'.', b'0']);
    assert_eq!((document[5], usize::from(document[6])), (0x12, document.len() - 7));
}
