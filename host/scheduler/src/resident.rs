//! One installed plugin and what it has been told. Changes are cut down to the plugin's interests,
//! passed on only when the cut-down form changed, and gathered until the next question.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use orch_plugin::Cut;
use orch_plugin::calls::scheduler::{Delta, Description, SchedulerPlugin, Scope, Verdict};
use orch_plugin::calls::{CallError, NodeSet};
use serde_json::Value;

use crate::answers::{Answer, Answers, Judged, Question, Scored, Touched};
use crate::cluster::{Change, Cluster};
use crate::nodeset;
use crate::pod::PodInfo;
use crate::settings::Settings;

mod cuts;
#[cfg(test)]
mod tests;

use cuts::Cuts;
pub(crate) use cuts::other_kinds;

/// Deltas in one `sync` call: enough to drown the call's own cost, few enough for its deadline.
const BATCH: usize = 128;
/// So many changes are passed on although nobody asks: a plugin that is seldom asked (preemption) must
/// neither fill the memory with what waits for it nor be told of a whole day at once.
const FULL: usize = 8 * BATCH;
/// Forms kept of pods that were pretended away and back. They are a few hundred bytes each.
const MOST_FORMS: usize = 32 * 1024;
/// After a failed sync, no new try before this.
const SYNC_PAUSE: Duration = Duration::from_secs(1);

/// What a change meant to a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Heard {
    /// It reads something that changed.
    pub told: bool,
    /// It may make room for a pod that this plugin rejected.
    pub may_help: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    node: u32,
    shape: u64,
    hash: u64,
}

pub(crate) struct Resident {
    pub name: String,
    pub settings: Settings,
    pub plugin: Arc<dyn SchedulerPlugin>,
    cuts: Cuts,
    hasher: RandomState,
    /// Hashes of the forms last sent.
    nodes: HashMap<u32, u64>,
    pods: HashMap<Arc<str>, Told>,
    objects: HashMap<String, u64>,
    /// Pods told to be where they are not, or not where they are, by uid.
    pretended: HashMap<Arc<str>, Change>,
    /// Forms of pods that were pretended to be there: whoever looks for room pretends of the same pods
    /// again and again, and what was parsed of them is not kept.
    forms: HashMap<Arc<str>, String>,
    pending: Vec<Delta>,
    /// What was passed on unasked failed: a fresh instance must be told everything.
    failed: Option<CallError>,
    /// The instance that was told all this.
    instance: u64,
    /// A sync failed: what the instance knows is unknown.
    broken: Option<(CallError, Instant)>,
    touched: Touched,
    answers: Answers,
    /// The answer for a pod that shares none.
    single: Answer,
}

impl Resident {
    pub fn new(name: &str, plugin: Arc<dyn SchedulerPlugin>, settings: Settings) -> Self {
        Resident {
            name: name.into(),
            settings,
            cuts: Cuts::new(plugin.description()),
            hasher: RandomState::new(),
            nodes: HashMap::new(),
            pods: HashMap::new(),
            objects: HashMap::new(),
            pretended: HashMap::new(),
            forms: HashMap::new(),
            pending: Vec::new(),
            failed: None,
            instance: plugin.instance(),
            broken: None,
            touched: Touched::default(),
            answers: Answers::default(),
            single: Answer::default(),
            plugin,
        }
    }

    pub fn description(&self) -> &Description {
        self.plugin.description()
    }

    pub fn weight(&self) -> i64 {
        self.settings.weight.unwrap_or(self.description().weight.into())
    }

    pub fn order(&self) -> i64 {
        self.settings.order.unwrap_or(self.description().order.into())
    }

    /// Takes note of a change. A pod that arrives only takes room, unless the plugin looks at a
    /// node's neighbours.
    pub fn apply(&mut self, change: &Change) -> Heard {
        match change {
            Change::Pod(pod, _) => self.forget_pretence(&pod.uid),
            Change::PodGone(uid) => self.forget_pretence(uid),
            Change::Node(..) | Change::NodeGone(_) | Change::Object(_) | Change::ObjectGone(_) => {}
        }
        self.hear(change)
    }

    fn forget_pretence(&mut self, uid: &str) {
        self.pretended.remove(uid);
        self.forms.remove(uid);
    }

    /// Takes note of a pod's coming or going that is not so, or takes that back. A fresh instance is
    /// told what is pretended too.
    pub fn pretend(&mut self, change: &Change, cluster: &Cluster) {
        let (uid, is_so) = match change {
            Change::Pod(pod, node) => {
                (&pod.uid, cluster.pod(&pod.uid).is_some_and(|(_, known)| known == *node))
            }
            Change::PodGone(uid) => (uid, cluster.pod(uid).is_none()),
            Change::Node(..) | Change::NodeGone(_) | Change::Object(_) | Change::ObjectGone(_) => return,
        };
        match is_so {
            true => self.pretended.remove(uid),
            false => self.pretended.insert(uid.clone(), change.clone()),
        };
        match change {
            Change::Pod(pod, node) => self.pretend_pod(pod, *node),
            _ => drop(self.hear(change)),
        }
    }

