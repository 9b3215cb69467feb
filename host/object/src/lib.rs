//! The objects of the API as data: the table of kinds, names, selectors, quantities, field paths,
//! schemas, patches, apply, tables and `Status`. No I/O.

pub mod apply;
pub mod field_path;
pub mod kind;
pub mod managed_fields;
pub mod patch;
pub mod schema;
pub mod selector;
pub mod status;

pub use kind::{Column, ColumnType, Kind, Kinds, Scope, Strategy, Subresource};
pub use schema::{ListType, Node, PatchStrategies, Schemas, ValueType};
pub use selector::{FieldSelector, LabelSelector};
pub use status::{FieldError, FieldErrorKind, Status};
