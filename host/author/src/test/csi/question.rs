//! Calls of `wit/csi` as a script writes them. Only what names the volume is needed; directories of
//! volumes and snapshots bear their ids, others the names that are given here.

use std::collections::BTreeMap;

use orch_plugin::calls::csi::{
    self, AccessMode, AccessType, CapacityRange, ContentSource, MountVolume, TopologyRequirement,
    VolumeCapability,
};
use serde::Deserialize;

/// `{publish: {volume: {volumeId: v}, pod: {name: web}, target: web}}`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Storage {
    Probe,
    CreateVolume(NewVolume),
    DeleteVolume {
        volume_id: String,
        #[serde(default)]
        secrets: Attributes,
    },
    ValidateCapabilities {
        volume_id: String,
        capabilities: Vec<Capability>,
        #[serde(default)]
        volume_context: Attributes,
    },
    ControllerPublish(Publication),
    ControllerUnpublish {
        volume_id: String,
        node_id: Option<String>,
        #[serde(default)]
        secrets: Attributes,
    },
    Capacity {
        #[serde(default)]
        parameters: Attributes,
        accessible: Option<Attributes>,
        pool: String,
    },
    ControllerExpand {
        volume_id: String,
        required_bytes: u64,
        #[serde(default)]
        limit_bytes: u64,
        #[serde(default)]
        secrets: Attributes,
    },
    CreateSnapshot(NewSnapshot),
    DeleteSnapshot {
        snapshot_id: String,
        #[serde(default)]
        secrets: Attributes,
    },
    Info {
        node: String,
        #[serde(default)]
        labels: Attributes,
    },
    Stage {
        volume: VolumeUse,
        staging: String,
    },
    Unstage {
        volume_id: String,
        staging: String,
    },
    Publish {
        volume: VolumeUse,
        #[serde(default)]
        pod: Pod,
        #[serde(default)]
        read_only: bool,
        staging: Option<String>,
        target: String,
    },
    Unpublish {
        volume_id: String,
        target: String,
    },
    VolumeStats {
        volume_id: String,
        target: String,
    },
    NodeExpand {
        volume_id: String,
        required_bytes: u64,
        #[serde(default)]
        limit_bytes: u64,
        target: String,
    },
}

impl Storage {
    /// The function, as `wit/csi` names it.
    pub fn name(&self) -> &'static str {
        match self {
            Storage::Probe => "probe",
            Storage::CreateVolume(_) => "create-volume",
            Storage::DeleteVolume { .. } => "delete-volume",
            Storage::ValidateCapabilities { .. } => "validate-capabilities",
            Storage::ControllerPublish(_) => "controller-publish",
            Storage::ControllerUnpublish { .. } => "controller-unpublish",
            Storage::Capacity { .. } => "capacity",
            Storage::ControllerExpand { .. } => "controller-expand",
            Storage::CreateSnapshot(_) => "create-snapshot",
            Storage::DeleteSnapshot { .. } => "delete-snapshot",
            Storage::Info { .. } => "info",
            Storage::Stage { .. } => "stage",
            Storage::Unstage { .. } => "unstage",
            Storage::Publish { .. } => "publish",
            Storage::Unpublish { .. } => "unpublish",
            Storage::VolumeStats { .. } => "volume-stats",
            Storage::NodeExpand { .. } => "node-expand",
        }
    }
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(transparent)]
pub struct Attributes(BTreeMap<String, String>);

impl Attributes {
    pub fn list(&self) -> csi::Attributes {
        self.0.clone().into_iter().collect()
    }
}

pub fn range(required_bytes: u64, limit_bytes: u64) -> CapacityRange {
    CapacityRange { required_bytes, limit_bytes }
}

/// Mounted for one writer unless it says otherwise.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Capability {
    access_mode: Mode,
    /// A raw device; otherwise the fields below say how it is mounted.
    block: bool,
    fs_type: String,
    mount_flags: Vec<String>,
    group: String,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Mode {
    #[default]
    SingleNodeWriter,
    SingleNodeSingleWriter,
    SingleNodeMultiWriter,
    SingleNodeReaderOnly,
    MultiNodeReaderOnly,
    MultiNodeSingleWriter,
    MultiNodeMultiWriter,
}

