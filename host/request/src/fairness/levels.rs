//! Priority levels: their seats, what they lend each other, and who waits for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::oneshot;

use super::Rejected;
use super::queues::{Queues, Waiter};

/// A request may not want more seats than this, or than its level has.
const MOST_SEATS: u32 = 10;
/// Shares of the level for what no other takes.
const CATCH_ALL_SHARES: f64 = 5.0;

/// What became of a request that came.
pub enum Entry {
    Exempt,
    Seated(u32),
    Waits { ticket: u64, seats: u32, granted: oneshot::Receiver<()> },
    Rejected(Rejected),
}

/// What a level may take.
pub struct SeatLimits {
    pub nominal: u32,
    pub lower: u32,
    pub upper: u32,
}

/// Every level by name.
pub struct Levels {
    /// Seats of all limited levels together.
    total: u32,
    levels: BTreeMap<String, Level>,
    tickets: u64,
}

#[derive(Default)]
struct Level {
    uid: String,
    exempt: bool,
    /// False: gone from the configuration, but not empty yet.
    configured: bool,
    shares: f64,
    lendable_percent: f64,
    borrowing_percent: Option<f64>,
    /// Seats of its own.
    nominal: u32,
    /// Of these, seats that nobody else gets.
    guaranteed: u32,
    /// Seats in use, at most.
    limit: u32,
    executing: u32,
    requests: u32,
    /// `None`: requests beyond the seats are rejected.
    queues: Option<Queues>,
    dispatched: u64,
    rejected: u64,
    timed_out: u64,
    cancelled: u64,
}

impl Levels {
    pub fn new(total: u32) -> Self {
        Levels { total, levels: BTreeMap::new(), tickets: 0 }
    }

    pub fn configure(&mut self, objects: &[Arc<Value>]) {
        for level in self.levels.values_mut() {
            level.configured = false;
        }
        for object in objects {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            self.levels.entry(name.into()).or_default().read(object);
        }
        // These two are there even while their objects are not.
        for (name, exempt) in [("exempt", true), ("catch-all", false)] {
            let level = self.levels.entry(name.into()).or_default();
            if !level.configured {
                level.shares = CATCH_ALL_SHARES;
                level.configured = true;
            }
            level.exempt = exempt;
        }
        self.levels.retain(|_, level| level.configured || level.requests > 0 || level.waiting() > 0);
        self.share_out();
        self.dispatch();
    }

    /// Gives each level its part of the seats.
    fn share_out(&mut self) {
        let shares: f64 = self.levels.values().filter(|l| !l.exempt).map(|l| l.shares).sum();
        let total = f64::from(self.total);
        for level in self.levels.values_mut().filter(|level| !level.exempt) {
            level.nominal = ((total * level.shares / shares.max(1.0)).ceil() as u32).max(1);
            let lendable = f64::from(level.nominal) * level.lendable_percent / 100.0;
            level.guaranteed = level.nominal - (lendable.round() as u32).min(level.nominal);
            level.limit = match level.borrowing_percent {
                Some(percent) => level.nominal + (f64::from(level.nominal) * percent / 100.0).round() as u32,
                None => self.total.max(level.nominal),
            };
        }
    }

    /// The level's uid, and what becomes of a request that wants seats there.
    pub fn enter(&mut self, name: &str, flow: u64, seats: u32) -> (String, Entry) {
        let free = self.free_for(name);
        let Some(level) = self.levels.get_mut(name) else { return (String::new(), Entry::Exempt) };
        let uid = level.uid.clone();
        if level.exempt {
            level.dispatched += 1;
            return (uid, Entry::Exempt);
        }
        let seats = seats.clamp(1, MOST_SEATS.min(level.nominal));
        if level.waiting() == 0 && level.takes(seats, free) {
            level.seat(seats);
            return (uid, Entry::Seated(seats));
        }
        let Some(queues) = &mut level.queues else {
            level.rejected += 1;
            return (uid, Entry::Rejected(Rejected::ConcurrencyLimit));
        };
        let Some(queue) = queues.choose(flow) else {
            level.rejected += 1;
            return (uid, Entry::Rejected(Rejected::QueueFull));
        };
        self.tickets += 1;
        let (granted, receiver) = oneshot::channel();
        queues.push(queue, Waiter { ticket: self.tickets, seats, granted });
        let ticket = self.tickets;
        // Whose turn it is may be another's.
        self.dispatch();
        (uid, Entry::Waits { ticket, seats, granted: receiver })
    }

