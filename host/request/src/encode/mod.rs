//! Answers as bytes: JSON objects, lists framed around the cache's bytes, watch frames, tables.

pub mod body;
pub mod gzip;
pub mod negotiate;
pub mod output;

pub use body::{full, json_response, status_response};
