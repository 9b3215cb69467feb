//! Simulated nodes (`orch sim nodes`): Node objects that are kept alive and whose pods turn Running,
//! with no machine behind them. Everything goes through the ordinary API, so any Kubernetes API
//! server can be loaded with them.
//!
//! Per node there is nothing but a name: leases are renewed in turn by one task, pods are followed
//! by one watch.

mod addresses;
pub mod connection;
mod describe;
mod follow;
mod heartbeat;
pub mod kubeconfig;
mod pod;
mod registration;
mod retry;

use std::time::Duration;

pub use connection::{Body, Connection, ConnectionError};
pub use describe::{LABEL, Shape, zones};
pub use follow::Progress;
pub use kubeconfig::{Access, KubeconfigError};
pub use registration::RegistrationError;
use tokio::sync::watch;
use tokio::task::JoinSet;

#[derive(Debug, Clone)]
pub struct Options {
    pub count: usize,
    pub shape: Shape,
    /// Each node's Lease is renewed this often.
    pub renew: Duration,
    /// Each node's status is written anew this often, though nothing has changed.
    pub report: Duration,
    /// Pods bound to the nodes turn Running, and end when they are deleted. False: nobody looks at them.
    pub pods: bool,
}

impl Options {
    /// The kubelet's own intervals.
    pub fn new(count: usize) -> Options {
        Options {
            count,
            shape: Shape::default(),
            renew: Duration::from_secs(10),
            report: Duration::from_secs(300),
            pods: true,
        }
    }
}

/// Registered nodes that are kept alive until this is dropped.
pub struct Simulation {
    connection: Connection,
    options: Options,
    progress: watch::Receiver<Progress>,
    tasks: JoinSet<()>,
}

impl Simulation {
    /// Returns when every node is registered.
    pub async fn start(connection: Connection, options: Options) -> Result<Simulation, RegistrationError> {
        registration::register(&connection, &options.shape, options.count).await?;
        let (sender, progress) = watch::channel(Progress::default());
        let mut tasks = JoinSet::new();
        let shape = options.shape.clone();
        tasks.spawn(heartbeat::beat(connection.clone(), shape, options.count, options.renew, options.report));
        if options.pods {
            let shape = options.shape.clone();
            tasks.spawn(follow::Follower::new(connection.clone(), shape, options.count, sender).run());
        }
        Ok(Simulation { connection, options, progress, tasks })
    }

    /// How many pods were started and ended so far.
    pub fn progress(&self) -> Progress {
        *self.progress.borrow()
    }

    /// Stops, and takes the nodes and what was on them out of the cluster.
    pub async fn remove(mut self) -> Result<(), RegistrationError> {
        self.tasks.shutdown().await;
        registration::remove(&self.connection, &self.options.shape, self.options.count).await
    }
}
