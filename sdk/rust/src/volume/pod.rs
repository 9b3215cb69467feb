//! A pod's volumes, as far as policies judge them.

use serde::Deserialize;

use super::{Claim, Metadata};
use crate::node::or_default;

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Pod {
    pub metadata: Metadata,
    #[serde(deserialize_with = "or_default")]
    pub spec: Spec,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Spec {
    #[serde(deserialize_with = "or_default")]
    pub volumes: Vec<Volume>,
}

/// One item of `spec.volumes`; of kinds that are not named here nothing is read.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Volume {
    pub name: String,
    pub persistent_volume_claim: Option<ClaimSource>,
    /// Only whether there is one is read.
    pub ephemeral: Option<serde::de::IgnoredAny>,
    pub gce_persistent_disk: Option<GceDisk>,
    pub aws_elastic_block_store: Option<EbsDisk>,
    pub iscsi: Option<IscsiDisk>,
    pub rbd: Option<RbdImage>,
    pub azure_disk: Option<AzureDisk>,
    pub cinder: Option<ByVolumeId>,
    pub portworx_volume: Option<ByVolumeId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ClaimSource {
    pub claim_name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct GceDisk {
    pub pd_name: String,
    pub read_only: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct EbsDisk {
    #[serde(rename = "volumeID")]
    pub volume_id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct IscsiDisk {
    pub iqn: String,
    pub read_only: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RbdImage {
    #[serde(deserialize_with = "or_default")]
    pub monitors: Vec<String>,
    /// `rbd` when empty.
    pub pool: String,
    pub image: String,
    pub read_only: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct AzureDisk {
    #[serde(rename = "diskURI")]
    pub disk_uri: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct ByVolumeId {
    #[serde(rename = "volumeID")]
    pub volume_id: String,
}

/// A claim that a pod uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimUse {
    /// In the pod's namespace.
    pub name: String,
    /// Made for this pod from a template, named after it and its volume.
    pub ephemeral: bool,
}

impl Pod {
    pub fn parse(json: &str) -> Result<Self, String> {
        serde_json::from_str(json).map_err(|error| format!("pod: {error}"))
    }

    /// The claims of its volumes, in their order.
    pub fn claims(&self) -> impl Iterator<Item = ClaimUse> + '_ {
        self.spec.volumes.iter().filter_map(|volume| volume.claim(&self.metadata.name))
    }

    /// The key of one of its claims.
    pub fn claim_key(&self, claim: &ClaimUse) -> String {
        crate::controller::key_of(&self.metadata.namespace, &claim.name)
    }

    /// An ephemeral volume is used only when its claim was made for this very pod.
    pub fn check_owner(&self, claim: &Claim) -> Result<(), String> {
        let (own, theirs) = (&self.metadata, &claim.metadata);
        if own.namespace == theirs.namespace && theirs.is_controlled_by(&own.uid) {
            return Ok(());
        }
        Err(format!(
            "PVC {}/{} was not created for pod {}/{} (pod is not owner)",
            theirs.namespace, theirs.name, own.namespace, own.name
        ))
    }
}

impl Volume {
    fn claim(&self, pod: &str) -> Option<ClaimUse> {
        match (&self.persistent_volume_claim, &self.ephemeral) {
            (Some(source), _) => Some(ClaimUse { name: source.claim_name.clone(), ephemeral: false }),
            (None, Some(_)) => Some(ClaimUse { name: format!("{pod}-{}", self.name), ephemeral: true }),
            (None, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn claims_are_named_by_the_pod_or_after_it() {
        let pod = json!({
            "metadata": {"name": "web", "namespace": "shop", "uid": "u1"},
            "spec": {"volumes": [
                {"name": "token", "projected": {"sources": []}},
                {"name": "data", "persistentVolumeClaim": {"claimName": "disk"}},
                {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {"spec": {"x": [1]}}}},
                {},
            ]},
        });
        let pod = Pod::parse(&pod.to_string()).unwrap();
        let claims: Vec<_> = pod.claims().collect();
        assert_eq!(
            claims.iter().map(|claim| claim.name.as_str()).collect::<Vec<_>>(),
            ["disk", "web-scratch"]
        );
        assert_eq!(pod.claim_key(&claims[1]), "shop/web-scratch");
        assert!(claims[1].ephemeral && !claims[0].ephemeral);
    }

    #[test]
    fn an_ephemeral_claim_belongs_to_its_pod() {
        let pod = Pod::parse(r#"{"metadata": {"name": "web", "namespace": "shop", "uid": "u1"}}"#).unwrap();
        let claim = |uid: &str, controller: bool| -> Claim {
            let owners = json!([{"uid": uid, "controller": controller}]);
            let metadata = json!({"name": "web-x", "namespace": "shop", "ownerReferences": owners});
            serde_json::from_value(json!({"metadata": metadata})).unwrap()
        };
        assert!(pod.check_owner(&claim("u1", true)).is_ok());
        assert!(pod.check_owner(&claim("u1", false)).is_err());
        assert_eq!(
            pod.check_owner(&claim("u2", true)).unwrap_err(),
            "PVC shop/web-x was not created for pod shop/web (pod is not owner)"
        );
    }

    #[test]
    fn nulls_and_absence_read_as_no_volumes() {
        for pod in ["{}", r#"{"spec": null}"#, r#"{"spec": {"volumes": null}}"#] {
            assert_eq!(Pod::parse(pod).unwrap().claims().count(), 0);
        }
        assert!(Pod::parse("[").is_err());
    }
}
