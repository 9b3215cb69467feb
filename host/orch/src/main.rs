//! `orch`: one binary that is the host (`orch up`), its shims (`orch shim`, not for people) and a
//! small client of the same API.

mod arguments;
mod commands;
mod config;
mod daemon;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The shim must stay single-threaded (libcontainer), so it branches off before anything starts.
    let mut words = std::env::args().skip(1);
    if words.next().as_deref() == Some(orch_container::shim::COMMAND) {
        return orch_container::shim::main(words.collect());
    }
    let arguments = arguments::Arguments::parse();
    match run(arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("orch: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

/// The causes after one another, without those that the one before has told already.
fn chain(error: &anyhow::Error) -> String {
    let mut told = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if told.is_empty() {
            told = cause;
        } else if !told.contains(&cause) {
            told = format!("{told}: {cause}");
        }
    }
    told
}

fn run(arguments: arguments::Arguments) -> anyhow::Result<ExitCode> {
    // The ring provider is the only one linked in; whoever comes first installs it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match arguments.command {
        arguments::Command::Up(up) if up.detach => daemon::detach::start(&up),
        arguments::Command::Up(up) => daemon::up(up),
        arguments::Command::Down(down) => daemon::down::down(&down),
        arguments::Command::Client(client) => commands::run(client),
    }
}
