//! The built-in components, inside the binary: each as WebAssembly and compiled ahead for any CPU of
//! this architecture, so that a first start compiles nothing.

use orch_plugin::Builtin;

/// Empty when the components were not built before the binary (`plugins/build.sh`).
pub static BUILTINS: &[Builtin] = include!(concat!(env!("OUT_DIR"), "/builtins.rs"));
