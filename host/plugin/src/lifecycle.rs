//! The life of declared plugins.
