//! One installed plugin and what it has been told. Changes are cut down to the plugin's interests,
//! passed on only when the cut-down form changed, and gathered until the next question.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use orch_plugin::Cut;
use orch_plugin::calls::scheduler::{Delta, Description, Rejection, SchedulerPlugin};
use orch_plugin::calls::{CallError, Interest, NodeSet};

use crate::cluster::{Change, Cluster};
use crate::pod::PodInfo;

/// Deltas in one `sync` call: enough to drown the call's own cost, few enough for its deadline.
const BATCH: usize = 128;
/// After a failed sync, no new try before this.
const SYNC_PAUSE: Duration = Duration::from_secs(1);
/// Different pods whose answers are kept while the state stays the same.
const ANSWERS: usize = 512;

/// What happens to a pod when a plugin gives no answer (`spec.failurePolicy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FailurePolicy {
    /// The pod goes back to the queue with the reason.
    #[default]
    Fail,
    /// As if the plugin had no objection and no preference.
    Ignore,
}

/// How a plugin takes part (`spec.weight`, `spec.order`, `spec.failurePolicy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Its scores count so many times.
    pub weight: i64,
    /// Filters are asked in ascending order; of two that reject a node the first gives the reason.
    pub order: i64,
    pub failure_policy: FailurePolicy,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { weight: 1, order: 0, failure_policy: FailurePolicy::Fail }
    }
}

/// A pod as it is put to one plugin.
pub(crate) struct Question {
    sent: String,
    /// What equal pods have in common; `None`: every pod is asked about.
    key: Option<String>,
}

#[derive(Default)]
struct Answer {
    rejections: Option<Arc<[Rejection]>>,
    scores: Option<(NodeSet, Arc<[u8]>)>,
}

pub(crate) struct Resident {
    pub name: String,
    pub settings: Settings,
    plugin: Arc<dyn SchedulerPlugin>,
    /// What it reads of nodes and of pods; `None`: nothing.
    node_cut: Option<Cut>,
    pod_cut: Option<Cut>,
    reuses_answers: bool,
    hasher: RandomState,
    /// Hashes of the forms last sent.
    nodes: HashMap<u32, u64>,
    pods: HashMap<Arc<str>, (u32, u64)>,
    pending: Vec<Delta>,
    /// The instance that was told all this.
    instance: u64,
    /// A sync failed: what the instance knows is unknown.
    broken: Option<(CallError, Instant)>,
    answers: HashMap<String, Answer>,
}

impl Resident {
    pub fn new(name: &str, plugin: Arc<dyn SchedulerPlugin>, settings: Settings) -> Self {
        let description = plugin.description();
        Resident {
            name: name.into(),
            settings,
            node_cut: cut_of(description, "Node"),
            pod_cut: cut_of(description, "Pod"),
            reuses_answers: !description.depends_on_other_nodes && !reads_identity(description),
            hasher: RandomState::new(),
            nodes: HashMap::new(),
            pods: HashMap::new(),
            pending: Vec::new(),
            instance: plugin.instance(),
            broken: None,
            answers: HashMap::new(),
            plugin,
        }
    }

    pub fn filters(&self) -> bool {
        self.plugin.description().filters
    }

    pub fn scores(&self) -> bool {
        self.plugin.description().scores
    }

    /// Takes note of a change. True: it may make room for a pod that this plugin rejected. A pod
    /// that arrives only takes room, unless the plugin looks at a node's neighbours.
    pub fn apply(&mut self, change: &Change) -> bool {
        let depends = self.plugin.description().depends_on_other_nodes;
        match change {
            Change::Node(index, node) => {
                let Some(cut) = &self.node_cut else { return false };
                let form = cut.apply(node);
                let hash = self.hasher.hash_one(&form);
                if self.nodes.insert(*index, hash) == Some(hash) {
                    return false;
                }
                self.pending.push(Delta::NodeUpsert(*index, form));
                true
            }
            Change::NodeGone(index) => {
                let known = self.nodes.remove(index).is_some();
                if known {
                    self.pending.push(Delta::NodeRemove(*index));
                }
                known && depends
            }
            Change::Pod(uid, index, pod) => {
                let Some(cut) = &self.pod_cut else { return false };
                let form = cut.apply(pod);
                let told = (*index, self.hasher.hash_one(&form));
                let before = self.pods.insert(uid.clone(), told);
                if before == Some(told) {
                    return false;
                }
                self.pending.push(Delta::PodUpsert(uid.to_string(), *index, form));
                before.is_some() || depends
            }
            Change::PodGone(uid) => {
                let known = self.pods.remove(uid).is_some();
                if known {
                    self.pending.push(Delta::PodRemove(uid.to_string()));
                }
                known
            }
        }
    }

