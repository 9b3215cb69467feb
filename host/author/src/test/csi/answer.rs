//! A driver's answers as a script writes them: the records of `wit/csi`, their fields in camel case.

use orch_plugin::calls::csi::{
    Answer, Attributes, Expansion, Health, NodeInfo, Room, Snapshot, Usage, Volume,
};
use serde_json::{Map, Value, json};

pub fn shown<T: Shown>(answer: Answer<T>) -> Answer<Value> {
    answer.map(|answer| answer.map(|answer| answer.shown()))
}

pub trait Shown {
    fn shown(&self) -> Value;
}

/// Those that JSON has itself.
macro_rules! plain {
    ($($type:ty)*) => { $(impl Shown for $type {
        fn shown(&self) -> Value { json!(self) }
    })* };
}

plain! { () bool u64 Option<String> }

impl Shown for Attributes {
    fn shown(&self) -> Value {
        let value = |(name, value): &(String, String)| (name.clone(), Value::from(value.as_str()));
        Value::Object(self.iter().map(value).collect::<Map<_, _>>())
    }
}

impl Shown for Volume {
    fn shown(&self) -> Value {
        let accessible: Vec<Value> = self.accessible.iter().map(Shown::shown).collect();
        json!({
            "volumeId": self.volume_id,
            "capacityBytes": self.capacity_bytes,
            "context": self.context.shown(),
            "accessible": accessible,
        })
    }
}

impl Shown for Room {
    fn shown(&self) -> Value {
        json!({"availableBytes": self.available_bytes, "largestBytes": self.largest_bytes})
    }
}

impl Shown for Expansion {
    fn shown(&self) -> Value {
        json!({
            "capacityBytes": self.capacity_bytes,
            "nodeExpansionRequired": self.node_expansion_required,
        })
    }
}

impl Shown for Snapshot {
    fn shown(&self) -> Value {
        json!({
            "snapshotId": self.snapshot_id,
            "sourceVolumeId": self.source_volume_id,
            "sizeBytes": self.size_bytes,
            "createdMs": self.created_ms,
            "ready": self.ready,
        })
    }
}

impl Shown for NodeInfo {
    fn shown(&self) -> Value {
        json!({
            "nodeId": self.node_id,
            "maxVolumes": self.max_volumes,
            "accessible": self.accessible.as_ref().map(Shown::shown),
        })
    }
}

impl Shown for Health {
    fn shown(&self) -> Value {
        json!({"usage": self.usage.shown(), "abnormal": self.abnormal})
    }
}

impl Shown for Usage {
    fn shown(&self) -> Value {
        json!({
            "usedBytes": self.used_bytes,
            "availableBytes": self.available_bytes,
            "totalBytes": self.total_bytes,
            "usedInodes": self.used_inodes,
            "availableInodes": self.available_inodes,
            "totalInodes": self.total_inodes,
        })
    }
}
