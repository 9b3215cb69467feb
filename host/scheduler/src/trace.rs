//! A recorded trace: what scheduling plugins were told and asked, and what was decided. One JSON
//! object a line; each object is cut down to what the installed plugins read.

use orch_plugin::Cut;
use orch_plugin::calls::Interest;
use orch_plugin::calls::scheduler::Description;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use crate::cluster::{Change, Cluster};
use crate::pod::PodInfo;
use crate::resident::Resident;

/// One line of a trace.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Entry<T = Value> {
    /// A `Plugin` as it was declared: its spec says what to replay with. Written by the recorder.
    Plugin(T),
    /// A component that a `Plugin` names by its digest. Written by the recorder.
    Component {
        digest: String,
        /// base64
        wasm: String,
    },
    Node(T),
    NodeGone(String),
    /// A pod that takes room on a node.
    #[serde(rename_all = "camelCase")]
    Pod {
        pod: T,
        node: String,
    },
    PodGone(String),
    Object(T),
    ObjectGone(T),
    Asked(Asked<T>),
}

/// A decision.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked<T = Value> {
    pub pod: T,
    /// The node it was placed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Why it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The room that was then made for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preemption: Option<Preemption>,
    /// How long the decision took.
    pub nanoseconds: u64,
}

/// Pods (uids, in order) that had to leave a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preemption {
    pub node: String,
    pub victims: Vec<String>,
}

/// What was decided about a pod.
#[derive(Default)]
pub(crate) struct Answer {
    pub node: Option<String>,
    pub message: Option<String>,
    pub preemption: Option<Preemption>,
}

/// Lines beyond this many that the reader has not taken end the recording: memory stays bounded.
const BACKLOG: usize = 65_536;

/// Where a running recording goes.
pub(crate) struct Recording {
    lines: mpsc::Sender<String>,
    cuts: Cuts,
}

/// What all installed plugins together read.
struct Cuts {
    interests: Vec<Interest>,
    node: Cut,
    pod: Cut,
}

impl Recording {
    /// Begins with the whole state.
    pub fn start(residents: &[Resident], cluster: &Cluster) -> (Self, mpsc::Receiver<String>) {
        let descriptions: Vec<&Description> = residents.iter().map(Resident::description).collect();
        let everything = cluster.everything();
        let (lines, receiver) = mpsc::channel(BACKLOG + everything.len());
        let mut recording = Recording { lines, cuts: Cuts::new(&descriptions) };
        for change in &everything {
            if !recording.change(change, cluster) {
                break;
            }
        }
        (recording, receiver)
    }

    /// False: nobody reads any more, or not fast enough.
    #[must_use]
    pub fn change(&mut self, change: &Change, cluster: &Cluster) -> bool {
        let entry = match change {
            Change::Node(_, node) => Entry::Node(raw(self.cuts.node.apply(node))),
            Change::NodeGone(index) => match cluster.node_name(*index) {
                Some(name) => Entry::NodeGone(name.to_string()),
                // Its slot is empty already: the name went with it.
                None => return true,
            },
            Change::Pod(pod, index) => {
                let Some(node) = cluster.node_name(*index) else { return true };
                Entry::Pod { pod: raw(self.cuts.pod.apply(&pod.object())), node: node.to_string() }
            }
            Change::PodGone(uid) => Entry::PodGone(uid.to_string()),
            Change::Object(object) => match self.cuts.of(object) {
                Some(cut) => Entry::Object(raw(cut.apply(object))),
                None => return true,
            },
            Change::ObjectGone(object) => Entry::ObjectGone(raw(Cut::union([]).apply(object))),
        };
        self.write(&entry)
    }

    pub fn node_gone(&mut self, name: &str) -> bool {
        self.write(&Entry::NodeGone(name.into()))
    }

    pub fn asked(&mut self, pod: &PodInfo, answer: &Answer, nanos: u64) -> bool {
        let Answer { node, message, preemption } = answer;
        self.write(&Entry::Asked(Asked {
            pod: raw(self.cuts.pod.apply(&pod.object())),
            node: node.clone(),
            message: message.clone(),
            preemption: preemption.clone(),
            nanoseconds: nanos,
        }))
    }

    fn write(&self, entry: &Entry<Box<RawValue>>) -> bool {
        let line = serde_json::to_string(entry).expect("an entry is plain data");
        self.lines.try_send(line).is_ok()
    }
}

fn raw(json: String) -> Box<RawValue> {
    RawValue::from_string(json).expect("a cut is JSON")
}

impl Cuts {
    fn new(descriptions: &[&Description]) -> Self {
        let interests: Vec<Interest> = descriptions.iter().flat_map(|d| d.interests.clone()).collect();
        let of = |kind: &'static str| {
            interests.iter().filter(move |i| i.api_version == "v1" && i.kind == kind).cloned()
        };
        let asked = descriptions.iter().map(|description| Interest {
            api_version: "v1".into(),
            kind: "Pod".into(),
            fields: description.pod.clone(),
        });
        let scheduler = Interest {
            api_version: "v1".into(),
            kind: "Pod".into(),
            fields: ["spec.schedulerName", "spec.priority"].map(String::from).to_vec(),
        };
        let nodes: Vec<Interest> = of("Node").collect();
        let pods: Vec<Interest> = of("Pod").chain(asked).chain([scheduler]).collect();
        Cuts { node: Cut::union(&nodes), pod: Cut::union(&pods), interests }
    }

    fn of(&self, object: &Value) -> Option<Cut> {
        let same = |i: &&Interest| object["apiVersion"] == i.api_version && object["kind"] == i.kind;
        self.interests.iter().find(same)?;
        Some(Cut::union(self.interests.iter().filter(same)))
    }
}
