//! Trust anchors of ClusterTrustBundles in projected volumes, by name or by signer and labels.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use orch_client::{ListOptions, Resource, Status, Target};
use orch_object::{LabelSelector, pem};
use serde_json::Value;
use tokio::time::Instant;

use super::{Mounted, Projection};
use crate::agent::Agent;

const BUNDLES: Resource = Resource::new("certificates.k8s.io", "v1", "clustertrustbundles");
/// Bundles are read again, as upstream's pods are looked at again.
const AGAIN: Duration = Duration::from_secs(60);

/// Which bundles a file is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum Bundles {
    Named(String),
    /// Without a selector: none.
    Signer {
        name: String,
        selector: Option<Value>,
    },
}

/// The anchors of these projections by file path.
pub async fn read_all(
    agent: &Agent,
    projections: &[Projection],
    mounted: &mut Mounted,
) -> Result<BTreeMap<String, String>, String> {
    let mut out = BTreeMap::new();
    for projection in projections {
        let Projection::TrustBundle { bundles, path, optional } = projection else { continue };
        let found = find(agent, bundles).await.map_err(|status| status.message)?;
        if found.is_empty() && !optional {
            return Err(match bundles {
                Bundles::Named(name) => format!("clustertrustbundles.certificates.k8s.io {name:?} not found"),
                Bundles::Signer { .. } => {
                    "combination of signerName and labelSelector matched zero ClusterTrustBundles".into()
                }
            });
        }
        mounted.refresh_by(Instant::now() + AGAIN);
        out.insert(path.clone(), anchors(&found));
    }
    Ok(out)
}

async fn find(agent: &Agent, bundles: &Bundles) -> Result<Vec<Arc<Value>>, Status> {
    match bundles {
        Bundles::Named(name) => match agent.client.get(&Target::cluster(&BUNDLES, name)).await {
            Ok(bundle) => Ok(vec![bundle]),
            Err(status) if status.is_not_found() => Ok(Vec::new()),
            Err(status) => Err(status),
        },
        Bundles::Signer { selector: None, .. } => Ok(Vec::new()),
        Bundles::Signer { name, selector } => {
            let selector = LabelSelector::from_json(selector.as_ref())
                .map_err(|error| Status::bad_request(error.to_string()))?;
            let options = ListOptions {
                label_selector: selector.to_string(),
                field_selector: format!("spec.signerName={name}"),
                ..ListOptions::default()
            };
            Ok(agent.client.list(&Target::all(&BUNDLES), &options).await?.items)
        }
    }
}

/// Each certificate once, whatever stood around it.
fn anchors(bundles: &[Arc<Value>]) -> String {
    let texts = bundles.iter().filter_map(|bundle| bundle["spec"]["trustBundle"].as_str());
    let certificates: BTreeSet<Vec<u8>> = texts.flat_map(pem::blocks).map(|block| block.bytes).collect();
    certificates.iter().map(|certificate| pem::encode("CERTIFICATE", certificate)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn anchors_are_there_once_and_without_comments() {
        let (a, b) = (pem::encode("CERTIFICATE", b"a"), pem::encode("CERTIFICATE", b"b"));
        let bundle = |text: String| Arc::new(json!({ "spec": { "trustBundle": text } }));
        let made = anchors(&[bundle(format!("# a comment\n{b}{a}")), bundle(a.clone())]);
        assert_eq!(made, format!("{a}{b}"));
        assert_eq!(anchors(&[]), "");
    }
}
