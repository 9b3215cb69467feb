//! A container's environment. Pure: the objects it refers to are given.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use serde_json::Value;

use super::expand::expand;
use super::fields::{self, Downward};
use super::spec::{Container, EnvSource, EnvVar, KeyRef};

/// A ConfigMap or Secret that a pod refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SourceKind {
    ConfigMap,
    Secret,
}

impl SourceKind {
    /// As "not found" messages name it.
    pub fn resource(self) -> &'static str {
        match self {
            SourceKind::ConfigMap => "configmap",
            SourceKind::Secret => "secret",
        }
    }
    pub fn name(self) -> &'static str {
        match self {
            SourceKind::ConfigMap => "ConfigMap",
            SourceKind::Secret => "Secret",
        }
    }
}

/// The objects by kind and name; what does not exist is not in it.
pub type Sources = BTreeMap<(SourceKind, String), Arc<Value>>;

/// Why a container's configuration cannot be made (`CreateContainerConfigError`).
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum ConfigError {
    #[error("{} \"{name}\" not found", .kind.resource())]
    Missing { kind: SourceKind, name: String },
    #[error("couldn't find key {key} in {} {namespace}/{name}", .kind.name())]
    MissingKey { kind: SourceKind, namespace: String, name: String, key: String },
    #[error("{0}")]
    Other(String),
}

/// The ConfigMaps and Secrets that a container's environment names.
pub fn references(container: &Container) -> Vec<(SourceKind, String)> {
    let mut out = Vec::new();
    for from in &container.env_from {
        out.extend(from.config_map_ref.iter().map(|r| (SourceKind::ConfigMap, r.name.clone())));
        out.extend(from.secret_ref.iter().map(|r| (SourceKind::Secret, r.name.clone())));
    }
    for source in container.env.iter().filter_map(|env| env.value_from.as_ref()) {
        out.extend(source.config_map_key_ref.iter().map(|r| (SourceKind::ConfigMap, r.name.clone())));
        out.extend(source.secret_key_ref.iter().map(|r| (SourceKind::Secret, r.name.clone())));
    }
    out
}

/// The variables in order; later ones of the same name have replaced earlier ones.
pub fn resolve(
    from: Downward,
    container: &Container,
    sources: &Sources,
    services: BTreeMap<String, String>,
) -> Result<Vec<(String, String)>, ConfigError> {
    let mut env = Environment { services, ..Environment::default() };
    for source in &container.env_from {
        let references = [
            (SourceKind::ConfigMap, source.config_map_ref.as_ref()),
            (SourceKind::Secret, source.secret_ref.as_ref()),
        ];
        for (kind, reference) in references {
            let Some(reference) = reference else { continue };
            match sources.get(&(kind, reference.name.clone())) {
                Some(object) => env.add_all(&source.prefix, kind, object),
                None if reference.optional => {}
                None => return Err(ConfigError::Missing { kind, name: reference.name.clone() }),
            }
        }
    }
    for variable in &container.env {
        if let Some(value) = value_of(from, container, variable, sources, &env)? {
            env.set(variable.name.clone(), value);
        }
    }
    Ok(env.finish())
}

#[derive(Default)]
struct Environment {
    explicit: Vec<(String, String)>,
    services: BTreeMap<String, String>,
}

impl Environment {
    fn get(&self, name: &str) -> Option<&str> {
        let explicit = self.explicit.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        explicit.or_else(|| self.services.get(name).map(String::as_str))
    }

    fn set(&mut self, name: String, value: String) {
        match self.explicit.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.explicit.push((name, value)),
        }
    }

    fn add_all(&mut self, prefix: &str, kind: SourceKind, object: &Value) {
        for key in object["data"].as_object().into_iter().flat_map(serde_json::Map::keys) {
            if let Some(value) = text(kind, object, key) {
                self.set(format!("{prefix}{key}"), value);
            }
        }
    }

    /// Service variables give way to the container's own.
    fn finish(self) -> Vec<(String, String)> {
        let mut out = self.explicit;
        let extra: Vec<_> = self
            .services
            .into_iter()
            .filter(|(name, _)| !out.iter().any(|(known, _)| known == name))
            .collect();
        out.extend(extra);
        out
    }
}

fn value_of(
    from: Downward,
    container: &Container,
    variable: &EnvVar,
    sources: &Sources,
    env: &Environment,
) -> Result<Option<String>, ConfigError> {
    match &variable.value_from {
        None => {
            let value = variable.value.as_deref().unwrap_or_default();
            Ok(Some(expand(value, |name| env.get(name))))
        }
        Some(source) => sourced(from, container, source, sources),
    }
}

