use std::path::PathBuf;

use crate::artifact::World;

/// Why a component cannot be used, with what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("the Wasm engine does not start: {0:#}")]
    Engine(wasmtime::Error),
    #[error("cannot use the plugin cache {path}: {source}")]
    Cache { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Fetch(#[from] crate::lifecycle::FetchError),
    #[error("cannot read the component {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("there is no built-in plugin {name}; {remedy}")]
    NoBuiltin { name: String, remedy: String },
    #[error(
        "the file is not WebAssembly (it begins with {found}): give the .wasm file that a component build writes"
    )]
    NotWasm { found: String },
    #[error(
        "the file is a core module, not a component: turn it into one with `wasm-tools component new` \
         or build it with `orch plugin build`"
    )]
    CoreModule,
    #[error("the component does not compile: {0:#}")]
    Compile(wasmtime::Error),
    #[error("the component exports no world of orch (it exports {found}): build it against one of {known}")]
    NoWorld { found: String, known: String },
    #[error(
        "the component is an {found} plugin, not an {expected} one: set spec.world to {found}, or give another component"
    )]
    WrongWorld { expected: World, found: World },
    #[error(
        "the component is built against {package}@{found}, this host knows up to {package}@{supported}: \
         update orch, or build the plugin with an older SDK"
    )]
    NewerAbi { package: String, found: String, supported: &'static str },
    #[error("the component imports {import}, which {world} plugins may not use (allowed: {allowed})")]
    ForbiddenImport { import: String, world: World, allowed: String },
    #[error("the component does not fit {world}: {cause:#}")]
    Link { world: World, cause: wasmtime::Error },
    #[error("{plugin} does not describe itself: {cause}")]
    Describe { plugin: String, cause: String },
    #[error("{plugin} refuses its configuration: {message}")]
    Configure { plugin: String, message: String },
    #[error("spec.{field}: {message}")]
    Spec { field: &'static str, message: String },
}
