//! Prefers nodes that have the pod's images already, by their size. An image that few nodes have
//! counts for less, so that pods do not pile up where they once ran.

use orch_sdk::pod::Pod;
use orch_sdk::scheduler::{Delta, Description, NodeSet, Normalization, Policy, Scope};
use orch_sdk::serde::Deserialize;

mod images;

use images::Images;

const MIB: u64 = 1 << 20;
/// Less than this in all counts as nothing.
const LEAST: u64 = 23 * MIB;
/// More than this for each image counts as this.
const MOST_EACH: u64 = 1000 * MIB;

#[derive(Default)]
pub struct ImageLocality {
    images: Images,
}

#[derive(Debug, Default, Deserialize)]
#[serde(crate = "orch_sdk::serde", default, rename_all = "camelCase")]
struct Spec {
    containers: Option<Vec<Container>>,
    init_containers: Option<Vec<Container>>,
    volumes: Option<Vec<Volume>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(crate = "orch_sdk::serde", default)]
struct Container {
    image: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(crate = "orch_sdk::serde", default)]
struct Volume {
    image: Option<ImageVolume>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(crate = "orch_sdk::serde", default)]
struct ImageVolume {
    reference: String,
}

orch_sdk::export_scheduler!(ImageLocality);

impl Policy for ImageLocality {
    fn describe() -> Description {
        Description::new()
            .pod(&[
                "spec.containers[*].image",
                "spec.initContainers[*].image",
                "spec.volumes[*].image.reference",
            ])
            .reads("v1", "Node", &["status.images"])
            // How many nodes have an image counts. Pulls are rare beside questions, so the host keeps
            // the answers long all the same.
            .scores(Scope::Cluster, Normalization::None)
            .order(140)
    }

    fn sync(&mut self, delta: Delta) -> Result<(), String> {
        match delta {
            Delta::NodeUpsert { index, node } => self.images.place(index, &node)?,
            Delta::NodeRemove { index } => self.images.remove(index),
            Delta::PodUpsert { .. }
            | Delta::PodRemove { .. }
            | Delta::ObjectUpsert { .. }
            | Delta::ObjectRemove { .. } => {}
        }
        Ok(())
    }

    fn score(&mut self, pod: &str, nodes: &NodeSet) -> Result<Vec<u32>, String> {
        let wanted = images_of(pod)?;
        let most = MOST_EACH * wanted.len() as u64;
        let found: Vec<_> = wanted.iter().filter_map(|name| self.images.find(name)).collect();
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let score = |node| {
            let bytes: u64 = found.iter().map(|image| image.worth(node)).sum();
            (100 * (bytes.clamp(LEAST, most) - LEAST) / (most - LEAST)) as u32
        };
        Ok(nodes.iter().map(score).collect())
    }
}

/// One for each container, init container and image volume.
fn images_of(pod: &str) -> Result<Vec<String>, String> {
    let spec = Pod::<Spec>::parse(pod)?.spec;
    let containers = spec.init_containers.into_iter().flatten().chain(spec.containers.into_iter().flatten());
    let volumes = spec.volumes.into_iter().flatten().filter_map(|volume| volume.image);
    let names = containers.map(|own| own.image).chain(volumes.map(|image| image.reference));
    Ok(names.map(with_tag).collect())
}

/// `busybox` is `busybox:latest`, as nodes name it.
fn with_tag(name: String) -> String {
    let (colon, slash) = (name.rfind(':'), name.rfind('/'));
    if colon > slash { name } else { name + ":latest" }
}

#[cfg(test)]
mod tests;
