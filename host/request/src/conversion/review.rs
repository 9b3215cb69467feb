//! ConversionReview: what a conversion webhook is sent, and what it may answer.

use std::sync::Arc;

use serde_json::{Map, Value, json};

/// The first version that both sides speak.
fn version(versions: &[String]) -> Option<&str> {
    versions.iter().map(String::as_str).find(|version| ["v1", "v1beta1"].contains(version))
}

/// A review's uid and body; the error follows `conversion webhook for …`.
pub fn request(
    versions: &[String],
    objects: &[Arc<Value>],
    wanted: &str,
) -> Result<(String, Vec<u8>), String> {
    let version = version(versions).ok_or("failed: no supported conversion review versions")?;
    let uid = uuid::Uuid::new_v4().to_string();
    let review = json!({
        "kind": "ConversionReview", "apiVersion": format!("apiextensions.k8s.io/{version}"),
        "request": { "uid": uid, "desiredAPIVersion": wanted, "objects": objects },
    });
    Ok((uid, review.to_string().into_bytes()))
}

/// The converted objects, each checked against its original. The error follows `conversion webhook for …`.
pub fn answer(body: &[u8], uid: &str, originals: &[Arc<Value>], wanted: &str) -> Result<Vec<Value>, String> {
    let failed = |why: String| format!("failed: {why}");
    let mut review: Value = serde_json::from_slice(body)
        .map_err(|error| failed(format!("couldn't get version/kind; json parse error: {error}")))?;
    check(&review, uid).map_err(failed)?;
    let converted = match review["response"]["convertedObjects"].take() {
        Value::Array(objects) => objects,
        _ => Vec::new(),
    };
    if converted.len() != originals.len() {
        return Err(format!("returned {} objects, expected {}", converted.len(), originals.len()));
    }
    let pairs = originals.iter().zip(converted).enumerate();
    pairs
        .map(|(index, (original, mut converted))| {
            let at = format!("returned invalid converted object at index {index}");
            check_object(original, &converted, wanted).map_err(|why| format!("{at}: {why}"))?;
            let metadata = restored_metadata(original, &converted);
            converted["metadata"] = metadata
                .map_err(|why| format!("returned invalid metadata in object at index {index}: {why}"))?;
            Ok(converted)
        })
        .collect()
}

fn check(review: &Value, uid: &str) -> Result<(), String> {
    let response = &review["response"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    // The old version's webhooks were never asked for kind and uid.
    if review["apiVersion"] != "apiextensions.k8s.io/v1beta1" {
        let expected = "apiextensions.k8s.io/v1, Kind=ConversionReview";
        let given = in_words(review);
        if given != expected {
            return Err(format!("expected webhook response of {expected}, got {given}"));
        }
        if response.is_object() && response["uid"] != uid {
            return Err(format!("expected response.uid={uid:?}, got {:?}", text(&response["uid"])));
        }
    }
    if !response.is_object() {
        return Err("no response provided".into());
    }
    let result = &response["result"];
    match (text(&result["status"]).as_str(), text(&result["message"])) {
        ("Success", _) => Ok(()),
        (status, message) if message.is_empty() => {
            Err(format!("response.result.status was '{status}', not 'Success'"))
        }
        (_, message) => Err(message),
    }
}

fn check_object(original: &Value, converted: &Value, wanted: &str) -> Result<(), String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let version = text(&converted["apiVersion"]);
    if version != wanted {
        return Err(format!("invalid groupVersion (expected {wanted}, received {version})"));
    }
    let (before, after) = (text(&original["kind"]), text(&converted["kind"]));
    if before != after {
        return Err(format!("invalid kind (expected {before}, received {after})"));
    }
    for (field, name) in [("name", "name"), ("namespace", "namespace"), ("uid", "UID")] {
        let (before, after) = (text(&original["metadata"][field]), text(&converted["metadata"][field]));
        if before != after {
            return Err(format!("must have the same {name}: {before} != {after}"));
        }
    }
    Ok(())
}

