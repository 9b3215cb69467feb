//! The host's log, under the plugin's name. Natively the lines go to standard error.
//!
//! ```
//! orch_sdk::log::info(&format!("{} nodes", 3));
//! ```

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

pub fn debug(message: &str) {
    write(Level::Debug, message);
}

pub fn info(message: &str) {
    write(Level::Info, message);
}

pub fn warn(message: &str) {
    write(Level::Warn, message);
}

pub fn error(message: &str) {
    write(Level::Error, message);
}

#[cfg(target_family = "wasm")]
fn write(level: Level, message: &str) {
    // Every world imports the same `orch:host/log`; the linker joins them.
    use crate::bindings::scheduler::orch::host::log;
    let level = match level {
        Level::Debug => log::Level::Debug,
        Level::Info => log::Level::Info,
        Level::Warn => log::Level::Warn,
        Level::Error => log::Level::Error,
    };
    log::write(level, message);
}

#[cfg(not(target_family = "wasm"))]
fn write(level: Level, message: &str) {
    eprintln!("{level:?} {message}");
}

/// Makes a panic say where and why before it becomes a bare `unreachable` to the host.
#[doc(hidden)]
pub fn report_panics() {
    #[cfg(target_family = "wasm")]
    std::panic::set_hook(Box::new(|panic| error(&panic.to_string())));
}
