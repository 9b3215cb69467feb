use std::sync::Arc;

use arc_swap::ArcSwap;
use orch_object::Status;
use orch_plugin::calls::CallError;
use orch_plugin::calls::admission::{AdmissionPlugin, Admitted, Denial};
use parking_lot::Mutex;
use serde_json::Value;

use crate::resident::{Resident, State};
use crate::review::Review;

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
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// Lower is asked earlier; equal: by name.
    pub order: i64,
    pub failure_policy: FailurePolicy,
}

struct Check {
    /// The name of the `Plugin` object; one check per name.
    name: String,
    settings: Settings,
    plugin: Arc<dyn AdmissionPlugin>,
    resident: Mutex<Resident>,
}

/// The installed checks, in order.
pub struct Chain {
    checks: ArcSwap<Vec<Arc<Check>>>,
    state: Arc<dyn State>,
}

impl Chain {
    pub fn new(state: Arc<dyn State>) -> Self {
        Chain { checks: ArcSwap::default(), state }
    }

    /// Adds a check, or replaces the one of this name. Requests that begin from now on meet it.
    pub fn install(&self, name: &str, settings: Settings, plugin: Arc<dyn AdmissionPlugin>) {
        let resident = Mutex::new(Resident::new(&plugin.description().interests, &*self.state));
        let check = Arc::new(Check { name: name.into(), settings, plugin, resident });
        self.checks.rcu(|checks| {
            let mut checks: Vec<_> = checks.iter().filter(|c| c.name != name).cloned().collect();
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

    /// The names of the checks, in the order they are asked in.
    pub fn names(&self) -> Vec<String> {
        let checks = self.checks.load();
        let (mutating, validating): (Vec<&Arc<Check>>, Vec<_>) = checks.iter().partition(|c| c.mutates());
        mutating.into_iter().chain(validating).map(|c| c.name.clone()).collect()
    }

    /// Asks the checks that may change the object.
    pub fn mutate(
        &self,
        review: &Review<'_>,
        object: &mut Value,
        warnings: &mut Vec<String>,
    ) -> Result<(), Status> {
        for check in self.checks.load().iter().filter(|c| c.mutates() && c.wants(review)) {
            let Some(admitted) = check.verdict(review, object)? else { continue };
            warnings.extend(admitted.warnings);
            check.patch(object, &admitted.patch)?;
        }
        Ok(())
    }

    /// Asks the checks that only say yes or no. `object` is null for a delete.
    pub fn validate(
        &self,
        review: &Review<'_>,
        object: &Value,
        warnings: &mut Vec<String>,
    ) -> Result<(), Status> {
        for check in self.checks.load().iter().filter(|c| !c.mutates() && c.wants(review)) {
            if let Some(admitted) = check.verdict(review, object)? {
                warnings.extend(admitted.warnings);
            }
        }
        Ok(())
    }
}

impl Check {
    fn mutates(&self) -> bool {
        self.plugin.description().mutates
    }

    fn wants(&self, review: &Review<'_>) -> bool {
        review.matches(&self.plugin.description().rules)
    }

    /// `None`: no verdict, and the failure policy says to go on.
    fn verdict(&self, review: &Review<'_>, object: &Value) -> Result<Option<Admitted>, Status> {
        match self.ask(&review.request(object)) {
            Ok(Ok(admitted)) => Ok(Some(admitted)),
            Ok(Err(denial)) => Err(refusal(review, &denial)),
            Err(error) => self.no_verdict(error),
        }
    }

    fn ask(&self, request: &str) -> Result<Result<Admitted, Denial>, CallError> {
        loop {
            // Held over the review: a trap of another request must not empty the resident state
            // between the sync and the question.
            let mut resident = self.resident.lock();
            resident.sync(&*self.plugin)?;
            let instance = self.plugin.instance();
            let answer = self.plugin.review(request)?;
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
        if patch.is_empty() {
            return Ok(());
        }
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

/// `pods "web" is forbidden: …`; checks write what follows the colon, or the whole message.
fn refusal(review: &Review<'_>, denial: &Denial) -> Status {
    if denial.code == 403 && !denial.message.contains(" is forbidden: ") {
        return Status::forbidden(review.kind, review.name, &denial.message);
    }
    let about = Status::forbidden(review.kind, review.name, "");
    Status { details: about.details, ..Status::new(denial.code, &denial.reason, denial.message.clone()) }
}

#[cfg(test)]
mod tests;
