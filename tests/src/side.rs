//! orch and upstream's control plane, to be measured one like the other.

use std::path::PathBuf;

use clap::ValueEnum;
use orch_sim::Access;
use serde::{Deserialize, Serialize};

use crate::host::{Host, Network};
use crate::upstream::Upstream;

/// Whose control plane it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    Orch,
    Upstream,
}

impl Side {
    /// As `--side` takes it.
    pub fn word(self) -> &'static str {
        match self {
            Side::Orch => "orch",
            Side::Upstream => "upstream",
        }
    }
}

/// What `--side` chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sides {
    Orch,
    Upstream,
    Both,
}

impl Sides {
    pub fn each(self) -> &'static [Side] {
        match self {
            Sides::Orch => &[Side::Orch],
            Sides::Upstream => &[Side::Upstream],
            Sides::Both => &[Side::Orch, Side::Upstream],
        }
    }
}

/// Running until it is dropped.
pub enum Cluster {
    Orch(Box<Host>),
    /// The network lives as long as what listens in it.
    Upstream {
        upstream: Upstream,
        network: Network,
    },
}

impl Cluster {
    /// An administrator's.
    pub fn kubeconfig(&self) -> PathBuf {
        match self {
            Cluster::Orch(host) => host.kubeconfig(),
            Cluster::Upstream { upstream, .. } => upstream.kubeconfig(),
        }
    }

    pub fn access(&self) -> Access {
        Access::read(&self.kubeconfig()).expect("a control plane that runs has written its kubeconfig")
    }

    /// Whose processor time and memory count.
    pub fn processes(&self) -> Vec<u32> {
        match self {
            Cluster::Orch(host) => vec![host.pid()],
            Cluster::Upstream { upstream, .. } => upstream.processes(),
        }
    }
}
