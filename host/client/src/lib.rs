//! The one way in. Controllers, scheduler, node agent and network reach the API through [`Client`]
//! only: the same verbs, the same authorization and admission as from outside. Today's client is in
//! process (`orch_request::LocalClient`).

mod api;
pub mod events;
pub mod informer;
pub mod node;
mod object;
pub mod plugin;

pub use api::{
    Client, DeleteOptions, Elsewhere, Identity, List, ListOptions, Patch, PatchType, Precondition,
    Propagation, Resource, Target, Watch, WatchEvent, WriteOptions,
};
pub use object::{Document, Kept, Object};
pub use orch_object::Status;
