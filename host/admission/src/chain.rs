use std::sync::Arc;

use arc_swap::ArcSwap;
use orch_object::Status;
use orch_plugin::calls::CallError;
use orch_plugin::calls::admission::{AdmissionPlugin, Admitted, Denial};
use orch_plugin::trial::{Difference, Role, ShadowLog};
use parking_lot::Mutex;
use serde_json::Value;

use crate::resident::{Resident, State};
use crate::review::Review;
use crate::stage::{Memory, Notes, Stage};

/// What happens to the request when a check gives no verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FailurePolicy {
    /// Refused with an internal error.
    #[default]
    Fail,
    /// Goes on as if the check were not there.
    Ignore,
}

/// How a check stands in the chain; see the `Plugin` kind.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Lower is asked earlier; equal: by name.
    pub order: i64,
    pub failure_policy: FailurePolicy,
    pub role: Role,
}

pub(crate) struct Check {
    /// The name of the `Plugin` object; one check per name.
    name: String,
    settings: Settings,
    pub(crate) plugin: Arc<dyn AdmissionPlugin>,
    resident: Mutex<Resident>,
}

/// The installed checks, in order.
pub struct Chain {
    checks: ArcSwap<Vec<Arc<Check>>>,
    /// Asked after the components, in this order.
    stages: ArcSwap<Vec<Arc<dyn Stage>>>,
    state: Arc<dyn State>,
}

impl Chain {
    pub fn new(state: Arc<dyn State>) -> Self {
        Chain { checks: ArcSwap::default(), stages: ArcSwap::default(), state }
    }

    /// Adds checks of another kind at the end of the chain.
    pub fn add_stage(&self, stage: Arc<dyn Stage>) {
        self.stages.rcu(|stages| stages.iter().cloned().chain([stage.clone()]).collect::<Vec<_>>());
    }

    /// Adds a check, or replaces the one of this name. Requests that begin from now on meet it. A
    /// version on trial stands beside the one that serves.
    pub fn install(&self, name: &str, settings: Settings, plugin: Arc<dyn AdmissionPlugin>) {
        let resident = Mutex::new(Resident::new(&plugin.description().interests, &*self.state));
        let check = Arc::new(Check { name: name.into(), settings, plugin, resident });
        self.checks.rcu(|checks| {
            let beside = |c: &&Arc<Check>| c.name != name || c.is_trial() != check.is_trial();
            let mut checks: Vec<_> = checks.iter().filter(beside).cloned().collect();
            checks.push(check.clone());
            checks.sort_by(|a, b| (a.settings.order, &a.name).cmp(&(b.settings.order, &b.name)));
            checks
        });
    }

    /// Puts another component behind an installed check, with its settings. False: no such check.
    pub fn replace(&self, name: &str, plugin: Arc<dyn AdmissionPlugin>) -> bool {
        let settings = self.checks.load().iter().find(|c| c.name == name).map(|c| c.settings.clone());
        settings.map(|settings| self.install(name, settings, plugin)).is_some()
    }

    /// False: no such check.
    pub fn remove(&self, name: &str) -> bool {
        let before =
            self.checks.rcu(|checks| checks.iter().filter(|c| c.name != name).cloned().collect::<Vec<_>>());
        before.iter().any(|c| c.name == name)
    }

    /// Takes out what stands on trial beside the check of this name.
    pub fn remove_trial(&self, name: &str) {
        let stays = |c: &&Arc<Check>| c.name != name || !c.is_trial();
        self.checks.rcu(|checks| checks.iter().filter(stays).cloned().collect::<Vec<_>>());
    }

    /// Those who decide about the request, in order.
    fn lineup(&self, mutates: bool, review: &Review<'_>) -> Vec<Arc<Check>> {
        let checks = self.checks.load();
        let subject = review.subject();
        let canary = |serving: &Arc<Check>| {
            let selected = |c: &&Arc<Check>| c.name == serving.name && c.settings.role.selects(subject);
            checks.iter().find(selected).unwrap_or(serving).clone()
        };
        let serving = checks.iter().filter(|c| !c.is_trial());
        let decides =
            |c: &Arc<Check>| c.mutates() == mutates && !c.accounts() && c.wants(review, &*self.state);
        serving.map(canary).filter(decides).collect()
    }

