//! Refuses what would make a namespace use more than its ResourceQuotas allow.
//!
//! The host keeps every object of a namespace with quotas resident here ([`account`]) and lets one
//! write of it after the other pass, so what is used is counted, not charged: nothing can be spent
//! twice, and nothing has to be given back.
//! <https://kubernetes.io/docs/concepts/policy/resource-quotas/>

mod account;

use std::collections::BTreeMap;

use orch_sdk::Value;
use orch_sdk::admission::{Admitted, Check, Delta, Denial, Description, Operation, Request};
use orch_sdk::object::Object;
use orch_sdk::quota::{self, Amounts, Quota, Subject};
use orch_sdk::time::parse_rfc3339;

use account::{Account, Id};

/// Read of quotas alone, which tells a limit from an object that counts.
const LIMITS: &str = "metadata.creationTimestamp";

#[derive(Default)]
pub struct ResourceQuota {
    /// By namespace.
    accounts: BTreeMap<String, Account>,
}

orch_sdk::export_admission!(ResourceQuota);

impl Check for ResourceQuota {
    fn describe() -> Description {
        Description::new()
            .reviews(&[Operation::Create], &["*"], &["*"])
            .reviews(
                &[Operation::Update],
                &[""],
                &["pods", "pods/resize", "persistentvolumeclaims", "services"],
            )
            .reads("v1", "ResourceQuota", &[LIMITS, "spec"])
            .reads("*", "*", &quota::FIELDS)
    }

    /// A ResourceQuota comes twice: as a limit, and as an object that counts.
    fn sync(&mut self, delta: Delta) -> Result<(), String> {
        match delta {
            Delta::Upsert(object) => {
                let account = self.accounts.entry(object.namespace().into()).or_default();
                if is_quota(&object) && !object.creation_timestamp().is_empty() {
                    account.limit(object.name(), Quota::read(&object));
                } else {
                    account.put(Id::of(&object), subject(&object));
                }
            }
            Delta::Remove(object) => {
                let Some(account) = self.accounts.get_mut(object.namespace()) else { return Ok(()) };
                if is_quota(&object) {
                    account.lift(object.name());
                }
                account.remove(&Id::of(&object));
                if account.is_empty() {
                    self.accounts.remove(object.namespace());
                }
            }
        }
        Ok(())
    }

    fn review(&mut self, request: &Request) -> Result<Admitted, Denial> {
        let Some(account) = self.accounts.get_mut(&request.namespace) else {
            return Ok(Admitted::unchanged());
        };
        if quota::is_ignored(&request.kind.group, &request.kind.kind) {
            return Ok(Admitted::unchanged());
        }
        // There is no clock here, but every object is born with the time.
        if let Some(now) = parse_rfc3339(request.object.creation_timestamp()) {
            account.give_up(now);
        }
        let after = Subject::of(&request.kind.group, &request.kind.kind, &request.object);
        if !may_use_more(request, &after) {
            return Ok(Admitted::unchanged());
        }
        account.check(request, &after).map(|()| Admitted::unchanged()).map_err(Denial::forbidden)
    }
}

fn is_quota(object: &Value) -> bool {
    object.kind() == "ResourceQuota" && object.api_version() == "v1"
}

fn subject(object: &Value) -> Subject {
    let id = Id::of(object);
    Subject::of(&id.group, &id.kind, object)
}

/// Pods change only in what scopes ask (their deadline) or by a resize; of other kinds, those that are
/// measured may grow.
fn may_use_more(request: &Request, after: &Subject) -> bool {
    match (request.operation, request.resource.resource.as_str(), request.sub_resource.as_str()) {
        (Operation::Create, _, "") => true,
        (Operation::Update, "pods", "") => {
            let terminating = |pod: &Value| pod.at(&["spec", "activeDeadlineSeconds"]).is_null();
            terminating(&request.object) != terminating(&request.old_object)
        }
        (Operation::Update, "pods", "resize") => true,
        (Operation::Update, _, "") => !after.usage.is_empty(),
        _ => false,
    }
}

/// Of the amounts, those that are named.
fn masked(amounts: &Amounts, names: &Amounts) -> Amounts {
    amounts.iter().filter(|(name, _)| names.contains_key(*name)).map(|(n, a)| (n.clone(), *a)).collect()
}

#[cfg(test)]
mod tests;
