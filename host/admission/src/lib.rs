//! The admission chain: every write passes the checks that are installed, the mutating ones first.
//!
//! ```text
//! request ─► Chain::mutate ─► defaults, validation ─► Chain::validate ─► Chain::account ─► store
//!                │ components: sync residents, call, patch   │ components, then stages
//!                │ stages (webhooks, policies); a change of  │
//!                │ theirs begins one more round              │
//! ```
//!
//! The chain knows no policy. Checks are [`AdmissionPlugin`](orch_plugin::calls::admission::AdmissionPlugin)s,
//! and can be installed, replaced and removed while requests are under way: a review in flight
//! finishes on the set it began with.

mod account;
mod chain;
mod cluster;
mod matching;
mod policy;
mod resident;
mod review;
mod stage;
pub mod webhooks;

pub use chain::{Chain, FailurePolicy, Settings};
pub use cluster::Cluster;
pub use matching::{Matcher, Namespaces, is_exempt, namespace_of, request_kind};
pub use policy::{Inputs, MatchConditions, Policies};
pub use resident::{Change, Feed, State};
pub use review::{Options, Review};
pub use stage::{Memory, Notes, Stage};