    /// Those who count the objects of the request's namespace, in order.
    pub(crate) fn accountants(&self, review: &Review<'_>) -> Vec<Arc<Check>> {
        let checks = self.checks.load();
        let counts = |c: &&Arc<Check>| !c.is_trial() && c.accounts() && c.wants(review, &*self.state);
        checks.iter().filter(counts).cloned().collect()
    }

    /// Lets versions that decide nothing judge the same object, and notes where they differ.
    fn compare_shadows(&self, live: &Check, answer: &Answer, review: &Review<'_>, object: &Value) {
        for shadow in self.checks.load().iter().filter(|c| c.name == live.name) {
            let Role::Shadow(log) = &shadow.settings.role else { continue };
            shadow.compare(log, answer, review, object);
        }
    }

    /// The names of the checks that serve, in the order they are asked in.
    pub fn names(&self) -> Vec<String> {
        let checks = self.checks.load();
        let (mutating, validating): (Vec<&Arc<Check>>, Vec<_>) =
            checks.iter().filter(|c| !c.is_trial()).partition(|c| c.mutates());
        mutating.into_iter().chain(validating).map(|c| c.name.clone()).collect()
    }

    /// Asks the checks that may change the object, which is null for a delete. After a change by a
    /// stage all components, and who of the stages wishes so, are asked once more.
    pub async fn mutate(
        &self,
        review: &Review<'_>,
        object: &mut Value,
        notes: &mut Notes,
    ) -> Result<(), Status> {
        let stages = self.stages.load_full();
        let mut memories: Vec<Memory> = stages.iter().map(|_| Memory::default()).collect();
        loop {
            self.mutate_by_components(review, object, notes)?;
            for (stage, memory) in stages.iter().zip(&mut memories) {
                stage.mutate(review, object, notes, memory).await?;
            }
            if !memories.iter().any(Memory::wants_second_round) {
                return Ok(());
            }
            memories.iter_mut().for_each(Memory::begin_second_round);
        }
    }

    fn mutate_by_components(
        &self,
        review: &Review<'_>,
        object: &mut Value,
        notes: &mut Notes,
    ) -> Result<(), Status> {
        let mut request = None;
        for check in self.lineup(true, review) {
            let answer = check.ask(review, object, &mut request);
            self.compare_shadows(&check, &answer, review, object);
            let Some(admitted) = check.verdict(review, answer)? else { continue };
            notes.warnings.extend(admitted.warnings);
            if !admitted.patch.is_empty() {
                check.patch(object, &admitted.patch)?;
                request = None;
            }
        }
        Ok(())
    }

    /// Asks the checks that only say yes or no. `object` is null for a delete.
    pub async fn validate(
        &self,
        review: &Review<'_>,
        object: &Value,
        notes: &mut Notes,
    ) -> Result<(), Status> {
        let mut request = None;
        for check in self.lineup(false, review) {
            let answer = check.ask(review, object, &mut request);
            self.compare_shadows(&check, &answer, review, object);
            if let Some(admitted) = check.verdict(review, answer)? {
                notes.warnings.extend(admitted.warnings);
            }
        }
        for stage in self.stages.load_full().iter() {
            stage.validate(review, object, notes).await?;
        }
        Ok(())
    }
}

/// The outer error: no verdict. The inner: refused.
pub(crate) type Answer = Result<Result<Admitted, Denial>, CallError>;

impl Check {
    fn mutates(&self) -> bool {
        self.plugin.description().mutates
    }

    /// It keeps the objects of namespaces resident to count them: see [`Chain::account`].
    fn accounts(&self) -> bool {
        self.plugin.description().interests.iter().any(|interest| interest.kind == crate::account::EVERY)
    }

    fn wants(&self, review: &Review<'_>, state: &dyn State) -> bool {
        review.matches(&self.plugin.description().rules)
            && review.asked().matters(&self.plugin.conditions(), &|name| state.namespace(name))
    }

    fn is_trial(&self) -> bool {
        self.settings.role.is_trial()
    }

    pub(crate) fn answer(&self, review: &Review<'_>, object: &Value) -> Answer {
        self.ask(review, object, &mut None)
    }

