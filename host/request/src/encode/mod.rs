//! Answers as bytes: objects, lists framed around the cache's bytes, watch frames, tables; in JSON,
//! YAML and protobuf.

pub mod body;
pub mod gzip;
pub mod negotiate;
pub mod output;
pub mod pieces;

pub use body::{bare, full, refusal, respond, status_response};
