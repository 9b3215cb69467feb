//! One module per world: generated bindings, the calls in plain types, instances and their end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cpu_time::ThreadTime;
use futures::future::BoxFuture;
use wasmtime::component::{InstancePre, Linker};
use wasmtime::{Store, StoreContextMut, Trap, UpdateDeadline};

use crate::artifact::{Artifact, World};
use crate::calls::CallError;
use crate::host_log::HostLog;
use crate::limits::MemoryCap;
use crate::ticker::InFlight;
use crate::{Limits, LoadError, PluginEngine, Stats};

mod admission;
pub(crate) mod bindings;
mod cni;
mod controller;
mod csi;
mod log;
mod resident;
mod scheduler;

pub use admission::AdmissionComponent;
pub use cni::CniComponent;
pub use controller::ControllerComponent;
pub use csi::CsiComponent;
pub use scheduler::SchedulerComponent;

/// What every loaded plugin has, whatever its world.
pub(crate) struct Context {
    pub name: Arc<str>,
    pub digest: String,
    pub abi: String,
    pub limits: Limits,
    pub stats: Arc<Stats>,
    pub engine: Arc<PluginEngine>,
}

impl Context {
    pub fn new(engine: &Arc<PluginEngine>, name: &str, artifact: &Artifact, limits: Limits) -> Self {
        Context {
            name: name.into(),
            digest: artifact.digest.clone(),
            abi: artifact.abi.clone(),
            limits,
            stats: Arc::default(),
            engine: engine.clone(),
        }
    }

    fn store<X: Send + 'static>(&self, extra: X) -> Store<HostState<X>> {
        let state = HostState {
            cap: MemoryCap::new(&self.limits, self.stats.clone()),
            log: HostLog::new(self.name.clone(), self.stats.clone()),
            clock: Clock::new(self.limits.deadline),
            extra,
        };
        let mut store = Store::new(self.engine.wasmtime(), state);
        store.limiter(|state| &mut state.cap);
        store.epoch_deadline_callback(|store| Ok(deadline(store)));
        store
    }

    /// Begins a call on an instance: its clock runs and the epoch advances until [`Context::end`].
    fn begin<X: Send>(&self, store: &mut Store<HostState<X>>, function: &'static str, yields: bool) -> Begun {
        let state = store.data_mut();
        state.clock.start(yields);
        state.log.begin_call();
        store.set_epoch_deadline(1);
        Begun { function, started: Instant::now(), _ticking: self.engine.in_flight() }
    }

    /// Ends a call: what went wrong in plain words, and the counts. After an error the instance is
    /// unusable.
    fn end<X, R>(
        &self,
        begun: Begun,
        store: &Store<HostState<X>>,
        result: wasmtime::Result<R>,
    ) -> Result<R, CallError> {
        let result = result.map_err(|error| self.failed(begun.function, &error, &store.data().log));
        self.stats.record(begun.started.elapsed(), result.as_ref().err());
        result
    }

    fn failed(&self, function: &'static str, error: &wasmtime::Error, log: &HostLog) -> CallError {
        let plugin = self.name.to_string();
        if matches!(error.downcast_ref(), Some(Trap::Interrupt)) {
            return CallError::Deadline { plugin, function, millis: self.limits.deadline.as_millis() as u64 };
        }
        let cause = format!("{:#}", error);
        let trap = match log.panic_message() {
            Some(panic) => format!("{panic} ({cause})"),
            None => cause,
        };
        CallError::Trapped { plugin, function, trap }
    }

    /// The component answered, but with an error or with something that cannot be.
    fn refused(&self, function: &'static str, message: impl Into<String>) -> CallError {
        let error = CallError::Refused { plugin: self.name.to_string(), function, message: message.into() };
        self.stats.record_error(&error);
        error
    }

    fn describe_failed(&self, error: &wasmtime::Error) -> LoadError {
        LoadError::Describe { plugin: self.name.to_string(), cause: format!("{error:#}") }
    }
}