    /// `None`: no verdict, and the failure policy says to go on.
    pub(crate) fn verdict(&self, review: &Review<'_>, answer: Answer) -> Result<Option<Admitted>, Status> {
        match answer {
            Ok(Ok(admitted)) => Ok(Some(admitted)),
            Ok(Err(denial)) => Err(refusal(review, &denial)),
            Err(error) => self.no_verdict(error),
        }
    }

    fn compare(&self, log: &ShadowLog, live: &Answer, review: &Review<'_>, object: &Value) {
        let (Ok(live), Ok(shadow)) = (live, self.answer(review, object)) else { return log.failed() };
        let (live, shadow) = (in_words(live), in_words(&shadow));
        if live == shadow {
            return log.agreed();
        }
        let subject = review.subject();
        let subject = format!("{} {}/{}", review.kind.kind, subject.namespace, subject.key);
        log.differed(Difference { subject, live, shadow });
    }

    /// `whole` is the request as those see it who want all of it: written once for them all.
    fn ask(&self, review: &Review<'_>, object: &Value, whole: &mut Option<String>) -> Answer {
        match self.plugin.view().of(&review.asked()) {
            Some(cut) => {
                let request = review.request_cut(object, &cut);
                self.in_step(|plugin| plugin.review_cut(&request))
            }
            None => {
                let request = whole.get_or_insert_with(|| review.request(object));
                self.in_step(|plugin| plugin.review(request))
            }
        }
    }

    /// Puts a question to an instance whose resident state is current.
    fn in_step(&self, question: impl Fn(&dyn AdmissionPlugin) -> Answer) -> Answer {
        loop {
            // Held over the review: a trap of another request must not empty the resident state
            // between the sync and the question.
            let mut resident = self.resident.lock();
            resident.sync(&*self.plugin)?;
            let instance = self.plugin.instance();
            let answer = question(&*self.plugin)?;
            if self.plugin.instance() == instance {
                return Ok(answer);
            }
        }
    }

    fn no_verdict(&self, error: CallError) -> Result<Option<Admitted>, Status> {
        tracing::warn!(check = %self.name, policy = ?self.settings.failure_policy, %error, "no admission verdict");
        match self.settings.failure_policy {
            FailurePolicy::Ignore => Ok(None),
            FailurePolicy::Fail => Err(Status::internal(format!(
                "Internal error occurred: admission check {:?} gave no verdict: {error}",
                self.name
            ))),
        }
    }

    fn patch(&self, object: &mut Value, patch: &str) -> Result<(), Status> {
        let failed = |why: String| {
            Status::internal(format!(
                "Internal error occurred: the patch of admission check {:?} cannot be applied: {why}",
                self.name
            ))
        };
        let patch: json_patch::Patch = serde_json::from_str(patch).map_err(|e| failed(e.to_string()))?;
        json_patch::patch(object, &patch).map_err(|e| failed(e.to_string()))
    }
}

/// A verdict for a report.
fn in_words(verdict: &Result<Admitted, Denial>) -> String {
    match verdict {
        Ok(admitted) if admitted.patch.is_empty() => "admitted".into(),
        Ok(admitted) => format!("admitted with {}", admitted.patch),
        Err(denial) => format!("refused ({}): {}", denial.code, denial.message),
    }
}

/// `pods "web" is forbidden: …`; checks write what follows the colon, or the whole message.
fn refusal(review: &Review<'_>, denial: &Denial) -> Status {
    if denial.code == 403 && !denial.message.contains(" is forbidden: ") {
        return Status::forbidden(review.kind, review.name, &denial.message);
    }
    let about = Status::forbidden(review.kind, review.name, "");
    let details = missing(&denial.message).or(about.details);
    Status { details, ..Status::new(denial.code, &denial.reason, denial.message.clone()) }
}

/// What `namespaces "a" not found` is about: not the object of the request.
fn missing(message: &str) -> Option<Value> {
    let (resource, name) = message.strip_suffix("\" not found")?.split_once(" \"")?;
    // Of a message that only ends so, another thing is said.
    if name.contains('"') {
        return None;
    }
    let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
    let mut details = serde_json::json!({ "name": name, "kind": plural });
    if !group.is_empty() {
        details["group"] = group.into();
    }
    Some(details)
}

#[cfg(test)]
mod tests;
