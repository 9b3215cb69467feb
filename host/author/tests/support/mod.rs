//! A project's way from nothing to a loaded component.

#![allow(dead_code)] // each test binary uses a part

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use orch_author::{AuthorError, Built, LanguageName, NewProject, Tested, World, build, create, test};
use orch_plugin::{Artifact, PluginEngine, Source};

#[path = "../../../plugin/tests/support/api.rs"]
mod api;
mod behaviour;
#[path = "../../../plugin/tests/csi/directory.rs"]
mod directory;
#[path = "../../../plugin/tests/support/sandbox.rs"]
mod sandbox;
mod tools;

/// Creates, builds, loads and calls a project; says loudly that it did not where a toolchain is absent.
pub async fn lives(language: LanguageName, world: World) {
    let Some((engine, artifact)) = loaded(language, world) else { return };
    match world {
        World::Scheduler => behaviour::scheduler(&engine, &artifact),
        World::Admission => behaviour::admission(&engine, &artifact),
        World::Controller => behaviour::controller(&engine, &artifact).await,
        World::Cni => behaviour::cni(&engine, &artifact).await,
        World::Csi => behaviour::csi(&engine, &artifact).await,
    }
}

fn loaded(language: LanguageName, world: World) -> Option<(Arc<PluginEngine>, Artifact)> {
    // One folder for all worlds of a language.
    let _alone = alone();
    let built = built(language, world)?;
    answers_scripts(&built, world);
    assert!(built.component.imports.iter().all(|import| import.starts_with("orch:")), "{built:?}");
    let engine = Arc::new(PluginEngine::new(None, &[]).unwrap());
    let artifact = engine.artifact(&Source::File(built.path)).unwrap();
    assert_eq!(artifact.digest, built.component.digest);
    assert_eq!(artifact.world.to_string(), world.package());
    assert_eq!(Some(format!("{}@{}", artifact.world, artifact.abi)), built.component.package(world));
    Some((engine, artifact))
}

/// Builds a project that is there, and plays its scripts.
pub fn plays(language: LanguageName, directory: &Path) {
    let _alone = alone();
    tools::install(language, &projects());
    match build(directory) {
        Err(AuthorError::MissingTools(tools)) => {
            eprintln!("SKIPPED: {} was not built:{tools}", directory.display());
        }
        built => {
            built.unwrap();
            test(&Tested { subject: directory.into(), scripts: Vec::new() }).unwrap();
        }
    }
}

/// The script that every project comes with passes, and tells a wrong answer from a right one.
fn answers_scripts(built: &Built, world: World) {
    let script = built.project.directory.join(format!("tests/{world}.yaml"));
    let subject = built.project.directory.clone();
    test(&Tested { subject: subject.clone(), scripts: Vec::new() }).unwrap();
    if built.project.language == LanguageName::Python {
        return; // twenty megabytes are compiled for each run
    }
    let text = std::fs::read_to_string(&script).unwrap();
    let wrong = text
        .replace("[c, a]", "[a, c]")
        .replace("code: 403", "code: 422")
        .replace("hello, shop", "hi")
        .replace("ips: [10.244.3.2]", "ips: [10.244.3.3]")
        .replace("v/data read-only", "v/data");
    std::fs::write(&script, wrong).unwrap();
    let error = test(&Tested { subject, scripts: Vec::new() }).unwrap_err().to_string();
    assert!(error.starts_with("1 of "), "{error}");
}

fn built(language: LanguageName, world: World) -> Option<Built> {
    tools::install(language, &projects());
    let directory = projects().join(language.folder());
    let (compiled, aside) =
        (directory.join("target"), projects().join(format!("{}-target", language.folder())));
    // Neither may be there: this is the first run, or the language keeps nothing.
    let _ = std::fs::rename(&compiled, &aside);
    let _ = std::fs::remove_dir_all(&directory);
    create(&NewProject { name: "spread-out".into(), world, language, directory: directory.clone() }).unwrap();
    let _ = std::fs::rename(&aside, &compiled);
    match build(&directory) {
        Err(AuthorError::MissingTools(tools)) => {
            eprintln!("SKIPPED: {language} {world} was not built:{tools}");
            None
        }
        built => Some(built.unwrap()),
    }
}

/// Always the same folder: what the compilers keep then serves all worlds and the next run.
pub fn projects() -> PathBuf {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/projects");
    std::fs::create_dir_all(&target).unwrap();
    target.canonicalize().unwrap()
}

fn alone() -> MutexGuard<'static, ()> {
    static BUILDING: Mutex<()> = Mutex::new(());
    BUILDING.lock().unwrap_or_else(PoisonError::into_inner)
}
