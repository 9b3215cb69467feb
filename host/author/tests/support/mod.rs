//! A project's way from nothing to a loaded component.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use orch_author::{AuthorError, Built, LanguageName, NewProject, World, build, create};
use orch_plugin::{Artifact, PluginEngine, Source};

mod behaviour;
mod fakes;

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
    let built = built(language, world)?;
    assert!(built.component.imports.iter().all(|import| import.starts_with("orch:")), "{built:?}");
    let engine = Arc::new(PluginEngine::new(None, &[]).unwrap());
    let artifact = engine.artifact(&Source::File(built.path)).unwrap();
    assert_eq!(artifact.digest, built.component.digest);
    assert_eq!(artifact.world.to_string(), world.package());
    assert_eq!(Some(format!("{}@{}", artifact.world, artifact.abi)), built.component.package(world));
    Some((engine, artifact))
}

fn built(language: LanguageName, world: World) -> Option<Built> {
    let _alone = alone();
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
fn projects() -> PathBuf {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/projects");
    std::fs::create_dir_all(&target).unwrap();
    target.canonicalize().unwrap()
}

fn alone() -> MutexGuard<'static, ()> {
    static BUILDING: Mutex<()> = Mutex::new(());
    BUILDING.lock().unwrap_or_else(PoisonError::into_inner)
}
