//! `make conformance`: upstream's own conformance cases on a cluster of orch, and
//! `docs/CONFORMANCE.md` from what came of them.

#![allow(clippy::unwrap_used, reason = "a run ends where its own tools fail")]

mod cases;
mod programs;
mod record;
mod run;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use cases::{Outcome, Verdict};
use clap::Parser;
use orch_tests::workspace;
use programs::Programs;

#[derive(Parser)]
struct Arguments {
    /// Cases whose full name this matches
    #[arg(long, default_value = r"\[Conformance\]")]
    focus: String,
    /// Leave out cases whose full name this matches
    #[arg(long, default_value = "")]
    skip: String,
    /// The cases that tests/conformance/slice.txt names; fails unless each of them passes
    #[arg(long, conflicts_with = "focus")]
    slice: bool,
    /// Nodes; those beyond the first are simulated, and run no containers
    #[arg(long, default_value_t = 1)]
    nodes: u32,
    /// Cases at a time; those that upstream marks Serial run alone in any case
    #[arg(long, default_value_t = 4)]
    processes: u32,
    /// Seconds that one case may take
    #[arg(long, default_value_t = 900)]
    case_limit: u64,
    /// A folder with the built suite and programs, used as it is
    #[arg(long)]
    suite: Option<PathBuf>,
    /// A registry's storage with the images, used as it is
    #[arg(long)]
    images: Option<PathBuf>,
    /// Where the suite's output and the host's log go (default: target/conformance/run)
    #[arg(long)]
    output: Option<PathBuf>,
    /// Write the results into docs/CONFORMANCE.md; cases that did not run keep their lines
    #[arg(long)]
    record: bool,
    /// Only build suite, programs and images
    #[arg(long)]
    build: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let folder = workspace().join("target/conformance");
    let programs = match Programs::ready(&folder, arguments.suite.clone(), arguments.images.clone()) {
        Ok(programs) => programs,
        Err(why) => {
            eprintln!("conformance: {why}");
            return ExitCode::FAILURE;
        }
    };
    if arguments.build {
        return ExitCode::SUCCESS;
    }
    let output = arguments.output.clone().unwrap_or_else(|| folder.join("run"));
    std::fs::create_dir_all(&output).unwrap();
    let slice = if arguments.slice { cases::slice() } else { Vec::new() };
    let focus = if arguments.slice { cases::exactly(&slice) } else { arguments.focus.clone() };
    let plan = run::Plan {
        focus,
        skip: arguments.skip.clone(),
        nodes: arguments.nodes,
        processes: arguments.processes,
        case_limit: Duration::from_secs(arguments.case_limit),
        output,
    };
    let outcomes = run::run(&programs, &plan);
    print!("{}", record::summary(&outcomes));
    if arguments.record {
        let all = run::list(&programs, &plan.output);
        record::write(&all, &outcomes);
    }
    if complete(&slice, &outcomes) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Nothing failed, something passed, and of a slice every case did.
fn complete(slice: &[String], outcomes: &[Outcome]) -> bool {
    let passed = |name: &String| outcomes.iter().any(|o| &o.name == name && o.verdict == Verdict::Passed);
    let missing: Vec<&String> = slice.iter().filter(|name| !passed(name)).collect();
    for name in &missing {
        eprintln!("did not pass: {name}");
    }
    missing.is_empty() && !outcomes.is_empty() && outcomes.iter().all(|o| o.verdict != Verdict::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(name: &str, verdict: Verdict) -> Outcome {
        Outcome { name: name.into(), verdict, seconds: 1.0, why: String::new() }
    }

    #[test]
    fn a_slice_is_complete_when_each_of_its_cases_passed() {
        let slice = ["a".to_string(), "b".to_string()];
        assert!(!complete(&slice, &[outcome("a", Verdict::Passed)]));
        assert!(!complete(&slice, &[outcome("a", Verdict::Passed), outcome("b", Verdict::NotRun)]));
        assert!(complete(&slice, &[outcome("a", Verdict::Passed), outcome("b", Verdict::Passed)]));
        assert!(!complete(&[], &[]));
        assert!(!complete(&[], &[outcome("c", Verdict::Failed), outcome("a", Verdict::Passed)]));
    }
}
