//! The files of configMap, secret, downwardAPI and projected volumes. Pure.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use base64::Engine as _;
use serde_json::Value;

use super::source::{Item, Projection};
use crate::pod::env::{SourceKind, Sources};
use crate::pod::fields::{self, Downward};
use crate::pod::spec::ResourceFieldRef;

/// Relative path to file.
pub type Payload = BTreeMap<String, File>;

#[derive(Debug, Clone, PartialEq)]
pub struct File {
    pub bytes: Vec<u8>,
    pub mode: u32,
    /// Set for tokens and keys when every container runs as one user.
    pub owner: Option<u32>,
}

pub fn payload(
    from: Downward,
    projections: &[Projection],
    default_mode: u32,
    sources: &Sources,
    issued: &BTreeMap<String, String>,
) -> Result<Payload, String> {
    let mut out = Payload::new();
    for projection in projections {
        match projection {
            Projection::Object { kind, name, items, optional } => {
                let Some(object) = sources.get(&(*kind, name.clone())) else {
                    if *optional {
                        continue;
                    }
                    return Err(format!("{} \"{name}\" not found", kind.resource()));
                };
                add_object(&mut out, *kind, object, items, *optional, default_mode)?;
            }
            Projection::DownwardApi { items } => add_downward(&mut out, from, items, default_mode)?,
            Projection::Token { path, .. } | Projection::TrustBundle { path, .. } => {
                add_issued(&mut out, from, path, issued, default_mode);
            }
            Projection::Certificate(wanted) => {
                let paths = [&wanted.bundle_path, &wanted.key_path, &wanted.chain_path];
                for path in paths.into_iter().filter(|path| !path.is_empty()) {
                    add_issued(&mut out, from, path, issued, default_mode);
                }
            }
            Projection::Unsupported(kind) => {
                return Err(format!("projected source {kind} is not supported by this node"));
            }
        }
    }
    out.keys().try_for_each(|path| check_path(path))?;
    Ok(out)
}

fn add_object(
    out: &mut Payload,
    kind: SourceKind,
    object: &Value,
    items: &[Item],
    optional: bool,
    default_mode: u32,
) -> Result<(), String> {
    let data = data_of(kind, object);
    if items.is_empty() {
        out.extend(
            data.into_iter().map(|(key, bytes)| (key, File { bytes, mode: default_mode, owner: None })),
        );
        return Ok(());
    }
    for item in items {
        match data.get(&item.key) {
            Some(bytes) => {
                let mode = item.mode.unwrap_or(default_mode);
                out.insert(item.path.clone(), File { bytes: bytes.clone(), mode, owner: None });
            }
            None if optional => {}
            None => {
                return Err(format!("{} references non-existent config key: {}", kind.resource(), item.key));
            }
        }
    }
    Ok(())
}

fn data_of(kind: SourceKind, object: &Value) -> BTreeMap<String, Vec<u8>> {
    let decode = |value: &Value| base64::engine::general_purpose::STANDARD.decode(value.as_str()?).ok();
    let entries = |field: &str, read: &dyn Fn(&Value) -> Option<Vec<u8>>| -> Vec<(String, Vec<u8>)> {
        let map = object[field].as_object().into_iter().flatten();
        map.filter_map(|(key, value)| Some((key.clone(), read(value)?))).collect()
    };
    match kind {
        SourceKind::Secret => entries("data", &decode).into_iter().collect(),
        SourceKind::ConfigMap => {
            let text = |value: &Value| value.as_str().map(|s| s.as_bytes().to_vec());
            entries("data", &text).into_iter().chain(entries("binaryData", &decode)).collect()
        }
    }
}

fn add_downward(out: &mut Payload, from: Downward, items: &[Value], default_mode: u32) -> Result<(), String> {
    for item in items {
        let path = item["path"].as_str().unwrap_or_default();
        let value = if let Some(field) = item["fieldRef"]["fieldPath"].as_str() {
            fields::field(from, field)?
        } else {
            let reference: ResourceFieldRef =
                serde_json::from_value(item["resourceFieldRef"].clone()).map_err(|e| e.to_string())?;
            fields::resource(from, &reference, "")?
        };
        let mode = item["mode"].as_u64().and_then(|m| u32::try_from(m).ok()).unwrap_or(default_mode);
        out.insert(path.to_string(), File { bytes: value.into_bytes(), mode, owner: None });
    }
    Ok(())
}

