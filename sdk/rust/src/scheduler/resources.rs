//! What pods request and nodes have left: the resident state of policies that fit or weigh resources.
//!
//! ```
//! use orch_sdk::scheduler::resources::{CPU, Rows};
//!
//! let mut rows = Rows::default();
//! rows.upsert_node(0, r#"{"status": {"allocatable": {"cpu": "4", "pods": "110"}}}"#)?;
//! let pod = r#"{"spec": {"containers": [{"resources": {"requests": {"cpu": "500m"}}}]}}"#;
//! rows.upsert_pod("uid".into(), 0, pod)?;
//! let row = rows.node(0).ok_or("no node")?;
//! assert_eq!(row.allocatable[CPU] - row.requested[CPU], 3500);
//! # Ok::<(), String>(())
//! ```

mod amounts;
mod request;
mod rows;

pub use request::{FIELDS as REQUEST_FIELDS, Request};
pub use rows::{Row, Rows};

/// The resources every node has, by number; the others follow in the order they were first seen.
pub const CPU: usize = 0;
pub const MEMORY: usize = 1;
pub const EPHEMERAL_STORAGE: usize = 2;

/// How many have a number of their own.
pub const CORE: usize = 3;

/// What a container without a request counts as in scores, so that nodes do not fill up with them
/// (upstream's `DefaultMilliCPURequest` and `DefaultMemoryRequest`).
const ASSUMED: [i64; 2] = [100, 200 << 20];

/// Numbers for resource names. CPU is counted in thousandths, all else in whole units.
#[derive(Debug, Clone)]
pub struct Resources {
    names: Vec<String>,
}

impl Default for Resources {
    fn default() -> Self {
        Resources { names: ["cpu", "memory", "ephemeral-storage"].map(String::from).to_vec() }
    }
}

impl Resources {
    /// The number of the resource, a new one when it was never seen.
    pub fn number(&mut self, name: &str) -> usize {
        self.find(name).unwrap_or_else(|| {
            self.names.push(name.into());
            self.names.len() - 1
        })
    }

    pub fn find(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }

    pub fn name(&self, number: usize) -> &str {
        &self.names[number]
    }
}
