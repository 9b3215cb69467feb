//! `make differential`: the same requests at upstream's API server and at orch; where the answers differ.
//!
//! What differs by nature is made alike (`normalise`), what is known to differ has its reason in
//! `tests/differential/expected.yaml`, and everything else fails the run, as does a reason that no
//! longer holds.

mod commands;
mod compare;
mod expected;
mod facts;
mod kinds;
mod life;
mod normalise;
mod player;
mod report;
mod script;
mod sides;
mod spoil;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use compare::Difference;
use expected::Expected;
use futures::StreamExt;
use kinds::KindUnderTest;
use orch_tests::upstream::Upstream;
use orch_tests::workspace;
use player::Player;
use regex::Regex;
use report::Report;
use script::Script;
use sides::Sides;

/// What is alike but for what `expected.yaml` explains; grows with it.
const SLICE: &str = "^(v1 (configmaps|secrets|serviceaccounts|limitranges) life$|v1 (configmaps|secrets|serviceaccounts|\
    podtemplates) bad creates$|v1 (configmaps|endpoints|podtemplates|secrets) spoilt|v1 events (bad|spoilt)|apps/v1 \
    controllerrevisions|apps/v1 replicasets spoilt|batch/v1 cronjobs spoilt|(admissionregistration|apiextensions|\
    apiregistration|certificates|coordination|discovery|events|flowcontrol.apiserver|networking|node|\
    rbac.authorization|resource|scheduling|storage).k8s.io/|custom resources$|policy/v1 |openapi$|\
    discovery$|paths$|bootstrap$|reviews$|bindings$|evictions$|given$|device selectors$|kubectl )";

/// Scripts are played beside one another; each has its own namespace.
const AT_ONCE: usize = 4;

#[derive(Parser)]
struct Arguments {
    /// Only scripts whose name this pattern is found in
    #[arg(default_value = "")]
    focus: String,
    /// Only what runs in the ordinary tests
    #[arg(long)]
    slice: bool,
    /// Kinds of difference to print
    #[arg(long, default_value_t = 60)]
    most: usize,
    /// Write every difference without a reason here, a JSON object per line
    #[arg(long)]
    dump: Option<PathBuf>,
    /// Print the code that each request was answered with by each side, and what was said about it
    #[arg(long)]
    codes: bool,
    /// Print the names of the scripts, and play none
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let focus = if arguments.slice { SLICE } else { &arguments.focus };
    let whole = focus.is_empty();
    let focus = Regex::new(focus).expect("the focus is a regular expression");
    let scripts: Vec<Script> = scripts().into_iter().filter(|s| focus.is_match(&s.name)).collect();
    let lines: Vec<_> = commands::read().into_iter().filter(|c| focus.is_match(&c.script())).collect();
    let mut names: Vec<String> = scripts.iter().map(|s| s.name.clone()).collect();
    names.extend(lines.iter().map(commands::Line::script));
    if arguments.list {
        names.iter().for_each(|name| println!("{name}"));
        return ExitCode::SUCCESS;
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    if !Upstream::can_be_built() {
        eprintln!("SKIPPED: no Go on this machine to build upstream's API server with; put `go` into PATH");
        return ExitCode::SUCCESS;
    }
    Upstream::program();
    orch_tests::orch();
    let outdated = facts::out_of_step();
    outdated.iter().for_each(|what| eprintln!("{what}"));
    let sides = Sides::start();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads of this namespace");
    let mut found = runtime.block_on(compare(&sides, &scripts, arguments.codes));
    found.extend(commands::compare(&sides, &lines));
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    drop(sides);
    let expected = Expected::read(&read("expected.yaml"));
    let steps: usize = scripts.iter().map(|s| s.steps.len()).sum();
    println!("{} scripts, {steps} requests, {} command lines", scripts.len(), lines.len());
    let report = Report::new(found, &expected, &names, whole);
    report.print(arguments.most);
    if let Some(file) = &arguments.dump {
        let lines = report.unexplained.iter().map(|d| serde_json::to_string(d).expect("strings"));
        std::fs::write(file, lines.collect::<Vec<_>>().join("\n")).expect("the file can be written");
    }
    if report.is_good() && outdated.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn read(name: &str) -> String {
    let path = workspace().join("tests/differential").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Those written by hand, and those made from the kinds.
fn scripts() -> Vec<Script> {
    let folder = workspace().join("tests/differential/scripts");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("the scripts' folder").flatten().map(|e| e.path()).collect();
    files.sort();
    let mut scripts = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a readable file");
        let read: Vec<Script> =
            serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        scripts.extend(read);
    }
    scripts.extend(KindUnderTest::read_all().iter().flat_map(life::scripts));
    scripts
}

async fn compare(sides: &Sides, scripts: &[Script], codes: bool) -> Vec<Difference> {
    let [upstream, orch] = sides.access().map(|access| Player::new(&access));
    let (first, rest): (Vec<_>, Vec<_>) = scripts.iter().partition(|script| script.first);
    let mut found = Vec::new();
    for scripts in [first, rest] {
        found.extend(compare_beside(&upstream, &orch, &scripts, codes).await);
    }
    found
}

async fn compare_beside(
    upstream: &Player,
    orch: &Player,
    scripts: &[&Script],
    codes: bool,
) -> Vec<Difference> {
    let played = futures::stream::iter(scripts)
        .map(|script| async move {
            let (theirs, ours) = futures::join!(upstream.play(script), orch.play(script));
            if codes {
                print_codes(script, &theirs, &ours);
            }
            differences(script, theirs, ours)
        })
        .buffered(AT_ONCE);
    played.collect::<Vec<_>>().await.concat()
}

fn print_codes(script: &Script, upstream: &Answers, orch: &Answers) {
    for (step, (theirs, ours)) in script.steps.iter().zip(upstream.iter().zip(orch)) {
        let [theirs, ours] =
            [theirs, ours].map(|answer| answer.as_ref().map_or_else(String::clone, compare::coded));
        println!("{} · {}\n    upstream: {theirs}\n    orch:     {ours}", script.name, step.name);
    }
}

type Answers = Vec<Result<player::Answer, String>>;

fn differences(script: &Script, upstream: Answers, orch: Answers) -> Vec<Difference> {
    let pairs = upstream.into_iter().zip(orch);
    let compared = script.steps.iter().zip(pairs).filter(|(step, _)| !step.quiet);
    compared
        .flat_map(|(step, (theirs, ours))| {
            compare::answers(theirs, ours).into_iter().map(|[place, upstream, orch]| Difference {
                script: script.name.clone(),
                step: step.name.clone(),
                place,
                upstream,
                orch,
            })
        })
        .collect()
}
