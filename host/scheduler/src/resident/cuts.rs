//! What a plugin reads of the cluster, and what follows from that.

use std::collections::HashMap;

use orch_plugin::Cut;
use orch_plugin::calls::Interest;
use orch_plugin::calls::scheduler::Description;

/// What a plugin reads, ready to be applied.
pub(super) struct Cuts {
    pub node: Option<Cut>,
    pub pod: Option<Cut>,
    /// By apiVersion and kind.
    pub objects: HashMap<(String, String), Cut>,
    pub question: Cut,
    /// The question without identity.
    pub bare: Cut,
    /// Pods that are equal in `bare` get equal answers.
    pub shares_answers: bool,
    /// Pods of equal shape may still differ in what is resident.
    pub reads_more_than_shape: bool,
}

impl Cuts {
    pub fn new(description: &Description) -> Self {
        let of = |kind: &str| -> Option<Cut> {
            let core = |i: &&Interest| i.api_version == "v1" && i.kind == kind;
            description.interests.iter().find(core)?;
            Some(Cut::union(description.interests.iter().filter(core)))
        };
        let others = other_kinds(description).map(|interest| {
            let same = |i: &&Interest| i.api_version == interest.api_version && i.kind == interest.kind;
            let key = (interest.api_version.clone(), interest.kind.clone());
            (key, Cut::union(description.interests.iter().filter(same)))
        });
        let of_pods = description.interests.iter().filter(|i| i.api_version == "v1" && i.kind == "Pod");
        Cuts {
            node: of("Node"),
            pod: of("Pod"),
            objects: others.collect(),
            question: Cut::new(&description.pod),
            bare: Cut::bare(&description.pod),
            shares_answers: !reads_identity(&description.pod),
            reads_more_than_shape: of_pods
                .flat_map(|interest| interest.fields.iter().map(String::as_str))
                .chain(of("Pod").is_some().then_some("").filter(|_| reads_whole_pods(description)))
                .any(beyond_shape),
        }
    }
}

/// Kinds besides Node and Pod that the plugin reads.
pub(crate) fn other_kinds(description: &Description) -> impl Iterator<Item = &Interest> {
    let core = |i: &&Interest| !(i.api_version == "v1" && (i.kind == "Node" || i.kind == "Pod"));
    description.interests.iter().filter(core)
}

fn reads_whole_pods(description: &Description) -> bool {
    description.interests.iter().any(|i| i.api_version == "v1" && i.kind == "Pod" && i.fields.is_empty())
}

/// Paths that tell pods of one shape apart; see `PodInfo::shape`.
fn beyond_shape(path: &str) -> bool {
    const OUTSIDE: [&str; 7] = [
        "",
        "metadata",
        "metadata.resourceVersion",
        "metadata.managedFields",
        "metadata.generation",
        "spec",
        "spec.nodeName",
    ];
    path.starts_with("status") || OUTSIDE.contains(&path)
}

/// Its answers may then differ between pods that are equal in everything else.
fn reads_identity(pod: &[String]) -> bool {
    const IDENTITY: [&str; 5] =
        ["metadata", "metadata.name", "metadata.uid", "metadata.creationTimestamp", "metadata.generation"];
    let own = |path: &str| IDENTITY.contains(&path) || beyond_shape(path);
    pod.is_empty() || pod.iter().any(|path| own(path))
}