    /// Brings the plugin's state up to date, from the beginning when its instance is a fresh one.
    pub fn bring_up_to_date(&mut self, cluster: &Cluster, now: Instant) -> Result<(), CallError> {
        if let Some((error, since)) = &self.broken
            && now < *since + SYNC_PAUSE
        {
            return Err(error.clone());
        }
        if self.broken.is_some() || self.plugin.instance() != self.instance {
            tracing::info!(plugin = self.name, "sending the whole state to a fresh instance");
            self.start_over();
            for change in cluster.everything() {
                self.apply(&change);
            }
        }
        let result = self.flush();
        if let Err(error) = &result {
            self.broken = Some((error.clone(), now));
        }
        result
    }

    fn start_over(&mut self) {
        self.instance = self.plugin.instance();
        self.broken = None;
        self.nodes.clear();
        self.pods.clear();
        self.pending.clear();
        self.answers.clear();
    }

    /// Sends what is pending.
    pub fn flush(&mut self) -> Result<(), CallError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.answers.clear();
        let pending = std::mem::take(&mut self.pending);
        pending.chunks(BATCH).try_for_each(|batch| self.plugin.sync(batch))
    }

    pub fn question(&self, pod: &PodInfo) -> Question {
        match &self.pod_cut {
            Some(cut) => Question {
                sent: cut.apply(&pod.object),
                key: self.reuses_answers.then(|| cut.apply(&pod.anonymous)),
            },
            // It reads nothing of a pod and gets its identity: one answer serves all.
            None => Question {
                sent: Cut::union([]).apply(&pod.object),
                key: self.reuses_answers.then(String::new),
            },
        }
    }

    /// Would the plugin see a difference between the two?
    pub fn tells_apart(&self, a: &PodInfo, b: &PodInfo) -> bool {
        self.pod_cut.as_ref().is_some_and(|cut| cut.changed(&a.anonymous, &b.anonymous))
    }

    pub fn filter(&mut self, question: &Question) -> Result<Arc<[Rejection]>, CallError> {
        if let Some(known) = self.answer(question).and_then(|answer| answer.rejections.clone()) {
            return Ok(known);
        }
        let rejections: Arc<[Rejection]> = self.plugin.filter(&question.sent)?.into();
        if let Some(answer) = self.answer(question) {
            answer.rejections = Some(rejections.clone());
        }
        Ok(rejections)
    }

    pub fn score(&mut self, question: &Question, feasible: &NodeSet) -> Result<Arc<[u8]>, CallError> {
        if let Some((nodes, scores)) = self.answer(question).and_then(|answer| answer.scores.as_ref())
            && nodes == feasible
        {
            return Ok(scores.clone());
        }
        let scores: Arc<[u8]> = self.plugin.score(&question.sent, feasible)?.into();
        if let Some(answer) = self.answer(question) {
            answer.scores = Some((feasible.clone(), scores.clone()));
        }
        Ok(scores)
    }

    /// The answer kept for pods like this one; emptied by every change of state.
    fn answer(&mut self, question: &Question) -> Option<&mut Answer> {
        let key = question.key.as_ref()?;
        if !self.answers.contains_key(key) {
            if self.answers.len() >= ANSWERS {
                self.answers.clear();
            }
            self.answers.insert(key.clone(), Answer::default());
        }
        self.answers.get_mut(key)
    }
}

fn interests<'a>(description: &'a Description, kind: &'a str) -> impl Iterator<Item = &'a Interest> {
    description.interests.iter().filter(move |i| i.api_version == "v1" && i.kind == kind)
}

fn cut_of(description: &Description, kind: &str) -> Option<Cut> {
    interests(description, kind).next()?;
    Some(Cut::union(interests(description, kind)))
}

/// Its answers may then differ between pods that are equal in everything else.
fn reads_identity(description: &Description) -> bool {
    const IDENTITY: [&str; 5] = [
        "metadata",
        "metadata.name",
        "metadata.uid",
        "metadata.resourceVersion",
        "metadata.creationTimestamp",
    ];
    interests(description, "Pod").any(|interest| {
        interest.fields.is_empty() || interest.fields.iter().any(|field| IDENTITY.contains(&field.as_str()))
    })
}
