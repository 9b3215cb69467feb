//! The API server: one generic pipeline of verbs over the table of kinds.
//!
//! ```text
//! serve (TLS) ─► routes ─► authn, authz ─► verbs ─► admission ─► store
//!                  │                         ▲
//!                  └ discovery, OpenAPI,     └ LocalClient (in process)
//!                    health, Table
//! ```

mod aggregation;
mod allocate;
mod audit;
mod authn;
mod authz;
mod bootstrap;
mod causes;
mod conversion;
mod definitions;
mod encode;
mod fairness;
mod follow;
mod foundation;
#[cfg(test)]
mod fuzz;
mod impersonate;
mod key;
pub mod kubeconfig;
mod local;
mod metrics;
mod oidc;
mod outbound;
pub mod pki;
mod policies;
mod proxy;
mod routes;
mod serve;
mod server;
mod signer;
mod state;
pub mod streams;
mod subresources;
mod surroundings;
mod tokens;
mod upkeep;
mod verbs;

pub use allocate::{InvalidCidr, ServiceCidr};
pub use audit::{AuditConfig, AuditError, Rotation};
pub use local::LocalClient;
pub use metrics::Metrics;
pub use oidc::{AuthenticationConfig, OidcError};
pub use routes::{GIT_VERSION, Health};
pub use server::{Config, NodesSlot, PluginLogsSlot, Server, ServerError, TracesSlot};
pub use verbs::{Api, Call, Clock, Components};
