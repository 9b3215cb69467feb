//! The kinds of plugin, by their short names.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A contract of `wit/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum World {
    /// Rules nodes out and ranks them
    Scheduler,
    /// Changes or refuses requests before they are stored
    Admission,
    /// Brings the world nearer to what the API asks for
    Controller,
    /// Gives pods their network
    Cni,
    /// Gives pods their volumes
    Csi,
}

impl World {
    pub const ALL: [World; 5] =
        [World::Scheduler, World::Admission, World::Controller, World::Cni, World::Csi];

    /// The folder below `wit/`, and the name of the world in it that templates are made for.
    pub fn folder(self) -> &'static str {
        match self {
            World::Scheduler => "scheduler",
            World::Admission => "admission",
            World::Controller => "controller",
            World::Cni => "cni",
            World::Csi => "csi",
        }
    }

    /// As `spec.world` names it.
    pub fn package(self) -> String {
        format!("orch:{self}")
    }
}

impl fmt::Display for World {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.folder())
    }
}
