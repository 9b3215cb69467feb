use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::component::Component;
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::artifact::{Artifact, Builtin, Source, check_is_component, digest_of};
use crate::cache::Cache;
use crate::ticker::{InFlight, Ticker};
use crate::{Limits, LoadError};

/// Compiles, caches and runs components. One per process: it reserves address space for instances.
#[derive(Debug)]
pub struct PluginEngine {
    engine: Engine,
    ticker: Ticker,
    cache: Option<Cache>,
    builtins: &'static [Builtin],
    compilations: AtomicU64,
}

impl PluginEngine {
    /// `cache`: where compiled components are kept (`<data-dir>/cache`); without one, what is not
    /// built in is compiled at each start.
    pub fn new(cache: Option<&Path>, builtins: &'static [Builtin]) -> Result<Self, LoadError> {
        let engine = Engine::new(&settings(Purpose::Run)).map_err(LoadError::Engine)?;
        let cache = cache.map(|path| Cache::open(path, digest_of_settings(&engine))).transpose()?;
        let ticker =
            Ticker::start(engine.clone()).map_err(|error| LoadError::Engine(wasmtime::Error::new(error)))?;
        Ok(PluginEngine { engine, ticker, cache, builtins, compilations: AtomicU64::new(0) })
    }

    pub fn builtins(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.builtins.iter().map(|builtin| builtin.name)
    }

    /// Compiles a component, or finds it compiled. Takes up to a second of CPU: not on an async thread.
    pub fn artifact(&self, source: &Source) -> Result<Artifact, LoadError> {
        match source {
            Source::Builtin(name) => self.builtin(name),
            Source::Bytes(bytes) => self.compiled(bytes),
            Source::File(path) => {
                let read = std::fs::read(path);
                self.compiled(&read.map_err(|source| LoadError::Read { path: path.clone(), source })?)
            }
        }
    }

    /// How many components this engine had to compile, because no cache had them.
    pub fn compilations(&self) -> u64 {
        self.compilations.load(Ordering::Relaxed)
    }

    fn builtin(&self, name: &str) -> Result<Artifact, LoadError> {
        let Some(builtin) = self.builtins.iter().find(|builtin| builtin.name == name) else {
            return Err(LoadError::NoBuiltin { name: name.into(), remedy: self.builtin_remedy() });
        };
        let digest = builtin.digest;
        let kept = |cache: &Cache| {
            let file = cache.write(digest, builtin.precompiled);
            give_back(builtin.precompiled);
            file
        };
        let file = self.cache.as_ref().and_then(|cache| cache.find(digest).or_else(|| kept(cache)));
        match file.and_then(|file| self.mapped(&file)).or_else(|| self.copied(builtin.precompiled)) {
            Some(component) => Artifact::new(&self.engine, component, digest.into()),
            None => self.compiled(builtin.wasm),
        }
    }

    fn builtin_remedy(&self) -> String {
        if self.builtins.is_empty() {
            return "this orch was built without components: run `make build`".into();
        }
        format!("known are {}", self.builtins().collect::<Vec<_>>().join(", "))
    }

    fn compiled(&self, bytes: &[u8]) -> Result<Artifact, LoadError> {
        check_is_component(bytes)?;
        let digest = digest_of(bytes);
        let known = self.cache.as_ref().and_then(|cache| cache.find(&digest));
        if let Some(component) = known.and_then(|file| self.mapped(&file)) {
            return Artifact::new(&self.engine, component, digest);
        }
        let started = std::time::Instant::now();
        let component = Component::from_binary(&self.engine, bytes).map_err(LoadError::Compile)?;
        self.compilations.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(digest, took = ?started.elapsed(), "compiled a component");
        let artifact = Artifact::new(&self.engine, component, digest)?;
        if let (Some(cache), Ok(compiled)) = (&self.cache, artifact.component.serialize()) {
            cache.write(&artifact.digest, &compiled);
        }
        Ok(artifact)
    }

