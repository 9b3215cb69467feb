//! A storage driver as a component, over directories of the test's own; and one that does harm.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

#[path = "csi/directory.rs"]
mod directory;
#[path = "csi/hostile.rs"]
mod hostile;
#[path = "csi/life.rs"]
mod life;

use std::sync::Arc;
use std::time::Duration;

use orch_plugin::calls::csi::{
    AccessMode, AccessType, CapacityRange, MountVolume, NewVolume, Pod, TopologyRequirement,
    VolumeCapability, VolumeUse,
};
use orch_plugin::worlds::CsiComponent;
use orch_plugin::{Limits, LoadError, World};
use serde_json::{Value, json};

async fn load(config: Value) -> Result<Arc<CsiComponent>, LoadError> {
    let limits = Limits { deadline: Duration::from_millis(200), memory: 32 << 20 };
    support::engine().load_csi("fake", &support::fixture("fake-csi"), &config, limits).await
}

async fn driver() -> Arc<CsiComponent> {
    load(Value::Null).await.unwrap()
}

fn mounted() -> VolumeCapability {
    let mount = MountVolume { fs_type: "ext4".into(), mount_flags: vec![], group: String::new() };
    VolumeCapability { access_type: AccessType::Mount(mount), access_mode: AccessMode::SingleNodeWriter }
}

fn new_volume(name: &str, bytes: u64) -> NewVolume {
    NewVolume {
        name: name.into(),
        capacity: CapacityRange { required_bytes: bytes, limit_bytes: 0 },
        capabilities: vec![mounted()],
        parameters: vec![],
        secrets: vec![],
        source: None,
        accessibility: TopologyRequirement { requisite: vec![], preferred: vec![] },
    }
}

fn volume_use(volume_id: &str) -> VolumeUse {
    VolumeUse {
        volume_id: volume_id.into(),
        capability: mounted(),
        volume_context: vec![],
        publish_context: vec![],
        secrets: vec![],
    }
}

fn pod() -> Pod {
    let text = |text: &str| text.to_string();
    Pod { namespace: text("a"), name: text("p"), uid: text("u"), service_account: text("default") }
}

#[tokio::test]
async fn a_driver_is_known_by_what_it_exports() {
    let artifact = support::fixture("fake-csi");
    assert_eq!((artifact.world, artifact.abi.as_str()), (World::Csi, "0.1.0"));
    let error = support::engine().load_cni("x", &artifact, Limits::default()).await.err().unwrap();
    assert!(error.to_string().contains("an orch:csi plugin, not an orch:cni one"), "{error}");
}

#[tokio::test]
async fn a_refused_configuration_refuses_the_driver() {
    let error = load(json!({"refuse": "pool: no"})).await.err().unwrap();
    assert!(matches!(&error, LoadError::Configure { message, .. } if message == "pool: no"), "{error}");
}
