//! The objects of the API as data: the table of kinds, names, selectors, quantities, field paths,
//! schemas, patches, apply, tables and `Status`. No I/O.

pub mod apply;
pub mod cel;
pub mod client_config;
mod conversion;
pub mod custom;
pub mod duration;
mod field_error;
pub mod field_path;
#[cfg(test)]
mod fuzz;
pub mod image;
pub mod kind;
mod kinds;
pub mod managed_fields;
pub mod names;
pub mod openapi;
pub mod partial;
pub mod patch;
pub mod pem;
mod print;
pub mod protobuf;
pub mod quantity;
pub mod schema;
pub mod selector;
pub mod status;
mod strategy;
pub mod table;
mod validation;

pub use conversion::Conversion;
pub use kind::{
    Column, ColumnType, Connects, Demand, Grants, Kind, Kinds, Scope, Source, Strategy, Subresource,
};
pub use quantity::Quantity;
pub use schema::{ListType, Node, PatchStrategies, Schemas, ValueType};
pub use selector::{FieldSelector, LabelSelector};
pub use status::{FieldError, FieldErrorKind, Status};
pub use strategy::definition::CLEANUP_FINALIZER;
