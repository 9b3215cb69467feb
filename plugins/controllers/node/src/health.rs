//! Which nodes are alive. A node shows it by renewing its Lease, or by the heartbeat of its condition
//! `Ready`; the time counts at which that is seen here, so that clocks need not agree and that a controller
//! which begins, or was stopped with its machine, gives every node its time again.

use std::collections::{BTreeMap, BTreeSet};

use orch_sdk::controller::{Api, Change, Error, Kind, Selection};
use orch_sdk::object::Object;
use orch_sdk::time::{parse_rfc3339, rfc3339};
use orch_sdk::{Value, json, log};

use crate::zones::{self, Zone};
use crate::{LEASE, LEASES, taints, unready};

/// How often all nodes are looked at, in milliseconds.
pub const PERIOD_MS: u64 = 5_000;
/// What is unknown of a node that is not heard of.
const CONDITIONS: [&str; 4] = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];

/// How long a node may be silent, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grace {
    pub monitor_ms: u64,
    /// Before it has ever said whether it is ready.
    pub startup_ms: u64,
}

impl Default for Grace {
    fn default() -> Self {
        Grace { monitor_ms: 50_000, startup_ms: 60_000 }
    }
}

/// The status of a node's condition `Ready`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    True,
    False,
    Unknown,
    /// The node has said nothing yet.
    Missing,
}

impl Ready {
    pub fn of(node: &Value) -> Self {
        match ready(node).map(|condition| condition["status"].as_str()) {
            None => Ready::Missing,
            Some(Some("True")) => Ready::True,
            Some(Some("False")) => Ready::False,
            Some(_) => Ready::Unknown,
        }
    }
}

fn ready(node: &Value) -> Option<&Value> {
    node.items(&["status", "conditions"]).iter().find(|known| known["type"] == "Ready")
}

fn heartbeat(node: &Value) -> &str {
    ready(node).and_then(|condition| condition["lastHeartbeatTime"].as_str()).unwrap_or_default()
}

/// What is known of a node.
struct Row {
    uid: String,
    zone: String,
    is_excluded: bool,
    ready: Ready,
    /// Since when it is lost, or is not.
    since: u64,
    heartbeat: String,
    /// When it was last heard of.
    heard: u64,
    /// The taint of lost nodes that it has.
    evicting: Option<&'static str>,
}

impl Row {
    fn is_lost(&self) -> bool {
        self.ready != Ready::True
    }
}

/// A node's Lease, as last told.
#[derive(Default)]
struct Renewal {
    time: String,
    /// Told since the last look.
    is_new: bool,
}

#[derive(Default)]
pub struct Health {
    pub grace: Grace,
    rows: BTreeMap<String, Row>,
    renewals: BTreeMap<String, Renewal>,
    /// Lost nodes of which not every pod could be marked.
    unmarked: BTreeSet<String>,
    /// When the last node of a zone began to be emptied.
    emptied: BTreeMap<String, u64>,
    /// No node of any zone was ready.
    all_down: bool,
    /// When the nodes were last looked at; 0: never.
    looked: u64,
}

impl Health {
    /// Notes that a Lease was renewed, or is gone.
    pub fn hear(&mut self, lease: &Value, change: Change) {
        if change == Change::Deleted {
            self.renewals.remove(lease.name());
            return;
        }
        let time = renewed(lease).to_owned();
        self.renewals.insert(lease.name().into(), Renewal { time, is_new: true });
    }

    /// From its first look on a look leads to the next.
    pub fn has_looked(&self) -> bool {
        self.looked > 0
    }

    pub fn is_unready(&self, name: &str) -> bool {
        self.rows.get(name).is_some_and(|row| matches!(row.ready, Ready::False | Ready::Unknown))
    }

