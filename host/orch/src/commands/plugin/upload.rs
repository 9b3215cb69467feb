//! Components sent through the API, and their end.

use std::collections::BTreeSet;

use orch_source::upload;
use serde_json::Value;

use super::PLUGINS;
use crate::commands::resources::{list, text};
use crate::commands::{JSON, Session};

const ARTIFACTS: &str = "/apis/plugins.orch.dev/v1alpha1/pluginartifacts";
const CHUNKS: &str = "/apis/plugins.orch.dev/v1alpha1/pluginartifactchunks";

/// Sends what is not there yet; an upload that broke off is completed. The component's digest.
pub async fn send(session: &Session, wasm: &[u8]) -> anyhow::Result<String> {
    let (artifact, chunks) = upload::split(wasm)?;
    let (digest, name) = (text(&artifact["spec"]["digest"]), text(&artifact["metadata"]["name"]));
    let created = match create(session, ARTIFACTS, &artifact).await? {
        Some(created) => created,
        None => session.request("GET", &format!("{ARTIFACTS}/{name}"), JSON, Vec::new()).await?,
    };
    for mut chunk in chunks {
        upload::own(&created, &mut chunk);
        create(session, CHUNKS, &chunk).await?;
    }
    Ok(digest)
}

/// What was sent.
pub async fn get(session: &Session, digest: &str) -> anyhow::Result<Vec<u8>> {
    let name = upload::artifact_name(digest);
    let artifact = session.request("GET", &format!("{ARTIFACTS}/{name}"), JSON, Vec::new()).await?;
    let mut chunks = Vec::new();
    for index in 0..upload::chunk_count(&artifact) {
        let path = format!("{CHUNKS}/{}", upload::chunk_name(digest, index));
        chunks.push(Box::new(session.request("GET", &path, JSON, Vec::new()).await?));
    }
    Ok(upload::join(digest, &artifact, &chunks)?)
}

/// `None` when there is one of this name already; it is the same, the name tells its content.
async fn create(session: &Session, path: &str, object: &Value) -> anyhow::Result<Option<Value>> {
    let request = http::Request::post(path)
        .header("Accept", JSON)
        .header("Content-Type", JSON)
        .body(serde_json::to_vec(object)?)?;
    match session.client.request::<Value>(request).await {
        Ok(created) => Ok(Some(created)),
        Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => Ok(None),
        Err(error) => Err(crate::commands::plain(error)),
    }
}

pub async fn prune(session: &Session) -> anyhow::Result<()> {
    let plugins = session.request("GET", PLUGINS, JSON, Vec::new()).await?;
    let used = used(list(&plugins["items"]));
    let artifacts = session.request("GET", ARTIFACTS, JSON, Vec::new()).await?;
    for artifact in list(&artifacts["items"]) {
        let (name, digest) = (text(&artifact["metadata"]["name"]), text(&artifact["spec"]["digest"]));
        if !used.contains(&digest) {
            session.request("DELETE", &format!("{ARTIFACTS}/{name}"), JSON, Vec::new()).await?;
            println!("deleted {digest} ({} bytes)", artifact["spec"]["size"]);
        }
    }
    Ok(())
}

/// The digests that plugins run, or could go back to.
fn used(plugins: &[Value]) -> BTreeSet<String> {
    let of = |plugin: &Value| {
        let status = &plugin["status"];
        let sources = [&plugin["spec"]["source"], &status["source"]];
        let earlier = list(&status["previousVersions"]).iter().map(|version| &version["source"]);
        let all: Vec<String> =
            sources.into_iter().chain(earlier).map(|source| text(&source["digest"])).collect();
        all
    };
    plugins.iter().flat_map(of).filter(|digest| !digest.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_plugin_could_go_back_to_is_used() {
        let plugin = json!({
            "spec": { "source": { "digest": "sha256:1" } },
            "status": {
                "source": { "oci": "a" },
                "previousVersions": [{ "source": { "digest": "sha256:2" } }, { "source": { "builtin": "b" } }],
            },
        });
        assert_eq!(used(&[plugin]), BTreeSet::from(["sha256:1".into(), "sha256:2".into()]));
    }
}
