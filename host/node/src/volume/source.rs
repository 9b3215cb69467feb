//! `spec.volumes`, read.

use std::path::PathBuf;

use serde_json::Value;

use super::certificate::Wanted;
use super::trust::Bundles;
use crate::pod::env::SourceKind;
use crate::pod::spec::Pod;
use crate::quantity;

#[derive(Debug, Clone, PartialEq)]
pub struct Volume {
    pub name: String,
    pub source: VolumeSource,
}

#[derive(Debug, Clone, PartialEq)]
pub enum VolumeSource {
    EmptyDir {
        memory: bool,
        size_limit: Option<i64>,
    },
    HostPath {
        path: PathBuf,
        kind: String,
    },
    /// Files made from objects: configMap, secret, downwardAPI and projected are one thing.
    Content {
        projections: Vec<Projection>,
        default_mode: u32,
        /// Kept in memory, off the disk.
        confidential: bool,
    },
    Unsupported(String),
}

#[derive(Debug, Clone, PartialEq)]
pub enum Projection {
    Object { kind: SourceKind, name: String, items: Vec<Item>, optional: bool },
    DownwardApi { items: Vec<Value> },
    Token { path: String, audience: String, expiration_seconds: i64 },
    TrustBundle { bundles: Bundles, path: String, optional: bool },
    Certificate(Wanted),
    Unsupported(String),
}

/// One key of an object as one file.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    pub key: String,
    pub path: String,
    pub mode: Option<u32>,
}

const DEFAULT_MODE: u32 = 0o644;
const DEFAULT_TOKEN_SECONDS: i64 = 3600;

impl VolumeSource {
    /// The folder's name below `volumes/`, after upstream's plugin names.
    pub fn folder(&self) -> &'static str {
        match self {
            VolumeSource::EmptyDir { .. } => "empty-dir",
            VolumeSource::HostPath { .. } => "host-path",
            VolumeSource::Content { .. } => "projected",
            VolumeSource::Unsupported(_) => "unsupported",
        }
    }

    /// Whether a missing `subPath` may be made: content volumes are only read.
    pub fn is_writable(&self) -> bool {
        match self {
            VolumeSource::EmptyDir { .. } | VolumeSource::HostPath { .. } => true,
            VolumeSource::Content { .. } | VolumeSource::Unsupported(_) => false,
        }
    }
}

impl Projection {
    /// The object it copies from.
    pub fn object(&self) -> Option<(SourceKind, String)> {
        match self {
            Projection::Object { kind, name, .. } => Some((*kind, name.clone())),
            Projection::DownwardApi { .. }
            | Projection::Token { .. }
            | Projection::TrustBundle { .. }
            | Projection::Certificate(_)
            | Projection::Unsupported(_) => None,
        }
    }
}

impl Volume {
    pub fn read(volume: &Value) -> Volume {
        let name = volume["name"].as_str().unwrap_or_default().to_string();
        Volume { name, source: source(volume) }
    }
}

fn source(volume: &Value) -> VolumeSource {
    let found = volume.as_object().into_iter().flatten().find(|(k, v)| *k != "name" && !v.is_null());
    // The API defaults a volume without a source to an empty directory.
    let Some((kind, body)) = found else { return VolumeSource::EmptyDir { memory: false, size_limit: None } };
    match kind.as_str() {
        "emptyDir" => VolumeSource::EmptyDir {
            memory: body["medium"] == "Memory",
            size_limit: quantity::whole(&body["sizeLimit"]).filter(|limit| *limit > 0),
        },
        "hostPath" => VolumeSource::HostPath { path: text(&body["path"]).into(), kind: text(&body["type"]) },
        "configMap" => {
            one(object(SourceKind::ConfigMap, body, text(&body["name"])), &body["defaultMode"], false)
        }
        "secret" => {
            one(object(SourceKind::Secret, body, text(&body["secretName"])), &body["defaultMode"], true)
        }
        "downwardAPI" => one(downward(body), &body["defaultMode"], false),
        "projected" => {
            let projections: Vec<_> = array(&body["sources"]).iter().map(projection).collect();
            let confidential = projections.iter().any(|p| {
                matches!(
                    p,
                    Projection::Token { .. }
                        | Projection::Certificate(_)
                        | Projection::Object { kind: SourceKind::Secret, .. }
                )
            });
            VolumeSource::Content { projections, default_mode: mode(&body["defaultMode"]), confidential }
        }
        other => VolumeSource::Unsupported(other.to_string()),
    }
}