    /// Seats that the level could still take: all but those that others use or are promised.
    fn free_for(&self, name: &str) -> u32 {
        let others = self.levels.iter().filter(|(other, level)| *other != name && !level.exempt);
        let taken: u32 = others.map(|(_, level)| level.executing.max(level.guaranteed)).sum();
        let own = self.levels.get(name).map_or(0, |level| level.executing);
        self.total.saturating_sub(taken).saturating_sub(own)
    }

    pub fn leave(&mut self, name: &str, seats: u32) {
        if let Some(level) = self.levels.get_mut(name) {
            level.executing = level.executing.saturating_sub(seats);
            level.requests = level.requests.saturating_sub(1);
        }
        self.dispatch();
    }

    /// The client went away; its seats may have been granted in this instant.
    pub fn give_up(&mut self, name: &str, ticket: u64, seats: u32) {
        let Some(level) = self.levels.get_mut(name) else { return };
        level.cancelled += 1;
        let waited = level.queues.as_mut().is_some_and(|queues| queues.remove(ticket));
        if !waited {
            self.leave(name, seats);
        }
    }

    pub fn timed_out(&mut self, name: &str) {
        if let Some(level) = self.levels.get_mut(name) {
            level.timed_out += 1;
            level.cancelled = level.cancelled.saturating_sub(1);
        }
    }

    /// Lets in whoever can go now.
    fn dispatch(&mut self) {
        let names: Vec<String> = self
            .levels
            .iter()
            .filter(|(_, level)| level.waiting() > 0)
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            while self.dispatch_one(&name) {}
        }
    }

    fn dispatch_one(&mut self, name: &str) -> bool {
        let free = self.free_for(name);
        let Some(level) = self.levels.get_mut(name) else { return false };
        let Some(seats) = level.queues.as_ref().and_then(Queues::next) else { return false };
        if !level.takes(seats, free) {
            return false;
        }
        let Some(waiter) = level.queues.as_mut().and_then(Queues::pop) else { return false };
        level.seat(seats);
        // Nobody listens any more: `give_up` finds it gone from its queue and frees the seats.
        let _ = waiter.granted.send(());
        true
    }

    /// Of the levels that have limits.
    pub fn limits(&self) -> Vec<(String, SeatLimits)> {
        let limited = self.levels.iter().filter(|(_, level)| !level.exempt);
        let seats = |level: &Level| SeatLimits {
            nominal: level.nominal,
            lower: level.guaranteed,
            upper: level.limit,
        };
        limited.map(|(name, level)| (name.clone(), seats(level))).collect()
    }

    pub fn dump(&self) -> String {
        let mut text = String::from(
            "PriorityLevelName, ActiveQueues, IsIdle, IsQuiescing, WaitingRequests, ExecutingRequests, \
             DispatchedRequests, RejectedRequests, TimedoutRequests, CancelledRequests\n",
        );
        for (name, level) in &self.levels {
            let active = level.queues.as_ref().map_or(0, Queues::active);
            let idle = level.requests == 0 && level.waiting() == 0;
            text.push_str(&format!(
                "{name}, {active}, {idle}, {}, {}, {}, {}, {}, {}, {}\n",
                !level.configured,
                level.waiting(),
                level.requests,
                level.dispatched,
                level.rejected,
                level.timed_out,
                level.cancelled
            ));
        }
        text
    }
}

impl Level {
    fn read(&mut self, object: &Value) {
        let spec = &object["spec"];
        self.uid = object["metadata"]["uid"].as_str().unwrap_or_default().into();
        self.configured = true;
        self.exempt = spec["type"] == "Exempt";
        let limited = &spec["limited"];
        let number = |value: &Value| value.as_f64();
        self.shares = number(&limited["nominalConcurrencyShares"]).unwrap_or(30.0);
        self.lendable_percent = number(&limited["lendablePercent"]).unwrap_or(0.0);
        self.borrowing_percent = number(&limited["borrowingLimitPercent"]);
        let response = &limited["limitResponse"];
        if response["type"] == "Queue" {
            let count =
                |field: &str, default: u64| response["queuing"][field].as_u64().unwrap_or(default) as usize;
            let queues = self.queues.get_or_insert_default();
            queues.resize(count("queues", 64), count("handSize", 8), count("queueLengthLimit", 50));
        } else if self.waiting() == 0 {
            self.queues = None;
        }
    }

    fn waiting(&self) -> usize {
        self.queues.as_ref().map_or(0, Queues::waiting)
    }

    /// Seats of its own that are not lent, or free ones up to its limit.
    fn takes(&self, seats: u32, free: u32) -> bool {
        let after = self.executing + seats;
        self.executing == 0 || after <= self.guaranteed || (after <= self.limit && seats <= free)
    }

    fn seat(&mut self, seats: u32) {
        self.executing += seats;
        self.requests += 1;
        self.dispatched += 1;
    }
}
