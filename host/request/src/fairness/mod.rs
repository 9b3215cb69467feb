//! Fairness between clients (API priority and fairness): every request belongs to a flow schema and
//! waits for seats of that schema's priority level, in a queue that few other flows share.
//!
//! ```text
//! request ─► schema (first that matches) ─► level ─► seats free: goes
//!                                              │  └ none: queue (shuffle-sharded by flow) ─► goes, in turn
//!                                              └ exempt: goes                └ full or too long: 429
//! ```

mod follow;
mod levels;
mod metrics;
mod queues;
mod schema;

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use orch_client::Identity;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use serde_json::Value;
use tokio::sync::oneshot;

use crate::authz::Attributes;
use levels::{Entry, Levels};
use metrics::{Executing, Flow, FlowMetrics};
use schema::Schema;

pub use follow::{follow, refresh};

/// Seats of all levels together: upstream's 400 reading and 200 writing requests in flight.
pub const SEATS: u32 = 600;
/// How long a request waits for its seats: a quarter of what a request may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Why a request was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejected {
    /// The level does not queue and has no seats.
    ConcurrencyLimit,
    QueueFull,
    TimeOut,
}

/// What an answer tells of the request's place (`X-Kubernetes-PF-…-UID`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    pub schema_uid: String,
    pub level_uid: String,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Fairness {
    schemas: Arc<ArcSwap<Vec<Known>>>,
    levels: Arc<Mutex<Levels>>,
    metrics: FlowMetrics,
}

/// A schema and what its requests count on.
struct Known {
    schema: Schema,
    flow: Arc<Flow>,
}

impl Fairness {
    /// With the levels every cluster has until the objects are read.
    pub fn new(seats: u32) -> Self {
        let fairness = Fairness {
            schemas: Arc::default(),
            levels: Arc::new(Mutex::new(Levels::new(seats))),
            metrics: FlowMetrics::default(),
        };
        fairness.configure(&[], &[]);
        fairness
    }

    /// Takes over FlowSchemas and PriorityLevelConfigurations. Requests under way keep their seats.
    pub fn configure(&self, schemas: &[Arc<Value>], levels: &[Arc<Value>]) {
        self.levels.lock().configure(levels);
        let known = |schema: Schema| Known { flow: self.metrics.flow(&schema.level, &schema.name), schema };
        let schemas = schema::compile(schemas, levels).into_iter().map(known).collect();
        self.schemas.store(Arc::new(schemas));
    }

    /// Adds what it counts.
    pub fn register(&self, registry: &mut Registry) {
        self.metrics.register(registry, &self.levels);
    }

    /// Where the request belongs, and its permit: `seats` of the level are taken until it is dropped.
    pub async fn admit(
        &self,
        identity: &Identity,
        attributes: &Attributes,
        seats: u32,
    ) -> (Place, Result<Permit, Rejected>) {
        let schemas = self.schemas.load_full();
        let found = schemas.iter().find(|known| known.schema.matches(identity, attributes));
        let Some(Known { schema, flow: counts }) = found else {
            // Nothing matches before the mandatory schemas are there.
            return (Place::default(), Ok(Permit { _seats: None, _executing: None }));
        };
        let flow = schema.flow(identity, attributes);
        let (level_uid, entry) = self.levels.lock().enter(&schema.level, flow, seats);
        let place = Place { schema_uid: schema.uid.clone(), level_uid };
        let permit = match entry {
            Entry::Exempt => Ok(None),
            Entry::Seated(seats) => Ok(Some(self.seats(&schema.level, seats))),
            Entry::Rejected(why) => Err(why),
            Entry::Waits { ticket, seats, granted } => {
                self.wait(&schema.level, counts, ticket, seats, granted).await.map(Some)
            }
        };
        if let Err(why) = permit {
            counts.rejected(why);
        }
        let permit = permit.map(|taken| {
            let executing = counts.executes(taken.as_ref().map_or(seats, |taken| taken.seats));
            Permit { _seats: taken, _executing: Some(executing) }
        });
        (place, permit)
    }

    fn seats(&self, level: &str, seats: u32) -> Seats {
        Seats { levels: self.levels.clone(), level: level.into(), seats }
    }

    async fn wait(
        &self,
        level: &str,
        flow: &Arc<Flow>,
        ticket: u64,
        seats: u32,
        granted: oneshot::Receiver<()>,
    ) -> Result<Seats, Rejected> {
        flow.enters_queue();
        let mut waiting = Waiting {
            levels: self.levels.clone(),
            level: level.into(),
            flow: flow.clone(),
            since: Instant::now(),
            ticket,
            seats,
            over: false,
        };
        match tokio::time::timeout(PATIENCE, granted).await {
            Ok(_) => {
                waiting.over = true;
                Ok(self.seats(level, seats))
            }
            Err(_) => {
                drop(waiting);
                self.levels.lock().timed_out(level);
                Err(Rejected::TimeOut)
            }
        }
    }

    /// One line for each level, in upstream's form (`dump_priority_levels`).
    pub fn dump(&self) -> String {
        self.levels.lock().dump()
    }
}

/// The right to be answered; its seats are free again when it is dropped.
pub struct Permit {
    _seats: Option<Seats>,
    _executing: Option<Executing>,
}

struct Seats {
    levels: Arc<Mutex<Levels>>,
    level: String,
    seats: u32,
}

impl Drop for Seats {
    fn drop(&mut self) {
        self.levels.lock().leave(&self.level, self.seats);
    }
}

/// A place in a queue; given up when the client goes away.
struct Waiting {
    levels: Arc<Mutex<Levels>>,
    level: String,
    flow: Arc<Flow>,
    since: Instant,
    ticket: u64,
    seats: u32,
    over: bool,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.flow.leaves_queue(self.since.elapsed(), self.over);
        if !self.over {
            self.levels.lock().give_up(&self.level, self.ticket, self.seats);
        }
    }
}

#[cfg(test)]
mod tests;
