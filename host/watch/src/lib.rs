//! The current objects and a bounded history in memory, over a [`Store`](orch_store::Store):
//! consistent reads, lists at an older revision, and history-then-live watches without a gap.
//!
//! Knows nothing of HTTP or kinds. Keys are `/`-separated paths that the caller chooses
//! (`group/plural/namespace/name`).
//!
//! A *prefix* is always whole path segments: `""` is everything, `a/b/` is everything below
//! `a/b/`, and one without a final `/` is exactly that key.
//!
//! ```text
//! store ──committed()+history()──► feed ──► state: objects, window, owners ──► list, get
//!                                             └──► watchers (by prefix) ──► Watch
//! ```
//!
//! Writes do not pass through here: commit to [`Cache::store`]; the event follows by itself.

mod cache;
mod families;
mod feed;
mod form;
mod object;
mod owners;
mod parsed;
mod prefix;
mod state;
mod stream;
mod watchers;
mod window;

pub use cache::{Cache, Expired, List, Options, Page};
pub use form::Form;
pub use object::{Event, Object};
pub use orch_store::Revision;
pub use stream::Watch;