    /// The component whose compiled code this file of the cache has, in the file's pages. `None` where
    /// it cannot be run from there (as on a file system without execution), or does not fit.
    #[allow(unsafe_code)]
    fn mapped(&self, file: &Path) -> Option<Component> {
        // SAFETY: the file is one that `Cache` wrote, whole, where only its owner can write; nobody
        // writes to a file that is there.
        fitting(unsafe { Component::deserialize_file(&self.engine, file) })
    }

    /// The component of compiled code in memory. `None` when it does not fit.
    #[allow(unsafe_code)]
    fn copied(&self, compiled: &[u8]) -> Option<Component> {
        // SAFETY: the bytes were embedded in this program at build time by `precompile`.
        fitting(unsafe { Component::deserialize(&self.engine, compiled) })
    }

    pub(crate) fn wasmtime(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn in_flight(&self) -> InFlight {
        self.ticker.call()
    }
}

/// The compiled form of a component for any CPU of this architecture, as [`Builtin`] carries it.
pub fn precompile(component: &[u8]) -> Result<Vec<u8>, LoadError> {
    check_is_component(component)?;
    let engine = Engine::new(&settings(Purpose::Precompile)).map_err(LoadError::Engine)?;
    engine.precompile_component(component).map_err(LoadError::Compile)
}

/// Names the version and settings that [`precompile`] compiles for.
pub fn settings_digest() -> String {
    Engine::new(&settings(Purpose::Precompile)).map(|engine| digest_of_settings(&engine)).unwrap_or_default()
}

/// Compiled code is good for equal ones only.
fn digest_of_settings(engine: &Engine) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// The pages of the program's file that hold `bytes` leave memory until somebody reads them again.
#[allow(unsafe_code)]
fn give_back(bytes: &'static [u8]) {
    let page = rustix::param::page_size();
    let skipped = bytes.as_ptr().align_offset(page);
    let Some(whole) = bytes.get(skipped..).map(|rest| rest.len() / page * page).filter(|len| *len > 0) else {
        return;
    };
    let start = bytes[skipped..].as_ptr().cast_mut().cast();
    // SAFETY: whole pages of the program's constants. Nothing writes to those, so the file has what
    // they hold; the kernel drops pages only it knows to be clean, or moves them to swap.
    let given = unsafe { rustix::mm::madvise(start, whole, rustix::mm::Advice::LinuxPageOut) };
    if let Err(error) = given {
        tracing::debug!(%error, "pages of a built-in stay in memory");
    }
}

/// `None` when the code was made by another version, for other settings or for a better CPU.
fn fitting(component: wasmtime::Result<Component>) -> Option<Component> {
    component.inspect_err(|error| tracing::debug!(%error, "compiled code does not fit")).ok()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Run,
    /// For every CPU of the architecture, not just this one.
    Precompile,
}

fn settings(purpose: Purpose) -> Config {
    let mut config = Config::new();
    config.wasm_component_model(true);
    config.epoch_interruption(true);
    // A trap is reported by its cause. Frames of stripped guests say nothing, and their tables
    // would be a fifth of the memory that the built-ins take.
    config.wasm_backtrace_max_frames(None);
    config.generate_address_map(false);
    config.native_unwind_info(false);
    config.async_stack_size(1 << 20);
    config.memory_init_cow(true);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
    if purpose == Purpose::Precompile {
        config.target(env!("ORCH_TARGET")).expect("the compiler knows the machine it was built for");
    }
    config
}

/// A component has several core instances. Nothing stays resident in a free slot: an idle host is small.
fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(256)
        .total_core_instances(1024)
        .total_memories(256)
        .total_tables(512)
        .total_stacks(64)
        .max_memory_size(Limits::MAX_MEMORY)
        .table_elements(100_000)
        .max_unused_warm_slots(8)
        .linear_memory_keep_resident(64 << 10)
        .table_keep_resident(0);
    pool
}
