//! The objects of the API as data: the table of kinds, names, selectors, quantities, field paths,
//! schemas, patches, apply, tables and `Status`. No I/O.

pub mod kind;
pub mod status;

pub use kind::{Column, ColumnType, Kind, Kinds, Scope, Strategy, Subresource};
pub use status::{FieldError, FieldErrorKind, Status};
