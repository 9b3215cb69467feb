//! `orch plugin test`: a component against a fake host with scripted clusters.
//!
//! A script (`tests/*.yaml` of a project) describes a cluster and asks: may this pod go there, is this
//! request admitted, what does reconciling this key write. The component that answers is the real one,
//! under the limits a host gives it by default.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use orch_plugin::calls::CallError;
use orch_plugin::{Artifact, Limits, LoadError, PluginEngine, Source, World};
use serde_json::Value;

use crate::project::Project;
use admission::Check;
use api::Scripted;
use cni::Driver;
use controller::Controller;
use csi::Driver as StorageDriver;
use outcome::Outcome;
use scheduler::Policy;
use script::{Case, Objects, Script};

mod admission;
mod api;
mod cni;
mod controller;
mod csi;
mod objects;
mod outcome;
mod scheduler;
mod script;

/// Why nothing could be tested, or that a test failed.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    #[error("there is no component {}: build it first with `orch plugin build {}`", .component.display(), .directory.display())]
    NotBuilt { component: PathBuf, directory: PathBuf },
    #[error("there is no script in {}: write one (docs/plugin-tests.md tells how), or give --script FILE", .0.display())]
    NoScript(PathBuf),
    #[error("give --script FILE: {} is a component, not a project with scripts in tests/", .0.display())]
    WhichScript(PathBuf),
    #[error("cannot read {}: {source}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}: {message}", .path.display())]
    Script { path: PathBuf, message: String },
    #[error("{0}")]
    Object(String),
    #[error("{0} is not in the cluster")]
    NotThere(String),
    #[error(
        "{pod} is on node {node:?}, which is not in the cluster; the pod to be placed is the case's own `pod`"
    )]
    NotPlaced { pod: String, node: String },
    #[error("the case {case:?} must ask with `{what}`")]
    Asks { case: String, what: &'static str },
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("the cluster's state was not taken: {0}")]
    Sync(CallError),
    #[error("the node's settings were not taken: {0}")]
    Configure(CallError),
    #[error("{failed} of {cases} cases failed")]
    Failed { failed: usize, cases: usize },
}

/// What to test, and with which scripts.
#[derive(Debug, Clone)]
pub struct Tested {
    /// A project's folder, or a component.
    pub subject: PathBuf,
    /// Instead of those in the project's `tests/`.
    pub scripts: Vec<PathBuf>,
}

/// Runs every case and prints a line for each.
pub fn test(tested: &Tested) -> Result<(), TestError> {
    let (component, scripts) = found(tested)?;
    let engine = Arc::new(PluginEngine::new(None, &[])?);
    let artifact = engine.artifact(&Source::File(component))?;
    // A thread of its own: the caller may be a runtime's.
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|source| TestError::Read { path: "the clock".into(), source })?;
        runtime.block_on(run(&engine, &artifact, &scripts))
    };
    std::thread::scope(|scope| scope.spawn(run).join().expect("a test does not panic"))
}

fn found(tested: &Tested) -> Result<(PathBuf, Vec<PathBuf>), TestError> {
    let subject = &tested.subject;
    if !subject.is_dir() {
        return match tested.scripts.is_empty() {
            true => Err(TestError::WhichScript(subject.clone())),
            false => Ok((subject.clone(), tested.scripts.clone())),
        };
    }
    let project = Project::read(subject).map_err(|error| TestError::Object(error.to_string()))?;
    let component = project.component();
    if !component.exists() {
        return Err(TestError::NotBuilt { component, directory: subject.clone() });
    }
    let scripts =
        if tested.scripts.is_empty() { scripts_in(&subject.join("tests"))? } else { tested.scripts.clone() };
    Ok((component, scripts))
}

fn scripts_in(folder: &Path) -> Result<Vec<PathBuf>, TestError> {
    let is_script = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "yaml" || kind == "json");
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut scripts: Vec<PathBuf> = files.map(|file| file.path()).filter(is_script).collect();
    scripts.sort();
    if scripts.is_empty() { Err(TestError::NoScript(folder.into())) } else { Ok(scripts) }
}

