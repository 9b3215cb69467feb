//! The table of kinds as it is now.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use orch_object::{Kind, Kinds, custom};
use orch_watch::{Cache, Object, Revision};
use parking_lot::Mutex;
use tokio::sync::watch;

/// Where the cache has them.
const DEFINITIONS: &str = "apiextensions.k8s.io/customresourcedefinitions/";

/// The built-in rows, and those of every definition that the cache knows.
pub struct KindTable {
    builtin: Arc<Kinds>,
    current: watch::Sender<Arc<Kinds>>,
    cache: Cache,
    /// The definitions the current table was made of.
    known: Mutex<HashMap<Arc<str>, Known>>,
    /// The revision of their last change.
    synced: AtomicU64,
}

struct Known {
    revision: Revision,
    rows: Vec<Arc<Kind>>,
}

impl KindTable {
    pub fn new(builtin: Arc<Kinds>, cache: Cache) -> Self {
        let table = KindTable {
            current: watch::Sender::new(builtin.clone()),
            builtin,
            cache,
            known: Mutex::default(),
            synced: AtomicU64::new(0),
        };
        table.sync();
        table
    }

    pub fn current(&self) -> Arc<Kinds> {
        self.current.borrow().clone()
    }

    /// For those who must know when it changes.
    pub fn follow(&self) -> watch::Receiver<Arc<Kinds>> {
        self.current.subscribe()
    }

    pub fn builtin(&self) -> &Kinds {
        &self.builtin
    }

    /// Groups whose kinds never change.
    pub fn is_builtin_group(&self, group: &str) -> bool {
        self.builtin.rows().iter().any(|kind| kind.group == group)
    }

    fn is_synced(&self) -> bool {
        // Acquire and release: who finds the revision finds the table made at it.
        self.cache.changed(DEFINITIONS) <= self.synced.load(Ordering::Acquire)
    }

    /// Takes in what the cache knows of definitions. Cheap when nothing has changed.
    pub fn sync(&self) {
        if self.is_synced() {
            return;
        }
        let mut known = self.known.lock();
        // Another request may have been faster.
        if self.is_synced() {
            return;
        }
        let changed = self.cache.changed(DEFINITIONS);
        let definitions = self.cache.list(DEFINITIONS).items;
        let fresh = definitions.iter().map(|definition| {
            let reused = known.remove(&definition.key).filter(|known| known.revision == definition.revision);
            (definition.key.clone(), reused.unwrap_or_else(|| read(definition)))
        });
        *known = fresh.collect();
        let rows = definitions.iter().filter_map(|definition| known.get(&definition.key));
        let rows = rows.flat_map(|known| known.rows.iter().cloned());
        self.current.send_replace(Arc::new(self.builtin.with(rows)));
        self.synced.store(changed, Ordering::Release);
    }
}

fn read(definition: &Object) -> Known {
    let rows = custom::rows(&definition.value()).unwrap_or_else(|why| {
        tracing::debug!(definition = %definition.key, %why, "a definition adds no kinds");
        Vec::new()
    });
    Known { revision: definition.revision, rows: rows.into_iter().map(Arc::new).collect() }
}

/// Something made from a table, and maybe something else, made again when one of them is another.
pub struct Latest<T, E = ()>(ArcSwapOption<(Arc<Kinds>, Arc<E>, Arc<T>)>);

impl<T, E> Default for Latest<T, E> {
    fn default() -> Self {
        Latest(ArcSwapOption::empty())
    }
}

impl<T> Latest<T> {
    pub fn of(&self, kinds: &Arc<Kinds>, make: impl FnOnce() -> T) -> Arc<T> {
        static NOTHING: std::sync::LazyLock<Arc<()>> = std::sync::LazyLock::new(Arc::default);
        self.of_both(kinds, &NOTHING, make)
    }
}

impl<T, E> Latest<T, E> {
    pub fn of_both(&self, kinds: &Arc<Kinds>, more: &Arc<E>, make: impl FnOnce() -> T) -> Arc<T> {
        if let Some(made) = &*self.0.load()
            && Arc::ptr_eq(&made.0, kinds)
            && Arc::ptr_eq(&made.1, more)
        {
            return made.2.clone();
        }
        let made = Arc::new(make());
        self.0.store(Some(Arc::new((kinds.clone(), more.clone(), made.clone()))));
        made
    }
}
