//! What one namespace may use, and uses.

use std::collections::BTreeMap;

use orch_sdk::Value;
use orch_sdk::admission::{Operation, Request};
use orch_sdk::object::Object;
use orch_sdk::quantity::Amount;
use orch_sdk::quota::{self, Amounts, Quota, Subject, add, in_words, subtract};

use crate::masked;

/// An object of the namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    pub group: String,
    pub kind: String,
    name: String,
}

/// A quota with the sum of what counts against it: measured amounts by resource, and objects of each
/// kind by [`objects_of`].
#[derive(Debug, Default)]
struct Limited {
    quota: Quota,
    used: Amounts,
}

#[derive(Debug, Default)]
pub struct Account {
    quotas: BTreeMap<String, Limited>,
    subjects: BTreeMap<Id, Subject>,
}

impl Id {
    pub fn of(object: &Value) -> Id {
        let group = object.api_version().split_once('/').map_or("", |(group, _)| group);
        Id { group: group.into(), kind: object.kind().into(), name: object.name().into() }
    }
}

/// The name under which the objects of a kind are summed up; no resource is called so.
fn objects_of(group: &str, kind: &str) -> String {
    format!("objects/{kind}.{group}")
}

/// What the object adds to the sum of a quota that covers it.
fn weight(id: &Id, subject: &Subject) -> Amounts {
    let mut weight = subject.usage.clone();
    if !Subject::measures(&id.group, &id.kind) {
        weight.insert(objects_of(&id.group, &id.kind), Amount::units(1));
    }
    weight
}

impl Account {
    pub fn is_empty(&self) -> bool {
        self.quotas.is_empty() && self.subjects.is_empty()
    }

    pub fn limit(&mut self, name: &str, quota: Quota) {
        let mut used = Amounts::new();
        for (id, subject) in self.subjects.iter().filter(|(_, subject)| quota.covers(subject)) {
            add(&mut used, &weight(id, subject));
        }
        self.quotas.insert(name.into(), Limited { quota, used });
    }

    pub fn lift(&mut self, name: &str) {
        self.quotas.remove(name);
    }

    pub fn put(&mut self, id: Id, subject: Subject) {
        if quota::is_ignored(&id.group, &id.kind) {
            return;
        }
        self.remove(&id);
        self.sum_up(&id, &subject, add);
        self.subjects.insert(id, subject);
    }

    pub fn remove(&mut self, id: &Id) {
        if let Some(subject) = self.subjects.remove(id) {
            self.sum_up(id, &subject, subtract);
        }
    }

    fn sum_up(&mut self, id: &Id, subject: &Subject, with: fn(&mut Amounts, &Amounts)) {
        let weight = weight(id, subject);
        for limited in self.quotas.values_mut().filter(|limited| limited.quota.covers(subject)) {
            with(&mut limited.used, &weight);
        }
    }

    /// Pods that should have ended long ago no longer count as running.
    pub fn give_up(&mut self, now_ms: u64) {
        let lost = |subject: &Subject| subject.given_up_after.is_some_and(|after| after < now_ms);
        let lost: Vec<Id> =
            self.subjects.iter().filter(|(_, subject)| lost(subject)).map(|(id, _)| id.clone()).collect();
        for id in lost {
            let Some(mut subject) = self.subjects.get(&id).cloned() else { continue };
            subject.give_up();
            self.put(id, subject);
        }
    }

    /// Whether there is room for the object as it would be; the error is what follows
    /// `pods "web" is forbidden: `.
    pub fn check(&self, request: &Request, after: &Subject) -> Result<(), String> {
        let covering: Vec<(&String, &Limited)> =
            self.quotas.iter().filter(|(_, limited)| limited.quota.covers(after)).collect();
        if request.resource.resource == "pods" && request.resource.group.is_empty() {
            for (name, limited) in &covering {
                obliged(name, &request.object, &limited.quota.hard)?;
            }
        }
        let asked = asked(request, after);
        let negative: Vec<&str> =
            asked.iter().filter(|(_, amount)| amount.is_negative()).map(|(name, _)| name.as_str()).collect();
        if !negative.is_empty() && !covering.is_empty() {
            return Err(format!("quota usage is negative for resource(s): {}", negative.join(",")));
        }
        covering.into_iter().try_for_each(|(name, limited)| self.has_room(name, limited, request, &asked))
    }

    fn has_room(
        &self,
        name: &str,
        limited: &Limited,
        request: &Request,
        asked: &Amounts,
    ) -> Result<(), String> {
        let hard = &limited.quota.hard;
        let before = self.counted_before(limited, request);
        let mut requested = masked(asked, hard);
        let known = masked(&before, &requested);
        subtract(&mut requested, &known);
        requested.retain(|_, amount| amount.is_positive());
        let used: Amounts =
            requested.keys().map(|name| (name.clone(), limited.used(name, request))).collect();
        let fits = |name: &String, more: &Amount| used[name] + *more <= hard[name];
        requested.retain(|name, more| !fits(name, more));
        if requested.is_empty() {
            return Ok(());
        }
        Err(format!(
            "exceeded quota: {name}, requested: {}, used: {}, limited: {}",
            in_words(&requested),
            in_words(&masked(&used, &requested)),
            in_words(&masked(hard, &requested)),
        ))
    }

    /// What the object that is changed counts already.
    fn counted_before(&self, limited: &Limited, request: &Request) -> Amounts {
        if request.operation != Operation::Update {
            return Amounts::new();
        }
        let (group, kind) = (request.kind.group.clone(), request.kind.kind.clone());
        let id = Id { group, kind, name: request.old_object.name().into() };
        let counted = self.subjects.get(&id).filter(|subject| limited.quota.covers(subject));
        counted.map(|subject| subject.usage.clone()).unwrap_or_default()
    }
}

impl Limited {
    fn used(&self, resource: &str, request: &Request) -> Amount {
        let summed = match Subject::measures(&request.kind.group, &request.kind.kind) {
            true => self.used.get(resource),
            false => self.used.get(&objects_of(&request.kind.group, &request.kind.kind)),
        };
        summed.copied().unwrap_or_default()
    }
}

/// What the object as it would be uses, under the names that quotas may give it.
fn asked(request: &Request, after: &Subject) -> Amounts {
    if Subject::measures(&request.kind.group, &request.kind.kind) {
        return after.usage.clone();
    }
    let names = quota::count_names(&request.resource.group, &request.resource.resource);
    names.into_iter().map(|name| (name, Amount::units(1))).collect()
}

fn obliged(quota: &str, pod: &Value, hard: &Amounts) -> Result<(), String> {
    let missing = quota::missing(pod, hard);
    if missing.is_empty() {
        return Ok(());
    }
    let each: Vec<String> =
        missing.iter().map(|(name, containers)| format!("{name} for: {}", containers.join(","))).collect();
    Err(format!("failed quota: {quota}: must specify {}", each.join("; ")))
}
