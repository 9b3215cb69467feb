//! For each language and world: a new project builds, the host loads what it becomes, and it does
//! what the template's first line says. All languages' templates do the same.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use orch_author::{LanguageName, World};

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
    go_scheduler: Go Scheduler;
    go_admission: Go Admission;
    go_controller: Go Controller;
    go_cni: Go Cni;
    python_scheduler: Python Scheduler;
    python_admission: Python Admission;
    python_controller: Python Controller;
    python_cni: Python Cni;
    python_csi: Python Csi;
    js_scheduler: Js Scheduler;
    js_admission: Js Admission;
    js_controller: Js Controller;
}
