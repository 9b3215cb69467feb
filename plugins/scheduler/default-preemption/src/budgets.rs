//! Disruption budgets, and which evictions would break one.

use std::collections::{BTreeMap, HashMap, HashSet};

use orch_sdk::object::Object;
use orch_sdk::selector::Selector;
use orch_sdk::{Value, serde_json};

use crate::residents::Victim;

pub const FIELDS: [&str; 3] = ["spec.selector", "status.disruptionsAllowed", "status.disruptedPods"];

#[derive(Debug, Default)]
pub struct Budgets {
    /// By namespace, then name.
    by_namespace: HashMap<String, BTreeMap<String, Budget>>,
}

#[derive(Debug)]
struct Budget {
    selector: Selector,
    allowed: i64,
    /// Names of pods whose eviction was granted already.
    disrupted: HashSet<String>,
}

impl Budgets {
    pub fn upsert(&mut self, object: &str) -> Result<(), String> {
        let object = parse(object)?;
        let (namespace, name) = (object.namespace().to_string(), object.name().to_string());
        let budgets = self.by_namespace.entry(namespace).or_default();
        match Budget::read(&object) {
            Some(budget) => budgets.insert(name, budget),
            None => budgets.remove(&name),
        };
        Ok(())
    }

    pub fn remove(&mut self, identity: &str) -> Result<(), String> {
        let identity = parse(identity)?;
        if let Some(budgets) = self.by_namespace.get_mut(identity.namespace()) {
            budgets.remove(identity.name());
        }
        Ok(())
    }

    /// Those whose eviction would break a budget, and the others, when all were evicted in this order.
    pub fn split<'a>(&self, victims: impl Iterator<Item = &'a Victim>) -> (Vec<&'a Victim>, Vec<&'a Victim>) {
        let mut used: HashMap<(&str, &str), i64> = HashMap::new();
        victims.partition(|victim| self.breaks(victim, &mut used))
    }

    /// As upstream: the budgets are charged one after the other until one is found broken.
    fn breaks<'a>(&'a self, victim: &Victim, used: &mut HashMap<(&'a str, &'a str), i64>) -> bool {
        if victim.labels.is_empty() {
            return false;
        }
        let Some((namespace, budgets)) = self.by_namespace.get_key_value(&victim.namespace) else {
            return false;
        };
        budgets.iter().filter(|(_, budget)| budget.covers(victim)).any(|(name, budget)| {
            let used = used.entry((namespace, name)).or_default();
            *used += 1;
            *used > budget.allowed
        })
    }
}

impl Budget {
    /// Nothing for a budget that covers no pod: without a selector, or with one that cannot be read.
    fn read(object: &Value) -> Option<Self> {
        let selector = Selector::from_label_selector(object.at(&["spec", "selector"])).ok()?;
        let disrupted = object.at(&["status", "disruptedPods"]).as_object();
        (!selector.is_empty()).then(|| Budget {
            selector,
            allowed: object.at(&["status", "disruptionsAllowed"]).as_i64().unwrap_or(0),
            disrupted: disrupted.into_iter().flatten().map(|(name, _)| name.clone()).collect(),
        })
    }

    fn covers(&self, victim: &Victim) -> bool {
        self.selector.matches_labels(&victim.labels) && !self.disrupted.contains(&victim.name)
    }
}

fn parse(object: &str) -> Result<Value, String> {
    serde_json::from_str(object).map_err(|error| format!("PodDisruptionBudget: {error}"))
}