impl From<Mode> for AccessMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::SingleNodeWriter => AccessMode::SingleNodeWriter,
            Mode::SingleNodeSingleWriter => AccessMode::SingleNodeSingleWriter,
            Mode::SingleNodeMultiWriter => AccessMode::SingleNodeMultiWriter,
            Mode::SingleNodeReaderOnly => AccessMode::SingleNodeReaderOnly,
            Mode::MultiNodeReaderOnly => AccessMode::MultiNodeReaderOnly,
            Mode::MultiNodeSingleWriter => AccessMode::MultiNodeSingleWriter,
            Mode::MultiNodeMultiWriter => AccessMode::MultiNodeMultiWriter,
        }
    }
}

impl From<&Capability> for VolumeCapability {
    fn from(given: &Capability) -> Self {
        let mount = || MountVolume {
            fs_type: given.fs_type.clone(),
            mount_flags: given.mount_flags.clone(),
            group: given.group.clone(),
        };
        let access_type = if given.block { AccessType::Block } else { AccessType::Mount(mount()) };
        VolumeCapability { access_type, access_mode: given.access_mode.into() }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Source {
    Snapshot(String),
    Volume(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NewVolume {
    pub name: String,
    #[serde(default)]
    required_bytes: u64,
    #[serde(default)]
    limit_bytes: u64,
    /// One, mounted for one writer, when left out.
    #[serde(default = "plain")]
    capabilities: Vec<Capability>,
    #[serde(default)]
    parameters: Attributes,
    #[serde(default)]
    secrets: Attributes,
    source: Option<Source>,
    #[serde(default)]
    requisite: Vec<Attributes>,
    #[serde(default)]
    preferred: Vec<Attributes>,
}

fn plain() -> Vec<Capability> {
    vec![Capability::default()]
}

impl NewVolume {
    pub fn source(&self) -> Option<&str> {
        self.source.as_ref().map(|source| match source {
            Source::Snapshot(id) | Source::Volume(id) => id.as_str(),
        })
    }

    pub fn request(&self) -> csi::NewVolume {
        let places = |places: &[Attributes]| places.iter().map(Attributes::list).collect();
        csi::NewVolume {
            name: self.name.clone(),
            capacity: range(self.required_bytes, self.limit_bytes),
            capabilities: self.capabilities.iter().map(Into::into).collect(),
            parameters: self.parameters.list(),
            secrets: self.secrets.list(),
            source: self.source.clone().map(|source| match source {
                Source::Snapshot(id) => ContentSource::Snapshot(id),
                Source::Volume(id) => ContentSource::Volume(id),
            }),
            accessibility: TopologyRequirement {
                requisite: places(&self.requisite),
                preferred: places(&self.preferred),
            },
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Publication {
    volume_id: String,
    node_id: String,
    #[serde(default)]
    capability: Capability,
    #[serde(default)]
    read_only: bool,
    #[serde(default)]
    volume_context: Attributes,
    #[serde(default)]
    secrets: Attributes,
}

impl Publication {
    pub fn request(&self) -> csi::Publication {
        csi::Publication {
            volume_id: self.volume_id.clone(),
            node_id: self.node_id.clone(),
            capability: (&self.capability).into(),
            read_only: self.read_only,
            volume_context: self.volume_context.list(),
            secrets: self.secrets.list(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NewSnapshot {
    pub name: String,
    pub source_volume_id: String,
    #[serde(default)]
    parameters: Attributes,
    #[serde(default)]
    secrets: Attributes,
    #[serde(default)]
    now_ms: u64,
}

impl NewSnapshot {
    pub fn request(&self) -> csi::NewSnapshot {
        csi::NewSnapshot {
            name: self.name.clone(),
            source_volume_id: self.source_volume_id.clone(),
            parameters: self.parameters.list(),
            secrets: self.secrets.list(),
            now_ms: self.now_ms,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct VolumeUse {
    pub volume_id: String,
    #[serde(default)]
    capability: Capability,
    #[serde(default)]
    volume_context: Attributes,
    #[serde(default)]
    publish_context: Attributes,
    #[serde(default)]
    secrets: Attributes,
}

impl VolumeUse {
    pub fn request(&self) -> csi::VolumeUse {
        csi::VolumeUse {
            volume_id: self.volume_id.clone(),
            capability: (&self.capability).into(),
            volume_context: self.volume_context.list(),
            publish_context: self.publish_context.list(),
            secrets: self.secrets.list(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "camelCase")]
pub struct Pod {
    namespace: String,
    name: String,
    uid: String,
    service_account: String,
}

impl From<&Pod> for csi::Pod {
    fn from(pod: &Pod) -> Self {
        let Pod { namespace, name, uid, service_account } = pod;
        csi::Pod {
            namespace: namespace.clone(),
            name: name.clone(),
            uid: uid.clone(),
            service_account: service_account.clone(),
        }
    }
}