    pub fn observe(&mut self, api: &dyn Api, node: &Value) {
        let now = api.now_ms();
        let (ready, beat) = (Ready::of(node), heartbeat(node));
        let known = self.rows.get(node.name()).filter(|row| row.uid == node.uid());
        if known.is_none() {
            tell(api, node, "RegisteredNode", &format!("Registered Node {} in Controller", node.name()));
        }
        let created = || parse_rfc3339(node.creation_timestamp()).unwrap_or(now);
        let heard = match known {
            None if ready == Ready::Missing => created(),
            Some(row)
                if row.heartbeat == beat && (row.ready == Ready::Missing) == (ready == Ready::Missing) =>
            {
                row.heard
            }
            _ => now,
        };
        let was_lost = known.map(Row::is_lost);
        let row = Row {
            uid: node.uid().into(),
            zone: zones::of(node),
            is_excluded: zones::is_excluded(node),
            ready,
            since: known.filter(|_| was_lost == Some(ready != Ready::True)).map_or(now, |row| row.since),
            heartbeat: beat.into(),
            heard,
            evicting: taints::evicting(node),
        };
        self.rows.insert(node.name().into(), row);
    }

    pub fn forget(&mut self, api: &dyn Api, name: &str) {
        self.unmarked.remove(name);
        let Some(row) = self.rows.remove(name) else { return };
        let node =
            json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": name, "uid": row.uid } });
        tell(api, &node, "RemovingNode", &format!("Removing Node {name} from Controller"));
    }

    /// Looks at all nodes: who is silent is lost, who is lost is emptied in turn. What fails is tried again
    /// with the next look.
    pub fn look(&mut self, api: &dyn Api) -> Result<(), Error> {
        if !self.has_looked() {
            self.catch_up(api)?;
        }
        self.listen(api.now_ms());
        for name in self.silent(api.now_ms()) {
            report(&name, self.lose(api, &name));
        }
        for name in std::mem::take(&mut self.unmarked) {
            if self.is_unready(&name) && report(&name, unready::mark_all(api, &name)).is_none() {
                self.unmarked.insert(name);
            }
        }
        self.empty(api);
        Ok(())
    }

    /// What a new instance was not told of nodes, the one before it was.
    fn catch_up(&mut self, api: &dyn Api) -> Result<(), Error> {
        for lease in api.list(LEASE, Selection::within(LEASES))? {
            let renewal = || Renewal { time: renewed(&lease).into(), is_new: false };
            self.renewals.entry(lease.name().into()).or_insert_with(renewal);
            let is_known = self.rows.contains_key(lease.name());
            if let Some(node) =
                (!is_known).then(|| api.get(Kind::NODE.object("", lease.name()))).transpose()?
            {
                node.iter().for_each(|node| self.observe(api, node));
            }
        }
        Ok(())
    }

    fn listen(&mut self, now: u64) {
        let was_away = self.has_looked() && now.saturating_sub(self.looked) > self.grace.monitor_ms;
        for (name, row) in &mut self.rows {
            let renewal = self.renewals.get_mut(name).filter(|renewal| renewal.is_new);
            if was_away || renewal.is_some() {
                row.heard = now;
            }
            if let Some(renewal) = renewal {
                renewal.is_new = false;
            }
        }
        self.looked = now;
    }

    /// The nodes whose time is over, and of which that is not said yet.
    fn silent(&self, now: u64) -> Vec<String> {
        let is_silent = |row: &Row| {
            let grace =
                if row.ready == Ready::Missing { self.grace.startup_ms } else { self.grace.monitor_ms };
            row.ready != Ready::Unknown && now > row.heard.saturating_add(grace)
        };
        self.rows.iter().filter(|(_, row)| is_silent(row)).map(|(name, _)| name.clone()).collect()
    }

    /// Says that nothing is known of the node any more, unless it is only this controller that has not heard.
    fn lose(&mut self, api: &dyn Api, name: &str) -> Result<(), Error> {
        let Some(node) = api.get_live(Kind::NODE.object("", name))? else { return Ok(()) };
        let lease = api.get_live(LEASE.object(LEASES, name))?;
        let Some(row) = self.rows.get_mut(name).filter(|row| row.uid == node.uid()) else { return Ok(()) };
        let told = self.renewals.entry(name.into()).or_default();
        let time = lease.as_ref().map_or("", renewed);
        if time != told.time || heartbeat(&node) != row.heartbeat {
            row.heard = api.now_ms();
            told.time = time.into();
            return Ok(());
        }
        let was = Ready::of(&node);
        match api.update_status(&unknown(&node, &rfc3339(api.now_ms()))) {
            Err(error) if error.is_not_found() => return Ok(()),
            written => written?,
        };
        row.ready = Ready::Unknown;
        if was == Ready::True {
            row.since = api.now_ms();
            let message = format!("Node {name} status is now: NodeNotReady");
            api.event(&node, "Normal", "NodeNotReady", &message);
            self.unmarked.insert(name.into());
        }
        Ok(())
    }

