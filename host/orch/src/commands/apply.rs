use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::Value;

use super::{JSON, Session, resources};

/// Applies every object of the files; the first refusal ends it with what has been done already printed.
pub async fn apply(session: &Session, files: &[PathBuf]) -> anyhow::Result<()> {
    let served = resources::all(session).await?;
    for object in read_files(files)? {
        let resource = resources::of(&served, &object)?;
        let name = resources::text(&object["metadata"]["name"]);
        let namespace = namespace_of(session, &object);
        let path = resource.path(Some(&namespace), Some(&name))
            + "?fieldManager=orch&fieldValidation=Strict&force=true";
        session
            .send("PATCH", &path, JSON, "application/apply-patch+yaml", serde_json::to_vec(&object)?)
            .await
            .with_context(|| format!("{}/{name}", resource.printed()))?;
        println!("{}/{name} applied", resource.printed());
    }
    Ok(())
}

pub fn namespace_of(session: &Session, object: &Value) -> String {
    object["metadata"]["namespace"].as_str().unwrap_or(&session.namespace).to_string()
}

/// The objects of YAML or JSON files, lists taken apart.
pub fn read_files(files: &[PathBuf]) -> anyhow::Result<Vec<Value>> {
    let mut objects = Vec::new();
    for file in files {
        let text = read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(&text).with_context(|| format!("{} is not YAML", file.display()))?;
        for document in documents.into_iter().filter(|d| !d.is_null()) {
            match document.get("items").and_then(Value::as_array) {
                Some(items) if document["kind"] == "List" => objects.extend(items.iter().cloned()),
                _ => objects.push(document),
            }
        }
    }
    Ok(objects)
}

fn read(file: &Path) -> std::io::Result<String> {
    if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(file)
}