/// A linked component, ready to be instantiated.
fn pre_instantiate<X: Send + 'static>(
    engine: &PluginEngine,
    artifact: &Artifact,
    world: World,
    add_imports: impl FnOnce(&mut Linker<HostState<X>>) -> wasmtime::Result<()>,
) -> Result<InstancePre<HostState<X>>, LoadError> {
    artifact.expect(world)?;
    let mut linker = Linker::new(engine.wasmtime());
    add_imports(&mut linker)
        .and_then(|()| linker.instantiate_pre(&artifact.component))
        .map_err(|cause| LoadError::Link { world, cause })
}

/// What the host keeps beside an instance.
pub(crate) struct HostState<X> {
    cap: MemoryCap,
    log: HostLog,
    clock: Clock,
    /// The world's own capabilities.
    extra: X,
}

struct Begun {
    function: &'static str,
    started: Instant,
    _ticking: InFlight,
}

/// How often a long call on an async thread lets others run.
const YIELD_TICKS: u64 = 5;

/// CPU time in the guest, from its first tick on: most calls end before, and asking for a thread's time
/// is a system call. What passes in host functions and in other tasks does not count, nor does what a
/// busy machine gives to others.
struct Clock {
    limit: Duration,
    meter: Arc<Meter>,
    yields: bool,
}

impl Clock {
    fn new(limit: Duration) -> Self {
        Clock { limit, meter: Arc::default(), yields: false }
    }

    fn start(&mut self, yields: bool) {
        self.meter.reset();
        self.yields = yields;
    }

    fn left(&self) -> Duration {
        self.limit.saturating_sub(self.meter.spent())
    }
}

/// Runs while the guest does, on whatever thread that is. In nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Spent before `mark`.
    spent: AtomicU64,
    /// The thread's CPU time when the guest went on; 0: its time does not count yet.
    mark: AtomicU64,
}

impl Meter {
    fn reset(&self) {
        self.spent.store(0, Ordering::Relaxed);
        self.mark.store(0, Ordering::Relaxed);
    }

    fn counts(&self) -> bool {
        self.mark.load(Ordering::Relaxed) != 0
    }

    fn begin(&self) {
        self.mark.store(thread_nanos(), Ordering::Relaxed);
    }

    fn resume(&self) {
        if self.counts() {
            self.begin();
        }
    }

    fn pause(&self) {
        self.spent.store(self.spent().as_nanos() as u64, Ordering::Relaxed);
    }

    fn spent(&self) -> Duration {
        let running = match self.mark.load(Ordering::Relaxed) {
            0 => 0,
            mark => thread_nanos().saturating_sub(mark),
        };
        Duration::from_nanos(self.spent.load(Ordering::Relaxed) + running)
    }
}

fn thread_nanos() -> u64 {
    ThreadTime::now().as_duration().as_nanos() as u64
}

/// Awaits a host capability; the time does not count against the guest's deadline.
async fn waiting<R>(meter: &Meter, capability: impl Future<Output = R>) -> R {
    meter.pause();
    let result = capability.await;
    meter.resume();
    result
}

/// Called when the epoch reaches the store's deadline, which under load is early by some ticks.
fn deadline<X>(store: StoreContextMut<'_, HostState<X>>) -> UpdateDeadline {
    let clock = &store.data().clock;
    if !clock.meter.counts() {
        clock.meter.begin();
    }
    let left = clock.left();
    if left.is_zero() {
        return UpdateDeadline::Interrupt;
    }
    if !clock.yields {
        return UpdateDeadline::Continue(left.as_millis() as u64 + 1);
    }
    let meter = clock.meter.clone();
    let others = async move { waiting(&meter, tokio::task::yield_now()).await };
    UpdateDeadline::YieldCustom(YIELD_TICKS, Box::pin(others))
}

/// A call that takes longer than this, host functions included, is given up.
async fn within_wall<R>(call: BoxFuture<'_, wasmtime::Result<R>>) -> wasmtime::Result<R> {
    match tokio::time::timeout(Limits::WALL, call).await {
        Ok(result) => result,
        Err(_) => Err(wasmtime::format_err!("it waited for the host for over {} s", Limits::WALL.as_secs())),
    }
}