    /// Begins to evict from the longest lost node of each zone, as often as the zone's state allows. When no
    /// node at all is ready, none is emptied: there would be nowhere to go, and it is rather this
    /// controller that has lost the nodes. When the first is back, all have their time again.
    fn empty(&mut self, api: &dyn Api) {
        let now = api.now_ms();
        let zones = self.zones();
        let all_down = zones.values().all(Zone::is_down);
        if self.all_down && !all_down {
            self.rows.values_mut().for_each(|row| row.heard = now);
        }
        self.all_down = all_down;
        if all_down {
            let tainted = self.rows.iter().filter(|(_, row)| row.evicting.is_some());
            let names: Vec<String> = tainted.map(|(name, _)| name.clone()).collect();
            for name in names {
                report(&name, settle(api, &name, |_| None));
            }
            return;
        }
        for (zone, state) in zones {
            let is_due = |interval| self.emptied.get(&zone).is_none_or(|last| now >= last + interval);
            let Some(name) = state.interval_ms().filter(|i| is_due(*i)).and_then(|_| self.next(&zone)) else {
                continue;
            };
            if report(&name, settle(api, &name, |node| taints::of_lost(Ready::of(node)))).is_some() {
                api.count("node_evictions", &[("zone", zone.as_str())], 1.0);
                self.emptied.insert(zone, now);
            }
        }
    }

    fn zones(&self) -> BTreeMap<String, Zone> {
        let mut zones: BTreeMap<String, Zone> = BTreeMap::new();
        for row in self.rows.values().filter(|row| !row.is_excluded) {
            let zone = zones.entry(row.zone.clone()).or_default();
            zone.nodes += 1;
            zone.lost += usize::from(row.is_lost());
        }
        zones
    }

    /// The node of the zone that is lost longest and not yet emptied.
    fn next(&self, zone: &str) -> Option<String> {
        let waits = |row: &Row| {
            row.zone == zone && row.evicting.is_none() && matches!(row.ready, Ready::False | Ready::Unknown)
        };
        let waiting = self.rows.iter().filter(|(_, row)| waits(row));
        waiting.min_by_key(|(_, row)| row.since).map(|(name, _)| name.clone())
    }
}

fn renewed(lease: &Value) -> &str {
    lease.at(&["spec", "renewTime"]).as_str().unwrap_or_default()
}

fn settle(api: &dyn Api, name: &str, evicting: impl Fn(&Value) -> Option<&'static str>) -> Result<(), Error> {
    match api.get(Kind::NODE.object("", name))? {
        Some(node) => taints::settle(api, &node, evicting(&node)),
        None => Ok(()),
    }
}

/// The node, with nothing known of its conditions.
fn unknown(node: &Value, now: &str) -> Value {
    let mut conditions = node.items(&["status", "conditions"]).to_vec();
    for name in CONDITIONS {
        match conditions.iter_mut().find(|known| known["type"] == name) {
            Some(known) if known["status"] == "Unknown" => {}
            Some(known) => {
                known["status"] = "Unknown".into();
                known["reason"] = "NodeStatusUnknown".into();
                known["message"] = "Kubelet stopped posting node status.".into();
                known["lastTransitionTime"] = now.into();
            }
            None => conditions.push(json!({
                "type": name, "status": "Unknown", "reason": "NodeStatusNeverUpdated",
                "message": "Kubelet never posted node status.",
                "lastHeartbeatTime": node.creation_timestamp(), "lastTransitionTime": now,
            })),
        }
    }
    let mut node = node.clone();
    node.set(&["status", "conditions"], conditions);
    node
}

fn tell(api: &dyn Api, node: &Value, reason: &str, what: &str) {
    api.event(node, "Normal", reason, &format!("Node {} event: {what}", node.name()));
}

/// Notes what could not be done about a node.
fn report(name: &str, done: Result<(), Error>) -> Option<()> {
    done.map_err(|error| log::warn(&format!("node {name}: {error}"))).ok()
}
