//! Components sent through the API.
//!
//! Why objects and not a raw sub-resource: the bytes must be where every API host finds them, which is
//! the store, and the one way into it is the pipeline of verbs, with its authorization, its admission and
//! its client. So an upload is a `PluginArtifact` (digest, size, number of chunks), named by the digest,
//! and as many `PluginArtifactChunk`s, each well below the largest request. The chunks are owned by the
//! artifact: who deletes that deletes them. They are compressed, because every host's watch cache holds
//! them: a Rust component takes some 50 KB there, a Python one some 5 MB. Many large components belong
//! in a registry.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::{LARGEST, SourceError, digest_of};

pub const GROUP: &str = "plugins.orch.dev";
pub const VERSION: &str = "v1alpha1";
pub const ARTIFACTS: &str = "pluginartifacts";
pub const CHUNKS: &str = "pluginartifactchunks";
/// Compressed bytes of one chunk: in base64 and JSON half of what a request may have.
const CHUNK: usize = 1 << 20;

/// `sha256:…` → `sha256-…`, the artifact's name.
pub fn artifact_name(digest: &str) -> String {
    digest.replace(':', "-")
}

pub fn chunk_name(digest: &str, index: usize) -> String {
    format!("{}-{index}", artifact_name(digest))
}

/// The objects of an upload. The chunks' owner is set by [`own`] when the artifact has its uid.
pub fn split(wasm: &[u8]) -> Result<(Value, Vec<Value>), SourceError> {
    if wasm.len() > LARGEST {
        return Err(SourceError::TooLarge { what: "the component".into(), limit: LARGEST });
    }
    let digest = digest_of(wasm);
    let compressed = zstd::bulk::compress(wasm, 9)
        .map_err(|e| SourceError::Broken { what: "compression".into(), message: e.to_string() })?;
    let chunks: Vec<Value> = compressed
        .chunks(CHUNK)
        .enumerate()
        .map(|(index, bytes)| {
            json!({
                "apiVersion": format!("{GROUP}/{VERSION}"), "kind": "PluginArtifactChunk",
                "metadata": { "name": chunk_name(&digest, index) },
                "spec": { "data": STANDARD.encode(bytes) },
            })
        })
        .collect();
    let artifact = json!({
        "apiVersion": format!("{GROUP}/{VERSION}"), "kind": "PluginArtifact",
        "metadata": { "name": artifact_name(&digest) },
        "spec": { "digest": digest, "size": wasm.len(), "chunks": chunks.len(), "encoding": "zstd" },
    });
    Ok((artifact, chunks))
}

/// Makes the artifact, as the API returned it, the owner of a chunk.
pub fn own(artifact: &Value, chunk: &mut Value) {
    chunk["metadata"]["ownerReferences"] = json!([{
        "apiVersion": artifact["apiVersion"], "kind": artifact["kind"],
        "name": artifact["metadata"]["name"], "uid": artifact["metadata"]["uid"],
    }]);
}

/// How many chunks an artifact says it has.
pub fn chunk_count(artifact: &Value) -> usize {
    artifact["spec"]["chunks"].as_u64().unwrap_or(0) as usize
}

/// The component of an upload, checked against the digest it was asked for by.
pub fn join(digest: &str, artifact: &Value, chunks: &[impl AsRef<Value>]) -> Result<Vec<u8>, SourceError> {
    let broken = |message: String| SourceError::Broken { what: format!("the upload {digest}"), message };
    let size = artifact["spec"]["size"].as_u64().unwrap_or(0) as usize;
    if size > LARGEST {
        return Err(SourceError::TooLarge { what: format!("the upload {digest}"), limit: LARGEST });
    }
    if chunks.len() != chunk_count(artifact) {
        return Err(broken(format!("{} of {} chunks are there", chunks.len(), chunk_count(artifact))));
    }
    let mut compressed = Vec::new();
    for (index, chunk) in chunks.iter().enumerate() {
        let data = chunk.as_ref()["spec"]["data"].as_str().unwrap_or_default();
        let bytes = STANDARD.decode(data).map_err(|_| broken(format!("chunk {index} is not base64")))?;
        compressed.extend(bytes);
    }
    // Never more than was announced, whatever the chunks hold.
    let wasm = zstd::bulk::decompress(&compressed, size).map_err(|e| broken(e.to_string()))?;
    let found = digest_of(&wasm);
    if found != digest {
        return Err(SourceError::Digest { what: "what was uploaded".into(), expected: digest.into(), found });
    }
    Ok(wasm)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Bytes that do not compress.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn what_was_split_is_joined() {
        for (length, count) in [(0, 1), (10, 1), (3 << 20, 4)] {
            let wasm = noise(length);
            let (artifact, chunks) = split(&wasm).unwrap();
            assert_eq!((chunks.len(), chunk_count(&artifact)), (count, count), "{length}");
            assert!(chunks.iter().all(|chunk| chunk.to_string().len() < 3 << 19));
            let chunks: Vec<Arc<Value>> = chunks.into_iter().map(Arc::new).collect();
            assert_eq!(join(&digest_of(&wasm), &artifact, &chunks).unwrap(), wasm);
        }
    }

    #[test]
    fn what_was_changed_is_refused() {
        let wasm = noise(100);
        let (mut artifact, chunks) = split(&wasm).unwrap();
        let chunks: Vec<Arc<Value>> = chunks.into_iter().map(Arc::new).collect();
        let digest = digest_of(&wasm);
        assert_eq!(join(&digest_of(b"other"), &artifact, &chunks).unwrap_err().reason(), "DigestMismatch");
        assert_eq!(join(&digest, &artifact, &chunks[..0]).unwrap_err().reason(), "Broken");
        // A bomb: more comes out than was said.
        artifact["spec"]["size"] = 50.into();
        assert_eq!(join(&digest, &artifact, &chunks).unwrap_err().reason(), "Broken");
        artifact["spec"]["size"] = (1u64 << 40).into();
        assert_eq!(join(&digest, &artifact, &chunks).unwrap_err().reason(), "TooLarge");
    }
}
