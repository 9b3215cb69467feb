//! `orch:host` for every world.

use super::HostState;
use super::bindings::scheduler::orch::host::{interests, log};
use crate::calls::Interest;
use crate::host_log::Level;

impl<X> log::Host for HostState<X> {
    fn write(&mut self, level: log::Level, message: String) {
        let level = match level {
            log::Level::Debug => Level::Debug,
            log::Level::Info => Level::Info,
            log::Level::Warn => Level::Warn,
            log::Level::Error => Level::Error,
        };
        self.log.write(level, &message);
    }
}

impl<X> interests::Host for HostState<X> {}

impl From<interests::Interest> for Interest {
    fn from(interest: interests::Interest) -> Self {
        let interests::Interest { api_version, kind, fields } = interest;
        Interest { api_version, kind, fields }
    }
}
