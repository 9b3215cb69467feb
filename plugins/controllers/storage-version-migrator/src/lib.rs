//! Carries out StorageVersionMigrations: each object of a resource is written as it is, so that it is
//! stored in the version that is stored now (`pkg/controller/storageversionmigrator`).
//!
//! ```text
//! (new) ─► Running ─► a version to begin at ─► objects written ─► Succeeded ─┐
//!             └──────────────────────────────────────────────────► Failed ───┴─► Running: False
//! ```
//!
//! Of one resource one migration runs at a time; a custom resource's definition says so meanwhile, and
//! afterwards that only one version is stored.

mod definition;
mod objects;
mod status;

use orch_sdk::Value;
use orch_sdk::controller::{Api, Change, Controller, Description, Error, Kind, Outcome, Resource, Selection};
use orch_sdk::object::Object;
use orch_sdk::time::parse_rfc3339;

use status::{FAILED, RUNNING, SUCCEEDED};

const MIGRATION: Kind = Kind::new("storagemigration.k8s.io/v1", "StorageVersionMigration");
/// What a resource must be able to do.
const VERBS: [&str; 3] = ["update", "patch", "list"];
/// A resource may be that new that it is not served yet.
const PATIENCE_MS: u64 = 60_000;

#[derive(Default)]
pub struct Migrator;

orch_sdk::export_controller!(Migrator);

/// What is to be done about the migrations of one resource.
#[derive(Debug, PartialEq)]
enum Step<'a> {
    Nothing,
    /// It has succeeded or failed, and still says that it runs.
    Close(&'a Value),
    Go(&'a Value),
    /// It is the next.
    Begin(&'a Value),
}

impl Controller for Migrator {
    fn describe() -> Description {
        Description::new().watches_mapped(MIGRATION, &["spec.resource", "status"])
    }

    fn keys(&mut self, _: usize, _: Change, migration: &Value, _: Option<&Value>) -> Vec<String> {
        vec![resource_name(migration)]
    }

    /// `key`: `configmaps.` or `widgets.example.com`.
    fn reconcile(&mut self, api: &dyn Api, key: &str) -> Result<Outcome, Error> {
        let mut migrations = api.list(MIGRATION, Selection::default())?;
        migrations.retain(|migration| resource_name(migration) == key);
        migrations.sort_by(|a, b| age(a).cmp(&age(b)));
        match step(&migrations) {
            Step::Nothing => {}
            Step::Close(migration) => {
                definition::close(api, key, status::is_true(migration, SUCCEEDED))?;
                status::close(api, migration)?;
            }
            Step::Go(migration) => migrate(api, migration)?,
            Step::Begin(migration) => {
                definition::begin(api, key, migration.name())?;
                status::run(api, migration, &status::progress(0, 0))?;
            }
        }
        Ok(Outcome::done())
    }
}

/// The oldest first.
fn age(migration: &Value) -> (&str, &str) {
    (migration.creation_timestamp(), migration.name())
}

fn resource_name(migration: &Value) -> String {
    let part = |field: &str| migration.at(&["spec", "resource", field]).as_str().unwrap_or_default();
    format!("{}.{}", part("resource"), part("group"))
}

fn step(migrations: &[Value]) -> Step<'_> {
    let is_over = |migration: &&Value| [SUCCEEDED, FAILED].iter().any(|end| status::is_true(migration, end));
    let runs = |migration: &&Value| status::is_true(migration, RUNNING);
    let find = |wanted: &dyn Fn(&&Value) -> bool| migrations.iter().find(|migration| wanted(migration));
    if let Some(migration) = find(&|migration| runs(migration) && is_over(migration)) {
        return Step::Close(migration);
    }
    if let Some(migration) = find(&runs) {
        return Step::Go(migration);
    }
    find(&|migration| !is_over(migration)).map_or(Step::Nothing, Step::Begin)
}

/// Looks for the resource, decides up to which version objects are old, and writes those.
fn migrate(api: &dyn Api, migration: &Value) -> Result<(), Error> {
    let Some(resource) = served(api, migration) else {
        let created = parse_rfc3339(migration.creation_timestamp()).unwrap_or(0);
        if api.now_ms() < created + PATIENCE_MS {
            return Err("the resource is not served yet".into());
        }
        return status::fail(api, migration, None, "resource does not exist in discovery");
    };
    if !VERBS.iter().all(|verb| resource.can(verb)) {
        let (group, version) = resource.api_version.split_once('/').unwrap_or(("", &resource.api_version));
        let why = format!(
            "resource \"{group}/{version}, Resource={}\" does not support discovery operations: [{}]",
            resource.plural,
            VERBS.join(" ")
        );
        return status::fail(api, migration, None, &why);
    }
    match migration.at(&["status", "resourceVersion"]).as_str().unwrap_or_default() {
        // Versions are of the whole store: what is written after this is written anew.
        "" => status::begin_at(api, migration, migration.resource_version()),
        version => objects::write(api, migration, &resource, version.parse().unwrap_or(u64::MAX)),
    }
}

fn served(api: &dyn Api, migration: &Value) -> Option<Resource> {
    let wanted = resource_name(migration);
    let name = |resource: &Resource| {
        let group = resource.api_version.split_once('/').map_or("", |(group, _)| group);
        format!("{}.{group}", resource.plural)
    };
    api.resources().into_iter().find(|resource| name(resource) == wanted)
}

#[cfg(test)]
mod tests;
