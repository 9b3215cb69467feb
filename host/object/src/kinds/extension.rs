//! What extends the API, and what brings its objects up to date.

use super::row::Row;
use crate::{print, strategy};

pub(super) fn rows() -> Vec<Row> {
    let definition = Row {
        short_names: &["crd", "crds"],
        categories: &["api-extensions"],
        columns: print::definition::columns(),
        generation: true,
        strategy: strategy::definition::STRATEGY,
        ..Row::cluster("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions")
    };
    let service = Row {
        categories: &["api-extensions"],
        columns: print::registration::columns(),
        strategy: strategy::registration::STRATEGY,
        ..Row::cluster("apiregistration.k8s.io/v1", "APIService", "apiservices")
    };
    let migration = Row {
        columns: print::migration::columns(),
        strategy: strategy::migration::STRATEGY,
        ..Row::cluster("storagemigration.k8s.io/v1", "StorageVersionMigration", "storageversionmigrations")
    };
    vec![definition.with_status(), service.with_status(), migration.with_status()]
}
