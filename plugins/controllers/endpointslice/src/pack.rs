//! Lays endpoints out over slices: what is in a slice stays in it, so that one pod's change rewrites
//! one slice.

use std::collections::BTreeMap;

use orch_sdk::object::Object;
use orch_sdk::{Value, json};

const MAX_ENDPOINTS: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    IPv4,
    IPv6,
}

impl Family {
    /// Those the Service says; a headless one that says nothing has both, as its pods have.
    pub fn of_service(service: &Value) -> Vec<Family> {
        let said: Vec<Family> = service
            .items(&["spec", "ipFamilies"])
            .iter()
            .filter_map(|family| match family.as_str() {
                Some("IPv4") => Some(Family::IPv4),
                Some("IPv6") => Some(Family::IPv6),
                _ => None,
            })
            .collect();
        match said.is_empty() {
            false => said,
            true if service.at(&["spec", "clusterIP"]).as_str().is_some_and(|ip| ip.contains(':')) => {
                vec![Family::IPv6]
            }
            true => vec![Family::IPv4],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Family::IPv4 => "IPv4",
            Family::IPv6 => "IPv6",
        }
    }

    /// The pod's address of this family.
    pub fn address(self, pod: &Value) -> Option<&str> {
        let all = pod.items(&["status", "podIPs"]).iter().filter_map(|ip| ip["ip"].as_str());
        let mut all = all.chain(pod.at(&["status", "podIP"]).as_str());
        all.find(|ip| ip.contains(':') == (self == Family::IPv6))
    }
}

/// Endpoints by the ports they have: pods that resolve a named port differently need slices apart.
#[derive(Debug, Default)]
pub struct Wanted(BTreeMap<String, (Value, Vec<Value>)>);

impl Wanted {
    pub fn add(&mut self, ports: Value, endpoint: Value) {
        let group = self.0.entry(ports.to_string()).or_insert_with(|| (ports, Vec::new()));
        group.1.push(endpoint);
    }
}

#[derive(Debug, PartialEq)]
pub struct Kept {
    pub object: Value,
    pub changed: bool,
}

#[derive(Debug, Default, PartialEq)]
pub struct Plan {
    pub keep: Vec<Kept>,
    /// Without metadata.
    pub create: Vec<Value>,
    pub delete: Vec<Value>,
}

impl Plan {
    pub fn lay_out(&mut self, family: Family, wanted: Wanted, existing: &[Value]) {
        let mut left: Vec<&Value> =
            existing.iter().filter(|slice| slice["addressType"] == family.name()).collect();
        let (kept_before, created_before) = (self.keep.len(), self.create.len());
        for (ports, endpoints) in wanted.0.into_values() {
            let (mine, others) = left.into_iter().partition(|slice| slice["ports"] == ports);
            left = others;
            self.lay_out_group(family, &ports, endpoints, mine);
        }
        // A Service always has a slice, be it empty: an old one serves, or one is made.
        if self.keep.len() == kept_before && self.create.len() == created_before {
            match left.is_empty() {
                true => self.create.push(slice(family, &Value::Null, Vec::new())),
                false => self.keep.push(emptied(left.remove(0))),
            }
        }
        self.delete.extend(left.into_iter().cloned());
    }

    /// Slices of families the Service no longer has.
    pub fn drop_other_families(&mut self, service: &Value, existing: &[Value]) {
        let families: Vec<&str> = Family::of_service(service).into_iter().map(Family::name).collect();
        let other =
            |slice: &&Value| slice["addressType"].as_str().is_none_or(|family| !families.contains(&family));
        self.delete.extend(existing.iter().filter(other).cloned());
    }

    fn lay_out_group(&mut self, family: Family, ports: &Value, endpoints: Vec<Value>, mine: Vec<&Value>) {
        let mut waiting: BTreeMap<String, Value> =
            endpoints.into_iter().map(|endpoint| (identity(&endpoint), endpoint)).collect();
        let mut kept: Vec<(&Value, Vec<Value>)> = Vec::new();
        for old in mine {
            let stays =
                old.items(&["endpoints"]).iter().filter_map(|endpoint| waiting.remove(&identity(endpoint)));
            kept.push((old, stays.collect()));
        }
        // The fullest first: few slices, and few writes.
        kept.sort_by_key(|(_, endpoints)| std::cmp::Reverse(endpoints.len()));
        let mut waiting: Vec<Value> = waiting.into_values().collect();
        for (_, endpoints) in &mut kept {
            let room = MAX_ENDPOINTS.saturating_sub(endpoints.len()).min(waiting.len());
            endpoints.extend(waiting.drain(..room));
        }
        for (old, endpoints) in kept {
            if endpoints.is_empty() {
                self.delete.push(old.clone());
                continue;
            }
            let changed = old.items(&["endpoints"]) != endpoints.as_slice();
            let mut object = old.clone();
            object.set(&["endpoints"], endpoints);
            self.keep.push(Kept { object, changed });
        }
        while !waiting.is_empty() {
            let rest = waiting.split_off(waiting.len().min(MAX_ENDPOINTS));
            self.create.push(slice(family, ports, waiting));
            waiting = rest;
        }
    }
}

