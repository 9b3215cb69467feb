//! Lets a PersistentVolume that is being deleted go when it is bound to no claim any more
//! (`pkg/controller/volume/pvprotection`).

use orch_sdk::controller::{Api, Controller, Description, Error, Kind, Outcome};
use orch_sdk::finalizer;
use orch_sdk::object::Object;

const VOLUME: Kind = Kind::new("v1", "PersistentVolume");
const FINALIZER: &str = "kubernetes.io/pv-protection";

#[derive(Default)]
pub struct VolumeProtection;

orch_sdk::export_controller!(VolumeProtection);

impl Controller for VolumeProtection {
    fn describe() -> Description {
        let fields = ["metadata.deletionTimestamp", "metadata.finalizers", "status.phase"];
        Description::new().watches(VOLUME, &fields)
    }

    fn reconcile(&mut self, api: &dyn Api, key: &str) -> Result<Outcome, Error> {
        let at = VOLUME.object("", key);
        if let Some(volume) = api.get(at)? {
            let used = || Ok(volume.at(&["status", "phase"]) == "Bound");
            finalizer::hold_while(api, at, &volume, FINALIZER, used)?;
        }
        Ok(Outcome::done())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orch_sdk::fake::Cluster;
    use orch_sdk::{Value, json};

    fn volume(phase: &str, going: bool) -> Value {
        let mut volume = json!({ "apiVersion": "v1", "kind": "PersistentVolume", "status": { "phase": phase },
            "metadata": { "name": "v", "uid": "u", "finalizers": ["a/b", FINALIZER] } });
        if going {
            volume["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        }
        volume
    }

    fn finalizers(volume: Value) -> Value {
        let cluster = Cluster::with([volume]);
        VolumeProtection.reconcile(&cluster, "v").unwrap();
        cluster.object(VOLUME, "", "v")["metadata"]["finalizers"].clone()
    }

    #[test]
    fn only_a_bound_volume_stays() {
        assert_eq!(finalizers(volume("Bound", true)), json!(["a/b", FINALIZER]));
        assert_eq!(finalizers(volume("Released", true)), json!(["a/b"]));
        assert_eq!(finalizers(volume("Released", false)), json!(["a/b", FINALIZER]));
    }

    #[test]
    fn a_volume_made_before_is_held_too() {
        let mut old = volume("Available", false);
        old["metadata"]["finalizers"] = json!(["a/b"]);
        assert_eq!(finalizers(old), json!(["a/b", FINALIZER]));
    }
}
