//! The numbers that can be handed out.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

use orch_watch::Cache;
use serde_json::Value;

use crate::key;

/// Addresses of a network, or ports. Empty when `last` is below `first`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    first: u32,
    last: u32,
    /// Below it values are for those who choose theirs; used last (KEP-3070, KEP-3668).
    dynamic: u32,
}

impl Range {
    /// Neither the network's own address nor its last.
    pub fn of_network(base: Ipv4Addr, prefix: u8) -> Self {
        let size = 1_u64 << (32 - u32::from(prefix.min(32)));
        let base = u64::from(u32::from(base)) & !(size - 1);
        let (first, last) = (base + 1, (base + size).saturating_sub(2));
        let kept = if size <= 16 { 0 } else { (size / 16).clamp(16, 256) };
        let narrow = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        Range { first: narrow(first), last: narrow(last), dynamic: narrow(first + kept) }
    }

    pub fn of_ports(ports: RangeInclusive<u16>) -> Self {
        let (first, last) = (u32::from(*ports.start()), u32::from(*ports.end()));
        let size = last.saturating_sub(first) + 1;
        Range { first, last, dynamic: first + (size / 32).clamp(16.min(size / 4), 128) }
    }

    pub fn contains(&self, value: u32) -> bool {
        (self.first..=self.last).contains(&value)
    }

    /// Every value, beginning at a random one of the dynamic part, the static part last.
    pub fn candidates(&self) -> impl Iterator<Item = u32> + use<> {
        use rand::RngExt;
        let Range { first, last, dynamic } = *self;
        let start = if dynamic <= last { rand::rng().random_range(dynamic..=last) } else { dynamic };
        (start..=last).chain(dynamic..start).chain(first..dynamic.min(last.saturating_add(1)))
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// The IPv4 networks of the ServiceCIDRs that are ready and stay, the largest first; `None`: there is no
/// ServiceCIDR.
pub fn ready(cache: &Cache) -> Option<Vec<Range>> {
    let all = cache.list(&key::prefix("networking.k8s.io", "servicecidrs", None)).items;
    let ranges = all.iter().map(|object| object.value()).filter(|object| is_ready(object));
    let mut found: Vec<Range> = ranges.flat_map(|object| networks(&object)).collect();
    found.sort_by_key(|range| std::cmp::Reverse(range.last.saturating_sub(range.first)));
    (!all.is_empty()).then_some(found)
}

/// Before anybody has said so, it is.
fn is_ready(range: &Value) -> bool {
    let conditions = range["status"]["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready");
    range["metadata"]["deletionTimestamp"].is_null() && ready.is_none_or(|ready| ready["status"] == "True")
}

fn networks(range: &Value) -> Vec<Range> {
    let listed = range["spec"]["cidrs"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let parsed = listed.filter_map(|text| {
        let (base, prefix) = text.split_once('/')?;
        Some(Range::of_network(base.parse().ok()?, prefix.parse().ok()?))
    });
    parsed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn range(text: &str) -> Range {
        networks(&json!({ "spec": { "cidrs": [text, "2001:db8::/64"] } }))[0]
    }

    #[test]
    fn every_value_is_a_candidate_once() {
        for (network, count) in
            [("10.96.0.0/24", 254), ("10.0.0.8/29", 6), ("10.0.0.0/30", 2), ("10.0.0.0/31", 0)]
        {
            let range = range(network);
            let mut all: Vec<u32> = range.candidates().collect();
            assert!(all.first().is_none_or(|first| *first >= range.dynamic), "{network}");
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), count, "{network}");
            assert!(all.iter().all(|value| range.contains(*value)), "{network}");
        }
        assert_eq!(range("10.0.0.1/32").candidates().count(), 0);
        assert_eq!(range("255.255.255.0/24").candidates().count(), 254);
        assert_eq!(Range::of_ports(30000..=32767).to_string(), "30000-32767");
    }

    #[test]
    fn what_goes_or_is_not_ready_gives_no_addresses() {
        let with = |metadata: Value, status: &str| {
            is_ready(&json!({ "metadata": metadata,
                "status": { "conditions": [{ "type": "Ready", "status": status }] } }))
        };
        assert!(with(json!({}), "True") && is_ready(&json!({})));
        assert!(!with(json!({}), "False"));
        assert!(!with(json!({ "deletionTimestamp": "2026-01-01T00:00:00Z" }), "True"));
    }
}