/// The original's metadata with the labels and annotations that the webhook gave: nothing else of it is
/// a webhook's to change.
fn restored_metadata(original: &Value, converted: &Value) -> Result<Value, String> {
    let given = converted["metadata"].as_object().ok_or("missing metadata in converted object")?;
    let mut metadata = original["metadata"].as_object().cloned().unwrap_or_default();
    for field in ["labels", "annotations"] {
        match given.get(field) {
            None | Some(Value::Null) => drop(metadata.remove(field)),
            Some(Value::Object(texts)) => {
                check_texts(field, texts)?;
                metadata.insert(field.into(), Value::Object(texts.clone()));
            }
            Some(_) => return Err(format!("invalid metadata.{field} in converted object")),
        }
    }
    Ok(Value::Object(metadata))
}

fn check_texts(field: &str, texts: &Map<String, Value>) -> Result<(), String> {
    match texts.iter().find(|(_, value)| !value.is_string()) {
        Some((key, _)) => Err(format!("metadata.{field}[{key}] must be a string in converted object")),
        None => Ok(()),
    }
}

/// `stable.example.com/v1, Kind=Widget`
pub fn in_words(object: &Value) -> String {
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    format!("{}, Kind={}", text("apiVersion"), text("kind"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn widget(version: &str, metadata: Value) -> Value {
        json!({ "apiVersion": format!("a.example/{version}"), "kind": "Widget", "metadata": metadata })
    }

    fn read(response: Value) -> Result<Vec<Value>, String> {
        let original = Arc::new(widget(
            "v1",
            json!({ "name": "w", "uid": "u", "labels": { "a": "1" }, "generation": 3 }),
        ));
        let review = json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "response": response });
        answer(review.to_string().as_bytes(), "id", &[original], "a.example/v2")
    }

    fn success(objects: Value) -> Value {
        json!({ "uid": "id", "result": { "status": "Success" }, "convertedObjects": objects })
    }

    #[test]
    fn only_labels_and_annotations_are_the_webhooks() {
        let given =
            widget("v2", json!({ "name": "w", "uid": "u", "generation": 9, "annotations": { "b": "2" } }));
        let converted = read(success(json!([given]))).unwrap();
        let expected = json!({ "name": "w", "uid": "u", "generation": 3, "annotations": { "b": "2" } });
        assert_eq!(converted[0]["metadata"], expected);
    }

    #[test]
    fn lies_are_named() {
        let same = json!({ "name": "w", "uid": "u" });
        let cases = [
            (Value::Null, "failed: no response provided"),
            (json!({ "uid": "x" }), r#"failed: expected response.uid="id", got "x""#),
            (
                json!({ "uid": "id", "result": { "status": "Failure", "message": "cannot" } }),
                "failed: cannot",
            ),
            (json!({ "uid": "id" }), "failed: response.result.status was '', not 'Success'"),
            (success(json!([])), "returned 0 objects, expected 1"),
            (
                success(json!([widget("v3", same)])),
                "returned invalid converted object at index 0: invalid groupVersion (expected a.example/v2, received a.example/v3)",
            ),
            (
                success(json!([widget("v2", json!({ "name": "x", "uid": "u" }))])),
                "returned invalid converted object at index 0: must have the same name: w != x",
            ),
            (
                success(json!([widget("v2", json!({ "name": "w", "uid": "u", "labels": { "a": 1 } }))])),
                "returned invalid metadata in object at index 0: metadata.labels[a] must be a string in converted object",
            ),
        ];
        for (response, expected) in cases {
            assert_eq!(read(response).unwrap_err(), expected);
        }
        let why = answer(b"[", "id", &[], "v").unwrap_err();
        assert!(why.starts_with("failed: couldn't get version/kind; json parse error"), "{why}");
    }
}