/// The pod, and the address it had: a pod made again under its name is another endpoint.
fn identity(endpoint: &Value) -> String {
    format!("{}/{}", endpoint["targetRef"]["uid"].as_str().unwrap_or_default(), endpoint["addresses"][0])
}

fn slice(family: Family, ports: &Value, endpoints: Vec<Value>) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "addressType": family.name(),
        "endpoints": endpoints,
        "ports": ports,
    })
}

fn emptied(old: &Value) -> Kept {
    let changed = !old.items(&["endpoints"]).is_empty();
    let mut object = old.clone();
    object.set(&["endpoints"], json!([]));
    Kept { object, changed }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(number: usize) -> Value {
        json!({"addresses": [format!("10.0.{}.{}", number / 250, number % 250)], "targetRef": {"uid": format!("u{number:04}")}})
    }
    fn ports() -> Value {
        json!([{"name": "", "port": 80, "protocol": "TCP"}])
    }
    fn lay_out(numbers: impl IntoIterator<Item = usize>, existing: &[Value]) -> Plan {
        let mut wanted = Wanted::default();
        numbers.into_iter().for_each(|number| wanted.add(ports(), endpoint(number)));
        let mut plan = Plan::default();
        plan.lay_out(Family::IPv4, wanted, existing);
        plan
    }
    fn stored(numbers: impl IntoIterator<Item = usize>) -> Value {
        slice(Family::IPv4, &ports(), numbers.into_iter().map(endpoint).collect())
    }

    #[test]
    fn a_slice_holds_a_hundred() {
        let plan = lay_out(0..250, &[]);
        let sizes: Vec<usize> = plan.create.iter().map(|slice| slice.items(&["endpoints"]).len()).collect();
        assert_eq!(sizes, [100, 100, 50]);
    }

    #[test]
    fn one_change_rewrites_one_slice() {
        let existing = [stored(0..100), stored(100..150)];
        let plan = lay_out((0..150).filter(|number| *number != 120).chain([500]), &existing);
        let changed: Vec<bool> = plan.keep.iter().map(|kept| kept.changed).collect();
        assert_eq!((changed.as_slice(), plan.create.len(), plan.delete.len()), (&[false, true][..], 0, 0));
        let unchanged = lay_out(0..150, &existing);
        assert!(unchanged.keep.iter().all(|kept| !kept.changed));
    }

    #[test]
    fn the_last_slice_stays_though_empty() {
        assert_eq!(lay_out([], &[]).create[0]["endpoints"], json!([]));
        let plan = lay_out([], &[stored(0..3), stored(3..5)]);
        assert_eq!((plan.keep.len(), plan.delete.len()), (1, 1));
        assert!(plan.keep[0].changed && plan.keep[0].object.items(&["endpoints"]).is_empty());
    }

    #[test]
    fn other_ports_are_other_slices() {
        let mut wanted = Wanted::default();
        wanted.add(ports(), endpoint(1));
        wanted.add(json!([{"name": "", "port": 81, "protocol": "TCP"}]), endpoint(2));
        let mut plan = Plan::default();
        plan.lay_out(Family::IPv4, wanted, &[stored([1])]);
        assert_eq!((plan.keep.len(), plan.create.len()), (1, 1));
        assert!(!plan.keep[0].changed);
    }

    #[test]
    fn families_are_the_services() {
        assert_eq!(
            Family::of_service(&json!({"spec": {"ipFamilies": ["IPv6", "IPv4"]}})),
            [Family::IPv6, Family::IPv4]
        );
        assert_eq!(Family::of_service(&json!({"spec": {}})), [Family::IPv4]);
        let pod = json!({"status": {"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]}});
        assert_eq!(
            (Family::IPv4.address(&pod), Family::IPv6.address(&pod)),
            (Some("10.0.0.1"), Some("fd00::1"))
        );
        let mut plan = Plan::default();
        plan.drop_other_families(&json!({"spec": {"ipFamilies": ["IPv6"]}}), &[stored([1])]);
        assert_eq!(plan.delete.len(), 1);
    }
}