async fn run(engine: &Arc<PluginEngine>, artifact: &Artifact, scripts: &[PathBuf]) -> Result<(), TestError> {
    let (mut cases, mut failed) = (0, 0);
    for path in scripts {
        let script = Script::read(path)?;
        let mut subject = Subject::load(engine, artifact, &script).await?;
        subject.change(&script.cluster)?;
        for case in &script.cases {
            let outcome = subject.play(case).await?;
            report(path, case, &outcome);
            cases += 1;
            failed += usize::from(!outcome.differences.is_empty());
        }
        for (sample, value) in subject.metrics() {
            println!("     metric plugin_{sample} {value}");
        }
    }
    if failed > 0 {
        return Err(TestError::Failed { failed, cases });
    }
    println!("{cases} {} passed", if cases == 1 { "case" } else { "cases" });
    Ok(())
}

fn report(path: &Path, case: &Case, outcome: &Outcome) {
    let times = outcome.times.iter().map(|(call, took)| format!("{call} {:.3} ms", took.as_secs_f64() * 1e3));
    let times = times.collect::<Vec<_>>().join(", ");
    let passed = if outcome.differences.is_empty() { "ok  " } else { "FAIL" };
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    println!(
        "{passed} {file}: {}{}",
        case.name,
        if times.is_empty() { times } else { format!(" ({times})") }
    );
    for difference in &outcome.differences {
        for line in difference.lines() {
            println!("       {line}");
        }
    }
}

/// The loaded component, and what it has been told.
enum Subject {
    Scheduler(Policy),
    Admission(Check),
    Controller(Controller),
    Cni(Driver),
    Csi(StorageDriver),
}

impl Subject {
    async fn load(
        engine: &Arc<PluginEngine>,
        artifact: &Artifact,
        script: &Script,
    ) -> Result<Self, TestError> {
        let (name, config, limits) = ("plugin", Value::Object(script.config.clone()), Limits::default());
        match artifact.world {
            World::Scheduler => {
                Ok(Subject::Scheduler(Policy::new(engine.load_scheduler(name, artifact, &config, limits)?)))
            }
            World::Admission => {
                Ok(Subject::Admission(Check::new(engine.load_admission(name, artifact, &config, limits)?)))
            }
            World::Controller => {
                let api = Arc::new(Scripted::default());
                let component = engine.load_controller(name, artifact, &config, limits, api.clone()).await?;
                Ok(Subject::Controller(Controller::new(component, api)))
            }
            World::Cni => {
                let component = engine.load_cni(name, artifact, limits).await?;
                Ok(Subject::Cni(Driver::new(component, script).await?))
            }
            World::Csi => {
                let component = engine.load_csi(name, artifact, &config, limits).await?;
                Ok(Subject::Csi(StorageDriver::new(component)))
            }
        }
    }

    fn change(&mut self, objects: &Objects) -> Result<(), TestError> {
        match self {
            Subject::Scheduler(policy) => policy.change(objects),
            Subject::Admission(check) => check.change(objects),
            Subject::Controller(controller) => controller.change(objects),
            Subject::Csi(driver) => driver.put(&objects.directories),
            Subject::Cni(_) => Ok(()), // it is shown no objects
        }
    }

    fn remove(&mut self, names: &[String]) -> Result<(), TestError> {
        match self {
            Subject::Scheduler(policy) => policy.remove(names),
            Subject::Admission(check) => check.remove(names),
            Subject::Controller(controller) => controller.remove(names),
            Subject::Cni(_) | Subject::Csi(_) => Ok(()),
        }
    }

    /// What the component counts itself, so far.
    fn metrics(&self) -> BTreeMap<String, f64> {
        match self {
            Subject::Controller(controller) => controller.metrics(),
            Subject::Scheduler(_) | Subject::Admission(_) | Subject::Cni(_) | Subject::Csi(_) => {
                BTreeMap::new()
            }
        }
    }

    async fn play(&mut self, case: &Case) -> Result<Outcome, TestError> {
        self.change(&case.change)?;
        self.remove(&case.remove)?;
        match self {
            Subject::Scheduler(policy) => policy.ask(case),
            Subject::Admission(check) => check.ask(case),
            Subject::Controller(controller) => controller.ask(case).await,
            Subject::Cni(driver) => driver.ask(case).await,
            Subject::Csi(driver) => driver.ask(case).await,
        }
    }
}
