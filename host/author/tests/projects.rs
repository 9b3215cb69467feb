//! For each language and world: a new project builds, the host loads what it becomes, and it does
//! what the template's first line says. All languages' templates do the same.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use std::fs;

use orch_author::{LanguageName, NewProject, World, create};

macro_rules! projects {
    ($($test:ident: $language:ident $world:ident;)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
            async fn $test() {
                support::lives(LanguageName::$language, World::$world).await;
            }
        )*
    };
}

projects! {
    rust_scheduler: Rust Scheduler;
    rust_admission: Rust Admission;
    rust_controller: Rust Controller;
    rust_cni: Rust Cni;
    rust_csi: Rust Csi;
    c_scheduler: C Scheduler;
    c_admission: C Admission;
    c_controller: C Controller;
    c_cni: C Cni;
    c_csi: C Csi;
    go_scheduler: Go Scheduler;
    go_admission: Go Admission;
    go_controller: Go Controller;
    go_cni: Go Cni;
    go_csi: Go Csi;
    python_scheduler: Python Scheduler;
    python_admission: Python Admission;
    python_controller: Python Controller;
    python_cni: Python Cni;
    python_csi: Python Csi;
    js_scheduler: Js Scheduler;
    js_admission: Js Admission;
    js_controller: Js Controller;
}

/// Beyond filters and scores: a policy in Go at every extension point, asked by a script at each.
#[test]
fn go_at_every_extension_point() {
    let directory = support::projects().join("go-points");
    let _ = fs::remove_dir_all(&directory); // of a run before
    let (world, language) = (World::Scheduler, LanguageName::Go);
    create(&NewProject { name: "points".into(), world, language, directory: directory.clone() }).unwrap();
    let manifest = directory.join("orch-plugin.yaml");
    let full = format!("{}witWorld: scheduler-full\n", fs::read_to_string(&manifest).unwrap());
    fs::write(manifest, full).unwrap();
    fs::write(directory.join("plugin.go"), include_str!("points/plugin.go")).unwrap();
    fs::write(directory.join("tests/scheduler.yaml"), include_str!("points/scheduler.yaml")).unwrap();
    support::plays(language, &directory);
}
