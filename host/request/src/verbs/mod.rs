//! The verbs of the API, one file each, the same for every kind.
//!
//! ```text
//! authorize → decode → default → admission (mutate) → default → validate
//!           → admission (validate, account) → store (compare-and-swap) → answer
//! ```

mod api;
mod components;
mod create;
mod decode;
mod delete;
mod delete_collection;
mod get;
mod list;
mod metadata;
mod modify;
mod patch;
mod stamp;
mod turns;
mod update;
mod watch;

pub use api::{Api, Call, Clock, Parts, SystemClock, Written};
pub(crate) use api::{attributes, namespace};
pub use components::Components;
pub(crate) use decode::check as check_body;
pub(crate) use delete::check_preconditions;
pub use delete::delete_options;
pub use delete::{Deleted, success};
pub use list::Listed;
pub(crate) use metadata::{match_target, micro_time, time};
pub(crate) use modify::{Facade, Reviewed};
pub use modify::{Modification, Part};
pub(crate) use stamp::{stamp, stamped_at};
pub use watch::{Payload, WatchItem};

/// What reads continue tokens, for the crate's fuzzing.
#[cfg(test)]
pub mod fuzzed {
    pub use super::list::ContinueToken;
}
