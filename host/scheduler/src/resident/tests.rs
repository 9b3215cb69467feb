//! What a plugin is told though nobody asks it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use orch_plugin::calls::Interest;
use serde_json::json;

use super::*;

/// Counts what it is told; the sync of a number fails.
#[derive(Default)]
struct Listener {
    description: Description,
    told: AtomicUsize,
    syncs: AtomicU64,
    fails_at: u64,
}

impl SchedulerPlugin for Listener {
    fn name(&self) -> &str {
        "listener"
    }
    fn description(&self) -> &Description {
        &self.description
    }
    fn instance(&self) -> u64 {
        1
    }
    fn sync(&self, deltas: &[Delta]) -> Result<(), CallError> {
        if self.syncs.fetch_add(1, Ordering::SeqCst) + 1 == self.fails_at {
            let message = "told to".into();
            return Err(CallError::Refused { plugin: "listener".into(), function: "sync", message });
        }
        self.told.fetch_add(deltas.len(), Ordering::SeqCst);
        Ok(())
    }
}

fn listener(fails_at: u64) -> Arc<Listener> {
    let interest = Interest { api_version: "v1".into(), kind: "Node".into(), fields: vec!["spec".into()] };
    let description = Description { interests: vec![interest], ..Description::default() };
    Arc::new(Listener { description, fails_at, ..Listener::default() })
}

fn tell(resident: &mut Resident, changes: usize) {
    for number in 0..changes {
        let node = json!({"metadata": {"name": "n"}, "spec": {"number": number}});
        resident.apply(&Change::Node(0, Arc::new(node)));
    }
}

#[test]
fn a_plugin_that_nobody_asks_is_told_all_the_same() {
    let plugin = listener(0);
    let mut resident = Resident::new("listener", plugin.clone(), Settings::default());
    tell(&mut resident, FULL - 1);
    assert_eq!(plugin.told.load(Ordering::SeqCst), 0);
    tell(&mut resident, 1);
    assert_eq!(plugin.told.load(Ordering::SeqCst), FULL);
    resident.flush().unwrap();
    assert_eq!(plugin.told.load(Ordering::SeqCst), FULL);
}

#[test]
fn what_fails_unasked_is_known_at_the_next_question() {
    let plugin = listener(1);
    let mut resident = Resident::new("listener", plugin.clone(), Settings::default());
    tell(&mut resident, 3 * FULL);
    assert!(resident.pending.is_empty(), "nothing gathers for an instance that is lost");
    // From the beginning: the one node there is.
    let mut cluster = Cluster::default();
    cluster.upsert_node(Arc::new(json!({"metadata": {"name": "n", "uid": "n"}, "spec": {}})));
    resident.bring_up_to_date(&cluster, Instant::now()).unwrap();
    assert_eq!(plugin.told.load(Ordering::SeqCst), 1);
}