    fn pretend_pod(&mut self, pod: &PodInfo, node: u32) {
        let Some(cut) = &self.cuts.pod else { return };
        if self.forms.len() >= MOST_FORMS {
            self.forms.clear();
        }
        let form = self.forms.entry(pod.uid.clone()).or_insert_with(|| cut.apply(&pod.object())).clone();
        self.tell_pod(pod, node, form);
    }

    fn hear(&mut self, change: &Change) -> Heard {
        let depends = self.description().filter_scope == Scope::Cluster;
        let heard = |may_help| Heard { told: true, may_help };
        match change {
            Change::Node(index, node) => {
                let Some(cut) = &self.cuts.node else { return Heard::default() };
                let form = cut.apply(node);
                let hash = self.hasher.hash_one(&form);
                if self.nodes.insert(*index, hash) == Some(hash) {
                    return Heard::default();
                }
                self.touched.node(*index);
                self.note(Delta::NodeUpsert(*index, form));
                heard(true)
            }
            Change::NodeGone(index) => {
                if self.nodes.remove(index).is_none() {
                    return Heard::default();
                }
                self.touched.node(*index);
                self.note(Delta::NodeRemove(*index));
                heard(depends)
            }
            Change::Pod(pod, index) => self.pod(pod, *index, depends),
            Change::PodGone(uid) => {
                let Some(told) = self.pods.remove(uid) else { return Heard::default() };
                self.touched.node(told.node);
                self.note(Delta::PodRemove(uid.to_string()));
                heard(true)
            }
            Change::Object(object) => {
                let Some(cut) = self.cuts.objects.get(&kind_of(object)) else { return Heard::default() };
                let form = cut.apply(object);
                let hash = self.hasher.hash_one(&form);
                if self.objects.insert(identity(object), hash) == Some(hash) {
                    return Heard::default();
                }
                self.touched.everything();
                self.note(Delta::ObjectUpsert(form));
                heard(true)
            }
            Change::ObjectGone(object) => {
                let identity = identity(object);
                if self.objects.remove(&identity).is_none() {
                    return Heard::default();
                }
                self.touched.everything();
                self.note(Delta::ObjectRemove(identity));
                heard(true)
            }
        }
    }

    fn pod(&mut self, pod: &PodInfo, node: u32, depends: bool) -> Heard {
        let Some(cut) = &self.cuts.pod else { return Heard::default() };
        let before = self.pods.get(&pod.uid).copied();
        let same_place = |told: &Told| told.node == node;
        if !self.cuts.reads_more_than_shape
            && before.filter(same_place).is_some_and(|told| told.shape == pod.shape)
        {
            return Heard::default();
        }
        let form = cut.apply(&pod.object());
        let told = self.tell_pod(pod, node, form);
        Heard { told, may_help: told && (before.is_some() || depends) }
    }

    /// False: it was told just that.
    fn tell_pod(&mut self, pod: &PodInfo, node: u32, form: String) -> bool {
        let told = Told { node, shape: pod.shape, hash: self.hasher.hash_one(&form) };
        let before = self.pods.insert(pod.uid.clone(), told);
        if before.is_some_and(|before| before.node == node && before.hash == told.hash) {
            return false;
        }
        if let Some(before) = before.filter(|before| before.node != node) {
            self.touched.node(before.node);
        }
        self.touched.node(node);
        self.note(Delta::PodUpsert(pod.uid.to_string(), node, form));
        true
    }

