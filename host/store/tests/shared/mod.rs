// Each test binary uses a part.
#![allow(dead_code)]

pub mod place;
pub mod server;
pub mod suite;
pub mod write;
