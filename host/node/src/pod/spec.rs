//! The fields of a Pod that a node reads, as thin types; everything else stays in `raw`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::references;

#[derive(Debug, thiserror::Error)]
#[error("pod {key} is not readable: {source}")]
pub struct UnreadablePod {
    pub key: String,
    #[source]
    pub source: serde_json::Error,
}

#[derive(Debug, Clone, Default)]
pub struct Pod {
    pub metadata: Metadata,
    pub spec: PodSpec,
    /// The object as the API last showed it.
    pub raw: Arc<Value>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    pub name: String,
    pub namespace: String,
    pub uid: String,
    pub generation: Option<i64>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub deletion_timestamp: Option<String>,
    pub deletion_grace_period_seconds: Option<i64>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    pub node_name: String,
    pub init_containers: Vec<Container>,
    pub containers: Vec<Container>,
    /// Join a pod that runs, to look at it.
    pub ephemeral_containers: Vec<Container>,
    pub volumes: Vec<Value>,
    /// `Always` (also when empty), `OnFailure`, `Never`.
    pub restart_policy: String,
    pub termination_grace_period_seconds: Option<i64>,
    pub active_deadline_seconds: Option<i64>,
    pub service_account_name: String,
    pub enable_service_links: Option<bool>,
    pub host_network: bool,
    #[serde(rename = "hostPID")]
    pub host_pid: bool,
    #[serde(rename = "hostIPC")]
    pub host_ipc: bool,
    pub share_process_namespace: bool,
    pub host_users: Option<bool>,
    pub security_context: PodSecurityContext,
    pub image_pull_secrets: Vec<LocalReference>,
    pub hostname: String,
    pub subdomain: String,
    #[serde(rename = "setHostnameAsFQDN")]
    pub set_hostname_as_fqdn: bool,
    pub host_aliases: Vec<HostAlias>,
    pub dns_policy: String,
    pub dns_config: DnsConfig,
    pub readiness_gates: Vec<ReadinessGate>,
    pub resources: Option<ResourceRequirements>,
    /// Added by a RuntimeClass on top of what the containers ask for.
    pub overhead: ResourceList,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LocalReference {
    pub name: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HostAlias {
    pub ip: String,
    pub hostnames: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DnsConfig {
    pub nameservers: Vec<String>,
    pub searches: Vec<String>,
    pub options: Vec<DnsOption>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DnsOption {
    pub name: String,
    pub value: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReadinessGate {
    pub condition_type: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Container {
    pub name: String,
    pub image: String,
    pub command: Vec<String>,
    pub args: Vec<String>,
    pub working_dir: String,
    pub ports: Vec<Port>,
    pub env: Vec<EnvVar>,
    pub env_from: Vec<EnvFrom>,
    pub resources: ResourceRequirements,
    pub resize_policy: Vec<ResizePolicy>,
    pub volume_mounts: Vec<VolumeMount>,
    pub volume_devices: Vec<Value>,
    pub liveness_probe: Option<Probe>,
    pub readiness_probe: Option<Probe>,
    pub startup_probe: Option<Probe>,
    pub lifecycle: Lifecycle,
    pub termination_message_path: Option<String>,
    pub termination_message_policy: String,
    /// `Always`, `IfNotPresent`, `Never`; empty: by the tag.
    pub image_pull_policy: String,
    pub security_context: SecurityContext,
    pub stdin: bool,
    pub stdin_once: bool,
    pub tty: bool,
    /// `Always` makes an init container a sidecar.
    pub restart_policy: Option<String>,
    /// Whose processes an ephemeral container sees; empty: its own alone.
    pub target_container_name: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Port {
    pub name: String,
    pub container_port: u16,
    pub host_port: u16,
    pub protocol: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvVar {
    pub name: String,
    pub value: Option<String>,
    pub value_from: Option<EnvSource>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvSource {
    pub field_ref: Option<FieldRef>,
    pub resource_field_ref: Option<ResourceFieldRef>,
    pub config_map_key_ref: Option<KeyRef>,
    pub secret_key_ref: Option<KeyRef>,
    pub file_key_ref: Option<Value>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FieldRef {
    pub field_path: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceFieldRef {
    pub container_name: String,
    pub resource: String,
    pub divisor: Option<Value>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KeyRef {
    pub name: String,
    pub key: String,
    pub optional: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvFrom {
    pub prefix: String,
    pub config_map_ref: Option<OptionalReference>,
    pub secret_ref: Option<OptionalReference>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OptionalReference {
    pub name: String,
    pub optional: bool,
}

/// Quantities stay as the API shows them (a string, or a bare number).
pub type ResourceList = BTreeMap<String, Value>;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResizePolicy {
    pub resource_name: String,
    /// `NotRequired`, `RestartContainer`.
    pub restart_policy: String,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceRequirements {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: ResourceList,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: ResourceList,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VolumeMount {
    pub name: String,
    pub mount_path: String,
    pub sub_path: String,
    pub sub_path_expr: String,
    pub read_only: bool,
    pub recursive_read_only: Option<String>,
    pub mount_propagation: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Lifecycle {
    pub post_start: Option<Handler>,
    pub pre_stop: Option<Handler>,
    pub stop_signal: Option<String>,
}

/// What a probe or hook does; exactly one is set.
#[derive(Debug, Clone, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct Handler {
    pub exec: Option<ExecAction>,
    pub http_get: Option<HttpGet>,
    pub tcp_socket: Option<TcpSocket>,
    pub grpc: Option<Grpc>,
    pub sleep: Option<Sleep>,
}

#[derive(Debug, Clone, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct ExecAction {
    pub command: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpGet {
    pub path: String,
    /// A number, or the name of a container port.
    pub port: Value,
    pub host: String,
    /// `HTTP` or `HTTPS`.
    pub scheme: String,
    pub http_headers: Vec<HttpHeader>,
}

#[derive(Debug, Clone, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpHeader {
    pub name: String,
    pub value: String,
}

#[derive(Debug, Clone, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct TcpSocket {
    pub port: Value,
    pub host: String,
}

#[derive(Debug, Clone, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct Grpc {
    pub port: u16,
    pub service: String,
}

#[derive(Debug, Clone, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct Sleep {
    pub seconds: u64,
}

#[derive(Debug, Clone, Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct Probe {
    #[serde(flatten)]
    pub handler: Handler,
    pub initial_delay_seconds: u64,
    pub timeout_seconds: u64,
    pub period_seconds: u64,
    pub success_threshold: u32,
    pub failure_threshold: u32,
    pub termination_grace_period_seconds: Option<i64>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSecurityContext {
    pub run_as_user: Option<u32>,
    pub run_as_group: Option<u32>,
    pub run_as_non_root: Option<bool>,
    pub supplemental_groups: Vec<u32>,
    pub fs_group: Option<u32>,
    /// `OnRootMismatch` or `Always`.
    pub fs_group_change_policy: Option<String>,
    pub seccomp_profile: Option<SeccompProfile>,
    pub sysctls: Vec<Sysctl>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecurityContext {
    pub run_as_user: Option<u32>,
    pub run_as_group: Option<u32>,
    pub run_as_non_root: Option<bool>,
    pub capabilities: Capabilities,
    pub privileged: Option<bool>,
    pub read_only_root_filesystem: Option<bool>,
    pub allow_privilege_escalation: Option<bool>,
    pub seccomp_profile: Option<SeccompProfile>,
    pub proc_mount: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Capabilities {
    pub add: Vec<String>,
    pub drop: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SeccompProfile {
    #[serde(rename = "type")]
    pub profile_type: String,
    pub localhost_profile: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Sysctl {
    pub name: String,
    pub value: String,
}

impl Pod {
    pub fn read(raw: Arc<Value>) -> Result<Pod, UnreadablePod> {
        let parse = |object: &Value| -> Result<(Metadata, PodSpec), serde_json::Error> {
            Ok((Metadata::deserialize(&object["metadata"])?, PodSpec::deserialize(&object["spec"])?))
        };
        let (metadata, spec) = parse(&raw)
            // An explicit null means "not set" in the API; only objects with one pay for the copy.
            .or_else(|_| parse(&without_nulls(&raw)))
            .map_err(|source| UnreadablePod { key: orch_client::informer::key(&raw), source })?;
        Ok(Pod { metadata, spec, raw })
    }

    /// `namespace/name`
    pub fn key(&self) -> String {
        format!("{}/{}", self.metadata.namespace, self.metadata.name)
    }

    /// `name_namespace(uid)`, as messages name a pod.
    pub fn full_name(&self) -> String {
        format!("{}_{}({})", self.metadata.name, self.metadata.namespace, self.metadata.uid)
    }

    pub fn is_deleted(&self) -> bool {
        self.metadata.deletion_timestamp.is_some()
    }

    pub fn status(&self) -> &Value {
        &self.raw["status"]
    }
    /// The revision at which the API last showed it.
    pub fn version(&self) -> u64 {
        references::version(&self.raw)
    }

    /// Init containers first, ephemeral ones last, in the order of the spec.
    pub fn all_containers(&self) -> impl Iterator<Item = &Container> {
        self.spec.init_containers.iter().chain(&self.spec.containers).chain(&self.spec.ephemeral_containers)
    }

    pub fn container(&self, name: &str) -> Option<&Container> {
        self.all_containers().find(|c| c.name == name)
    }

    pub fn is_init(&self, name: &str) -> bool {
        self.spec.init_containers.iter().any(|c| c.name == name)
    }

    pub fn is_ephemeral(&self, name: &str) -> bool {
        self.spec.ephemeral_containers.iter().any(|c| c.name == name)
    }

    /// What the API last said of a container, from `status.containerStatuses` or its siblings.
    pub fn container_status(&self, name: &str) -> Option<&Value> {
        ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"]
            .iter()
            .filter_map(|list| self.status()[list].as_array())
            .flatten()
            .find(|status| status["name"] == name)
    }

    /// Seconds between SIGTERM and SIGKILL; a deletion's own wish wins.
    pub fn grace_seconds(&self) -> i64 {
        self.metadata
            .deletion_grace_period_seconds
            .or(self.spec.termination_grace_period_seconds)
            .unwrap_or(30)
            .max(1)
    }
}

impl Container {
    pub fn is_sidecar(&self) -> bool {
        self.restart_policy.as_deref() == Some("Always")
    }

    /// A named port's number, or the number itself.
    pub fn port(&self, port: &Value) -> Result<u16, String> {
        match port {
            Value::Number(n) => n
                .as_u64()
                .and_then(|n| u16::try_from(n).ok())
                .filter(|n| *n > 0)
                .ok_or_else(|| format!("invalid port number: {n}")),
            Value::String(name) => self
                .ports
                .iter()
                .find(|p| p.name == *name)
                .map(|p| p.container_port)
                .or_else(|| name.parse().ok())
                .ok_or_else(|| format!("port {name} not found")),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                Err("intOrString had no kind".into())
            }
        }
    }
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), without_nulls(v))).collect(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_a_pod_with_explicit_nulls() {
        let raw = json!({"metadata": {"name": "a", "namespace": "b", "uid": "c", "labels": null},
            "spec": {"containers": [{"name": "x", "image": "i", "args": null,
                "livenessProbe": {"httpGet": {"port": "http"}, "periodSeconds": 3}}]}});
        let pod = Pod::read(Arc::new(raw)).unwrap();
        assert_eq!(pod.full_name(), "a_b(c)");
        let probe = pod.spec.containers[0].liveness_probe.as_ref().unwrap();
        assert_eq!(probe.period_seconds, 3);
        assert_eq!(probe.handler.http_get.as_ref().unwrap().port, json!("http"));
    }

    #[test]
    fn resolves_ports_by_name_and_number() {
        let container = Container {
            ports: vec![Port { name: "http".into(), container_port: 80, ..Port::default() }],
            ..Container::default()
        };
        assert_eq!(container.port(&json!("http")), Ok(80));
        assert_eq!(container.port(&json!(8080)), Ok(8080));
        assert_eq!(container.port(&json!("nope")), Err("port nope not found".into()));
    }
}