    /// Brings the plugin's state up to date, from the beginning when its instance is a fresh one.
    pub fn bring_up_to_date(&mut self, cluster: &Cluster, now: Instant) -> Result<(), CallError> {
        if let Some((error, since)) = &self.broken
            && now < *since + SYNC_PAUSE
        {
            return Err(error.clone());
        }
        if self.broken.is_some() || self.failed.is_some() || self.plugin.instance() != self.instance {
            tracing::info!(plugin = self.name, "sending the whole state to a fresh instance");
            self.start_over();
            let pretended: Vec<Change> = self.pretended.values().cloned().collect();
            for change in cluster.everything().iter().chain(&pretended) {
                self.hear(change);
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
        self.failed = None;
        self.nodes.clear();
        self.pods.clear();
        self.objects.clear();
        self.pending.clear();
        self.answers.clear();
        self.touched.everything();
    }

    fn note(&mut self, delta: Delta) {
        if self.failed.is_some() {
            return;
        }
        self.pending.push(delta);
        if self.pending.len() >= FULL {
            self.failed = self.send().err();
        }
    }

    /// Sends what is pending.
    pub fn flush(&mut self) -> Result<(), CallError> {
        self.failed.take().map_or_else(|| self.send(), Err)
    }

    fn send(&mut self) -> Result<(), CallError> {
        let pending = std::mem::take(&mut self.pending);
        pending.chunks(BATCH).try_for_each(|batch| self.plugin.sync(batch))
    }

    /// Something changed that no delta told: what it answered before may not hold.
    pub fn forget_answers(&mut self) {
        self.touched.everything();
    }

    /// The pod as this plugin is asked about it, its own identity included.
    pub fn cut(&self, pod: &PodInfo) -> String {
        self.cuts.question.apply(&pod.object())
    }

    /// Would the plugin see a difference between the two?
    pub fn tells_apart(&self, a: &PodInfo, b: &PodInfo) -> bool {
        (!self.cuts.shares_answers || a.shape != b.shape) && self.cuts.bare.changed(&a.object(), &b.object())
    }

    fn question(&mut self, pod: &PodInfo) -> Question {
        if !self.cuts.shares_answers {
            return Question { sent: self.cut(pod).into(), kept: None };
        }
        match self.answers.of_shape(pod.shape) {
            Some(question) => question,
            None => {
                let text = self.cuts.bare.apply(&pod.object());
                let sent = self.cut(pod).into();
                self.answers.intern(pod.shape, text, sent)
            }
        }
    }

    /// What the filter says of the feasible nodes. `live`: every node there is.
    pub fn judge(&mut self, pod: &PodInfo, live: &NodeSet, feasible: &NodeSet) -> Result<&Judged, CallError> {
        let question = self.question(pod);
        let scope = self.description().filter_scope;
        let wanted = if scope == Scope::Node { live } else { feasible };
        let now = self.touched.now();
        let answer = slot(&mut self.answers, &mut self.single, &question);
        let known = answer.judged.take().filter(|_| question.kept.is_some());
        let judged = match known {
            Some(judged) if judged.at == now && judged.asked == *wanted => judged,
            Some(mut judged) if scope == Scope::Node && judged.pod.is_none() => {
                match self.touched.to_ask(judged.at, wanted) {
                    Some(stale) => {
                        if !nodeset::is_empty(&stale) {
                            let verdict = self.plugin.filter(&question.sent, &stale)?;
                            judged.update(now, &stale, verdict);
                        }
                        judged.at = now;
                        judged.asked.clone_from(wanted);
                        judged
                    }
                    None => Judged::new(now, wanted.clone(), self.plugin.filter(&question.sent, wanted)?),
                }
            }
            Some(_) | None => Judged::new(now, wanted.clone(), self.plugin.filter(&question.sent, wanted)?),
        };
        Ok(answer.judged.insert(judged))
    }

    /// Adds the plugin's weighted scores to the totals by node index.
    pub fn weigh(
        &mut self,
        pod: &PodInfo,
        live: &NodeSet,
        feasible: &NodeSet,
        totals: &mut [i64],
    ) -> Result<(), CallError> {
        let question = self.question(pod);
        let Description { score_scope: scope, normalization, .. } = *self.plugin.description();
        let weight = self.weight();
        let wanted = if scope == Scope::Node { live } else { feasible };
        let now = self.touched.now();
        let answer = slot(&mut self.answers, &mut self.single, &question);
        let known = answer.scored.take().filter(|_| question.kept.is_some());
        let whole = || -> Result<Scored, CallError> {
            Ok(Scored::new(now, wanted.clone(), &self.plugin.score(&question.sent, wanted)?))
        };
        let scored = match known {
            Some(scored) if scored.at == now && scored.asked == *wanted => scored,
            Some(mut scored) if scope == Scope::Node => match self.touched.to_ask(scored.at, wanted) {
                Some(stale) => {
                    if !nodeset::is_empty(&stale) {
                        let scores = self.plugin.score(&question.sent, &stale)?;
                        scored.update(now, &stale, &scores);
                    }
                    scored.at = now;
                    scored.asked.clone_from(wanted);
                    scored
                }
                None => whole()?,
            },
            Some(_) | None => whole()?,
        };
        answer.scored.insert(scored).weigh(normalization, weight, feasible, totals);
        Ok(())
    }

    /// Asks the filter about some nodes in the state as it is told now, keeping nothing: for what-ifs.
    pub fn filter_once(
        &mut self,
        pod: &PodInfo,
        cluster: &Cluster,
        nodes: &NodeSet,
        now: Instant,
    ) -> Result<Verdict, CallError> {
        self.bring_up_to_date(cluster, now)?;
        self.plugin.filter(&self.cut(pod), nodes)
    }
}

fn slot<'a>(answers: &'a mut Answers, single: &'a mut Answer, question: &Question) -> &'a mut Answer {
    match question.kept.and_then(|position| answers.get(position)) {
        Some(answer) => answer,
        None => single,
    }
}

fn kind_of(object: &Value) -> (String, String) {
    let text = |field: &str| object[field].as_str().unwrap_or_default().to_string();
    (text("apiVersion"), text("kind"))
}

fn identity(object: &Value) -> String {
    Cut::union([]).apply(object)
}
