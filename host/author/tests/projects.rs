//! For each language and world: a new project builds, the host loads what it becomes, and it does
//! what the template's first line says. All languages' templates do the same.

#![allow(clippy::unwrap_used)] // a test fails by panicking

mod support;

use std::fs;
use std::path::PathBuf;

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

/// A new project for a world beside the usual one, some of its text replaced.
fn edited(language: LanguageName, world: World, wit_world: &str, edits: &[(&str, &str, &str)]) -> PathBuf {
    let directory = support::projects().join(format!("{}-{wit_world}", language.folder()));
    let _ = fs::remove_dir_all(&directory); // of a run before
    create(&NewProject { name: "edited".into(), world, language, directory: directory.clone() }).unwrap();
    let manifest = ("orch-plugin.yaml", "name:", &*format!("witWorld: {wit_world}\nname:"));
    for (file, from, to) in edits.iter().chain([&manifest]) {
        let (path, text) = (directory.join(file), fs::read_to_string(directory.join(file)).unwrap());
        assert!(text.contains(from), "{file} has no {from:?}");
        fs::write(path, text.replacen(from, to, 1)).unwrap();
    }
    directory
}

/// Its script says that a request is admitted that the check would refuse, as it does not matter; and
/// that one is refused whose label the check does not read.
fn says_what_it_wants(language: LanguageName, file: &str, before: &str, wants: &str) {
    let script = "tests/admission.yaml";
    let refused = "denied: {code: 403, reason: Forbidden, message: example.com/owner}";
    let edits = [
        (file, before, &*format!("{wants}{before}")),
        (script, refused, "admitted: true"),
        (script, "admitted: true\n      warnings: []", refused),
        (script, "operation: CREATE", "userInfo: {groups: [crew]}\n      operation: CREATE"),
    ];
    support::plays(language, &edited(language, World::Admission, "admission-view", &edits));
}

#[test]
fn a_check_in_go_says_what_matters_and_what_it_reads() {
    let wants = r#"
func (Edited) Conditions() []admission.Condition {
	return []admission.Condition{{Resources: []string{"namespaces"}, Groups: []string{"crew"}}}
}

func (Edited) Reads() []admission.Reading {
	return []admission.Reading{{Resources: []string{"namespaces"}, Fields: []string{"object.metadata.name"}}}
}

"#;
    says_what_it_wants(LanguageName::Go, "plugin.go", "func (Edited) Review", wants);
}

#[test]
fn a_check_in_javascript_says_what_matters_and_what_it_reads() {
    let wants = r#"conditions() {
    return [{ resources: ["namespaces"], groups: ["crew"] }];
  }
  reads() {
    return [{ resources: ["namespaces"], fields: ["object.metadata.name"] }];
  }
  "#;
    says_what_it_wants(LanguageName::Js, "plugin.js", "review(", wants);
}

#[test]
fn a_check_in_python_says_what_matters_and_what_it_reads() {
    let wants = r#"    def conditions(self):
        from orch_sdk.admission import Condition
        return [Condition(["namespaces"], ["crew"])]

    def reads(self):
        from orch_sdk.admission import Reading
        return [Reading(["namespaces"], ["object.metadata.name"])]

"#;
    says_what_it_wants(LanguageName::Python, "plugin.py", "    def review", wants);
}

/// Beyond filters and scores: a policy at every extension point, asked by a script at each.
fn takes_part_everywhere(language: LanguageName, file: &str, plugin: &str) {
    let directory = edited(language, World::Scheduler, "scheduler-full", &[]);
    fs::write(directory.join(file), plugin).unwrap();
    fs::write(directory.join("tests/scheduler.yaml"), include_str!("points/scheduler.yaml")).unwrap();
    support::plays(language, &directory);
}

#[test]
fn go_at_every_extension_point() {
    takes_part_everywhere(LanguageName::Go, "plugin.go", include_str!("points/plugin.go"));
}

#[test]
fn c_at_every_extension_point() {
    takes_part_everywhere(LanguageName::C, "plugin.c", include_str!("points/plugin.c"));
}