/// A token or key is for its reader alone: 0600 for the one user all containers run as, else the volume's mode.
fn add_issued(
    out: &mut Payload,
    from: Downward,
    path: &str,
    issued: &BTreeMap<String, String>,
    default_mode: u32,
) {
    let owner = common_user(from);
    let grouped = from.pod.spec.security_context.fs_group.is_some();
    let mode = if owner.is_some() || grouped { 0o600 } else { default_mode };
    let bytes = issued.get(path).cloned().unwrap_or_default().into_bytes();
    out.insert(path.to_string(), File { bytes, mode, owner });
}

fn common_user(from: Downward) -> Option<u32> {
    let shared = from.pod.spec.security_context.run_as_user;
    let mut users = from.pod.all_containers().map(|c| c.security_context.run_as_user.or(shared));
    let first = users.next()??;
    users.all(|user| user == Some(first)).then_some(first)
}

/// Nothing may be written outside the volume.
fn check_path(path: &str) -> Result<(), String> {
    let inside = Path::new(path).components().all(|c| matches!(c, Component::Normal(_)));
    if path.is_empty() || !inside || path.starts_with("..") {
        return Err(format!("invalid path \"{path}\": must be relative and not contain '..'"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::fields::NodeResources;
    use crate::pod::spec::Pod;
    use serde_json::json;
    use std::sync::Arc;

    fn made(projections: &[Projection], sources: &Sources) -> Result<Payload, String> {
        let raw = json!({"metadata": {"name": "p", "labels": {"a": "b"}},
            "spec": {"containers": [{"name": "c", "securityContext": {"runAsUser": 7}}]}});
        let pod = Pod::read(Arc::new(raw)).unwrap();
        let node = NodeResources::default();
        let from = Downward { pod: &pod, pod_ips: &[], host_ips: &[], node: &node };
        payload(from, projections, 0o640, sources, &BTreeMap::from([("token".into(), "t".into())]))
    }

    fn config_map(items: Vec<Item>, optional: bool) -> Projection {
        Projection::Object { kind: SourceKind::ConfigMap, name: "c".into(), items, optional }
    }

    #[test]
    fn projects_objects_fields_and_tokens() {
        let object = Arc::new(json!({"data": {"a": "1"}, "binaryData": {"b": "AAE="}}));
        let sources = Sources::from([((SourceKind::ConfigMap, "c".into()), object)]);
        let labels = json!({"path": "labels", "mode": 256, "fieldRef": {"fieldPath": "metadata.labels"}});
        let token =
            Projection::Token { path: "token".into(), audience: String::new(), expiration_seconds: 600 };
        let projections = [config_map(vec![], false), Projection::DownwardApi { items: vec![labels] }, token];
        let payload = made(&projections, &sources).unwrap();
        assert_eq!(payload["a"], File { bytes: b"1".to_vec(), mode: 0o640, owner: None });
        assert_eq!(payload["b"].bytes, [0, 1]);
        assert_eq!(payload["labels"], File { bytes: b"a=\"b\"".to_vec(), mode: 0o400, owner: None });
        assert_eq!(payload["token"], File { bytes: b"t".to_vec(), mode: 0o600, owner: Some(7) });
    }

    #[test]
    fn missing_objects_and_keys_are_named() {
        let none = Sources::new();
        assert_eq!(made(&[config_map(vec![], false)], &none), Err("configmap \"c\" not found".into()));
        assert_eq!(made(&[config_map(vec![], true)], &none).unwrap().len(), 0);
        let sources =
            Sources::from([((SourceKind::ConfigMap, "c".into()), Arc::new(json!({"data": {"k": "v"}})))]);
        let item = |key: &str, path: &str| Item { key: key.into(), path: path.into(), mode: None };
        let missing = made(&[config_map(vec![item("z", "z")], false)], &sources);
        assert_eq!(missing, Err("configmap references non-existent config key: z".into()));
        assert!(made(&[config_map(vec![item("k", "../x")], false)], &sources).is_err());
    }
}
