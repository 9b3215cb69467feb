//! The one instance of a plugin that holds state: made when needed, dropped when a call fails.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};
use wasmtime::Store;

use super::{Context, HostState};
use crate::calls::CallError;

/// An instance with its store.
pub(super) struct Instance<B> {
    pub store: Store<HostState<()>>,
    pub exports: B,
}

/// How an instance of a world comes to be, and is told its configuration.
pub(super) trait Instantiate {
    type Exports;
    fn instantiate(&self, context: &Context) -> wasmtime::Result<Instance<Self::Exports>>;
    /// The inner error: the component refuses the configuration.
    fn configure(
        &self,
        context: &Context,
        instance: &mut Instance<Self::Exports>,
        config: &str,
    ) -> Result<Result<(), String>, CallError>;
}

pub(super) struct Resident<I: Instantiate> {
    pub context: Context,
    make: I,
    live: Mutex<Option<Instance<I::Exports>>>,
    /// How many instances there have been; see `SchedulerPlugin::instance`.
    count: AtomicU64,
    /// The configuration that a fresh instance gets.
    config: Mutex<String>,
}

impl<I: Instantiate> Resident<I> {
    pub fn new(context: Context, make: I, first: Instance<I::Exports>, config: String) -> Self {
        Resident {
            context,
            make,
            live: Mutex::new(Some(first)),
            count: AtomicU64::new(1),
            config: Mutex::new(config),
        }
    }

    pub fn instance(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// The new configuration on the state as it is; refused, the old one stays.
    pub fn configure(&self, config: &str) -> Result<(), CallError> {
        self.call("configure", |instance, make, context| make.configure(context, instance, config))?
            .map_err(|message| self.context.refused("configure", message))?;
        *self.config.lock() = config.into();
        Ok(())
    }

    /// Runs a call on the live instance, after an earlier failure on a fresh one, which has no state:
    /// callers compare [`Resident::instance`] and send it. A call that fails ends the instance.
    pub fn call<R>(
        &self,
        function: &'static str,
        call: impl FnOnce(&mut Instance<I::Exports>, &I, &Context) -> Result<R, CallError>,
    ) -> Result<R, CallError> {
        let mut live = self.live.lock();
        let instance = self.live_instance(&mut live, function)?;
        let result = call(instance, &self.make, &self.context);
        if result.is_err() {
            *live = None;
            self.count.fetch_add(1, Ordering::AcqRel);
        }
        result
    }

    fn live_instance<'a>(
        &self,
        live: &'a mut MutexGuard<'_, Option<Instance<I::Exports>>>,
        function: &'static str,
    ) -> Result<&'a mut Instance<I::Exports>, CallError> {
        if live.is_none() {
            **live = Some(self.fresh(function)?);
        }
        Ok(live.as_mut().expect("it was just made"))
    }

    fn fresh(&self, function: &'static str) -> Result<Instance<I::Exports>, CallError> {
        let mut instance = self
            .make
            .instantiate(&self.context)
            .map_err(|error| self.context.refused(function, format!("cannot be restarted: {error:#}")))?;
        let config = self.config.lock().clone();
        self.make
            .configure(&self.context, &mut instance, &config)?
            .map_err(|message| self.context.refused("configure", message))?;
        Ok(instance)
    }
}