fn one(projection: Projection, default_mode: &Value, confidential: bool) -> VolumeSource {
    VolumeSource::Content { projections: vec![projection], default_mode: mode(default_mode), confidential }
}

fn mode(value: &Value) -> u32 {
    value.as_u64().and_then(|m| u32::try_from(m).ok()).unwrap_or(DEFAULT_MODE)
}

fn projection(source: &Value) -> Projection {
    let name = |body: &Value| body["name"].as_str().unwrap_or_default().to_string();
    let found = source.as_object().into_iter().flatten().find(|(_, v)| !v.is_null());
    let Some((kind, body)) = found else { return Projection::Unsupported("empty".into()) };
    match kind.as_str() {
        "configMap" => object(SourceKind::ConfigMap, body, name(body)),
        "secret" => object(SourceKind::Secret, body, name(body)),
        "downwardAPI" => downward(body),
        "serviceAccountToken" => Projection::Token {
            path: body["path"].as_str().unwrap_or_default().into(),
            audience: body["audience"].as_str().unwrap_or_default().into(),
            expiration_seconds: body["expirationSeconds"].as_i64().unwrap_or(DEFAULT_TOKEN_SECONDS),
        },
        "clusterTrustBundle" => Projection::TrustBundle {
            bundles: match body["name"].as_str() {
                Some(name) => Bundles::Named(name.into()),
                None => Bundles::Signer {
                    name: text(&body["signerName"]),
                    selector: Some(body["labelSelector"].clone()).filter(Value::is_object),
                },
            },
            path: text(&body["path"]),
            optional: body["optional"] == true,
        },
        "podCertificate" => Projection::Certificate(Wanted {
            signer: text(&body["signerName"]),
            key_type: text(&body["keyType"]),
            seconds: body["maxExpirationSeconds"].as_i64(),
            annotations: body["userAnnotations"].clone(),
            bundle_path: text(&body["credentialBundlePath"]),
            key_path: text(&body["keyPath"]),
            chain_path: text(&body["certificateChainPath"]),
        }),
        other => Projection::Unsupported(other.to_string()),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_string()
}

fn object(kind: SourceKind, body: &Value, name: String) -> Projection {
    let item = |item: &Value| Item {
        key: item["key"].as_str().unwrap_or_default().into(),
        path: item["path"].as_str().unwrap_or_default().into(),
        mode: item["mode"].as_u64().and_then(|m| u32::try_from(m).ok()),
    };
    let items = array(&body["items"]).iter().map(item).collect();
    Projection::Object { kind, name, items, optional: body["optional"] == true }
}

fn downward(body: &Value) -> Projection {
    Projection::DownwardApi { items: array(&body["items"]).to_vec() }
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Every ConfigMap and Secret that the pod's volumes copy from.
pub fn referenced_objects(pod: &Pod) -> Vec<(SourceKind, String)> {
    let volumes = pod.spec.volumes.iter().map(Volume::read);
    volumes
        .flat_map(|volume| match volume.source {
            VolumeSource::Content { projections, .. } => {
                projections.iter().filter_map(Projection::object).collect()
            }
            VolumeSource::EmptyDir { .. } | VolumeSource::HostPath { .. } | VolumeSource::Unsupported(_) => {
                vec![]
            }
        })
        .collect()
}