fn sourced(
    from: Downward,
    container: &Container,
    source: &EnvSource,
    sources: &Sources,
) -> Result<Option<String>, ConfigError> {
    let namespace = &from.pod.metadata.namespace;
    if let Some(reference) = &source.field_ref {
        return fields::field(from, &reference.field_path).map(Some).map_err(ConfigError::Other);
    }
    if let Some(reference) = &source.resource_field_ref {
        return fields::resource(from, reference, &container.name).map(Some).map_err(ConfigError::Other);
    }
    if let Some(reference) = &source.config_map_key_ref {
        return keyed(SourceKind::ConfigMap, namespace, reference, sources);
    }
    if let Some(reference) = &source.secret_key_ref {
        return keyed(SourceKind::Secret, namespace, reference, sources);
    }
    if source.file_key_ref.is_some() {
        return Err(ConfigError::Other("env valueFrom.fileKeyRef is not supported by this node".into()));
    }
    Ok(Some(String::new()))
}

fn keyed(
    kind: SourceKind,
    namespace: &str,
    reference: &KeyRef,
    sources: &Sources,
) -> Result<Option<String>, ConfigError> {
    let Some(object) = sources.get(&(kind, reference.name.clone())) else {
        return if reference.optional {
            Ok(None)
        } else {
            Err(ConfigError::Missing { kind, name: reference.name.clone() })
        };
    };
    match text(kind, object, &reference.key) {
        Some(value) => Ok(Some(value)),
        None if reference.optional => Ok(None),
        None => Err(ConfigError::MissingKey {
            kind,
            namespace: namespace.into(),
            name: reference.name.clone(),
            key: reference.key.clone(),
        }),
    }
}

fn text(kind: SourceKind, object: &Value, key: &str) -> Option<String> {
    let value = object["data"][key].as_str()?;
    match kind {
        SourceKind::ConfigMap => Some(value.to_string()),
        SourceKind::Secret => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(value).ok()?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::fields::NodeResources;
    use crate::pod::spec::Pod;
    use serde_json::json;

    fn resolved(container: Value, sources: &Sources) -> Result<Vec<(String, String)>, ConfigError> {
        let mut pod = Pod::default();
        pod.metadata.namespace = "ns".into();
        let container: Container = serde_json::from_value(container).unwrap();
        let node = NodeResources::default();
        let from = Downward { pod: &pod, pod_ips: &[], host_ips: &[], node: &node };
        resolve(from, &container, sources, BTreeMap::from([("SVC".into(), "s".into())]))
    }

    fn sources() -> Sources {
        let config = Arc::new(json!({"data": {"a": "1", "b": "2"}}));
        let secret = Arc::new(json!({"data": {"p": "aHVudGVy"}}));
        BTreeMap::from([
            ((SourceKind::ConfigMap, "c".to_string()), config),
            ((SourceKind::Secret, "s".to_string()), secret),
        ])
    }

    #[test]
    fn later_variables_see_and_replace_earlier_ones() {
        let env = resolved(
            json!({"envFrom": [{"prefix": "P_", "configMapRef": {"name": "c"}}],
            "env": [{"name": "X", "value": "$(P_a)-$(SVC)-$(LATER)"}, {"name": "P_b", "value": "own"},
                {"name": "PW", "valueFrom": {"secretKeyRef": {"name": "s", "key": "p"}}}]}),
            &sources(),
        )
        .unwrap();
        let expected = [("P_a", "1"), ("P_b", "own"), ("X", "1-s-$(LATER)"), ("PW", "hunter"), ("SVC", "s")];
        assert_eq!(env, expected.map(|(k, v)| (k.to_string(), v.to_string())));
    }

    #[test]
    fn missing_sources_are_named_in_upstreams_words() {
        let key = |key: &str, optional: bool| {
            json!({"env": [{"name": "X", "valueFrom":
                {"configMapKeyRef": {"name": "c", "key": key, "optional": optional}}}]})
        };
        let error = resolved(key("z", false), &sources()).unwrap_err();
        assert_eq!(error.to_string(), "couldn't find key z in ConfigMap ns/c");
        let error = resolved(key("a", false), &Sources::new()).unwrap_err();
        assert_eq!(error.to_string(), "configmap \"c\" not found");
        assert_eq!(resolved(key("z", true), &sources()).unwrap().len(), 1);
    }
}
